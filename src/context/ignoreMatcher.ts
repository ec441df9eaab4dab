/**
 * Decides which names of a context are ignored, on the way down the tree: each directory carries the state of all
 * patterns that can still match below it, so that a name costs a comparison or two, however many patterns there are.
 * The order of decisions is that of moby's MatchesUsingParentResults, with which BuildKit's client filters a context.
 */
import { type ByteString, fromByteString } from "../support/bytes.js";
import type { IgnorePattern, IgnoreRules } from "./ignore.js";
import { advance, type CompiledPattern, closure, compilePattern, type SegmentPattern } from "./ignorePattern.js";

/** What became of one name. */
export interface IgnoreVerdict {
  readonly ignored: boolean;
  /** Line of the pattern that decided; 0 if none matched. */
  readonly line: number;
}

/** What is known after a directory's own name has been decided; made by {@link IgnoreMatcher.enter} only. */
export interface IgnoreState extends IgnoreVerdict {
  /** The directory's path as text, with a trailing slash; empty for the root. */
  readonly path: string;
  readonly live: readonly LiveRule[];
  /** Position of the deciding pattern, -1 if none. */
  readonly decider: number;
}

/** A pattern that has matched a directory on the way, or may match below. */
interface LiveRule {
  readonly rule: Rule;
  /** Active positions of a segment pattern; see `advance`. */
  readonly mask: number;
  /** Matched this directory or one above, and so covers everything below. */
  readonly covers: boolean;
}

interface Rule {
  readonly order: number;
  readonly pattern: IgnorePattern;
  readonly compiled: CompiledPattern;
}

/** One name at a time, given its directory's state. */
export interface IgnoreMatcher {
  /** The state of the context's root. */
  readonly root: IgnoreState;
  /** Decides a name in a directory. */
  decide(name: ByteString, parent: IgnoreState): IgnoreVerdict;
  /** Decides a directory and gives the state for what is in it. */
  enter(name: ByteString, parent: IgnoreState): IgnoreState;
  /** True if something below an ignored directory may be included again, so that it must be walked. */
  mayReinclude(state: IgnoreState): boolean;
}

/** The matcher that nacre decides with. */
export function createMatcher(rules: IgnoreRules): IgnoreMatcher {
  const live = rules.patterns.map((pattern, order): LiveRule => {
    const compiled = compilePattern(pattern.text);
    return { rule: { order, pattern, compiled }, mask: startMask(compiled), covers: false };
  });
  return {
    root: { ignored: false, line: 0, path: "", live, decider: -1 },
    decide,
    enter,
    mayReinclude,
  };
}

/** Decides a whole path, as if every directory above had been entered. */
export function decidePath(matcher: IgnoreMatcher, path: ByteString): IgnoreVerdict {
  let state = matcher.root;
  for (const name of path.split("/")) state = matcher.enter(name, state);
  return state;
}

function startMask(compiled: CompiledPattern): number {
  return compiled.kind === "segments" ? closure(compiled.segments, 1) : 1;
}

function decide(name: ByteString, parent: IgnoreState): IgnoreVerdict {
  const text = fromByteString(name);
  let ignored = false;
  let line = 0;
  for (const entry of parent.live) {
    const { pattern } = entry.rule;
    if (!entry.covers && (pattern.negated !== ignored || !matchesName(entry, text, parent.path))) continue;
    ignored = !pattern.negated;
    line = pattern.line;
  }
  return { ignored, line };
}

/**
 * A pattern that cannot change the decision at its turn is not tried, and then does not count as having matched the
 * directory: `d/x`, `!d` leaves d/x ignored, because `!d` had nothing to re-include at d itself (as in moby).
 */
function enter(name: ByteString, parent: IgnoreState): IgnoreState {
  const text = fromByteString(name);
  const path = `${parent.path}${text}/`;
  const live: LiveRule[] = [];
  let ignored = false;
  let line = 0;
  let decider = -1;
  for (const entry of parent.live) {
    const { rule, covers: covered } = entry;
    const { pattern, compiled } = rule;
    const covers = covered || (pattern.negated === ignored && matchesName(entry, text, parent.path));
    if (covers) {
      ignored = !pattern.negated;
      line = pattern.line;
      decider = rule.order;
    }
    const mask = covers ? 0 : nextMask(compiled, entry.mask, text, path);
    if (covers || mask !== 0) live.push({ rule, mask, covers });
  }
  return { ignored, line, path, live, decider };
}

function mayReinclude(state: IgnoreState): boolean {
  return state.live.some(({ rule, covers }) => rule.pattern.negated && rule.order > state.decider && !covers);
}

function matchesName(entry: LiveRule, name: string, directory: string): boolean {
  const { compiled } = entry.rule;
  if (compiled.kind === "path") return compiled.matches(directory + name);
  return lastSegmentMatches(compiled, entry.mask, name);
}

function lastSegmentMatches(compiled: SegmentPattern, mask: number, name: string): boolean {
  const last = compiled.segments.length - 1;
  if ((mask & (1 << last)) === 0) return false;
  const segment = compiled.segments[last]!;
  return segment === "**" || segment(name);
}

/** 0 if the pattern can match nothing below the directory. */
function nextMask(compiled: CompiledPattern, mask: number, name: string, path: string): number {
  if (compiled.kind === "path") return path.startsWith(compiled.prefix) || compiled.prefix.startsWith(path) ? 1 : 0;
  const all = advance(compiled.segments, mask, name);
  return all & ((1 << compiled.segments.length) - 1);
}
