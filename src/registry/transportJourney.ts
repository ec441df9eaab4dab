/**
 * A request with all that it is redirected to. What lets the client in stays with the origin that it is for, and does not
 * come back once that was left (the way by which containerd's CVE-2020-15157 and its like leaked credentials); no redirect
 * leads from https to http, or nearer to home (addressPolicy.ts).
 */
import { NacreError } from "../support/errors.js";
import type { Reach } from "./addressPolicy.js";
import { redirectTarget, shownUrl } from "./httpAddress.js";
import type { Transport, TransportAnswer, TransportRequest } from "./transport.js";
import { tlsElsewhere } from "./transportTls.js";
import type { EndpointTls } from "./types.js";

const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What is asked for. */
export interface Journey {
  readonly request: Omit<TransportRequest, "tls" | "from">;
  /** Headers for the first origin alone: credentials, and what the configuration has for it. */
  readonly ownHeaders: Readonly<Record<string, string>>;
  /** For the host of the first address; of it only the authorities hold elsewhere. */
  readonly tls?: EndpointTls | undefined;
  readonly from?: Reach | undefined;
  /** The body lets whoever reads it in: it goes to no other origin. */
  readonly secretBody?: boolean;
  /** Looks at each address to which it is redirected. @throws NacreError */
  readonly check?: (url: URL) => void;
}

/** The answer that is no redirect. */
export interface Arrival {
  readonly answer: TransportAnswer;
  /** On the way the first origin was left: what answers speaks for nobody who knows our credentials. */
  readonly left: boolean;
  /** How near the first origin is. */
  readonly home: Reach;
}

/**
 * Sends a request and follows its redirects.
 * @throws NacreError NETWORK for redirects that are not followed; errors of undici and Node
 */
export async function travel(transport: Transport, journey: Journey): Promise<Arrival> {
  const { request, ownHeaders } = journey;
  const start = request.url;
  let { url } = request;
  let { from } = journey;
  let left = false;
  let home: Reach | undefined;
  for (let hops = 0; ; hops++) {
    const headers = left ? request.headers : { ...request.headers, ...ownHeaders };
    const tls = url.hostname === start.hostname ? journey.tls : tlsElsewhere(journey.tls);
    const answer = await transport.send({ ...request, url, headers, tls, from });
    if (!left) home = answer.reach;
    const location = REDIRECTS.has(answer.status) ? answer.header("location") : undefined;
    if (location === undefined || !mayFollow(answer.status, journey)) return { answer, left, home: home ?? "public" };
    await answer.discard();
    const next = redirectTarget(location, url).url;
    if (hops === MAX_REDIRECTS) throw tooMany(start);
    if (url.protocol === "https:" && next.protocol === "http:") throw downgrade(url, next);
    journey.check?.(next);
    const leaves = next.origin !== start.origin;
    if (leaves && journey.secretBody) throw carriesSecret(url, next);
    left ||= leaves;
    // To itself a host may always send.
    from = left ? answer.reach : from;
    url = next;
  }
}

/** Only what asks, and what is to be sent again as it is, is sent on. */
function mayFollow(status: number, { request: { method } }: Journey): boolean {
  return method === "GET" || method === "HEAD" || status === 307 || status === 308;
}

function tooMany(url: URL): NacreError {
  return new NacreError("NETWORK", `${shownUrl(url)}: stopped after ${MAX_REDIRECTS} redirects`, {
    hint: "the registry may redirect in a circle: tell whoever runs it",
    facts: { url: shownUrl(url) },
  });
}

/** The error of a way from https to http. */
export function downgrade(from: URL, to: URL): NacreError {
  return new NacreError("NETWORK", `${shownUrl(from)} leads from https to ${shownUrl(to)}`, {
    hint: "this is not followed: over http anyone on the way can read along; the registry, or a proxy before it, is set up wrongly",
    facts: { url: shownUrl(from), target: shownUrl(to) },
  });
}

function carriesSecret(from: URL, to: URL): NacreError {
  return new NacreError("NETWORK", `${shownUrl(from)} sends credentials on to ${to.origin}`, {
    hint: "this is not followed: tell whoever runs the registry",
    facts: { url: shownUrl(from), target: to.origin },
  });
}
