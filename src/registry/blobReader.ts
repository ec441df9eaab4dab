/**
 * Reading a blob: in order, once, from wherever it can be had. What breaks off is continued at that byte, by the same
 * source or the next one, since the digest tells in the end that all is right.
 */
import { type Digest, digestOfHex } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { createHasher, type Hasher } from "../support/hash.js";
import { PassingFailure } from "./httpFailure.js";
import { type Attempt, failed, networkFailure } from "./registryErrors.js";
import type { TransportAnswer } from "./transport.js";
import type { Exchange } from "./transportExchange.js";
import { RetryCount, type RetryRules } from "./transportRetry.js";

/** Whoever may have a blob. */
export interface BlobSource {
  /** As errors name it. */
  readonly name: string;
  readonly rules: RetryRules;
  attempt(origin: string): Attempt;
  /**
   * Asks for it.
   * @returns an answer with status 200, 206 or 416, or undefined if it is not there
   * @throws PassingFailure, NacreError
   */
  open(headers: Readonly<Record<string, string>>): Promise<TransportAnswer | undefined>;
  /** What it has sent is wrong. */
  distrust(): void;
  /** It is of no more use for this. */
  leave(error: NacreError): void;
}

/** Bytes that must have come since the last failure for it to be forgiven. */
const PROGRESS = 64 << 10;

/** An endpoint as a source of a blob. */
export function endpointSource(
  exchange: Exchange,
  digest: Digest,
  on: Pick<BlobSource, "distrust" | "leave">,
): BlobSource {
  const doing = `read the blob ${digest} of ${exchange.target.registry}/${exchange.target.repository}`;
  return {
    ...{ name: exchange.target.endpoint.base.origin, rules: exchange.rules(doing), ...on },
    attempt: (origin) => exchange.attempt(doing, origin),
    async open(headers) {
      const answer = await exchange.call({
        ...{ method: "GET", to: blobPath(exchange, digest), headers, doing, once: true },
        accept: [200, 206, 404, 416],
      });
      if (answer.status !== 404) return answer;
      await answer.discard();
      return undefined;
    },
  };
}

/** Where a blob is found below `/v2/`. */
export function blobPath({ target }: Exchange, digest: Digest): string {
  return `${target.endpoint.repository}/blobs/${digest}`;
}

/** Bytes of a blob, if it is there. @throws NacreError DENIED, NETWORK, CANCELLED */
export async function blobSize(exchange: Exchange, digest: Digest): Promise<number | undefined> {
  const { registry, repository } = exchange.target;
  const doing = `look for the blob ${digest} in ${registry}/${repository}`;
  const answer = await exchange.call({ method: "HEAD", to: blobPath(exchange, digest), accept: [200, 404], doing });
  await answer.discard();
  const length = answer.header("content-length") ?? "";
  if (answer.status === 404 || !/^\d{1,15}$/.test(length)) return undefined;
  return Number(length);
}

/**
 * A blob's bytes from an offset on; from 0 on they are verified, and what is wrong throws before they end.
 * @param sources in the order in which they are asked
 * @param length bytes that are wanted, where not all to the end are: then none are verified
 * @throws NacreError CONTENT_INVALID, NETWORK, DENIED, CANCELLED
 */
export function readBlob(
  sources: readonly BlobSource[],
  descriptor: Descriptor,
  offset: number,
  length?: number,
): AsyncGenerator<Buffer> {
  return new BlobReader(sources, descriptor, offset, length).run();
}

class BlobReader {
  readonly #sources: readonly BlobSource[];
  readonly #descriptor: Descriptor;
  readonly #hasher: Hasher | undefined;
  /** Those from which bytes were taken. */
  readonly #used = new Set<BlobSource>();
  readonly #problems: string[] = [];
  /** Where the bytes that are wanted end. */
  readonly #end: number;
  #position: number;
  #last: NacreError | undefined;

  constructor(sources: readonly BlobSource[], descriptor: Descriptor, offset: number, length: number | undefined) {
    this.#sources = sources;
    this.#descriptor = descriptor;
    this.#position = offset;
    this.#end = length === undefined ? descriptor.size : Math.min(descriptor.size, offset + length);
    this.#hasher = offset === 0 && length === undefined ? createHasher() : undefined;
  }

