/**
 * An upload at a registry: opened by POST, then sent as a whole by PUT or in chunks by PATCH, ended by PUT, given up by
 * DELETE. Where it goes on, the registry says with each answer: that address may be anywhere, and only the registry's own
 * gets credentials.
 */
import type { Digest } from "../oci/digest.js";
import { NacreError } from "../support/errors.js";
import { redirectTarget } from "./httpAddress.js";
import { PassingFailure } from "./httpFailure.js";
import { failed } from "./registryErrors.js";
import type { RequestBody, TransportAnswer } from "./transport.js";
import type { Exchange } from "./transportExchange.js";
import { downgrade } from "./transportJourney.js";

/** Longest chunk that a registry may ask for: a chunk of an unknown content is kept until it has arrived. */
const MAX_CHUNK = 64 << 20;
/** Milliseconds for giving an upload up. */
const CANCEL_TIME = 5_000;
/** Statuses by which a registry says that it does not know the upload any more, or sees another part as the next. */
const LOST: ReadonlySet<unknown> = new Set([404, 416]);

/** One upload. */
export class UploadSession {
  readonly #exchange: Exchange;
  readonly #doing: string;
  #location: URL;
  /** Bytes that the registry has said to have. */
  offset = 0;
  /** Least bytes of all chunks but the last. */
  readonly minChunk: number;

  private constructor(exchange: Exchange, doing: string, location: URL, minChunk: number) {
    this.#exchange = exchange;
    this.#doing = doing;
    this.#location = location;
    this.minChunk = minChunk;
  }

  /**
   * Opens an upload.
   * @param doing `push X`
   * @throws NacreError DENIED, NETWORK, LIMIT_EXCEEDED, CANCELLED
   */
  static async start(exchange: Exchange, doing: string): Promise<UploadSession> {
    const to = `${exchange.target.endpoint.repository}/blobs/uploads/`;
    const answer = await exchange.call({ method: "POST", to, accept: [202], doing });
    await answer.discard();
    return await UploadSession.of(exchange, doing, answer);
  }

  /** The upload that an answer has opened. @throws NacreError NETWORK, LIMIT_EXCEEDED */
  static async of(exchange: Exchange, doing: string, answer: TransportAnswer): Promise<UploadSession> {
    const base = await exchange.base(doing);
    const location = locationOf(answer, base);
    const attempt = exchange.attempt(doing);
    if (location === undefined) throw failed("NETWORK", attempt, "it does not say where to send the content");
    const minChunk = Number(/^\d{1,15}$/.exec(answer.header("oci-chunk-min-length") ?? "")?.[0] ?? 0);
    if (minChunk > MAX_CHUNK) {
      const why = `it takes chunks of at least ${minChunk} bytes; at most ${MAX_CHUNK} are sent`;
      throw failed("LIMIT_EXCEEDED", attempt, why);
    }
    return new UploadSession(exchange, doing, location, minChunk);
  }

