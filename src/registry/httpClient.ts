/**
 * One request over HTTP: no redirects, no retries, no decoding. A connection of its own, so that the addresses which a
 * name has are looked at when it is made, and nothing can change between the look and the connection.
 */
import type { Dispatcher } from "undici";
import type { Reach } from "./addressPolicy.js";
import { type Environment, type HttpProxy, proxyFor } from "./httpProxy.js";
import { Route } from "./httpRoute.js";

/** How long to wait for what. Milliseconds, unless it says otherwise. */
export interface HttpLimits {
  /** For a connection. */
  readonly connect: number;
  /** For the whole head of an answer: what is packed on demand takes its time. */
  readonly headers: number;
  /** For the next bytes of a body. */
  readonly idle: number;
  /** Within such a time at least `slowBytes` must come. */
  readonly slowWindow: number;
  readonly slowBytes: number;
  /** Tries, of which none brought anything, until a download is given up. */
  readonly attempts: number;
  /** Before the second try; doubled each time. */
  readonly backoff: number;
  /** Longest wait that a server may ask for. */
  readonly retryAfter: number;
}

/** The usual ones. */
export const HTTP_LIMITS: HttpLimits = {
  connect: 30_000,
  headers: 120_000,
  idle: 60_000,
  slowWindow: 300_000,
  slowBytes: 64 << 10,
  attempts: 4,
  backoff: 500,
  retryAfter: 60_000,
};

/** What requests of one download share. */
export interface HttpSetting {
  readonly env: Environment;
  readonly limits: HttpLimits;
  readonly signal: AbortSignal | undefined;
  /** Default: GET. */
  readonly method?: "GET" | "HEAD" | undefined;
}

/** An answer whose body has not been read. */
export interface HttpAnswer {
  readonly url: URL;
  readonly status: number;
  /** By name in lower case; of a header that came several times, the first. */
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Buffer>;
  /** From how near the host answered; `public` where a proxy found it. */
  readonly reach: Reach;
  /** After the body, ends the connection: true if with its end more bytes came than it was said to have. */
  hasExcess(): Promise<boolean>;
  /** Ends the connection, whatever is left of the body. */
  close(): Promise<void>;
}

/**
 * Asks for an address.
 * @param from how near whoever sent us there is; undefined for an address that the user named
 * @throws NacreError NETWORK if the address is not to be asked; errors of undici and Node for all that fails on the way
 */
export async function requestOnce(
  url: URL,
  headers: Readonly<Record<string, string>>,
  from: Reach | undefined,
  setting: HttpSetting,
): Promise<HttpAnswer> {
  const { limits, signal } = setting;
  const route = new Route(url, from);
  const dispatcher = await dispatcherFor(url, route, setting);
  const late = new AbortController();
  // undici's own limit for the head starts anew with each of its bytes.
  const timer = setTimeout(() => late.abort(lateError()), limits.connect + limits.headers);
  let excess = false;
  dispatcher.on("disconnect", (_origin, _targets, error) => {
    excess ||= error.message === "bad response";
  });
  try {
    const answer = await dispatcher.request({
      ...{ origin: url.origin, path: `${url.pathname}${url.search}`, method: setting.method ?? "GET", headers },
      ...{ headersTimeout: limits.headers, bodyTimeout: limits.idle },
      signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
    });
    return {
      url,
      status: answer.statusCode,
      header: (name) => [answer.headers[name]].flat()[0],
      body: answer.body,
      reach: route.reach,
      hasExcess: async () => {
        // Bytes that came with the body's end have broken the connection by now; its end says so.
        await dispatcher.destroy();
        await new Promise(setImmediate);
        return excess;
      },
      close: () => dispatcher.destroy(),
    };
  } catch (error) {
    await dispatcher.destroy();
    throw route.refusal ?? error;
  } finally {
    clearTimeout(timer);
  }
}

/** The error of an answer whose head does not come. */
export function lateError(): Error {
  return Object.assign(new Error("no answer in time"), { code: "UND_ERR_HEADERS_TIMEOUT" });
}

async function dispatcherFor(url: URL, route: Route, { env, limits }: HttpSetting): Promise<Dispatcher> {
  // Loaded here: most builds download nothing.
  const { Agent, ProxyAgent } = await import("undici");
  route.assertKnown();
  // What a name means to a proxy cannot be known here.
  const proxy = proxyFor(url, env);
  const secureContext = await trustFor([url, proxy?.url], env);
  const connect = { timeout: limits.connect, ...secureContext };
  const timeouts = { headersTimeout: limits.headers, bodyTimeout: limits.idle, connections: 1 };
  if (proxy === undefined) {
    return new Agent({ ...timeouts, connect: { ...connect, lookup: route.lookup } });
  }
  return new ProxyAgent({
    ...timeouts,
    uri: proxy.url.href,
    ...tokenOf(proxy),
    // As other clients do: only https is tunnelled.
    proxyTunnel: false,
    proxyTls: connect,
    requestTls: connect,
  });
}

/** The option of undici's proxies for what opens a proxy. */
export function tokenOf({ authorization }: HttpProxy): { readonly token?: string } {
  return authorization === undefined ? {} : { token: authorization };
}

async function trustFor(urls: readonly (URL | undefined)[], env: Environment) {
  if (!urls.some((url) => url?.protocol === "https:")) return {};
  const { trust } = await import("./httpCertificates.js");
  return { secureContext: trust(env) };
}