  async *run(): AsyncGenerator<Buffer> {
    for (const source of this.#position < this.#end ? this.#sources : []) {
      yield* this.#from(source);
      if (this.#position === this.#end) break;
    }
    if (this.#position < this.#end) throw this.#nowhere();
    this.#assertDigest();
  }

  /** Reads on from a source until the end, or until it is of no more use. */
  async *#from(source: BlobSource): AsyncGenerator<Buffer> {
    const count = new RetryCount(source.rules);
    let isRanged = true;
    while (this.#position < this.#end) {
      const start = this.#position;
      try {
        const answer = await source.open(isRanged ? this.#range() : {});
        if (answer === undefined) return void this.#problems.push(`${source.name} does not have it`);
        if (answer.status === 416 && isRanged) {
          isRanged = false;
          await answer.discard();
          continue;
        }
        yield* this.#receive(answer, source);
      } catch (error) {
        if (this.#position - start >= PROGRESS) count.progressed();
        const final = await giveUp(count, error, source);
        if (final === undefined) continue;
        this.#last = final;
        source.leave(final);
        return void this.#problems.push(final.message);
      }
    }
  }

  async *#receive(answer: TransportAnswer, source: BlobSource): AsyncGenerator<Buffer> {
    const attempt = source.attempt(answer.url.origin);
    const { size } = this.#descriptor;
    try {
      let skipped = await this.#gap(answer, attempt);
      for await (const chunk of answer.body) {
        const rest = chunk.subarray(Math.min(skipped, chunk.length));
        skipped -= chunk.length - rest.length;
        if (rest.length > size - this.#position)
          throw failed("CONTENT_INVALID", attempt, `it has more than ${size} bytes`);
        const wanted = rest.subarray(0, this.#end - this.#position);
        if (wanted.length === 0) continue;
        this.#hasher?.update(wanted);
        this.#position += wanted.length;
        this.#used.add(source);
        yield wanted;
        // A source that does not know ranges sends all of it.
        if (this.#position === this.#end && this.#end < size) return;
      }
    } catch (error) {
      throw networkFailure(error, attempt, source.rules.signal);
    }
    if (this.#position === this.#end) return;
    throw new PassingFailure(failed("CONTENT_INVALID", attempt, `it ends after ${this.#position} of ${size} bytes`));
  }

  /**
   * Bytes to be left out, since the answer starts before the position.
   * @throws NacreError CONTENT_INVALID if it is no answer to what was asked
   */
  async #gap(answer: TransportAnswer, attempt: Attempt): Promise<number> {
    const { size } = this.#descriptor;
    const wrong = async (why: string): Promise<NacreError> => {
      await answer.discard();
      return failed("CONTENT_INVALID", attempt, why);
    };
    if (answer.status === 206) {
      const range = answer.header("content-range") ?? "";
      const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(range);
      const fits = match && Number(match[1]) === this.#position && (match[3] === "*" || Number(match[3]) === size);
      if (!fits)
        throw await wrong(`asked for what follows byte ${this.#position} of ${size}, it sends ${range.slice(0, 80)}`);
      return 0;
    }
    if (answer.status !== 200) throw await wrong(`it refuses to send what it has (${answer.status})`);
    const length = answer.header("content-length");
    if (length !== undefined && Number(length) !== size) throw await wrong(`it has ${length} bytes, not ${size}`);
    return this.#position;
  }

  #range(): Record<string, string> {
    if (this.#end < this.#descriptor.size) return { range: `bytes=${this.#position}-${this.#end - 1}` };
    return this.#position === 0 ? {} : { range: `bytes=${this.#position}-` };
  }

  #assertDigest(): void {
    if (this.#hasher === undefined) return;
    const { digest } = this.#descriptor;
    const found = digestOfHex(this.#hasher.hex());
    if (found === digest) return;
    for (const source of this.#used) source.distrust();
    const names = [...this.#used].map(({ name }) => name).join(", ");
    throw new NacreError("CONTENT_INVALID", `the blob ${digest} from ${names || "nowhere"} has the digest ${found}`, {
      hint: "it was changed on the way, or the registry's disk is damaged: try again",
      facts: { digest, found },
    });
  }

  #nowhere(): NacreError {
    const { digest } = this.#descriptor;
    if (this.#last !== undefined && this.#problems.length === 1) return this.#last;
    return new NacreError(
      this.#last?.code ?? "NETWORK",
      `cannot read the blob ${digest}: ${this.#problems.join("; ")}`,
      {
        hint: this.#last?.hint ?? "the registry has lost a part of the image: push it again",
        facts: { digest, ...this.#last?.facts },
        cause: this.#last,
      },
    );
  }
}

/** Waits for the next try, or returns why there is none. @throws NacreError CANCELLED; whatever is no failure of a source */
async function giveUp(count: RetryCount, error: unknown, source: BlobSource): Promise<NacreError | undefined> {
  try {
    await count.failed(error);
    return undefined;
  } catch (final) {
    if (!isNacreError(final) || final.code === "CANCELLED" || source.rules.signal?.aborted) throw final;
    return final;
  }
}
