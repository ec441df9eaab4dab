/** Why the steps of a build miss: each is compared with the same step of the project's last build. Loaded when one does. */
import { type ComparedBuilds, compareSteps, explainMiss } from "../cache/explain.js";
import type { StepFacts } from "../cache/explainFacts.js";
import { openPack } from "../cache/listPack.js";
import type { StepState } from "../cache/projectState.js";
import { readRecord } from "../cache/record.js";
import { rootCause } from "../cache/rootCause.js";
import { GatheredLists, type StepLists } from "../cache/stepLists.js";
import type { Change, MissReason } from "../cache/why.js";
import { shortReason } from "../cache/whyText.js";
import type { Digest } from "../oci/digest.js";
import type { StepId } from "../plan/graph.js";
import { evictionOf } from "../store/evictions.js";
import type { Store } from "../store/store.js";
import type { KeyedStep } from "./keyer.js";
import { inputsOf } from "./stepInputs.js";

/** Above this many steps it is not looked where a change began. */
const MAX_TRACED = 300;

/** What a build is explained with. */
export interface ExplainedBuild {
  readonly store: Store;
  readonly keyed: readonly KeyedStep[];
  /** A step as it would be remembered. */
  readonly stateOf: (keyed: KeyedStep) => Pick<StepState, "stage" | "instruction" | "kind" | "key" | "references">;
  /** The project's last build; undefined if there was none. */
  readonly earlier: readonly StepState[] | undefined;
  /** The whole cache was not to be asked. */
  readonly noCache: boolean;
  /** Names that the Dockerfile declares with ARG. */
  readonly arguments: readonly string[];
}

/** Explains the misses of one build. */
export class MissExplainer {
  readonly #build: ExplainedBuild;
  readonly #builds: ComparedBuilds | undefined;
  readonly #packs = new Map<Digest, StepLists | undefined>();
  readonly #reasons = new Map<StepId, MissReason>();

  constructor(build: ExplainedBuild) {
    this.#build = build;
    const { earlier, keyed, stateOf } = build;
    this.#builds = earlier && compareSteps(earlier, keyed.map(stateOf));
  }

  /** The same step in the last build. */
  earlierOf(id: StepId): StepState | undefined {
    const at = this.#builds?.alignment[id];
    return at === undefined ? undefined : this.#build.earlier?.[at];
  }

  /** Why nothing answers for a step; of one that is answered, why its key is another one than last time. */
  reasonOf(id: StepId): MissReason {
    let reason = this.#reasons.get(id);
    if (reason === undefined) {
      reason = this.#explain(this.#build.keyed[id]!);
      this.#reasons.set(id, reason);
    }
    return reason;
  }

  /** Why the steps below were not enough: a record of just this key is there, and goes with another layer than they gave. */
  remade(id: StepId): MissReason {
    const changes = inputsOf(this.#build.keyed[id]!.step).map((step): Change => {
      return { what: "input", role: "parent", step, same: true };
    });
    return { kind: "changed", changes };
  }

  /** A reason in one line, back to where it began. */
  textOf(id: StepId, reason: MissReason): string {
    return shortReason(reason, { root: rootCause(id, this.#reasonsBelow(id, reason)) });
  }

  /** The reasons of a step and of all below it whose keys are other ones than last time. */
  #reasonsBelow(id: StepId, reason: MissReason): Record<StepId, MissReason> {
    const reasons: Record<StepId, MissReason> = { [id]: reason };
    const { keyed } = this.#build;
    const todo = [id];
    for (let at = todo.pop(); at !== undefined && todo.length < MAX_TRACED; at = todo.pop()) {
      for (const input of inputsOf(keyed[at]!.step)) {
        const known = keyed[input]!;
        if (reasons[input] || known.key === "" || this.earlierOf(input)?.key === known.key) continue;
        reasons[input] = this.reasonOf(input);
        todo.push(input);
      }
    }
    return reasons;
  }

  #explain(keyed: KeyedStep): MissReason {
    const { store, noCache } = this.#build;
    const { step, key } = keyed;
    const disabled = step.ignoreCache ? (noCache ? "no-cache" : "no-cache-filter") : undefined;
    const before = this.earlierOf(step.id);
    const lost = disabled ? undefined : lostRecord(store, key);
    if (
      !disabled &&
      lost === undefined &&
      (before === undefined || before.key === key) &&
      store.findRecords(key).length > 0
    ) {
      return this.remade(step.id);
    }
    return explainMiss({
      now: this.#factsOf(keyed, before),
      before: before && this.#factsOfState(before),
      builds: this.#builds,
      disabled,
      lost,
    });
  }

  #factsOf(keyed: KeyedStep, before: StepState | undefined): StepFacts {
    const { stateOf, arguments: names } = this.#build;
    const { instruction, references, key } = stateOf(keyed);
    const known = before?.lists && this.#pack(before.lists);
    const lists = keyed.lists && known ? new GatheredLists(keyed.lists, known) : undefined;
    return { key, ingredients: keyed.ingredients, instruction, references, lists, arguments: names };
  }

  #factsOfState({ key, ingredients, instruction, references, lists }: StepState): StepFacts {
    return { key, ingredients, instruction, references, lists: lists && this.#pack(lists) };
  }

  #pack(digest: Digest): StepLists | undefined {
    if (!this.#packs.has(digest)) this.#packs.set(digest, openPack(this.#build.store, digest));
    return this.#packs.get(digest);
  }
}

/** What became of the records of a key, where none of them is of use. */
function lostRecord(store: Store, key: string): Parameters<typeof explainMiss>[0]["lost"] {
  const whole = store.findRecords(key);
  if (whole.some((stored) => readRecord(stored) !== undefined)) return undefined;
  const files = store.records.files(key);
  if (files.length > 0) {
    const isRead = files.some((file) => {
      const record = store.records.read(file);
      return record && readRecord(record);
    });
    return { kind: "unusable", why: isRead ? "blobs" : "damaged" };
  }
  const gone = evictionOf(store, key);
  return gone && { kind: "evicted", at: gone.at, why: gone.reason };
}
