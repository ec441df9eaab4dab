/** Rules about paths: what must be in an image, and what must not. */
import { fromByteString } from "../support/bytes.js";
import type { GateRuleName } from "./gateRules.js";
import type { GateFacts, GateOutcome } from "./gateTypes.js";
import { instructionsOf } from "./layerInstructions.js";
import { compilePathPatterns, type PathPattern } from "./pathPatterns.js";
import { type StackCursor, walkStack } from "./stackWalk.js";
import { layerName } from "./wasteAdvice.js";

/** Paths that are named. */
const FINDINGS = 20;

/** Checks a rule about paths. @throws NacreError as evaluateGate */
export async function checkPaths(
  name: GateRuleName,
  patterns: readonly string[],
  facts: GateFacts,
): Promise<GateOutcome> {
  if (name === "required-paths") return required(patterns, facts);
  const wanted = compilePathPatterns(patterns);
  const allowed = compilePathPatterns(facts.rules.allowedPaths);
  if (name === "only-paths") {
    const first = facts.base()?.layers ?? 0;
    const isOwn = (cursor: StackCursor): boolean => cursor.layer(cursor.visible) >= first;
    const offends = (path: string, cursor: StackCursor): boolean =>
      !cursor.isDirectory && isOwn(cursor) && !wanted(path) && !allowed(path);
    const outcome = judge(await offenders(facts, offends, false), patterns, "is at none of the paths");
    return outcome.status === "PASS" ? outcome : { ...outcome, advice: "leave it out, or add its path to the rule" };
  }
  const isAnywhere = name === "forbidden-paths-anywhere";
  const outcome = judge(
    await offenders(facts, (path) => wanted(path) && !allowed(path), isAnywhere),
    patterns,
    isAnywhere ? "is in a layer" : "is in the image",
  );
  if (outcome.status === "PASS") return outcome;
  const advice = isAnywhere
    ? "keep it out of the layer that stores it: deleting it later does not; if it is a secret, change it"
    : "leave it out with .dockerignore, or do not make it";
  return { ...outcome, advice };
}

async function required(patterns: readonly string[], facts: GateFacts): Promise<GateOutcome> {
  const open = new Map<string, PathPattern>(patterns.map((pattern) => [pattern, compilePathPatterns([pattern])]));
  const enter = (cursor: StackCursor): boolean => {
    const path = cursor.path();
    for (const [pattern, matches] of open) if (cursor.depth > 0 && matches(path)) open.delete(pattern);
    return open.size > 0;
  };
  walkStack(await facts.stack(), { enter });
  const missing = [...open.keys()];
  return {
    status: missing.length > 0 ? "FAIL" : "PASS",
    ...{ measured: `${patterns.length - missing.length} of ${patterns.length}`, value: missing.length },
    allowed: `all of ${patterns.join(" ")}`,
    message: missing.length > 0 ? `nothing is at ${missing.join(", ")}` : "all paths are there",
    ...(missing.length > 0 ? { advice: "copy or make it in the last stage", findings: missing } : {}),
  };
}

/** Paths that offend, with the layers that brought them. */
interface Offenders {
  readonly named: readonly string[];
  readonly count: number;
}

async function offenders(
  facts: GateFacts,
  offends: (path: string, cursor: StackCursor) => boolean,
  hidden: boolean,
): Promise<Offenders> {
  const instructions = instructionsOf(facts.image, facts.context.store);
  const named: string[] = [];
  let count = 0;
  // Directories are told only where nothing in them is.
  const open: { readonly text: string; readonly count: number }[] = [];
  const tell = (text: string): void => {
    count++;
    if (named.length < FINDINGS) named.push(text);
  };
  const describe = (cursor: StackCursor, path: string): string => {
    const versions = Array.from({ length: cursor.count }, (_, version) => version);
    const version = hidden ? versions.find((each) => isStored(cursor, each)) : cursor.visible;
    const layer = cursor.layer(version ?? 0);
    return `/${fromByteString(path)} (${layerName({ number: layer, instruction: instructions[layer]!.instruction })})`;
  };
  const enter = (cursor: StackCursor): void => {
    const path = cursor.path();
    const isDirectory = hasDirectory(cursor);
    const isBad = cursor.depth > 0 && isThere(cursor, hidden) && offends(path, cursor);
    if (isDirectory) open[cursor.depth] = { text: isBad ? describe(cursor, path) : "", count };
    else if (isBad) tell(describe(cursor, path));
  };
  const leave = (cursor: StackCursor): void => {
    const directory = open[cursor.depth];
    if (directory !== undefined && directory.text !== "" && directory.count === count) tell(directory.text);
  };
  walkStack(await facts.stack(), { enter, leave }, { hidden });
  return { named, count };
}

/** The cursor is left again after its directories: only then. */
function hasDirectory(cursor: StackCursor): boolean {
  for (let version = 0; version < cursor.count; version++) {
    if (cursor.index(version).type(cursor.entry(version)) === "dir") return true;
  }
  return false;
}

function isThere(cursor: StackCursor, hidden: boolean): boolean {
  if (!hidden) return true;
  for (let version = 0; version < cursor.count; version++) if (isStored(cursor, version)) return true;
  return false;
}

/** Whiteouts, and parents that are only implied, hold nothing. */
function isStored(cursor: StackCursor, version: number): boolean {
  const [index, entry] = [cursor.index(version), cursor.entry(version)];
  return index.type(entry) !== "whiteout" && !index.isImplied(entry);
}

function judge({ named, count }: Offenders, patterns: readonly string[], what: string): GateOutcome {
  return {
    status: count > 0 ? "FAIL" : "PASS",
    ...{ measured: `${count} path${count === 1 ? "" : "s"}`, value: count, allowed: patterns.join(" ") },
    message: count === 0 ? "no path offends" : `${named[0]} ${what}${count > 1 ? `, and ${count - 1} more` : ""}`,
    ...(count > 0 ? { findings: named, more: count - named.length } : {}),
  };
}
