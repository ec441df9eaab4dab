/** What is different between the histories of two images. Pure. */
import type { HistoryEntry } from "../oci/documents.js";
import { alignRows, CERTAIN } from "./alignRows.js";
import { instructionKey } from "./diffLayerRows.js";

/** A line of a history and its place there, from 0, the oldest. */
export interface PlacedLine {
  readonly number: number;
  readonly entry: HistoryEntry;
}

/** A line that is not the same in both. */
export interface HistoryChange {
  readonly kind: "added" | "removed" | "changed";
  /** Of changed lines: which of their fields. */
  readonly fields: readonly string[];
  readonly before?: PlacedLine | undefined;
  readonly after?: PlacedLine | undefined;
}

type History = readonly HistoryEntry[] | null | undefined;

/** Compares histories, oldest line first; lines are paired by their instructions. */
export function diffHistories(before: History, after: History): HistoryChange[] {
  const [a, b] = [before ?? [], after ?? []];
  const [keysA, keysB] = [a, b].map((lines) => lines.map(({ created_by }) => instructionKey(created_by ?? "") ?? ""));
  const worth = (i: number, j: number): number => (keysA![i] === keysB![j] ? CERTAIN : 0);
  return alignRows(a.length, b.length, worth).flatMap((row): HistoryChange[] => {
    const [old, fresh] = [placed(a, row.a), placed(b, row.b)];
    if (old === undefined) return [{ kind: "added", fields: [], after: fresh }];
    if (fresh === undefined) return [{ kind: "removed", fields: [], before: old }];
    const fields = differentFields(old.entry, fresh.entry);
    return fields.length === 0 ? [] : [{ kind: "changed", fields, before: old, after: fresh }];
  });
}

function placed(history: readonly HistoryEntry[], number: number | undefined): PlacedLine | undefined {
  return number === undefined ? undefined : { number, entry: history[number]! };
}

const FIELDS = ["created", "created_by", "author", "comment", "empty_layer"] as const;

function differentFields(a: HistoryEntry, b: HistoryEntry): string[] {
  return FIELDS.filter((field) => (a[field] || undefined) !== (b[field] || undefined));
}
