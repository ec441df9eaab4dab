/**
 * An entry as it may be kept: no secrets, and no larger than is good. What a build came to must never fail for the size
 * of what is told of it, so the longest texts and lists are cut, in the order in which they are missed least.
 */
import type { Json } from "../support/json.js";
import { keepableValue } from "../support/secretNames.js";
import { hideUserinfo } from "../support/url.js";
import { BUILD_VERSION, type BuildArgument, type BuildEntry, type BuildInputs, type BuildStep } from "./buildEntry.js";

/** How much is kept. */
interface Limits {
  /** Characters of a text, such as an instruction or an error. */
  readonly text: number;
  /** UTF-16 units of one reason as JSON, and of all of a build. */
  readonly reason: number;
  readonly reasons: number;
  /** Items of a list: steps, names, arguments, … */
  readonly items: number;
}

/** What is kept of any build that a person has written. */
const USUAL: Limits = { text: 64 << 10, reason: 1 << 20, reasons: 4 << 20, items: 100_000 };
/** For what is still too large. */
const NARROW: Limits = { text: 1 << 10, reason: 16 << 10, reasons: 1 << 20, items: 10_000 };
const LEAST: Limits = { text: 100, reason: 0, reasons: 0, items: 1_000 };
/** Items that are left of the lists in a reason, one number after the other until it is short enough. */
const CUTS = [10_000, 1_000, 100, 10] as const;
/** Levels of a reason that are kept when it is cut. */
const DEPTH = 12;

/** An entry as it is written. */
export interface BoundedEntry {
  readonly entry: BuildEntry;
  readonly json: string;
}

/**
 * The entry as it is written: of the current version, values that look like secrets hidden.
 * @param limit most bytes of its JSON; room for a few megabytes is taken for granted
 */
export function boundedEntry(entry: BuildEntry, limit: number): BoundedEntry {
  for (const limits of [USUAL, NARROW]) {
    const bounded = asWritten(entry, limits);
    if (Buffer.byteLength(bounded.json) <= limit) return bounded;
  }
  return asWritten(entry, LEAST);
}

function asWritten(entry: BuildEntry, limits: Limits): BoundedEntry {
  const kept = withLimits(entry, limits);
  return { entry: kept, json: JSON.stringify(kept) };
}

function withLimits(entry: BuildEntry, limits: Limits): BuildEntry {
  const cut = (text: string): string => cutText(text, limits.text);
  const maybe = (text: string | undefined): string | undefined => (text === undefined ? undefined : cut(text));
  return {
    ...entry,
    version: BUILD_VERSION,
    dockerfile: cut(hideUserinfo(entry.dockerfile)),
    context: cut(hideUserinfo(entry.context)),
    target: maybe(entry.target),
    title: maybe(entry.title),
    error: maybe(entry.error),
    names: entry.names.slice(0, limits.items).map(cut),
    args: entry.args?.slice(0, limits.items).map((argument) => keptArgument(argument, cut)),
    inputs: entry.inputs && keptInputs(entry.inputs, limits.items, cut),
    outputs: entry.outputs
      ?.slice(0, limits.items)
      .map(({ destination, ...rest }) => ({ ...rest, destination: maybe(destination) })),
    steps: keptSteps(entry.steps, limits, cut),
  };
}

function keptArgument({ name, value, hidden }: BuildArgument, cut: (text: string) => string): BuildArgument {
  if (value === undefined) return { name: cut(name), hidden };
  const kept = keepableValue(name, value);
  return kept === undefined || hidden ? { name: cut(name), hidden: true } : { name: cut(name), value: cut(kept) };
}

function keptInputs({ bases, contexts, remotes }: BuildInputs, items: number, cut: (text: string) => string) {
  const shown = (text: string): string => cut(hideUserinfo(text));
  return {
    bases: bases?.slice(0, items),
    contexts: contexts
      ?.slice(0, items)
      .map(({ description, ...rest }) => ({ ...rest, description: description && shown(description) })),
    remotes: remotes?.slice(0, items).map(({ address, ...rest }) => ({ ...rest, address: shown(address) })),
  };
}

function keptSteps(steps: readonly BuildStep[], limits: Limits, cut: (text: string) => string): BuildStep[] {
  let left = limits.reasons;
  return steps.slice(0, limits.items).map((step) => {
    const kept = step.reason === undefined ? undefined : measured(step.reason as Json, Math.min(limits.reason, left));
    left -= kept?.length ?? 0;
    return {
      ...step,
      label: cut(step.label),
      stage: step.stage && cut(step.stage),
      instruction: step.instruction && cut(step.instruction),
      inputs: step.inputs?.slice(0, limits.items),
      reason: kept?.value,
    };
  });
}

/** A cut text ends with `…`. */
function cutText(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`.toWellFormed();
}

/**
 * A value whose JSON has at most `limit` UTF-16 units: lists lose their ends and texts theirs until it fits, and an object
 * that was cut says so with `truncated: true`. Undefined if there is no way.
 */
export function boundedJson(value: Json, limit: number): Json | undefined {
  return measured(value, limit)?.value;
}

function measured(value: Json, limit: number): { readonly value: Json; readonly length: number } | undefined {
  if (limit <= 0) return undefined;
  const length = lengthOf(value);
  if (length === undefined) return undefined;
  if (length <= limit) return { value, length };
  for (const items of CUTS) {
    const cut = cutLists(value, items, DEPTH);
    const marked = isObject(cut) ? { ...cut, truncated: true } : cut;
    const shorter = JSON.stringify(marked).length;
    if (shorter <= limit) return { value: marked, length: shorter };
  }
  return undefined;
}

/** Of its JSON; undefined for what JSON does not have, circles among it. */
function lengthOf(value: Json): number | undefined {
  try {
    return JSON.stringify(value)?.length;
  } catch {
    return undefined;
  }
}

function cutLists(value: Json, items: number, depth: number): Json {
  if (typeof value === "string") return cutText(value, Math.max(items, 200));
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) return null;
  if (Array.isArray(value)) return value.slice(0, items).map((item: Json) => cutLists(item, items, depth - 1));
  const members = Object.entries(value).map(
    ([key, member]) => [key, member === undefined ? undefined : cutLists(member, items, depth - 1)] as const,
  );
  return Object.fromEntries(members);
}

function isObject(value: Json): value is { readonly [key: string]: Json | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
