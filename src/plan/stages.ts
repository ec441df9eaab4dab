/**
 * The stages of a file with their FROM lines expanded: what each is built on, which one is the target, and where a
 * named context takes a stage's place.
 */
import type { Dockerfile, StageSource, Word } from "../dockerfile/ast.js";
import { type Platform, parsePlatform } from "../oci/platform.js";
import { isReference } from "../oci/reference.js";
import { NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import { NamedContexts } from "./contexts.js";
import { linkTargets } from "./contextTargets.js";
import { Environment } from "./environment.js";
import type { PlanRequest } from "./graph.js";
import type { Notes } from "./notes.js";
import { expander, type GlobalScope, platformArguments, suggestion } from "./scope.js";
import { findStage, type StageBase, type StageGraph, type StageNode } from "./stageGraph.js";

/**
 * Expands the FROM lines and links stages to the earlier stages they are built on.
 * @throws NacreError PLAN_INVALID for a blank or malformed base or platform, also in stages that the target does not need
 */
export function readStages(file: Dockerfile, request: PlanRequest, globals: GlobalScope, notes: Notes): StageGraph {
  const contexts = new NamedContexts(request.contextNames);
  const targetPlatform = request.platform ?? request.buildPlatform;
  const nodes: StageNode[] = [];
  const earlier = new Map<string, number>();
  checkDefaultBases(file, request, notes);
  for (const source of file.stages) {
    const platform = source.from.platform && readPlatform(source, source.from.platform, globals, notes);
    const base = readBase(source, earlier, globals, notes);
    const replacedBy =
      source.name === undefined ? undefined : contexts.findForStage(source.name, platform ?? targetPlatform);
    nodes.push({
      source,
      index: source.index,
      name: source.name ?? `stage-${source.index}`,
      base,
      ...(platform ? { platform } : {}),
      ...(replacedBy === undefined ? {} : { replacedBy }),
    });
    if (source.name !== undefined) earlier.set(source.name, source.index);
  }
  return linkTargets({ nodes, contexts, targetPlatform, targets: new Map() }, request, notes);
}

/**
 * The stage that is asked for, else the last one.
 * @throws NacreError PLAN_INVALID if there is none of that name
 */
export function chooseTarget(nodes: readonly StageNode[], target: string | undefined): StageNode {
  const found = target ? findStage(nodes, target) : nodes.at(-1);
  if (found) return found.standIn === undefined ? found : nodes[found.standIn]!;
  const names = nodes.flatMap(({ source }) => (source.name === undefined ? [] : [source.name]));
  const near = nearest(target ?? "", names);
  throw new NacreError(
    "PLAN_INVALID",
    `target stage ${JSON.stringify(target)} could not be found${near === undefined ? "" : ` (did you mean ${near}?)`}`,
    {
      hint: names.length > 0 ? `the stages are: ${names.join(", ")}` : "name a stage with: FROM image AS name",
      facts: { target, stages: names },
    },
  );
}

function readBase(
  source: StageSource,
  earlier: ReadonlyMap<string, number>,
  globals: GlobalScope,
  notes: Notes,
): StageBase {
  const { image } = source.from;
  const text = expandFrom(source, image, globals, notes);
  if (text === "") {
    throw notes.invalid(`base name (${image.raw}) should not be blank`, image.range, {
      hint: `give every variable in it a value, with a global ARG or --build-arg${nearHint(image.raw, globals)}`,
    });
  }
  const index = earlier.get(text);
  if (index !== undefined) return { kind: "stage", index };
  return text === "scratch" ? { kind: "scratch" } : { kind: "image", reference: text };
}

function readPlatform(source: StageSource, word: Word, globals: GlobalScope, notes: Notes): Platform {
  const text = expandFrom(source, word, globals, notes);
  notePlatform(source, word, text, globals, notes);
  if (text === "") {
    const message = `empty platform value from expression ${word.raw}${nearHint(word.raw, globals)}`;
    throw notes.invalid(message, word.range, {
      hint: "write --platform=$BUILDPLATFORM or a platform such as linux/arm64",
    });
  }
  try {
    return parsePlatform(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw notes.invalid(`failed to parse platform ${word.raw}: ${why}${nearHint(word.raw, globals)}`, word.range, {
      cause: error,
      hint: "write it as os/architecture[/variant], e.g. linux/arm64",
    });
  }
}

/** Warns of a platform that says nothing, or the same whatever is asked for. */
function notePlatform(source: StageSource, word: Word, text: string, globals: GlobalScope, notes: Notes): void {
  const { range } = source.from;
  const used = variablesOf(word.raw);
  if (used.length > 0) {
    // `${TARGETPLATFORM:-x}` too: whatever comes out as the target's platform is what it would be anyway.
    if (used.some((name) => name !== "TARGETPLATFORM") || text !== globals.env.get("TARGETPLATFORM")) return;
    const message = `Setting platform to predefined ${word.raw} in FROM is redundant as this is the default behavior`;
    notes.warn("RedundantTargetPlatform", message, range, { hint: "leave --platform out" });
    return;
  }
  const said = source.name ?? "";
  const platform = platformOrNot(text);
  if (!platform || said.includes(platform.os) || said.includes(platform.architecture)) return;
  const message = `FROM --platform flag should not use constant value ${JSON.stringify(text)}`;
  const hint = "use $BUILDPLATFORM or $TARGETPLATFORM, or name the stage after the platform";
  notes.warn("FromPlatformFlagConstDisallowed", message, range, { hint });
}

function platformOrNot(text: string): Platform | undefined {
  try {
    return parsePlatform(text);
  } catch {
    return undefined;
  }
}

/** The names after `$` in a word. */
function variablesOf(raw: string): readonly string[] {
  return [...raw.matchAll(/\$\{?(\w+)/g)].map(([, name = ""]) => name);
}

/** A word of FROM with the global scope applied. */
function expandFrom(source: StageSource, word: Word, globals: GlobalScope, notes: Notes): string {
  const expand = expander(globals.env, notes, source.from, (name) => {
    if (globals.names.has(name)) return;
    const message = `FROM argument '${name}' is not declared${suggestion(name, globals.names, "")}`;
    notes.warn("UndefinedArgInFrom", message, source.from.range);
  });
  return expand.word(word.raw, word.range);
}

/** ` (did you mean X?)` for a variable of the word that is not declared but nearly. */
function nearHint(raw: string, globals: GlobalScope): string {
  for (const name of variablesOf(raw)) {
    if (!globals.names.has(name)) return suggestion(name, globals.names, "");
  }
  return "";
}

/** With only the defaults of global ARGs a base should still be a name (BuildKit: InvalidDefaultArgInFrom). */
function checkDefaultBases(file: Dockerfile, request: PlanRequest, notes: Notes): void {
  const defaults = defaultArguments(file, request, notes);
  for (const { from } of file.stages) {
    const { raw, range } = from.image;
    if (!raw.includes("$")) continue;
    let valid = false;
    try {
      const text = expander(defaults, notes, from, () => {}).word(raw, range);
      valid = text === "scratch" || file.stages.some(({ name }) => name === text) || isReference(text);
    } catch {
      // An expansion that needs a value (`${X:?}`) has no default to speak of.
    }
    if (!valid) {
      const message = `Default value for ARG ${raw} results in empty or invalid base image name`;
      notes.warn("InvalidDefaultArgInFrom", message, from.range, { hint: "give the ARG a default that is an image" });
    }
  }
}

function defaultArguments(file: Dockerfile, request: PlanRequest, notes: Notes): Environment {
  const env = new Environment(platformArguments(file, request));
  for (const instruction of file.globalArgs) {
    for (const { name, value } of instruction.args) {
      if (!value) continue;
      try {
        env.set(name, expander(env, notes, instruction, () => {}).word(value.raw, value.range));
      } catch {
        // Reported where it matters: when the default is really used.
      }
    }
  }
  return env;
}
