/**
 * A blob that is sent while it is still being made: whoever makes it writes pieces, whoever sends it reads them. If sending
 * fails, writing goes on into nothing: the blob is sent again when all of it is known.
 */
import type { Digest } from "../oci/digest.js";
import { NacreError } from "../support/errors.js";

/** Digest and bytes of what was written. */
interface Whole {
  readonly digest: Digest;
  readonly size: number;
}

/** A pipe of one piece; see the top of this file. */
export class EarlyBlob {
  #piece: Uint8Array | undefined;
  #whole: Whole | undefined;
  #aborted = false;
  /** True once nobody reads any more. */
  #closed = false;
  #wake: (() => void) | undefined;
  readonly #sent: Promise<void>;

  /** @param send gets the bytes, and a way to ask for their digest when they have ended; never rejects */
  constructor(send: (bytes: AsyncIterable<Uint8Array>, digest: () => Digest) => Promise<void>) {
    this.#sent = send(this.#read(), () => this.#ended().digest).finally(() => {
      this.#closed = true;
      this.#turn();
    });
  }

  /** Waits until the piece before this one is taken. */
  async write(piece: Uint8Array): Promise<void> {
    while (this.#piece !== undefined && !this.#closed) await this.#change();
    if (this.#closed) return;
    this.#piece = piece;
    this.#turn();
  }

  /** All is written. Resolves when it is sent, or will not be. */
  async end(whole: Whole): Promise<void> {
    this.#whole = whole;
    this.#turn();
    await this.#sent;
  }

  /** What was written is worth nothing. Does nothing after the end. */
  abort(): void {
    if (this.#whole !== undefined) return;
    this.#aborted = true;
    this.#turn();
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = this.#piece;
      if (this.#aborted) throw new NacreError("CANCELLED", "a blob was given up while it was sent");
      if (piece !== undefined) {
        this.#piece = undefined;
        this.#turn();
        yield piece;
      } else if (this.#whole !== undefined) return;
      else await this.#change();
    }
  }

  #ended(): Whole {
    if (this.#whole === undefined) throw new NacreError("INTERNAL", "a blob has no digest before its end");
    return this.#whole;
  }

  /** Both sides wait by turns only: there is never more than one who waits. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #turn(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
