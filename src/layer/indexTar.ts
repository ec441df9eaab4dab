/** Indexing a layer's tar in one pass, as its bytes come by. */
import { type DiffId, digestOfHex } from "../oci/digest.js";
import { fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { createHasher, type Hasher, sha256Hex } from "../support/hash.js";
import type { TarEntry } from "../tar/entry.js";
import { normalizeMemberName } from "../tar/names.js";
import { type TarLimits, TarScanner } from "../tar/scan.js";
import type { SparseSegment } from "../tar/sparse.js";
import { cleanPath } from "./fileTree.js";
import { IndexBuilder } from "./indexBuilder.js";
import type { LayerIndex } from "./layerIndex.js";
import { isKept } from "./smallFiles.js";

/** Takes the uncompressed bytes of a layer, gives its index and diffID. */
export class LayerIndexer {
  readonly #builder: IndexBuilder;
  readonly #layer: boolean;
  readonly #scanner: TarScanner;
  readonly #whole = createHasher();
  #current: TarEntry | undefined;
  #content: Hasher | undefined;
  #kept: Buffer[] | undefined;
  #size = 0;

  /** @param options `whiteouts: false` for archives that are no layers */
  constructor(options: { readonly whiteouts?: boolean; readonly limits?: Partial<TarLimits> } = {}) {
    this.#layer = options.whiteouts ?? true;
    this.#builder = new IndexBuilder(options);
    this.#scanner = new TarScanner(
      {
        entry: (entry, headerOffset, contentOffset, sparse) => this.#entry(entry, headerOffset, contentOffset, sparse),
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

  #entry(entry: TarEntry, headerOffset: number, contentOffset: number, sparse?: readonly SparseSegment[]): void {
    this.#check(entry);
    this.#builder.add(entry, headerOffset, contentOffset, sparse);
    this.#current = entry;
    this.#content = undefined;
    this.#kept = entry.type === "file" && isKept(cleanPath(entry.path), entry.size) ? [] : undefined;
    if (entry.type === "file" && entry.size === 0) this.#builder.setDigest(sha256Hex(""));
  }

  /** What an archive unpacks must stay below its destination; names in layers are brought back below the root instead. */
  #check(entry: TarEntry): void {
    if (this.#layer) return;
    const escapes = [entry.path, entry.type === "hardlink" ? (entry.link ?? "") : ""].find(
      (path) => normalizeMemberName(path) === undefined,
    );
    if (escapes === undefined) return;
    throw new NacreError(
      "TAR_INVALID",
      `${JSON.stringify(fromByteString(escapes))} in the archive leads out of its destination`,
      {
        hint: "the archive was made to do harm, or with absolute names; make it again without ..",
      },
    );
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
