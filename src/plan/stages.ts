/**
 * The stages of a file with their FROM lines expanded: what each is built on, which one is the target, and where a
 * named context takes a stage's place.
 */
import type { Dockerfile, StageSource, Word } from "../dockerfile/ast.js";
import { type Platform, parsePlatform } from "../oci/platform.js";
import { parseReference } from "../oci/reference.js";
import { NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import { NamedContexts } from "./contexts.js";
import { Environment } from "./environment.js";
import type { PlanRequest } from "./graph.js";
import type { Notes } from "./notes.js";
import { expander, type GlobalScope, suggestion } from "./scope.js";

/** What a stage is built on. */
export type StageBase =
  | { readonly kind: "scratch" }
  | { readonly kind: "stage"; readonly index: number }
  /** An image or a named context, as written after expansion. */
  | { readonly kind: "image"; readonly reference: string };

/** A stage that is not planned yet. */
export interface StageNode {
  readonly source: StageSource;
  readonly index: number;
  /** Its name, or `stage-N`. */
  readonly name: string;
  readonly base: StageBase;
  /** `FROM --platform`. */
  readonly platform?: Platform | undefined;
  /** The named context that replaces the stage, body and all. */
  readonly replacedBy?: string | undefined;
}

/** All stages, and the names by which they are found. */
export interface StageGraph {
  readonly nodes: readonly StageNode[];
  readonly contexts: NamedContexts;
  /** `--platform`, else the machine's: what images are resolved for. */
  readonly targetPlatform: Platform;
}

/**
 * Expands the FROM lines and links stages to the earlier stages they are built on.
 * @throws NacreError PLAN_INVALID for a blank or malformed base or platform, also in stages that the target does not need
 */
export function readStages(file: Dockerfile, request: PlanRequest, globals: GlobalScope, notes: Notes): StageGraph {
  const contexts = new NamedContexts(request.contextNames);
  const targetPlatform = request.platform ?? request.buildPlatform;
  const nodes: StageNode[] = [];
  const earlier = new Map<string, number>();
  for (const source of file.stages) {
    const platform = source.from.platform && readPlatform(source, source.from.platform, globals, notes);
    const base = readBase(source, earlier, globals, notes);
    const replacedBy = source.name === undefined ? undefined : contexts.find(source.name, platform ?? targetPlatform);
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
  checkDefaultBases(file, request, nodes, notes);
  return { nodes, contexts, targetPlatform };
}

/** The last stage of that name; names are compared without regard to case, except by FROM (BuildKit: findStateByName). */
export function findStage(nodes: readonly StageNode[], name: string): StageNode | undefined {
  const wanted = name.toLowerCase();
  return nodes.findLast(({ source }) => source.name === wanted);
}

/**
 * The stage that is asked for, else the last one.
 * @throws NacreError PLAN_INVALID if there is none of that name
 */
export function chooseTarget(nodes: readonly StageNode[], target: string | undefined): StageNode {
  const found = target === undefined ? nodes.at(-1) : findStage(nodes, target);
  if (found) return found;
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
  const { text } = expandFrom(source, image, globals, notes);
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
  const { text, constant, onlyTarget } = expandFrom(source, word, globals, notes);
  if (text === "") {
    const message = `empty platform value from expression ${word.raw}${nearHint(word.raw, globals)}`;
    throw notes.invalid(message, word.range, {
      hint: "write --platform=$BUILDPLATFORM or a platform such as linux/arm64",
    });
  }
  let platform: Platform;
  try {
    platform = parsePlatform(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw notes.invalid(`failed to parse platform ${word.raw}: ${why}${nearHint(word.raw, globals)}`, word.range, {
      cause: error,
      hint: "write it as os/architecture[/variant], e.g. linux/arm64",
    });
  }
  if (onlyTarget) {
    const message = `Setting platform to predefined ${word.raw} in FROM is redundant as this is the default behavior`;
    notes.warn("RedundantTargetPlatform", message, source.from.range);
  }
  const said = source.name ?? "";
  if (constant && !said.includes(platform.os) && !said.includes(platform.architecture)) {
    const message = `FROM --platform flag should not use constant value ${JSON.stringify(text)}`;
    notes.warn("FromPlatformFlagConstDisallowed", message, source.from.range);
  }
  return platform;
}

/** A word of FROM with the global scope applied. */
function expandFrom(
  source: StageSource,
  word: Word,
  globals: GlobalScope,
  notes: Notes,
): { readonly text: string; readonly constant: boolean; readonly onlyTarget: boolean } {
  const expand = expander(globals.env, notes, source.from, (name) => {
    if (globals.names.has(name)) return;
    const message = `FROM argument '${name}' is not declared${suggestion(name, globals.names, "")}`;
    notes.warn("UndefinedArgInFrom", message, source.from.range);
  });
  return {
    text: expand.word(word.raw, word.range),
    constant: !word.raw.includes("$"),
    onlyTarget: /^["']?\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})["']?$/.test(word.raw),
  };
}

/** ` (did you mean X?)` for a variable of the word that is not declared but nearly. */
function nearHint(raw: string, globals: GlobalScope): string {
  for (const [, name = ""] of raw.matchAll(/\$\{?(\w+)/g)) {
    if (!globals.names.has(name)) return suggestion(name, globals.names, "");
  }
  return "";
}

/** With only the defaults of global ARGs a base should still be a name (BuildKit: InvalidDefaultArgInFrom). */
function checkDefaultBases(file: Dockerfile, request: PlanRequest, nodes: readonly StageNode[], notes: Notes): void {
  const defaults = defaultArguments(file, request, notes);
  for (const { source } of nodes) {
    const { raw, range } = source.from.image;
    if (!raw.includes("$")) continue;
    let valid = false;
    try {
      const text = expander(defaults, notes, source.from, () => {}).word(raw, range);
      valid = text === "scratch" || nodes.some(({ source: other }) => other.name === text) || isReference(text);
    } catch {
      // An expansion that needs a value (`${X:?}`) has no default to speak of.
    }
    if (!valid) {
      const message = `Default value for ARG ${raw} results in empty or invalid base image name`;
      notes.warn("InvalidDefaultArgInFrom", message, source.from.range);
    }
  }
}

function defaultArguments(file: Dockerfile, request: PlanRequest, notes: Notes): Environment {
  const platform = request.platform ?? request.buildPlatform;
  const env = new Environment([
    ["TARGETARCH", platform.architecture],
    ["TARGETOS", platform.os],
    ["BUILDARCH", request.buildPlatform.architecture],
    ["BUILDOS", request.buildPlatform.os],
  ]);
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

function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}
