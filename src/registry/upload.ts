/**
 * Uploading a blob that is known: in one request if it is small, else in chunks; after a failure from where the registry
 * has come to, or anew. The content can be read again from any offset, so nothing of it is kept.
 */
import type { Digest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import { NacreError } from "../support/errors.js";
import { blobPath } from "./blobReader.js";
import { PassingFailure } from "./httpFailure.js";
import { SourceFailure } from "./registryErrors.js";
import type { RequestBody, TransportAnswer } from "./transport.js";
import type { Exchange } from "./transportExchange.js";
import { RetryCount } from "./transportRetry.js";
import type { ContentSource, TransferProgress } from "./types.js";
import { UploadSession } from "./uploadSession.js";

/** Blobs up to this size are sent as a whole: what arrived of a PUT that breaks off is lost with most registries. */
const WHOLE = 1 << 20;
/** What is sent by one PATCH: what arrived of it may be lost with the connection. */
const CHUNK = 16 << 20;
/** The same where a proxy finds that too big: nginx takes so much if it is not told otherwise. */
const SMALL_CHUNK = 1 << 20;

type OnProgress = (progress: TransferProgress) => void;

/** True if a blob is there. @throws NacreError DENIED, NETWORK, CANCELLED */
export async function hasBlob(exchange: Exchange, digest: Digest): Promise<boolean> {
  const { registry, repository } = exchange.target;
  const doing = `look for the blob ${digest} in ${registry}/${repository}`;
  const answer = await exchange.call({ method: "HEAD", to: blobPath(exchange, digest), accept: [200, 404], doing });
  await answer.discard();
  return answer.status === 200;
}

/**
 * Makes a blob of another repository of the registry one of this.
 * @returns false if the registry does not do that, or may not
 * @throws NacreError NETWORK, CANCELLED
 */
export async function mountBlob(exchange: Exchange, digest: Digest, from: string): Promise<boolean> {
  const { registry, repository, endpoint } = exchange.target;
  const doing = `mount the blob ${digest} of ${registry}/${from} into ${registry}/${repository}`;
  const query = `mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
  const to = `${endpoint.repository}/blobs/uploads/?${query}`;
  const scopes = [`repository:${from}:pull`];
  const accept = [201, 202, 400, 401, 403, 404, 405];
  let answer: TransportAnswer;
  try {
    answer = await exchange.call({ method: "POST", to, scopes, doing, accept });
  } catch (error) {
    // No token for the other repository.
    if (error instanceof NacreError && error.code === "DENIED") return false;
    throw error;
  }
  await answer.discard();
  // An upload was opened in its place.
  if (answer.status === 202) await (await UploadSession.of(exchange, doing, answer)).cancel();
  return answer.status === 201;
}

/**
 * Uploads a blob unless it is there.
 * @throws NacreError CONTENT_INVALID, DENIED, NETWORK, CANCELLED; what the content throws
 */
export async function upload(
  exchange: Exchange,
  descriptor: Pick<Descriptor, "digest" | "size">,
  content: ContentSource,
  onProgress: OnProgress,
): Promise<"uploaded" | "exists"> {
  if (await hasBlob(exchange, descriptor.digest)) return "exists";
  await new BlobUpload(exchange, descriptor, content, onProgress).run();
  return "uploaded";
}

class BlobUpload {
  readonly #exchange: Exchange;
  readonly #digest: Digest;
  readonly #size: number;
  readonly #content: ContentSource;
  readonly #onProgress: OnProgress;
  readonly #doing: string;
  #session: UploadSession | undefined;
  /** The farthest that the registry has come to. */
  #farthest = 0;
  #isWhole: boolean;
  #chunk = CHUNK;

  constructor(
    exchange: Exchange,
    { digest, size }: Pick<Descriptor, "digest" | "size">,
    content: ContentSource,
    onProgress: OnProgress,
  ) {
    this.#exchange = exchange;
    this.#digest = digest;
    this.#size = size;
    this.#isWhole = size <= WHOLE;
    this.#content = content;
    this.#onProgress = onProgress;
    this.#doing = `push the blob ${digest} to ${exchange.target.registry}/${exchange.target.repository}`;
  }

  async run(): Promise<void> {
    const count = new RetryCount(this.#exchange.rules(this.#doing));
    try {
      while (!(await this.#try(count)));
    } catch (error) {
      await this.#session?.cancel();
      throw error;
    }
  }

  /** @returns true once the blob is there */
  async #try(count: RetryCount): Promise<boolean> {
    try {
      this.#session ??= await UploadSession.start(this.#exchange, this.#doing);
      await this.#send(this.#session);
      return true;
    } catch (error) {
      if ((this.#session?.offset ?? 0) > this.#farthest) {
        this.#farthest = this.#session!.offset;
        count.progressed();
      }
      await count.failed(this.#forgiven(error));
      this.#isWhole = false;
      // It may be the answer alone that was lost.
      if (await hasBlob(this.#exchange, this.#digest)) return true;
      await this.#resume();
      return false;
    }
  }

  /** Asks how far the registry has come; what cannot be continued is given up, and begun anew. */
  async #resume(): Promise<void> {
    const session = this.#session;
    if (session === undefined || ((await session.resume()) && session.offset <= this.#size)) return;
    this.#session = undefined;
    await session.cancel();
  }

  async #send(session: UploadSession): Promise<void> {
    if (this.#isWhole) return await session.put(this.#digest, this.#part(0, this.#size));
    while (session.offset < this.#size) {
      const rest = this.#size - session.offset;
      if (rest < session.minChunk) return await session.put(this.#digest, this.#part(session.offset, rest));
      await session.patch(this.#part(session.offset, Math.min(Math.max(this.#chunk, session.minChunk), rest)));
    }
    await session.put(this.#digest);
  }

  #part(offset: number, length: number): RequestBody & { readonly length: number } {
    return { length, open: () => this.#read(offset, length) };
  }

  /** Exactly so many bytes of the content. */
  async *#read(offset: number, length: number): AsyncGenerator<Uint8Array> {
    const end = offset + length;
    let at = offset;
    try {
      for await (const chunk of this.#content(offset)) {
        // undici knows the end of a body by its length: a byte too many of the last part would never be seen.
        if (at + chunk.length > this.#size) throw this.#wrong(`more than ${this.#size} bytes`);
        const part = chunk.subarray(0, end - at);
        if (part.length > 0) yield part;
        at += part.length;
        this.#onProgress({ bytes: at, total: this.#size });
        if (at === end && end < this.#size) return;
      }
      if (at < end) throw this.#wrong(`${at} of ${this.#size} bytes`);
    } catch (error) {
      throw new SourceFailure(error);
    }
  }

  /** A proxy that takes no big request may take small ones. */
  #forgiven(error: unknown): unknown {
    const isTooBig = error instanceof NacreError && error.facts.status === 413;
    if (!isTooBig || this.#chunk === SMALL_CHUNK) return error;
    this.#chunk = SMALL_CHUNK;
    return new PassingFailure(error);
  }

  #wrong(what: string): NacreError {
    return new NacreError("CONTENT_INVALID", `the content of ${this.#digest} has ${what}`, {
      hint: "the store is damaged, or the file was changed while it was read",
    });
  }
}
