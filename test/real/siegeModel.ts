/** What the names of a besieged store must stand for, as far as those who set them know. */

/** What a name may stand for: the content that its image was built with, or that there is no such name. */
export type Meaning = string;
/** There is no such name. */
export const NOTHING = "(nothing)";

/** The names that one worker alone sets and removes. */
export class OwnNames {
  /** All that each name may have meant, step by step. Between two changes there is one set of possibilities. */
  readonly #steps = new Map<string, Meaning[][]>();

  names(): string[] {
    return [...this.#steps.keys()];
  }

  /** What the name may mean now; one meaning, unless something is under way or was killed. */
  possible(name: string): readonly Meaning[] {
    return this.#steps.get(name)?.at(-1) ?? [NOTHING];
  }

  /** Somebody sets about giving the name a meaning. */
  begin(name: string, meaning: Meaning): void {
    this.#push(name, [...new Set([...this.possible(name), meaning])]);
  }

  /** It has that meaning now. */
  settle(name: string, meaning: Meaning): void {
    this.#push(name, [meaning]);
  }

  /** Begins to watch a name. @returns what tells, later on, all that it may have meant since */
  watch(name: string): () => ReadonlySet<Meaning> {
    const from = Math.max(0, (this.#steps.get(name)?.length ?? 0) - 1);
    return () => new Set((this.#steps.get(name) ?? [[NOTHING]]).slice(from).flat());
  }

  #push(name: string, meanings: Meaning[]): void {
    const steps = this.#steps.get(name) ?? [[NOTHING]];
    steps.push(meanings);
    this.#steps.set(name, steps);
  }
}

/** Numbers from a seed: the same seed gives the same numbers. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.number();
  }

  /** A whole number from 0 to 2^32 - 1. */
  number(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }

  /** A whole number from 0 to below. */
  below(limit: number): number {
    return this.number() % limit;
  }

  /** One of some things. */
  one<T>(things: readonly T[]): T {
    return things[this.below(things.length)]!;
  }

  /** One of some things, each as probable as its weight says. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const entries = Object.entries(weights) as [T, number][];
    let left = this.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
    return entries.find(([, weight]) => (left -= weight) < 0)![0];
  }
}
