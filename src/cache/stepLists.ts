/**
 * The lists below a step's roots, in memory: what explanations read and packs are made from. Lists that are known from
 * elsewhere are not gathered again, so that a context in which one file has changed costs a few lists.
 */
import { entryDigest, type ListEntry, parseList, scanList } from "../context/treeList.js";
import { digestOfHex, hexOf, isDigest } from "../oci/digest.js";
import { sha256Hex } from "../support/hash.js";
import type { RootFacts, StepRoots } from "./listRoots.js";

/** Lists by digest, with the roots of the step that they belong to. */
export interface StepLists extends StepRoots<RootFacts> {
  /** True if {@link bytes} would be asked for nothing. */
  has(hex: string): boolean;
  /** A list as it was hashed; undefined if it is not there, or damaged. @param hex 64 hex digits */
  bytes(hex: string): Buffer | undefined;
  /** How many names below a list are no directories; undefined if that is not known. */
  files(hex: string): number | undefined;
}

/** A list read, or undefined. @param digest with or without `sha256:` */
export function readList(lists: StepLists, digest: string): readonly ListEntry[] | undefined {
  const bytes = lists.bytes(isDigest(digest) ? hexOf(digest) : digest);
  try {
    return bytes && parseList(bytes);
  } catch {
    return undefined;
  }
}

/** Lists that were gathered, over those that were known. */
export class GatheredLists implements StepLists {
  readonly words: StepLists["words"];
  readonly roots: readonly RootFacts[];
  /** What was gathered, by hex digest; children before parents. */
  readonly own = new Map<string, Buffer>();
  readonly #known: StepLists | undefined;
  readonly #files = new Map<string, number>();

  /** @param known lists that need not be gathered */
  constructor(step: StepRoots, known?: StepLists) {
    this.words = step.words;
    this.roots = step.roots.map(({ at, path, digest }) => ({ at, path, digest }));
    this.#known = known;
    for (const root of step.roots) {
      if (this.has(hexOfText(root.digest))) continue;
      root.collect({
        hasList: (digest) => this.has(hexOf(digest)),
        putList: (bytes) => {
          const hex = sha256Hex(bytes);
          this.#put(hex, bytes);
          return digestOfHex(hex);
        },
      });
    }
  }

  /** True if the lists of all roots are there: the files are still those that were keyed. */
  get isWhole(): boolean {
    return this.roots.every(({ digest }) => this.has(hexOfText(digest)));
  }

  has(hex: string): boolean {
    return this.own.has(hex) || (this.#known?.has(hex) ?? false);
  }

  bytes(hex: string): Buffer | undefined {
    return this.own.get(hex) ?? this.#known?.bytes(hex);
  }

  files(hex: string): number | undefined {
    return this.#files.get(hex) ?? this.#known?.files(hex);
  }

  #put(hex: string, bytes: Uint8Array): void {
    if (this.has(hex)) return;
    this.own.set(hex, Buffer.from(bytes));
    let files = 0;
    scanList(bytes, (place) => {
      files += place.type === "dir" ? (this.files(entryDigest(bytes, place)) ?? 0) : 1;
    });
    this.#files.set(hex, files);
  }
}

/** The hex digits of a digest that stands in an ingredient; the text itself if it is none. */
export function hexOfText(digest: string): string {
  return isDigest(digest) ? hexOf(digest) : digest;
}
