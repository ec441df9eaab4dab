/** What was found by trying, kept in the store for as long as nothing changes that could change it. */
import * as v from "valibot";
import { readIfThere } from "../store/files.js";
import { sealOf, unseal } from "../store/sealed.js";
import type { Store } from "../store/store.js";
import type { IdMapping } from "./idMapping.js";
import type { ProbeReport } from "./probe.js";
import type { Reason } from "./probeReasons.js";
import { mappingSchema, reportSchema } from "./workerProtocol.js";
import type { WorkerIds } from "./workerStart.js";

/** Where steps can be executed: in this process, or in a worker with these ids. */
export type Place = { readonly kind: "process" } | { readonly kind: "worker"; readonly ids: WorkerIds };

/** A place that was tried. */
export interface Tried {
  readonly place: Place;
  /** Undefined where the place itself cannot be had. */
  readonly report: ProbeReport | undefined;
  /** Why not. */
  readonly reason: Reason | undefined;
}

const MAX_BYTES = 64 << 10;

const idsSchema: v.GenericSchema<unknown, "own" | "single" | IdMapping> = v.union([
  v.picklist(["own", "single"]),
  mappingSchema,
]);

const triedSchema: v.GenericSchema<unknown, Tried[]> = v.array(
  v.pipe(
    v.object({
      place: v.variant("kind", [
        v.object({ kind: v.literal("process") }),
        v.object({ kind: v.literal("worker"), ids: idsSchema }),
      ]),
      // JSON leaves out what is undefined.
      report: v.optional(v.pipe(v.unknown(), v.transform(withUndefined), reportSchema)),
      reason: v.optional(v.object({ why: v.string(), help: v.optional(v.string()) })),
    }),
    v.transform(({ place, report, reason }): Tried => ({ place, report, reason })),
  ),
);

function withUndefined(report: unknown): unknown {
  if (typeof report !== "object" || report === null || !("hand" in report)) return report;
  const { hand, ...rest } = report;
  return { ...rest, hand: { upper: undefined, ...(hand as object) } };
}

/** What is kept under a name, or undefined: nothing, or something damaged. */
export function readTried(store: Store, name: string): Tried[] | undefined {
  try {
    const content = unseal(sealName(name), readIfThere(store.statPath(name), MAX_BYTES));
    if (!content) return undefined;
    const result = v.safeParse(triedSchema, JSON.parse(content.toString("utf8")));
    return result.success ? result.output : undefined;
  } catch {
    // Derived data: whatever is wrong with it, it is found again.
    return undefined;
  }
}

/** Keeps it; a store that cannot be written goes without. */
export function writeTried(store: Store, name: string, tried: readonly Tried[]): void {
  const content = Buffer.from(JSON.stringify(tried));
  try {
    store.directory.publish(store.statPath(name), [sealOf(sealName(name), content), content]);
  } catch {
    // The next build finds it again.
  }
}

function sealName(name: string): string {
  return `isolation:${name}`;
}
