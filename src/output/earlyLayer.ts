/**
 * A layer that is sent while it is being compressed. That pays if it is new to whoever gets it: so it is begun only for a
 * layer of which most blocks were kept from another one, since that is what a change leaves. A layer of which nothing was
 * kept may well be there already, made elsewhere, and asking for it by its digest is cheaper than sending it.
 */
import type { CompressedLayer } from "../layer/compressBlocks.js";
import type { EarlyBlob } from "../registry/earlyBlob.js";

/** Blocks after which it is decided. */
const LOOKED_AT = 8;

/** Takes the pieces of a layer in order. */
export class EarlyLayer {
  readonly #begin: () => EarlyBlob;
  /** What has come before it was decided; undefined from then on. */
  #held: Buffer[] | undefined = [];
  #reused = 0;
  #blob: EarlyBlob | undefined;

  /** @param begin opens the way to where the layer goes */
  constructor(begin: () => EarlyBlob) {
    this.#begin = begin;
  }

  /** As `onPiece` of compressLayer. */
  readonly take = (piece: Buffer, isReused: boolean): Promise<void> | undefined => {
    if (this.#held === undefined) return this.#blob?.write(piece);
    this.#held.push(piece);
    if (isReused) this.#reused++;
    // The first piece is no block.
    return this.#held.length > LOOKED_AT ? this.#decide(this.#held) : undefined;
  };

  /** Waits until all has arrived, or has turned out not to. */
  async end({ digest, size }: Pick<CompressedLayer, "digest" | "size">): Promise<void> {
    await this.#blob?.end({ digest, size });
  }

  /** Gives up what has not ended. */
  abort(): void {
    this.#blob?.abort();
  }

  async #decide(held: readonly Buffer[]): Promise<void> {
    this.#held = undefined;
    if (this.#reused * 2 < LOOKED_AT) return;
    this.#blob = this.#begin();
    for (const piece of held) await this.#blob.write(piece);
  }
}
