/** From a step that misses because of another one back to where it began. */
import type { Change, InputChange, MissReason } from "./why.js";

/** Where it began. */
export interface RootCause {
  /** Numbers of steps, from the one that was asked about to the one where it began; the latter may be the former. */
  readonly steps: readonly number[];
  /** The text of the last of `steps`, if it is another one than that which was asked about. */
  readonly instruction?: string | undefined;
  /** Why the last of `steps` is made anew. */
  readonly reason: MissReason;
}

/**
 * Where it began that a step misses: the step itself, if something of its own differs, else what it is built on or reads
 * from, and so on.
 * @param reasons of every step whose key is another one than last time, whether it hits or not, by the step's number
 * @returns all beginnings, those of what lies below the step first; none if there is no reason for the step
 */
export function rootCauses(step: number, reasons: ReasonsByStep): readonly RootCause[] {
  const causes: RootCause[] = [];
  const seen = new Set<number>([step]);
  const todo: Trail[] = [{ steps: [step] }];
  for (const { steps, instruction } of todo) {
    const reason = reasons[steps.at(-1)!];
    if (!reason) continue;
    const further = followed(reason, reasons);
    if (further.length === 0) causes.push({ steps, ...(instruction === undefined ? {} : { instruction }), reason });
    for (const { step: next, after } of further) {
      if (next === undefined || seen.has(next)) continue;
      seen.add(next);
      todo.push({ steps: [...steps, next], instruction: after?.kind === "step" ? after.instruction : undefined });
    }
  }
  return causes;
}

type Trail = Pick<RootCause, "steps" | "instruction">;

/** Reasons by the number of their step. */
export type ReasonsByStep = Readonly<Record<number, MissReason | undefined>>;

/** The first of {@link rootCauses}. */
export function rootCause(step: number, reasons: ReasonsByStep): RootCause | undefined {
  return rootCauses(step, reasons)[0];
}

/** Inputs that the reason leads to; none if something of the step's own differs, or nothing is known of them. */
function followed(reason: MissReason, reasons: ReasonsByStep): readonly InputChange[] {
  if (reason.kind !== "changed" || !reason.changes.every(isInput)) return [];
  return reason.changes.filter(isInput).filter(({ step }) => step !== undefined && reasons[step]);
}

function isInput(change: Change): change is InputChange {
  return change.what === "input";
}
