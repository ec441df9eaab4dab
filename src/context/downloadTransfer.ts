/**
 * Bringing the content of an address into a temporary file: tried again where that may help, continued where it was cut
 * and the server can tell that it still is the same, decoded, hashed, and never taken for whole when it is not.
 */
import * as fs from "node:fs";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { type Digest, digestOfHex } from "../oci/digest.js";
import { shownUrl } from "../registry/httpAddress.js";
import type { HttpAnswer, HttpSetting } from "../registry/httpClient.js";
import {
  answeredBy,
  type ContentHead,
  conditionalHeaders,
  contentHead,
  isRest,
  rangeHeaders,
  type Validators,
} from "../registry/httpContent.js";
import { brokenAnswer, failed, type PassingFailure, passingOrThrow, statusFailure } from "../registry/httpFailure.js";
import { follow, type Wanted } from "../registry/httpFollow.js";
import { unlinkIfThere, writeAll } from "../store/files.js";
import type { TempFile } from "../store/store.js";
import { ioError, NacreError } from "../support/errors.js";
import { createHasher } from "../support/hash.js";
import { formatBytes } from "../support/human.js";

/** Bytes that must have come since the last failure for it to be forgiven. */
const PROGRESS = 64 << 10;
/** Longest wait between two tries that the server did not ask for, in milliseconds. */
const MAX_BACKOFF = 10_000;

/** What is to be brought. */
export interface TransferJob extends Wanted {
  readonly setting: HttpSetting;
  /** What is there already: it is not brought again if it still is the content. */
  readonly stored: { readonly answered: string; readonly validators: Validators } | undefined;
  /** Most bytes, decoded. */
  readonly maxBytes: number;
  readonly temp: () => TempFile;
  readonly onProgress: (bytes: number, total?: number) => void;
  readonly warn: (message: string) => void;
}

/** What was brought. The temporary file is the caller's. */
export interface Transferred {
  readonly temp: string;
  readonly digest: Digest;
  readonly size: number;
  readonly head: ContentHead;
}

/**
 * Brings the content.
 * @returns `unchanged` if what is stored is the content
 * @throws NacreError NETWORK, LIMIT_EXCEEDED, CANCELLED, STORE, DISK_FULL: nothing is left then
 */
export function transfer(job: TransferJob): Promise<Transferred | "unchanged"> {
  return new Transfer(job).run();
}

/**
 * Asks, once, whether what is stored still is the content: by HEAD, by GET where a server does not take that.
 * @throws PassingFailure or NacreError NETWORK, CANCELLED if there is no answer
 */
export async function isStillStored({ stored, setting, ...wanted }: Probe): Promise<boolean> {
  const headers = (identity: string): Record<string, string> =>
    stored.answered === answeredBy(identity) ? conditionalHeaders(stored.validators) : {};
  for (const method of ["HEAD", "GET"] as const) {
    const answer = await follow(wanted, headers, { ...setting, method });
    await answer.close();
    if (method === "GET" || answer.status < 400) return isUnchanged(stored, answer);
  }
  return false;
}

/** What {@link isStillStored} asks about. */
export interface Probe extends Wanted {
  readonly setting: HttpSetting;
  readonly stored: NonNullable<TransferJob["stored"]>;
}

function isUnchanged(stored: TransferJob["stored"], answer: HttpAnswer): boolean {
  const { identity, validators } = contentHead(answer);
  if (stored === undefined || stored.answered !== answeredBy(identity)) return false;
  // Some servers give ETags, but do not understand conditions.
  const isSame = answer.status === 200 && validators.etag !== undefined && validators.etag === stored.validators.etag;
  return isSame || answer.status === 304;
}

/** The content must be brought from its start again. */
class Restart extends Error {}

class Transfer {
  readonly #job: TransferJob;
  #failures = 0;
  /** The farthest that any try has come. */
  #farthest = 0;
  /** The answer whose body is being read: where reading stops early, what reads it is not told. */
  #current: HttpAnswer | undefined;

  constructor(job: TransferJob) {
    this.#job = job;
  }

  async run(): Promise<Transferred | "unchanged"> {
    for (;;) {
      try {
        return await this.#once();
      } catch (error) {
        if (error instanceof Restart) continue;
        // The end of a compressed content shows only when it is decoded.
        await this.#pause(this.#passing(error), 0);
      }
    }
  }

