/**
 * Blobs on their way into one repository: each is looked for first, then asked for from another repository of the same
 * registry, and sent only if it is neither here nor there. Several at once, each digest once, whoever asks for it.
 */
import pLimit, { type LimitFunction } from "p-limit";
import type { Digest } from "../oci/digest.js";
import { NacreError } from "../support/errors.js";
import { EarlyBlob } from "./earlyBlob.js";
import type { ContentSource, RepositoryClient, TransferProgress } from "./types.js";

/** Blobs that are sent at once, as Docker has it (daemon.json, `max-concurrent-uploads`). */
export const UPLOADS = 5;
/** Repositories that are asked for one blob: each costs a request. */
const MOST_MOUNTS = 3;

/** A blob to be pushed. */
export interface PushBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly open: ContentSource;
}

/** What became of a blob. */
export type BlobOutcome =
  | { readonly kind: "pushed" | "exists" }
  /** It was another repository's. */
  | { readonly kind: "mounted"; readonly from: string };

/** How blobs are pushed. */
export interface PushBlobsOptions {
  /** Blobs at once; default {@link UPLOADS}. */
  readonly jobs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Other repositories of this registry that may have a blob, the likeliest first. */
  readonly origins?: ((digest: Digest) => readonly string[]) | undefined;
  /** Told of every blob that the repository has now. */
  readonly onPresent?: ((digest: Digest, outcome: BlobOutcome) => void) | undefined;
}

/** Pushes blobs into one repository. After a failure it sends nothing more. */
export class BlobPusher {
  readonly client: RepositoryClient;
  readonly #options: PushBlobsOptions;
  readonly #limit: LimitFunction;
  readonly #blobs = new Map<Digest, { readonly blob: PushBlob; readonly outcome: Promise<BlobOutcome> }>();
  /** Those that are sent before their digest is known, and the digests of those that have arrived. */
  readonly #sending = new Set<Promise<void>>();
  readonly #arrived = new Set<Digest>();
  #failed = false;

  constructor(client: RepositoryClient, options: PushBlobsOptions = {}) {
    this.client = client;
    this.#options = options;
    this.#limit = pLimit(options.jobs ?? UPLOADS);
  }

  /**
   * Sees to it that the repository has a blob. One that is on its way already, or has been there, is not sent again.
   * @throws NacreError as the client's methods; CONTENT_INVALID if the bytes are not what the digest says
   */
  push(blob: PushBlob, onProgress?: (progress: TransferProgress) => void): Promise<BlobOutcome> {
    const known = this.#blobs.get(blob.digest);
    if (known !== undefined) return known.outcome;
    const outcome = this.#limit(async () => {
      this.#assertGoing();
      try {
        const done = await this.#place(blob, onProgress);
        this.#options.onPresent?.(blob.digest, done);
        return done;
      } catch (error) {
        this.stop();
        throw error;
      }
    });
    outcome.catch(() => {});
    this.#blobs.set(blob.digest, { blob, outcome });
    return outcome;
  }

  /**
   * Begins to send a blob that is still being made. Nothing of it fails: {@link push} it when it is known, which does
   * nothing more if it has arrived.
   */
  early(): EarlyBlob {
    return new EarlyBlob((bytes, digest) => {
      const sending = this.#limit(async () => {
        const content = this.#guarded({ open: () => bytes })(0);
        const arrived = await this.client.uploadStream(content, undefined, digest);
        this.#arrived.add(arrived.digest);
      }).catch(() => {});
      this.#sending.add(sending);
      return sending;
    });
  }

  /** What was asked for and has not begun is not begun any more; what is being sent stops at its next bytes. */
  stop(): void {
    this.#failed = true;
  }

  /** Waits until all blobs that were asked for are there. @throws the first failure, when nothing goes on any more */
  async settle(): Promise<void> {
    await Promise.all(this.#sending);
    const settled = await Promise.allSettled([...this.#blobs.values()].map(({ outcome }) => outcome));
    const failures = settled.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
    const first = failures.find((error) => !(error instanceof Stopped)) ?? failures[0];
    if (first !== undefined) throw first;
  }

  /**
   * Looks once more for blobs that the repository was said to have, and sends those that it lacks. If it still says that it
   * has them all, those that were not sent now are sent: it has said before that one is missing.
   */
  async repair(): Promise<void> {
    const all = [...this.#blobs.values()];
    const sent = await Promise.all(all.map(({ blob }) => this.#limit(() => this.#sendAnew(blob))));
    if (sent.includes(true)) return;
    const doubtful: PushBlob[] = [];
    for (const { blob, outcome } of all) if ((await outcome).kind !== "pushed") doubtful.push(blob);
    await Promise.all(doubtful.map((blob) => this.#limit(() => this.client.uploadStream(this.#guarded(blob)(0)))));
  }

  /** @returns true if the blob was not there */
  async #sendAnew(blob: PushBlob): Promise<boolean> {
    if ((await this.client.blobSize(blob.digest)) === blob.size) return false;
    return (await this.client.upload(blob, this.#guarded(blob))) === "uploaded";
  }

  async #place(blob: PushBlob, onProgress?: (progress: TransferProgress) => void): Promise<BlobOutcome> {
    const { client } = this;
    if (this.#arrived.has(blob.digest)) return { kind: "pushed" };
    const origins = this.#originsOf(blob.digest);
    if (origins.length > 0) {
      if ((await client.blobSize(blob.digest)) === blob.size) return { kind: "exists" };
      for (const from of origins) {
        this.#assertGoing();
        if (await client.mount(blob.digest, from)) return { kind: "mounted", from };
      }
    }
    const done = await client.upload(blob, this.#guarded(blob), onProgress);
    return { kind: done === "exists" ? "exists" : "pushed" };
  }

  #originsOf(digest: Digest): readonly string[] {
    const origins = this.#options.origins?.(digest) ?? [];
    return origins.filter((from) => from !== this.client.repository).slice(0, MOST_MOUNTS);
  }

  /** The blob's bytes as long as the push goes on. */
  #guarded({ open }: Pick<PushBlob, "open">): ContentSource {
    const assertGoing = (): void => this.#assertGoing();
    return async function* (offset) {
      for await (const chunk of open(offset)) {
        assertGoing();
        yield chunk;
      }
    };
  }

  #assertGoing(): void {
    if (this.#options.signal?.aborted) throw new NacreError("CANCELLED", "stopped while an image was being pushed");
    if (this.#failed) throw new Stopped();
  }
}

/** Why blobs are not sent after another one has failed: no news to anyone. */
class Stopped extends NacreError {
  constructor() {
    super("CANCELLED", "stopped because another part of the image could not be pushed");
  }
}
