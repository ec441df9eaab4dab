/** Why the cache did not answer a step of the history, in one line. */
import { type RootCause, rootCause } from "../cache/rootCause.js";
import type { MissReason } from "../cache/why.js";
import { storedReasonText } from "../cache/whyText.js";
import type { BuildStep } from "../store/builds.js";

/** In builds of more steps than this it is not looked where a change began: the way back is walked for each of them. */
const MAX_TRACED = 300;

/**
 * @param reason what the history has, whoever wrote it; of what makes no sense nothing more than its kind is told
 * @param root where it began
 */
export function reasonText(reason: unknown, root?: RootCause): string {
  const kind = typeof reason === "object" && reason !== null && "kind" in reason ? reason.kind : undefined;
  if (typeof kind !== "string") return "";
  return storedReasonText(reason, { root }) || kind;
}

/** The reasons of the steps of a build, each back to where it began; undefined for those that have none. */
export function reasonTexts(steps: readonly BuildStep[]): readonly (string | undefined)[] {
  const reasons: Record<number, MissReason> = {};
  for (const { id, reason } of steps) if (id !== undefined && reason) reasons[id] = reason as MissReason;
  const isTraced = steps.length <= MAX_TRACED;
  return steps.map(({ id, reason }) => {
    const root = isTraced && id !== undefined && reason ? rootOf(id, reasons) : undefined;
    return reasonText(reason, root) || undefined;
  });
}

function rootOf(id: number, reasons: Readonly<Record<number, MissReason>>): RootCause | undefined {
  try {
    return rootCause(id, reasons);
  } catch {
    return undefined;
  }
}
