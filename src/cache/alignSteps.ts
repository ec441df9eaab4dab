/**
 * Which step of a build is which of the one before: the same stage, and within it the best alignment of the instructions.
 * Depends on nothing but its arguments, and its cost grows with the number of steps, not with its square.
 */

/** A step as it is recognised. */
export interface AlignableStep {
  /** Name of the stage, or `stage-N`. */
  readonly stage: string;
  /** The instruction as written, on one line. */
  readonly instruction: string;
  readonly kind: string;
  readonly key: string;
}

/** For each present step the number of the earlier one that it is; undefined for new ones. */
export type StepAlignment = readonly (number | undefined)[];

/** Stretches with more pairs than this are not compared pair by pair. */
const MAX_PAIRS = 40_000;
/** Texts that have less in common are different instructions. */
const SIMILAR = 0.4;
/** So much more have texts in common that stand elsewhere. */
const VERY_SIMILAR = 0.6;
/** Longer texts are compared by their beginnings. */
const MAX_TEXT = 400;

/** Pairs the steps of two builds; no step is paired twice. */
export function alignSteps(before: readonly AlignableStep[], now: readonly AlignableStep[]): StepAlignment {
  const aligner = new Aligner(before, now);
  aligner.align();
  return aligner.pairs;
}

class Aligner {
  readonly pairs: (number | undefined)[];
  readonly #before: readonly AlignableStep[];
  readonly #now: readonly AlignableStep[];
  readonly #taken = new Set<number>();
  readonly #texts = new Map<AlignableStep, string>();
  readonly #grams = new Map<AlignableStep, ReadonlyMap<string, number>>();

  constructor(before: readonly AlignableStep[], now: readonly AlignableStep[]) {
    this.#before = before;
    this.#now = now;
    this.pairs = now.map(() => undefined);
  }

  align(): void {
    for (const [old, fresh] of this.#stages()) {
      this.#stretch(old, fresh);
      this.#moved(old, fresh);
    }
    const [old, fresh] = [this.#leftOf(this.#before), this.#leftNow(this.#now.map((_, i) => i))];
    // What was moved from stage to stage.
    this.#pairEqual(old, fresh, ({ key }) => key);
    this.#pairEqual(this.#leftOf(this.#before), this.#leftNow(fresh), (step) => this.#textOf(step));
  }

  /** Steps of stages that are the same: by name, those that are left by their place among those that are left. */
  #stages(): (readonly [number[], number[]])[] {
    const [old, fresh] = [byStage(this.#before), byStage(this.#now)];
    const pairs: (readonly [number[], number[]])[] = [];
    for (const [name, steps] of fresh) {
      const same = old.get(name);
      if (!same) continue;
      pairs.push([same, steps]);
      old.delete(name);
      fresh.delete(name);
    }
    const [renamed, others] = [[...fresh.values()], [...old.values()]];
    for (const [i, steps] of renamed.entries()) if (others[i]) pairs.push([others[i], steps]);
    return pairs;
  }

  /** Two rows of steps in which nothing has moved: equal beginnings and ends, then what is unique, then the gaps. */
  #stretch(old: readonly number[], fresh: readonly number[]): void {
    let start = 0;
    while (start < Math.min(old.length, fresh.length) && this.#isEqual(old[start]!, fresh[start]!)) {
      this.#pair(old[start]!, fresh[start]!);
      start++;
    }
    let tail = 0;
    while (
      tail < Math.min(old.length, fresh.length) - start &&
      this.#isEqual(old.at(-1 - tail)!, fresh.at(-1 - tail)!)
    ) {
      this.#pair(old.at(-1 - tail)!, fresh.at(-1 - tail)!);
      tail++;
    }
    const [a, b] = [old.slice(start, old.length - tail), fresh.slice(start, fresh.length - tail)];
    if (a.length === 0 || b.length === 0) return;
    if (a.length * b.length <= MAX_PAIRS) this.#gap(a, b);
    else this.#anchored(a, b);
  }

  /** Instructions that stand once in each row hold the alignment, as far as they are in the same order (patience diff). */
  #anchored(old: readonly number[], fresh: readonly number[]): void {
    const anchors = longestIncreasing(this.#uniques(old, fresh));
    if (anchors.length === 0) {
      this.#inOrder(old, fresh);
      return;
    }
    let [i, j] = [0, 0];
    for (const [a, b] of [...anchors, [old.length, fresh.length] as const]) {
      if (a > i && b > j) this.#stretch(old.slice(i, a), fresh.slice(j, b));
      if (a < old.length) this.#pair(old[a]!, fresh[b]!);
      [i, j] = [a + 1, b + 1];
    }
  }

  /** Positions of texts that stand once in each row, in the order of the later one. */
  #uniques(old: readonly number[], fresh: readonly number[]): (readonly [number, number])[] {
    const [inOld, inFresh] = [
      this.#positions(old.map((id) => this.#before[id]!)),
      this.#positions(fresh.map((id) => this.#now[id]!)),
    ];
    return [...inFresh].flatMap(([text, at]): (readonly [number, number])[] => {
      const from = inOld.get(text);
      return at >= 0 && from !== undefined && from >= 0 ? [[from, at]] : [];
    });
  }

