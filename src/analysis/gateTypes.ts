/** What a gate finds. */
import type { Digest } from "../oci/digest.js";
import type { Store } from "../store/store.js";
import type { BaseImage } from "./baseImage.js";
import type { DiveReport } from "./diveExport.js";
import type { GateRuleName, GateRules, GateSource } from "./gateRules.js";
import type { IndexStack, OpenedImage } from "./types.js";
import type { ImageWaste } from "./wasteTypes.js";

/** How a rule came out: WARN is a failure that was only to be warned of, SKIP a rule that was switched off or could not apply. */
export type GateStatus = "PASS" | "FAIL" | "WARN" | "SKIP";

/** What checking a rule gave, before it is known if it only warns. */
export interface GateOutcome {
  readonly status: "PASS" | "FAIL" | "SKIP";
  /** For people. Empty where there is nothing to measure. */
  readonly measured: string;
  /** The numbers behind it, where there are some. */
  readonly value?: number | undefined;
  /** What would have been allowed, for people. */
  readonly allowed: string;
  /** One sentence. */
  readonly message: string;
  /** What to do about a failure. */
  readonly advice?: string | undefined;
  /** What offends, the first of them. */
  readonly findings?: readonly string[] | undefined;
  /** How many more offend. */
  readonly more?: number | undefined;
}

/** The result of one rule. */
export interface GateResult extends Omit<GateOutcome, "status"> {
  readonly rule: GateRuleName;
  readonly title: string;
  readonly status: GateStatus;
  /** Where the rule is written; absent for flags. */
  readonly source?: GateSource | undefined;
}

/** The result of a gate. */
export interface GateReport {
  readonly schema: "nacre.gate/1";
  readonly image: string;
  readonly digest: Digest;
  readonly baseline?: string | undefined;
  /** FAIL if any rule failed. */
  readonly status: "PASS" | "FAIL";
  readonly counts: Readonly<Record<GateStatus, number>>;
  readonly results: readonly GateResult[];
}

/** What a gate is checked with. */
export interface GateContext {
  /** What growth is measured against. */
  readonly baseline?: OpenedImage | undefined;
  /** Skip rules about growth where there is no baseline, as on the first build. Default: that is an error. */
  readonly baselineMayMiss?: boolean | undefined;
  /** Where bases are looked for. */
  readonly store?: Store | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What rules ask of an image; each answer is found once. */
export interface GateFacts {
  readonly image: OpenedImage;
  readonly rules: GateRules;
  readonly context: GateContext;
  base(): BaseImage | undefined;
  waste(): Promise<ImageWaste>;
  dive(): Promise<DiveReport>;
  stack(): Promise<IndexStack>;
}
