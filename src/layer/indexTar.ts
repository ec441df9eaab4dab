/** Indexing a layer's tar in one pass, as its bytes come by. */
import { type DiffId, digestOfHex } from "../oci/digest.js";
import { createHasher, type Hasher, sha256Hex } from "../support/hash.js";
import type { TarEntry } from "../tar/entry.js";
import { type TarLimits, TarScanner } from "../tar/scan.js";
import { cleanPath } from "./fileTree.js";
import { IndexBuilder } from "./indexBuilder.js";
import type { LayerIndex } from "./layerIndex.js";
import { isKept } from "./smallFiles.js";

/** Takes the uncompressed bytes of a layer, gives its index and diffID. */
export class LayerIndexer {
  readonly #builder: IndexBuilder;
  readonly #scanner: TarScanner;
  readonly #whole = createHasher();
  #current: TarEntry | undefined;
  #content: Hasher | undefined;
  #kept: Buffer[] | undefined;
  #size = 0;

  /** @param options `whiteouts: false` for archives that are no layers */
  constructor(options: { readonly whiteouts?: boolean; readonly limits?: Partial<TarLimits> } = {}) {
    this.#builder = new IndexBuilder(options);
    this.#scanner = new TarScanner(
      {
        entry: (entry, headerOffset, contentOffset) => this.#entry(entry, headerOffset, contentOffset),
        content: (chunk) => this.#chunk(chunk),
        endEntry: () => this.#end(),
      },
      options.limits,
    );
  }

  /** @throws NacreError TAR_INVALID, LIMIT_EXCEEDED */
  write(chunk: Uint8Array): void {
    this.#whole.update(chunk);
    this.#size += chunk.length;
    this.#scanner.write(chunk);
  }

  /** @throws NacreError TAR_INVALID if the archive is cut short */
  end(): { readonly index: LayerIndex; readonly diffId: DiffId; readonly size: number } {
    this.#scanner.end();
    return { index: this.#builder.finish(this.#size), diffId: digestOfHex(this.#whole.hex()), size: this.#size };
  }

  #entry(entry: TarEntry, headerOffset: number, contentOffset: number): void {
    this.#builder.add(entry, headerOffset, contentOffset);
    this.#current = entry;
    this.#content = undefined;
    this.#kept = entry.type === "file" && isKept(cleanPath(entry.path), entry.size) ? [] : undefined;
    if (entry.type === "file" && entry.size === 0) this.#builder.setDigest(sha256Hex(""));
  }

  #chunk(chunk: Uint8Array): void {
    this.#kept?.push(Buffer.from(chunk));
    if (this.#content === undefined && chunk.length === this.#current?.size) {
      this.#builder.setDigest(sha256Hex(chunk));
      return;
    }
    this.#content ??= createHasher();
    this.#content.update(chunk);
  }

  #end(): void {
    if (this.#content) this.#builder.setDigest(this.#content.hex());
    if (this.#kept && this.#current)
      this.#builder.keepFile(this.#current.path, Buffer.concat(this.#kept).toString("latin1"));
    this.#content = undefined;
    this.#kept = undefined;
  }
}
