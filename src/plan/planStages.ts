/** Applying instructions, stage by stage in file order, so that every step comes after its inputs. */
import type { CopyInstruction, RunInstruction } from "../dockerfile/ast.js";
import { formatPlatform, normalize } from "../oci/platform.js";
import { isMultiPlatform } from "./builderArguments.js";
import { applyMetadata } from "./effects.js";
import type { FileState, Step } from "./graph.js";
import { countSteps, Numbering } from "./labels.js";
import { flagRange, type Notes } from "./notes.js";
import type { StageInstruction } from "./onbuild.js";
import type { Reach, ReachedStage } from "./reach.js";
import { copySource, mountSource, usesOf } from "./references.js";
import type { StageGraph } from "./stageGraph.js";
import { ownPlatform, type Planning, type StageState, startStage } from "./stageState.js";
import { planCopy, planRun, planWorkdir, type StepContext } from "./steps.js";

/** The steps of all stages reached, and what became of each stage. */
export function planStages(
  reach: Reach,
  graph: StageGraph,
  planning: Planning,
): { readonly steps: readonly Step[]; readonly states: readonly StageState[] } {
  const steps: Step[] = [];
  const states = new Map<number, StageState>();
  const source = sourceFinder(reach, graph, states, planning);
  for (const reached of inOrder(reach.stages, graph, planning)) {
    const { node } = reached;
    const built = node.replacedBy === undefined;
    const parent = built && node.base.kind === "stage" ? states.get(node.base.index) : undefined;
    const state = startStage(reached, parent, planning);
    states.set(node.index, state);
    const platform = isMultiPlatform(planning.request.buildArgs) ? state.platform : undefined;
    const numbering = new Numbering(shownName(node.name, graph), countSteps(reached), platform);
    if (built) noteBase(reached, numbering, reach, planning);
    const context = { ...planning, steps, numbering, ignoreCache: ignoresCache(reached, planning), source };
    for (const instruction of reached.instructions) {
      apply(state, instruction, context);
      planning.observe?.(state, instruction);
    }
  }
  return { steps, states: reach.stages.map(({ node }) => states.get(node.index)!) };
}

/**
 * File order, but stages that a context replaces come first: as they need nothing, stages above may use them. Where
 * contexts are stages themselves, each stage comes after those that it needs, wherever they stand.
 */
function inOrder(stages: readonly ReachedStage[], graph: StageGraph, { notes }: Planning): readonly ReachedStage[] {
  const replaced = stages.filter(({ node }) => node.replacedBy !== undefined);
  const built = stages.filter(({ node }) => node.replacedBy === undefined);
  return [...replaced, ...(graph.targets.size === 0 ? built : afterNeeds(built, graph, notes))];
}

function afterNeeds(stages: readonly ReachedStage[], graph: StageGraph, notes: Notes): readonly ReachedStage[] {
  const done: ReachedStage[] = [];
  let waiting = stages.map((stage) => ({ stage, needs: new Set(needsOf(stage, graph, notes)) }));
  while (waiting.length > 0) {
    const pending = new Set(waiting.map(({ stage }) => stage.node.index));
    const ready = waiting.filter(({ needs }) => [...needs].every((index) => !pending.has(index)));
    if (ready.length === 0) {
      // Only triggers can bring such a circle in; those of the file itself have been looked for.
      const { node } = waiting[0]!.stage;
      throw notes.invalid(`circular dependency detected on stage: ${node.name}`, node.source.from.range, {
        hint: "a named context leads back to the stage that asks for it",
      });
    }
    done.push(...ready.map(({ stage }) => stage));
    waiting = waiting.filter((entry) => !ready.includes(entry));
  }
  return done;
}

/** The stages that one stands on: its base first, then those it takes files from, in the order of its instructions. */
export function needsOf({ node, instructions }: ReachedStage, graph: StageGraph, notes: Notes): readonly number[] {
  const base = node.base.kind === "stage" ? [node.base.index] : [];
  const uses = usesOf(instructions, graph, notes);
  return [...base, ...uses.flatMap(({ target }) => (target.kind === "stage" ? [target.index] : []))];
}

function apply(state: StageState, instruction: StageInstruction, context: StepContext): void {
  if (isCopy(instruction)) planCopy(state, instruction, context);
  else if (instruction.keyword === "WORKDIR") planWorkdir(state, instruction, context);
  else if (instruction.keyword === "RUN") planRun(state, instruction, context);
  else applyMetadata(state, instruction, context);
}

function isCopy(instruction: StageInstruction): instruction is CopyInstruction {
  return instruction.keyword === "COPY" || instruction.keyword === "ADD";
}

/** What `--from`, a mount's `from`, or nothing (the main context) stands for. Everything was resolved by the reach. */
function sourceFinder(
  reach: Reach,
  graph: StageGraph,
  states: ReadonlyMap<number, StageState>,
  { notes }: Planning,
): StepContext["source"] {
  return (from: string | undefined, instruction: CopyInstruction | RunInstruction): FileState => {
    const range = flagRange(instruction, "from");
    const target = instruction.keyword === "RUN" ? mountSource(from, graph) : copySource(instruction, graph, notes);
    if (!target) return { kind: "context", name: "" };
    if (target.kind === "stage") return states.get(target.index)!.files;
    const question = reach.question(target, range);
    return (question && reach.bases.ask(question)?.files) ?? { kind: "scratch" };
  };
}

/** Labels the FROM line, and tells if the image is for another platform than the one that was asked for. */
function noteBase({ node, base }: ReachedStage, numbering: Numbering, reach: Reach, planning: Planning): void {
  if (!base || node.base.kind !== "image" || base.known.kind !== "image") return;
  const { reference } = node.base;
  if (base.files.kind === "image") {
    const name = reach.bases.fullName({ reference, range: node.source.from.range, context: base.context });
    reach.bases.name(base.key, numbering.next(`FROM ${name}`));
  }
  const expected = node.platform ?? planning.request.platform;
  const actual = ownPlatform(base.known.config);
  if (!expected || !actual || (expected.os === actual.os && expected.architecture === actual.architecture)) return;
  const shown = [actual, expected].map((platform) => JSON.stringify(formatPlatform(normalize(platform))));
  const message = `Base image ${reference} was pulled with platform ${shown[0]}, expected ${shown[1]} for current build`;
  planning.notes.warn("InvalidBaseImagePlatform", message, node.source.from.range);
}

/** The stage's name in labels. BuildKit leaves it out where nothing but one stage takes part in the build. */
function shownName(name: string, { nodes }: StageGraph): string {
  const alone = nodes.length === 1;
  const takesElsewhere = nodes[0]?.source.instructions.some(
    (one) => (one.keyword === "COPY" && one.from !== undefined) || (one.keyword === "RUN" && one.mounts.length > 0),
  );
  return alone && !takesElsewhere ? "" : name;
}

function ignoresCache({ node }: ReachedStage, { request }: Planning): boolean {
  const name = node.source.name ?? "";
  return request.noCache || request.noCacheStages.some((stage) => stage.toLowerCase() === name);
}
