/**
 * Requests over connections that are kept and shared: one pool for each origin, TLS setting and way in which it was
 * reached. HTTP/1.1, no redirects, no retries, no decoding. What a pool may connect to is looked at with each connection
 * (httpRoute.ts), and every wait has an end.
 */
import type { Dispatcher } from "undici";
import { NacreError } from "../support/errors.js";
import type { Reach } from "./addressPolicy.js";
import { type HttpLimits, lateError, tokenOf } from "./httpClient.js";
import { hostOf, proxyFor } from "./httpProxy.js";
import { Route } from "./httpRoute.js";
import { tlsName } from "./transportTls.js";
import type { EndpointTls, RegistryEnv } from "./types.js";

/** What is sent with a request: called anew for each time that it is sent. */
export interface RequestBody {
  /** Bytes; undefined if that is not known before. */
  readonly length: number | undefined;
  open(): AsyncIterable<Uint8Array>;
}

/** One request. */
export interface TransportRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  readonly tls?: EndpointTls | undefined;
  /** How near whoever sent us there is; undefined for what the user or the configuration named. */
  readonly from?: Reach | undefined;
  /** In place of the one of the environment, for what is to be done after that was aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body is read with `body` or `read`, or given up with `discard`: one of them must be called. */
export interface TransportAnswer {
  readonly url: URL;
  readonly status: number;
  /** How near the host that answered is. */
  readonly reach: Reach;
  /** By name in lower case; of a header that came several times, the first. */
  header(name: string): string | undefined;
  /** All of that name. */
  headers(name: string): readonly string[];
  readonly body: AsyncIterable<Buffer>;
  /**
   * The whole body.
   * @param limit most bytes
   * @param what named in errors
   * @throws NacreError LIMIT_EXCEEDED
   */
  read(limit: number, what: string): Promise<Buffer>;
  /** Lets go of the body; the connection serves on if little is left of it. */
  discard(): Promise<void>;
}

/** Connections of one origin at once: callers bound how many transfers run, this only bounds mistakes. */
const MAX_CONNECTIONS = 32;
/** Milliseconds for which an idle connection is kept where the server does not say. */
const KEEP_ALIVE = 15_000;
/** What is read of a body that nobody wants, to keep the connection, and milliseconds for that. */
const DUMP_BYTES = 64 << 10;
const DUMP_TIME = 5_000;

interface Pool {
  readonly route: Route;
  readonly dispatcher: Dispatcher;
}

/** Sends requests. Shared by all clients of a run; close it in the end. */
export class Transport {
  readonly #env: RegistryEnv;
  readonly #limits: HttpLimits;
  readonly #pools = new Map<string, Promise<Pool>>();
  #closed = false;

  constructor(env: RegistryEnv, limits: HttpLimits) {
    this.#env = env;
    this.#limits = limits;
  }

