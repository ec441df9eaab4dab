/** What a build would do, as data. */
import type { MissReason } from "../cache/why.js";
import type { StepId } from "../plan/graph.js";
import type { AnsweredBy } from "./request.js";

/** What would become of a step. */
export type PreviewOutcome =
  /** A record answers. */
  | { readonly kind: "hit"; readonly by: AnsweredBy }
  /** It would be made. */
  | { readonly kind: "miss" }
  /** It would be made unless what `after` (a step that would be made) gives is what it gave before. */
  | { readonly kind: "undecided"; readonly after: StepId }
  /** What it adds is somewhere else and has to be fetched to be known; or it stands on such a step (`after`). */
  | { readonly kind: "unknown"; readonly why: string; readonly after?: StepId | undefined }
  /** Nothing that the target needs takes files from it. */
  | { readonly kind: "unneeded" };

/** A step of a build that was not done. */
export interface PreviewedStep {
  readonly id: StepId;
  /** Name of its stage. */
  readonly stage: string;
  /** `[build 2/5] COPY . /app`. */
  readonly label: string;
  /** As written, on one line. */
  readonly instruction: string;
  readonly kind: "copy" | "run" | "workdir";
  /** Of the Dockerfile, from 1. */
  readonly line: number;
  /** Absent where it is not known. */
  readonly key?: string | undefined;
  /** Steps that it takes files from. */
  readonly inputs: readonly StepId[];
  readonly outcome: PreviewOutcome;
  /** Why it is no hit. */
  readonly reason?: MissReason | undefined;
  /** The same in one line. */
  readonly why?: string | undefined;
  /** Bytes of its layer: of the one that would be used, else of the one that it made last. */
  readonly size?: number | undefined;
  /** Milliseconds that it took when it was made last. */
  readonly duration?: number | undefined;
}

/** Sums of a preview. */
export interface PreviewTotals {
  readonly steps: number;
  readonly hits: number;
  readonly misses: number;
  readonly undecided: number;
  readonly unknown: number;
  readonly unneeded: number;
  /** Milliseconds that the steps which would surely be made took last time. */
  readonly cost: number;
  /** The same of those that may have to be made. */
  readonly possibleCost: number;
  /** Steps among both for which no time is known. */
  readonly untimed: number;
  /** Milliseconds that the hits save. */
  readonly saved: number;
}

/** What a build would do. */
export interface BuildPreview {
  readonly dockerfile: string;
  readonly context: string;
  readonly target?: string | undefined;
  readonly platform: string;
  readonly steps: readonly PreviewedStep[];
  readonly totals: PreviewTotals;
  /** Every step that is needed would be answered. */
  readonly allHit: boolean;
  readonly warnings: readonly { readonly rule: string; readonly message: string }[];
}
