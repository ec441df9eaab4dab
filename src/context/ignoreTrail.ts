/** Why a path is kept or dropped: every pattern that had a say, in the order in which they decided. */
import { type ByteString, fromByteString } from "../support/bytes.js";
import type { IgnorePattern, IgnoreRules } from "./ignore.js";
import { createMatcher, type IgnoreState } from "./ignoreMatcher.js";

/** A pattern that matched the path or a directory above it. */
export interface IgnoreDecision {
  /** Line in the ignore file. */
  readonly line: number;
  /** The pattern with its `!`, cleaned as it is matched. */
  readonly pattern: string;
  /** What it matched: the path, or a directory above it. */
  readonly matched: string;
  readonly effect: "drops" | "keeps";
}

/** What the rules say of one path. */
export interface IgnoreTrail {
  readonly ignored: boolean;
  /** The decision that counts; undefined if no pattern matched. */
  readonly decision: IgnoreDecision | undefined;
  /** All decisions, topmost directory first, in the order of the file within one. */
  readonly decisions: readonly IgnoreDecision[];
}

/** Follows a path from the root down, as the scan of a context does. */
export function ignoreTrail(rules: IgnoreRules, path: ByteString): IgnoreTrail {
  const matcher = createMatcher(rules);
  const decisions: (IgnoreDecision & { readonly order: number })[] = [];
  const seen = new Set<number>();
  let state = matcher.root;
  for (const name of path === "" ? [] : path.split("/")) {
    state = matcher.enter(name, state);
    for (const order of coversOf(state)) {
      if (seen.has(order)) continue;
      seen.add(order);
      decisions.push({ ...decisionOf(rules.patterns[order]!, state), order });
    }
  }
  const decision = decisions.find(({ order }) => order === state.decider);
  return { ignored: state.ignored, decision: decision && plain(decision), decisions: decisions.map(plain) };
}

/** Positions of the patterns that have matched a state's directory or one above it. */
function coversOf(state: IgnoreState): readonly number[] {
  return state.live.filter(({ covers }) => covers).map(({ rule }) => rule.order);
}

function decisionOf({ line, negated, text }: IgnorePattern, { path }: IgnoreState): IgnoreDecision {
  return {
    line,
    pattern: `${negated ? "!" : ""}${fromByteString(text)}`,
    matched: path.slice(0, -1),
    effect: negated ? "keeps" : "drops",
  };
}

function plain({ line, pattern, matched, effect }: IgnoreDecision): IgnoreDecision {
  return { line, pattern, matched, effect };
}