  /**
   * Ends the upload, with the whole content or with what is missing after the chunks: a last one that is too small to be
   * sent by itself.
   * @throws PassingFailure also if the registry has lost the upload; NacreError
   */
  async put(digest: Digest, body?: RequestBody & { readonly length: number }): Promise<void> {
    const url = new URL(this.#location);
    const query = `digest=${encodeURIComponent(digest)}`;
    // Set by hand: what the registry has put there must come back as it was.
    url.search = url.search === "" ? `?${query}` : `${url.search}&${query}`;
    const isRest = body !== undefined && this.offset > 0;
    const range = isRest ? { "content-range": `${this.offset}-${this.offset + body.length - 1}` } : {};
    const answer = await this.#send("PUT", url, body, range, [200, 201, 204]);
    const told = answer.header("docker-content-digest");
    if (told === undefined || told === digest) return;
    const why = `it was ${digest} and is stored as ${told.slice(0, 100)}`;
    throw failed("CONTENT_INVALID", this.#exchange.attempt(this.#doing), why);
  }

  /**
   * Sends the next chunk, which begins at `offset`; moves that to where the registry has come.
   * @throws PassingFailure also if the registry has lost the upload; NacreError
   */
  async patch(body: RequestBody & { readonly length: number }): Promise<void> {
    const last = this.offset + body.length - 1;
    const range = { "content-range": `${this.offset}-${last}` };
    const answer = await this.#send("PATCH", this.#location, body, range, [200, 201, 202, 204]);
    await this.#moved(answer);
    const reached = rangeEnd(answer, this.offset + body.length) ?? last + 1;
    if (reached < this.offset || reached > last + 1) {
      const why = `it was sent ${last + 1} bytes and has ${reached}`;
      throw failed("CONTENT_INVALID", this.#exchange.attempt(this.#doing), why);
    }
    this.offset = reached;
  }

  /**
   * Asks how far the registry has come, and goes on from there.
   * @returns false if it does not know this upload any more, or has nothing of it
   * @throws NacreError CANCELLED
   */
  async resume(): Promise<boolean> {
    try {
      const answer = await this.#exchange.call({
        ...{ method: "GET", to: this.#location, doing: this.#doing },
        accept: [200, 202, 204],
      });
      await answer.discard();
      const offset = rangeEnd(answer, this.offset);
      if (offset === undefined || offset === 0) return false;
      await this.#moved(answer);
      this.offset = offset;
      return true;
    } catch (error) {
      if (error instanceof NacreError && error.code === "CANCELLED") throw error;
      return false;
    }
  }

  /** Gives the upload up. Never fails, and is done when all else was stopped too. */
  async cancel(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(CANCEL_TIME);
      const call = { method: "DELETE", to: this.#location, doing: this.#doing, once: true, signal } as const;
      await (await this.#exchange.call({ ...call, accept: [200, 202, 204, 404, 405] })).discard();
    } catch {
      // Registries sweep such uploads in time.
    }
  }

  async #send(
    method: "PUT" | "PATCH",
    to: URL,
    body: RequestBody | undefined,
    more: Readonly<Record<string, string>>,
    accept: readonly number[],
  ): Promise<TransportAnswer> {
    const headers = { ...(body === undefined ? {} : { "content-type": "application/octet-stream" }), ...more };
    try {
      const answer = await this.#exchange.call({
        ...{ method, to, headers, accept, doing: this.#doing, once: true },
        ...(body === undefined ? {} : { body }),
      });
      await answer.discard();
      return answer;
    } catch (error) {
      if (error instanceof NacreError && LOST.has(error.facts.status)) throw new PassingFailure(error);
      throw error;
    }
  }

  async #moved(answer: TransportAnswer): Promise<void> {
    this.#location = locationOf(answer, await this.#exchange.base(this.#doing)) ?? this.#location;
  }
}

/**
 * Where an upload goes on.
 * @returns undefined if the answer does not say
 * @throws NacreError NETWORK for an address that is not to be asked
 */
function locationOf(answer: TransportAnswer, base: URL): URL | undefined {
  const text = answer.header("location");
  if (text === undefined) return undefined;
  const { url } = redirectTarget(text, answer.url);
  if (base.protocol === "http:" || url.protocol === "https:") return url;
  // A registry behind a proxy that ends TLS often takes itself for plain http.
  if (url.hostname !== base.hostname || (url.port !== "" && url.port !== base.port)) throw downgrade(base, url);
  url.protocol = "https:";
  url.port = base.port;
  return url;
}

/**
 * The offset after a `Range: 0-LAST`.
 * @param known bytes that are there at least: `0-0` may stand for none as well as for one (distribution says it for none)
 */
function rangeEnd(answer: TransportAnswer, known: number): number | undefined {
  const match = /^(?:bytes=)?0-(\d{1,15})$/.exec(answer.header("range")?.trim() ?? "");
  if (!match) return undefined;
  const last = Number(match[1]);
  return last === 0 ? Math.min(known, 1) : last + 1;
}
