/** What a step starts from or reads, then and now. */
import type { Json } from "../support/json.js";
import type { StepAlignment } from "./alignSteps.js";
import { type Comparing, fieldsOf, isSame, type StepFacts } from "./explainFacts.js";
import type { Input, InputChange } from "./why.js";

/** The steps of a build, by their keys. */
export class InputsByKey {
  readonly #alignment: StepAlignment;
  readonly #before: StepIndex;
  readonly #after: StepIndex;

  /**
   * @param before the steps of the earlier build, as they were aligned
   * @param after those of the present one
   */
  constructor(before: readonly KeyedFacts[], after: readonly KeyedFacts[], alignment: StepAlignment) {
    this.#alignment = alignment;
    this.#before = new StepIndex(before);
    this.#after = new StepIndex(after);
  }

  /** An input as it is shown, with the step that it is. */
  input(value: Json | undefined, side: "before" | "after", { references }: StepFacts): Input | undefined {
    const { kind, digest, platform, key } = fieldsOf(value);
    const named = { digest: String(digest), platform: String(platform ?? "") };
    switch (kind) {
      case "scratch":
      case "context":
        return { kind };
      case "image": {
        const reference = references?.[named.digest];
        return { kind, ...named, ...(reference === undefined ? {} : { reference }) };
      }
      case "content":
        return { kind, ...named };
      case "tree":
        return { kind, digest: named.digest };
      case "step": {
        const index = side === "before" ? this.#before : this.#after;
        return { kind, key: String(key), ...index.find(String(key)) };
      }
      default:
        return undefined;
    }
  }

  /** True if two steps stand for the same instruction. */
  arePaired(before: number | undefined, after: number): boolean {
    return before !== undefined && this.#alignment[after] === before;
  }
}

/** What is known of a step by its key. */
export interface KeyedFacts {
  readonly key: string;
  readonly instruction: string;
}

class StepIndex {
  readonly #steps: readonly KeyedFacts[];
  readonly #byKey = new Map<string, number>();

  constructor(steps: readonly KeyedFacts[]) {
    this.#steps = steps;
    for (const [i, { key }] of steps.entries()) if (!this.#byKey.has(key)) this.#byKey.set(key, i);
  }

  find(key: string): { readonly step?: number; readonly instruction?: string } {
    const step = this.#byKey.get(key);
    return step === undefined ? {} : { step, instruction: this.#steps[step]!.instruction };
  }
}

/** Tells that an input is another one, if it is. */
export function explainInput(
  comparing: Comparing,
  inputs: InputsByKey,
  place: Pick<InputChange, "role" | "mount">,
  old: Json | undefined,
  fresh: Json | undefined,
): void {
  if (isSame(old, fresh)) return;
  const before = inputs.input(old, "before", comparing.before);
  const after = inputs.input(fresh, "after", comparing.after);
  if (before?.kind === "tree" && after?.kind === "tree") {
    const at = { kind: "tree" } as const;
    comparing.filesChange(at, { at, digest: before.digest }, { at, digest: after.digest });
    return;
  }
  const step = after?.kind === "step" ? after.step : undefined;
  const same = step !== undefined && before?.kind === "step" && inputs.arePaired(before.step, step);
  comparing.add({
    what: "input",
    ...place,
    ...(before ? { before } : {}),
    ...(after ? { after } : {}),
    ...(step === undefined ? {} : { step }),
    ...(same ? { same } : {}),
  });
}
