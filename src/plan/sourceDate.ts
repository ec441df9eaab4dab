/**
 * SOURCE_DATE_EPOCH, given as a build argument or as a global ARG (reproducible-builds.org, BuildKit: epoch): seconds, or
 * the name of what is to tell its time: `context`, a named context or a stage (Dockerfile frontend 1.24).
 */
import type { Dockerfile } from "../dockerfile/ast.js";
import { NacreError } from "../support/errors.js";
import type { SourcePlace } from "../support/source.js";
import { NamedContexts } from "./contexts.js";
import type { PlanRequest } from "./graph.js";
import type { Notes } from "./notes.js";
import type { GlobalScope } from "./scope.js";

const NAME = "SOURCE_DATE_EPOCH";

/** The time that counts, and request and scope with it in place of the name of a source. */
export interface SourceDate {
  readonly epoch: number | undefined;
  readonly request: PlanRequest;
  readonly globals: GlobalScope;
}

/**
 * Finds out what SOURCE_DATE_EPOCH is. Stages that import it get the number; a source that has no time of its own, such as
 * a local directory, leaves it unset.
 * @throws NacreError PLAN_INVALID if it is neither a whole number nor a source; UNSUPPORTED for a stage
 */
export function resolveSourceDate(
  file: Dockerfile,
  request: PlanRequest,
  globals: GlobalScope,
  notes: Notes,
): SourceDate {
  const given = request.buildArgs.get(NAME);
  const declared = file.globalArgs.find(({ args }) => args.some((arg) => arg.name === NAME));
  const value = given ?? (declared && globals.env.get(NAME));
  if (value === undefined || value === "") return { epoch: undefined, request, globals };
  const place = given === undefined && declared ? notes.place(declared.range) : undefined;
  const seconds = wholeSeconds(value);
  if (seconds !== undefined) return { epoch: seconds, request, globals };
  const epoch = sourceTime(value, { file, request, notes, place });
  return {
    epoch,
    request: given === undefined ? request : { ...request, buildArgs: withTime(request.buildArgs, epoch) },
    globals: { ...globals, env: globals.env.with(NAME, epoch === undefined ? undefined : String(epoch)) },
  };
}

function withTime(buildArgs: PlanRequest["buildArgs"], epoch: number | undefined): PlanRequest["buildArgs"] {
  const args = new Map(buildArgs);
  args.delete(NAME);
  return epoch === undefined ? args : args.set(NAME, String(epoch));
}

interface Asked {
  readonly file: Dockerfile;
  readonly request: PlanRequest;
  readonly notes: Notes;
  readonly place: SourcePlace | undefined;
}

/** The time of the source of that name; undefined if it has none. */
function sourceTime(name: string, { file, request, notes, place }: Asked): number | undefined {
  if (name === "context") return timeOr(request.contextTime, "the context", notes, place);
  const contexts = new NamedContexts(request.contextNames);
  const context = contexts.find(name, request.platform ?? request.buildPlatform);
  if (context !== undefined) {
    return timeOr(request.contextTimes?.get(context), `the context ${context}`, notes, place);
  }
  if (file.stages.some((stage) => stage.name === name.toLowerCase())) {
    throw new NacreError("UNSUPPORTED", `${NAME}=${name}: the time of a stage cannot be used`, {
      hint: "give whole seconds since 1970, or `context` for a git context",
      place,
    });
  }
  throw new NacreError("PLAN_INVALID", `invalid ${NAME}: ${name}`, {
    hint: "give whole seconds since 1970, e.g. 1700000000, or `context` for a git context",
    place,
  });
}

function timeOr(
  time: number | undefined,
  what: string,
  notes: Notes,
  place: SourcePlace | undefined,
): number | undefined {
  if (time === undefined) {
    const message = `${NAME} asks for the time of ${what}, which has none of its own: it is left unset`;
    notes.warn("SourceDateUnknown", message, place?.range);
  }
  return time;
}

function wholeSeconds(value: string): number | undefined {
  const seconds = /^[+-]?[0-9]+$/.test(value) ? Number(value) : Number.NaN;
  return Number.isSafeInteger(seconds) ? seconds : undefined;
}
