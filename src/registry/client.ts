/**
 * The client of one repository. Reading asks mirrors first and the registry itself last; what one lacks or cannot send the
 * next one may have. Writing asks the registry itself.
 */
import { type Digest, isDigest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { blobSize, endpointSource, readBlob } from "./blobReader.js";
import { foreignSources } from "./foreignBlobs.js";
import { digestOfManifest, headManifest, readManifest } from "./manifestReader.js";
import { putManifest } from "./manifestWriter.js";
import { PAGE_SIZE, pages, textsOf } from "./pages.js";
import { listReferrers, putReferrer } from "./referrers.js";
import type { Exchange, Shared } from "./transportExchange.js";
import type {
  BlobRange,
  ContentSource,
  FetchedManifest,
  RateLimit,
  RepositoryClient,
  TransferProgress,
} from "./types.js";
import { mountBlob, upload } from "./upload.js";
import { uploadStream } from "./uploadStream.js";

/** Milliseconds for which a mirror that does not answer is left alone. */
const DOWN_TIME = 60_000;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** What the clients of a run share. */
export interface ClientShared extends Shared {
  /** Mirrors that do not answer: until when they are left alone. */
  readonly down: Map<string, number>;
}

/** See {@link RepositoryClient}. */
export class Client implements RepositoryClient {
  readonly host: string;
  readonly repository: string;
  readonly #exchanges: readonly Exchange[];
  readonly #shared: ClientShared;
  /** Those that have sent wrong bytes for a blob. */
  readonly #distrusted = new Map<Digest, Set<Exchange>>();

  /** @param exchanges in the order in which they are asked, the registry itself last; at least one */
  constructor(host: string, repository: string, exchanges: readonly Exchange[], shared: ClientShared) {
    this.host = host;
    this.repository = repository;
    this.#exchanges = exchanges;
    this.#shared = shared;
  }

  get #registry(): Exchange {
    return this.#exchanges.at(-1)!;
  }

  async resolve(reference: string): Promise<Descriptor | undefined> {
    return this.#first(this.#forReference(reference, "resolve"), (one) => headManifest(one, reference));
  }

  async manifest(reference: string, expected?: Descriptor): Promise<FetchedManifest | undefined> {
    const found = await this.#first(this.#forReference(reference, "pull"), (one) =>
      readManifest(one, reference, expected),
    );
    return found && { descriptor: found.descriptor, bytes: found.bytes };
  }

  async blobSize(digest: Digest): Promise<number | undefined> {
    return this.#first(this.#up(this.#exchanges), (one) => blobSize(one, digest));
  }

  blob(descriptor: Descriptor, options: BlobRange = {}): AsyncIterable<Buffer> {
    const { digest } = descriptor;
    const distrusted = this.#distrusted.get(digest) ?? new Set<Exchange>();
    const trusted = this.#exchanges.filter((one) => one === this.#registry || !distrusted.has(one));
    const sources = this.#up(trusted).map((one) =>
      endpointSource(one, digest, {
        distrust: () => void this.#distrusted.set(digest, distrusted.add(one)),
        leave: (error) => this.#leave(one, error),
      }),
    );
    const elsewhere = foreignSources(this.#registry, descriptor, this.#shared);
    return readBlob([...sources, ...elsewhere], descriptor, options.offset ?? 0, options.length);
  }

  mount(digest: Digest, from: string): Promise<boolean> {
    return mountBlob(this.#registry, digest, from);
  }

  upload(
    descriptor: Pick<Descriptor, "digest" | "size">,
    content: ContentSource,
    onProgress: (progress: TransferProgress) => void = () => {},
  ): Promise<"uploaded" | "exists"> {
    return upload(this.#registry, descriptor, content, onProgress);
  }

  uploadStream(
    content: AsyncIterable<Uint8Array>,
    onProgress: (progress: TransferProgress) => void = () => {},
    digest?: () => Digest,
  ): Promise<{ readonly digest: Digest; readonly size: number }> {
    return uploadStream(this.#registry, content, onProgress, digest);
  }

  async putManifest(reference: string, mediaType: string, bytes: Uint8Array): Promise<Digest> {
    assertReference(reference);
    await putManifest(this.#registry, reference, mediaType, bytes);
    return digestOfManifest(bytes);
  }

  async *tags(): AsyncGenerator<string> {
    const { endpoint } = this.#registry.target;
    const first = `${endpoint.repository}/tags/list?n=${PAGE_SIZE}`;
    for await (const { json } of pages(this.#registry, first, `list the tags of ${this.host}/${this.repository}`)) {
      yield* textsOf(json, "tags").filter((tag) => TAG.test(tag));
    }
  }

  referrers(digest: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    return listReferrers(this.#registry, digest, artifactType);
  }

  putReferrer(mediaType: string, bytes: Uint8Array, subject: Digest): Promise<Digest> {
    return putReferrer(this.#registry, mediaType, bytes, subject);
  }

  rateLimit(): RateLimit | undefined {
    return this.#registry.rateLimit;
  }

  #forReference(reference: string, capability: "resolve" | "pull"): readonly Exchange[] {
    assertReference(reference);
    const kind = isDigest(reference) ? "digest" : "tag";
    const able = this.#exchanges.filter(({ target: { endpoint } }) => {
      return endpoint.capabilities.has(capability) && ["all", kind].includes(endpoint.answers);
    });
    return this.#up(able.length > 0 ? able : [this.#registry]);
  }

  /** Without the mirrors that have just failed to answer. */
  #up(exchanges: readonly Exchange[]): readonly Exchange[] {
    const now = this.#shared.env.now();
    const up = exchanges.filter(({ target }) => {
      return !target.replaceable || (this.#shared.down.get(target.endpoint.base.origin) ?? 0) <= now;
    });
    return up.length > 0 ? up : exchanges.slice(-1);
  }

  /** The first answer; undefined if the last one has none. */
  async #first<T>(exchanges: readonly Exchange[], ask: (exchange: Exchange) => Promise<T | undefined>) {
    const before: string[] = [];
    for (const [at, exchange] of exchanges.entries()) {
      try {
        const found = await ask(exchange);
        if (found !== undefined || at === exchanges.length - 1) return found;
        before.push(`${exchange.target.endpoint.base.origin} does not have it`);
      } catch (error) {
        if (!isNacreError(error) || error.code === "CANCELLED" || error.code === "INTERNAL") throw error;
        if (at === exchanges.length - 1) throw withOthers(error, before);
        before.push(error.message);
        this.#leave(exchange, error);
      }
    }
    return undefined;
  }

  /** An endpoint has failed: if it is a mirror, that is told once. */
  #leave({ target }: Exchange, error: NacreError): void {
    if (!target.replaceable) return;
    const { env, down, warned } = this.#shared;
    const { origin } = target.endpoint.base;
    const { status } = error.facts;
    if (error.code === "NETWORK" && status === undefined) down.set(origin, env.now() + DOWN_TIME);
    const key = `${origin} ${error.code} ${String(status)}`;
    if (warned.has(key)) return;
    warned.add(key);
    env.warn("mirror-failed", `the mirror ${origin} is passed over: ${error.message}`);
  }
}

/** What becomes a part of an address is a tag or a digest. @throws NacreError REFERENCE_INVALID */
function assertReference(reference: string): void {
  if (TAG.test(reference) || isDigest(reference)) return;
  throw new NacreError(
    "REFERENCE_INVALID",
    `${JSON.stringify(reference.slice(0, 150))} is neither a tag nor a digest`,
    {
      hint: "a tag has at most 128 letters, digits, dots, dashes and underscores; a digest is sha256: and 64 hex digits",
    },
  );
}

function withOthers(error: NacreError, before: readonly string[]): NacreError {
  if (before.length === 0) return error;
  return new NacreError(error.code, `${error.message}; before that: ${before.join("; ")}`, {
    hint: error.hint,
    facts: { ...error.facts, before },
    cause: error,
  });
}