  async #once(): Promise<Transferred | "unchanged"> {
    const { stored } = this.#job;
    const answer = await this.#ask((identity) =>
      stored?.answered === answeredBy(identity) ? conditionalHeaders(stored.validators) : {},
    );
    try {
      const head = contentHead(answer);
      if (isUnchanged(stored, answer)) return "unchanged";
      if (answer.status < 200 || answer.status > 299 || answer.status === 206) throw this.#refused(answer);
      return await this.#receive(answer, head);
    } finally {
      await answer.close();
    }
  }

  /** Asks until there is an answer that is no failure. @param also a status that is none */
  async #ask(headersFor: (identity: string) => Record<string, string>, also = 0): Promise<HttpAnswer> {
    const { setting } = this.#job;
    for (;;) {
      try {
        const answer = await follow(this.#job, headersFor, setting);
        if (answer.status < 400 || answer.status === also) return answer;
        await answer.close();
        throw this.#refused(answer);
      } catch (error) {
        await this.#pause(this.#passing(error), 0);
      }
    }
  }

  async #receive(answer: HttpAnswer, head: ContentHead): Promise<Transferred> {
    const { maxBytes, temp } = this.#job;
    if (head.length !== undefined && head.length > maxBytes) throw this.#tooBig(head);
    const { path, fd } = temp();
    try {
      const hasher = createHasher();
      const body = this.#chunks(answer, head);
      let size = 0;
      for await (const chunk of head.gzip ? gunzipped(body) : body) {
        size += chunk.length;
        if (size > maxBytes) throw this.#tooBig(head);
        hasher.update(chunk);
        writeChunk(fd, chunk, path);
      }
      return { temp: path, digest: digestOfHex(hasher.hex()), size, head };
    } catch (error) {
      unlinkIfThere(path);
      throw error;
    } finally {
      fs.closeSync(fd);
      await this.#current?.close();
    }
  }

  /** The body as it is sent, continued where it is cut. */
  async *#chunks(first: HttpAnswer, head: ContentHead): AsyncGenerator<Buffer> {
    const { onProgress, setting } = this.#job;
    const pace = new Pace(setting.limits);
    let answer = first;
    for (let at = 0; ; answer = await this.#rest(head, at)) {
      this.#current = answer;
      try {
        for await (const chunk of answer.body) {
          at += chunk.length;
          if (!pace.keeps(chunk.length)) throw brokenAnswer(answer.url, "it comes too slowly");
          onProgress(at, head.length);
          yield chunk;
        }
        if (head.length !== undefined && at < head.length) throw brokenAnswer(answer.url, "the connection was cut");
        if ((head.length !== undefined && at > head.length) || (await answer.hasExcess())) throw this.#excess(answer);
        return;
      } catch (error) {
        await answer.close();
        await this.#pause(this.#passing(error), at);
      }
    }
  }

  /** The rest of a content that was cut. @throws Restart if it cannot be had, or is no longer the same */
  async #rest(head: ContentHead, at: number): Promise<HttpAnswer> {
    const headers = rangeHeaders(head.validators, at);
    if (headers === undefined || at === 0) throw new Restart();
    const answer = await this.#ask((identity) => (identity === head.identity ? headers : {}), 416);
    if (isRest(answer, head, at)) return answer;
    await answer.close();
    throw new Restart();
  }

  /** Waits before the next try. @param at bytes that have come @throws NacreError if there is none */
  async #pause(failure: PassingFailure, at: number): Promise<void> {
    const { setting, warn } = this.#job;
    const { limits, signal } = setting;
    if (at >= this.#farthest + PROGRESS) {
      this.#farthest = at;
      this.#failures = 0;
    }
    if (++this.#failures >= limits.attempts) throw failure.final;
    const backoff = Math.min(MAX_BACKOFF, limits.backoff * 2 ** (this.#failures - 1));
    const wait = failure.retryAfter ?? backoff * (0.75 + Math.random() / 2);
    warn(`${failure.message}; trying again`);
    try {
      await sleep(wait, undefined, { signal });
    } catch (error) {
      throw this.#passing(error);
    }
  }

  #passing(error: unknown): PassingFailure {
    if (error instanceof Restart) throw error;
    return passingOrThrow(error, this.#job.address.url, this.#job.setting.signal);
  }

  #refused(answer: HttpAnswer): Error {
    const { authorization, address, setting } = this.#job;
    return statusFailure(answer, setting.limits, (authorization ?? address.basic) !== undefined);
  }

  #excess({ url }: HttpAnswer): NacreError {
    return failed(url, "the answer is longer than it says", "the server is faulty: tell whoever runs it");
  }

  #tooBig({ shown }: ContentHead): NacreError {
    const { maxBytes, address } = this.#job;
    const limit = formatBytes(maxBytes);
    return new NacreError("LIMIT_EXCEEDED", `${shown} is bigger than ${limit}, the most that is downloaded`, {
      hint: "check the address; what is that big belongs into a file of the build context",
      facts: { url: shownUrl(address.url), limit: maxBytes },
    });
  }
}

/** Tells a body that comes a few bytes at a time, to keep us waiting, from a slow one. */
class Pace {
  readonly #window: number;
  readonly #least: number;
  #since = Date.now();
  #bytes = 0;

  constructor({ slowWindow, slowBytes }: HttpSetting["limits"]) {
    this.#window = slowWindow;
    this.#least = slowBytes;
  }

  /** @returns false if too little came within the time */
  keeps(bytes: number): boolean {
    this.#bytes += bytes;
    const now = Date.now();
    if (now - this.#since < this.#window) return true;
    const enough = this.#bytes >= this.#least;
    this.#since = now;
    this.#bytes = 0;
    return enough;
  }
}

/** Decodes gzip; nothing at all stays nothing. */
async function* gunzipped(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const first = await chunks.next();
  if (first.done) return;
  const engine = createGunzip();
  const feeding = pipeline(startingWith(first.value, chunks), engine);
  // What fails there destroys the engine, and so is thrown by reading from it.
  feeding.catch(() => {});
  yield* engine as AsyncIterable<Buffer>;
  await feeding;
}

async function* startingWith(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

/** Not on another thread: handing each piece over takes longer than writing it to the page cache. */
function writeChunk(fd: number, chunk: Buffer, path: string): void {
  try {
    writeAll(fd, chunk);
  } catch (error) {
    throw ioError("STORE", `writing ${path}`, error);
  }
}
