/** Advice: an argument that changes is declared where it is used, so that the RUNs before do not see it. */
import type { ArgInstruction, Instruction, RunInstruction } from "../dockerfile/ast.js";
import type { RunStep } from "../plan/graph.js";
import { type Candidate, instructionFor, type Known } from "./candidate.js";
import { DockerfileEdit } from "./dockerfileEdit.js";
import { instructionText } from "./shellText.js";
import { planVariant } from "./variant.js";

/** All candidates: one for each argument that made a RUN miss. */
export function lateArguments(known: Known): readonly Candidate[] {
  const found = new Map<ArgInstruction, Candidate>();
  for (const step of known.present.plan.steps) {
    if (step.kind !== "run") continue;
    for (const name of changedVariables(known, step)) {
      const declared = declaration(known, step, name);
      if (!declared || found.has(declared)) continue;
      const candidate = candidateOf(known, step, name, declared);
      if (candidate) found.set(declared, candidate);
    }
  }
  return [...found.values()];
}

function changedVariables({ builds }: Known, { id }: RunStep): ReadonlySet<string> {
  const causes = builds.flatMap(({ byPresent }) => byPresent.get(id)?.own ?? []);
  return new Set(causes.flatMap((cause) => (cause.kind === "variable" ? [cause.name] : [])));
}

/** The last ARG of that name alone above a step, in its stage. */
function declaration({ dockerfile }: Known, step: RunStep, name: string): ArgInstruction | undefined {
  const run = instructionFor(dockerfile, step);
  const above = run?.stage.instructions.slice(0, run.at) ?? [];
  const found = above.filter(
    (one): one is ArgInstruction => one.keyword === "ARG" && one.args.some((arg) => arg.name === name),
  );
  // Declared twice, each declaration may mean another value.
  return found.length === 1 && found[0]!.args.length === 1 ? found[0] : undefined;
}

function candidateOf(known: Known, step: RunStep, name: string, declared: ArgInstruction): Candidate | undefined {
  const { dockerfile, present } = known;
  const { stage } = instructionFor(dockerfile, step)!;
  const rest = stage.instructions.slice(stage.instructions.indexOf(declared) + 1);
  const use = rest.find((instruction) => mayUse(instruction, name));
  const last = stage.instructions.at(-1)!;
  const edit = new DockerfileEdit(dockerfile);
  const edited = use ? edit.moveAbove(declared, use) : edit.moveBelow(declared, last);
  const variant = planVariant(present, edited.finish(), new Set([name]));
  if (!variant) return undefined;
  return {
    kind: "late-argument",
    title: use
      ? `declare ARG ${name} where it is used, above line ${use.range.start.line}`
      : `declare ARG ${name} at the end of its stage: nothing in it uses it`,
    because: `every RUN below it sees its value, and runs again when that changes`,
    step,
    confidence: "high",
    change: { kind: "dockerfile", variant },
    doubt: `a program in a RUN between may read $${name} from its environment`,
  };
}

/** True if the name stands in the instruction in any way. */
function mayUse(instruction: Instruction, name: string): boolean {
  const text = instruction.keyword === "RUN" ? runTexts(instruction) : textOf(instruction);
  return new RegExp(`(?<!\\w)${name}(?!\\w)`).test(text);
}

function runTexts(instruction: RunInstruction): string {
  return `${textOf(instruction)} ${instructionText(instruction)} ${instruction.heredocs.map(({ body }) => body).join(" ")}`;
}

function textOf(instruction: Instruction): string {
  const heredocs = "heredocs" in instruction ? instruction.heredocs.map(({ body }) => body) : [];
  return [instruction.source, ...instruction.flags.map(({ value = "" }) => value), ...heredocs].join(" ");
}
