/** How builds and their steps are shown by the commands that list them. */
import type { BuildStep, BuildSummary } from "../../index.js";
import { shortenName } from "../../oci/reference.js";
import { formatSeconds } from "../../support/human.js";
import { truncate } from "../terminalText.js";

/** Widest instruction in a table, in columns, unless it is to be shown whole. */
const INSTRUCTION_WIDTH = 60;
/** Widest reason. */
const REASON_WIDTH = 80;

/** What people know a build by: its title, its names, or what it was built from. */
export function shownName({ title, names, context }: Pick<BuildSummary, "title" | "names" | "context">): string {
  return title ?? (names.map(shortenName).join(", ") || context);
}

/** `2/5`: steps that the cache answered, of all. */
export function shownCached({ counts }: Pick<BuildSummary, "counts">): string {
  return `${counts.cached}/${counts.steps}`;
}

/** `hit`, `hit by content`, `miss`, `miss, failed`, `cancelled`. */
export function shownStatus({ outcome, by }: Pick<BuildStep, "outcome" | "by">): string {
  if (outcome === "cached") return by === "content" ? "hit by content" : "hit";
  return { done: "miss", error: "miss, failed", cancelled: "cancelled" }[outcome];
}

/** How long a step took; what it took when it was made stands in parentheses if the cache answered. */
export function shownTime({ outcome, duration, saved }: Pick<BuildStep, "outcome" | "duration" | "saved">): string {
  if (outcome !== "cached") return formatSeconds(duration);
  return saved === undefined ? "" : `(${formatSeconds(saved)})`;
}

/** An instruction on one line, cut unless it is wanted whole. */
export function shownInstruction(text: string, whole: boolean): string {
  const line = text.replace(/\s*\\?\n\s*/g, " ");
  return whole ? line : truncate(line, INSTRUCTION_WIDTH);
}

/** A reason, cut unless it is wanted whole. */
export function shownReason(text: string, whole: boolean): string {
  return whole ? text : truncate(text, REASON_WIDTH);
}

/** A time as people in the machine's time zone write it: `2026-03-01 12:00:05 +0100`. */
export function shownTimeOfDay(milliseconds: number): string {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return "unknown";
  const zone = -date.getTimezoneOffset();
  const local = new Date(milliseconds + zone * 60_000).toISOString();
  const two = (value: number): string => String(value).padStart(2, "0");
  const offset = `${zone < 0 ? "-" : "+"}${two(Math.floor(Math.abs(zone) / 60))}${two(Math.abs(zone) % 60)}`;
  return `${local.slice(0, 10)} ${local.slice(11, 19)} ${offset}`;
}
