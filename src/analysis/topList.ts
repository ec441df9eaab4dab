/** The biggest of many, in bounded memory. Pure. */

/** Keeps the `limit` items of highest rank; of equal ones the first. */
export class TopList<T> {
  readonly #limit: number;
  readonly #items: { readonly rank: number; readonly item: T }[] = [];
  #offered = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many were offered and are not in the list. */
  get left(): number {
    return this.#offered - this.#items.length;
  }

  /** Offers an item. It is made only if it has a chance. */
  offer(rank: number, make: () => T): void {
    this.#offered++;
    const items = this.#items;
    if (items.length >= this.#limit && (this.#limit === 0 || rank <= items[items.length - 1]!.rank)) return;
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (items[middle]!.rank >= rank) low = middle + 1;
      else high = middle;
    }
    items.splice(low, 0, { rank, item: make() });
    if (items.length > this.#limit) items.pop();
  }

  /** Highest rank first. */
  get items(): T[] {
    return this.#items.map(({ item }) => item);
  }
}