  /**
   * Sends one request.
   * @throws NacreError NETWORK if the address is not to be asked; errors of undici, Node and the body for all that fails
   */
  async send(request: TransportRequest): Promise<TransportAnswer> {
    const { method, url, body } = request;
    const { route, dispatcher } = await this.#pool(request);
    const signal = request.signal ?? this.#env.signal;
    const patience = new Patience(this.#limits);
    if (body === undefined) patience.start();
    try {
      const answer = await dispatcher.request({
        ...{ origin: url.origin, path: `${url.pathname}${url.search}`, method },
        headers: { "user-agent": "nacre", "accept-encoding": "identity", ...request.headers, ...lengthOf(request) },
        // undici takes iterables; its types do not say so.
        body: (body === undefined ? null : sent(body, patience)) as unknown as null,
        ...{ headersTimeout: this.#limits.headers, bodyTimeout: this.#limits.idle },
        signal: signal ? AbortSignal.any([signal, patience.signal]) : patience.signal,
        // Else undici ends the connection after each HEAD, for servers that answer it with a body.
        ...(method === "HEAD" ? { reset: false } : {}),
      });
      return answerOf(answer, url, route.reach, this.#limits);
    } catch (error) {
      throw route.takeRefusal() ?? error;
    } finally {
      patience.end();
    }
  }

  /** Ends all connections, those in use too. */
  async close(): Promise<void> {
    this.#closed = true;
    const pools = await Promise.allSettled(this.#pools.values());
    await Promise.all(pools.map((pool) => (pool.status === "fulfilled" ? pool.value.dispatcher.destroy() : undefined)));
  }

  #pool({ url, tls, from }: TransportRequest): Promise<Pool> {
    if (this.#closed) throw new NacreError("INTERNAL", "the connections to registries are closed already");
    const key = JSON.stringify([url.origin, tlsName(tls), from ?? ""]);
    const known = this.#pools.get(key);
    if (known !== undefined) return known;
    const pool = this.#connect(url, tls, from);
    this.#pools.set(key, pool);
    pool.catch(() => this.#pools.delete(key));
    return pool;
  }

  async #connect(url: URL, setting: EndpointTls | undefined, from: Reach | undefined): Promise<Pool> {
    const { Pool, ProxyAgent } = await import("undici");
    const route = new Route(url, from);
    route.assertKnown();
    const { env } = this.#env;
    // What a name means to a proxy cannot be known here.
    const proxy = proxyFor(url, env);
    const connect = { timeout: this.#limits.connect, ...(await optionsFor([url, proxy?.url], setting, env)) };
    const options = { connections: MAX_CONNECTIONS, keepAliveTimeout: KEEP_ALIVE, allowH2: false };
    if (proxy === undefined) {
      const dispatcher = new Pool(url.origin, { ...options, connect: { ...connect, lookup: route.lookup } });
      return { route, dispatcher };
    }
    // As other clients do: only https is tunnelled. A client's certificate is for the registry, not for the proxy.
    const proxyTls = { timeout: this.#limits.connect, ...(await optionsFor([proxy.url], undefined, env)) };
    const tunnel = { uri: proxy.url.href, ...tokenOf(proxy), proxyTunnel: false, proxyTls, requestTls: connect };
    return { route, dispatcher: new ProxyAgent({ ...options, ...tunnel }) };
  }
}

/** Certificates are read only where there is TLS: that takes a while. */
async function optionsFor(
  urls: readonly (URL | undefined)[],
  setting: EndpointTls | undefined,
  env: RegistryEnv["env"],
) {
  const secure = urls.find((url) => url?.protocol === "https:");
  if (secure === undefined) return {};
  const { tlsOptions } = await import("./transportTls.js");
  return tlsOptions(setting, env, hostOf(secure));
}

/** Ends a request whose answer's head does not come whole in time: undici's own limit starts anew with each byte. */
class Patience {
  readonly #limits: HttpLimits;
  readonly #late = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: HttpLimits) {
    this.#limits = limits;
  }

  get signal(): AbortSignal {
    return this.#late.signal;
  }

  start(): void {
    const { connect, headers } = this.#limits;
    this.#timer ??= setTimeout(() => this.#late.abort(lateError()), connect + headers);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** A body on its way; the wait for an answer begins when it is sent. */
async function* sent(body: RequestBody, patience: Patience): AsyncGenerator<Uint8Array> {
  yield* body.open();
  patience.start();
}

function lengthOf({ method, body }: TransportRequest): Record<string, string> {
  if (body?.length !== undefined) return { "content-length": String(body.length) };
  // Without it some registries answer an empty POST or PUT with 411.
  return body === undefined && ["POST", "PUT", "PATCH"].includes(method) ? { "content-length": "0" } : {};
}

function answerOf(answer: Dispatcher.ResponseData, url: URL, reach: Reach, limits: HttpLimits): TransportAnswer {
  const { headers, body } = answer;
  const all = (name: string): string[] => [headers[name] ?? []].flat();
  return {
    ...{ url, reach, status: answer.statusCode },
    header: (name) => all(name)[0],
    headers: all,
    body: paced(body, limits),
    read: (limit, what) => readBounded(paced(body, limits), limit, what),
    async discard() {
      try {
        await body.dump({ limit: DUMP_BYTES, signal: AbortSignal.timeout(DUMP_TIME) });
      } catch {
        body.destroy();
      }
    },
  };
}

/** A body that ends with an error if it trickles in: only the time spent waiting for it counts. */
async function* paced(body: AsyncIterable<Buffer>, { slowWindow, slowBytes }: HttpLimits): AsyncGenerator<Buffer> {
  let waited = 0;
  let bytes = 0;
  let asked = performance.now();
  for await (const chunk of body) {
    waited += performance.now() - asked;
    bytes += chunk.length;
    if (waited > slowWindow) {
      if (bytes < slowBytes) throw Object.assign(new Error("too slow"), { code: "UND_ERR_BODY_TIMEOUT" });
      waited = bytes = 0;
    }
    yield chunk;
    asked = performance.now();
  }
}

async function readBounded(body: AsyncIterable<Buffer>, limit: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) throw new NacreError("LIMIT_EXCEEDED", `${what} has more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