  /** -1 for texts that stand more than once. */
  #positions(steps: readonly AlignableStep[]): Map<string, number> {
    const positions = new Map<string, number>();
    for (const [i, step] of steps.entries()) {
      const text = this.#textOf(step);
      positions.set(text, positions.has(text) ? -1 : i);
    }
    return positions;
  }

  /** Many instructions of which none is unique: each takes the next one of its text. */
  #inOrder(old: readonly number[], fresh: readonly number[]): void {
    const places = new Map<string, number[]>();
    for (const [i, id] of old.entries()) {
      const text = this.#textOf(this.#before[id]!);
      const list = places.get(text) ?? [];
      list.push(i);
      places.set(text, list);
    }
    for (const list of places.values()) list.reverse();
    let last = -1;
    for (const id of fresh) {
      const list = places.get(this.#textOf(this.#now[id]!)) ?? [];
      while (list.length > 0 && list.at(-1)! <= last) list.pop();
      const at = list.pop();
      if (at === undefined) continue;
      this.#pair(old[at]!, id);
      last = at;
    }
  }

  /** The alignment of the greatest worth: equal texts first, then texts that have most in common. */
  #gap(old: readonly number[], fresh: readonly number[]): void {
    const width = fresh.length + 1;
    const best = new Float64Array((old.length + 1) * width);
    const alone = old.length === 1 && fresh.length === 1;
    const worth = (i: number, j: number): number => this.#worth(old[i]!, fresh[j]!, alone);
    for (let i = old.length - 1; i >= 0; i--) {
      for (let j = fresh.length - 1; j >= 0; j--) {
        const paired = worth(i, j);
        const skip = Math.max(best[(i + 1) * width + j]!, best[i * width + j + 1]!);
        best[i * width + j] = paired > 0 ? Math.max(skip, paired + best[(i + 1) * width + j + 1]!) : skip;
      }
    }
    for (let i = 0, j = 0; i < old.length && j < fresh.length; ) {
      const paired = worth(i, j);
      const here = best[i * width + j]!;
      if (paired > 0 && here === paired + best[(i + 1) * width + j + 1]!) this.#pair(old[i++]!, fresh[j++]!);
      else if (here === best[(i + 1) * width + j]!) i++;
      else j++;
    }
  }

  /** @param alone both stand between the same neighbours, so that one was put in the place of the other */
  #worth(old: number, fresh: number, alone: boolean): number {
    const [a, b] = [this.#before[old]!, this.#now[fresh]!];
    if (a.kind !== b.kind) return 0;
    if (this.#textOf(a) === this.#textOf(b)) return a.key === b.key ? 3 : 2;
    const similarity = this.#similarity(a, b);
    return similarity >= SIMILAR || alone ? Math.max(similarity, 0.1) : 0;
  }

  /** What was left because it stands in another order now. */
  #moved(old: readonly number[], fresh: readonly number[]): void {
    const left = () => [old.filter((id) => !this.#taken.has(id)), this.#leftNow(fresh)] as const;
    const [a, b] = left();
    this.#pairEqual(a, b, (step) => this.#textOf(step));
    const [c, d] = left();
    if (c.length * d.length > MAX_PAIRS) return;
    const close = d.flatMap((now) =>
      c.flatMap((before) => {
        const [x, y] = [this.#before[before]!, this.#now[now]!];
        const similarity = x.kind === y.kind ? this.#similarity(x, y) : 0;
        return similarity >= VERY_SIMILAR ? [{ before, now, similarity }] : [];
      }),
    );
    close.sort((x, y) => y.similarity - x.similarity || x.now - y.now || x.before - y.before);
    for (const { before, now } of close) {
      if (!this.#taken.has(before) && this.pairs[now] === undefined) this.#pair(before, now);
    }
  }

  #pairEqual(old: readonly number[], fresh: readonly number[], of: (step: AlignableStep) => string): void {
    const waiting = new Map<string, number[]>();
    for (const id of old) {
      const name = `${this.#before[id]!.kind} ${of(this.#before[id]!)}`;
      const list = waiting.get(name) ?? [];
      list.push(id);
      waiting.set(name, list);
    }
    for (const list of waiting.values()) list.reverse();
    for (const id of fresh) {
      const match = waiting.get(`${this.#now[id]!.kind} ${of(this.#now[id]!)}`)?.pop();
      if (match !== undefined) this.#pair(match, id);
    }
  }

  #pair(old: number, fresh: number): void {
    this.pairs[fresh] = old;
    this.#taken.add(old);
  }

  #leftOf(steps: readonly AlignableStep[]): number[] {
    return steps.flatMap((_, i) => (this.#taken.has(i) ? [] : [i]));
  }

  #leftNow(ids: readonly number[]): number[] {
    return ids.filter((id) => this.pairs[id] === undefined);
  }

  #isEqual(old: number, fresh: number): boolean {
    const [a, b] = [this.#before[old]!, this.#now[fresh]!];
    return a.kind === b.kind && this.#textOf(a) === this.#textOf(b);
  }

  /** Blanks do not count. */
  #textOf(step: AlignableStep): string {
    let text = this.#texts.get(step);
    if (text === undefined) {
      text = step.instruction.trim().replace(/\s+/g, " ");
      this.#texts.set(step, text);
    }
    return text;
  }

  /** Dice's coefficient of the pairs of neighbouring characters, keyword aside: 1 for texts that have all in common. */
  #similarity(a: AlignableStep, b: AlignableStep): number {
    const [x, y] = [this.#gramsOf(a), this.#gramsOf(b)];
    let common = 0;
    let total = 0;
    for (const [gram, count] of x) {
      total += count;
      common += Math.min(count, y.get(gram) ?? 0);
    }
    for (const count of y.values()) total += count;
    return total === 0 ? 1 : (2 * common) / total;
  }

  #gramsOf(step: AlignableStep): ReadonlyMap<string, number> {
    let grams = this.#grams.get(step);
    if (!grams) {
      const text = this.#textOf(step).replace(/^\S+ /, "").slice(0, MAX_TEXT);
      const counted = new Map<string, number>();
      for (let i = 0; i + 1 < text.length; i++) {
        const gram = text.slice(i, i + 2);
        counted.set(gram, (counted.get(gram) ?? 0) + 1);
      }
      grams = counted;
      this.#grams.set(step, grams);
    }
    return grams;
  }
}

function byStage(steps: readonly AlignableStep[]): Map<string, number[]> {
  const stages = new Map<string, number[]>();
  for (const [i, { stage }] of steps.entries()) {
    const list = stages.get(stage) ?? [];
    list.push(i);
    stages.set(stage, list);
  }
  return stages;
}

/** The longest part of pairs, ordered by their second numbers, in which the first numbers grow too. */
function longestIncreasing(pairs: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const ends: number[] = [];
  const previous: (number | undefined)[] = [];
  for (const [i, [value]] of pairs.entries()) {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (pairs[ends[middle]!]![0] < value) low = middle + 1;
      else high = middle;
    }
    previous[i] = ends[low - 1];
    ends[low] = i;
  }
  const longest: (readonly [number, number])[] = [];
  for (let at = ends.at(-1); at !== undefined; at = previous[at]) longest.push(pairs[at]!);
  return longest.reverse();
}
