/**
 * Requests to one endpoint for one repository, with all that belongs to them: which scheme, logging in, redirects, trying
 * again, and errors that say what was to be done.
 */
import { NacreError } from "../support/errors.js";
import type { Reach } from "./addressPolicy.js";
import { Authorizer, type AuthShared } from "./auth.js";
import { mergeScopes, parseChallenges } from "./authChallenge.js";
import type { RealmOwner } from "./authRealm.js";
import type { HttpLimits } from "./httpClient.js";
import { rateLimitOf, warningsOf } from "./rateLimit.js";
import { type Attempt, networkFailure, statusFailure } from "./registryErrors.js";
import { canonicalHost, HUB } from "./registryHost.js";
import type { RequestBody, Transport, TransportAnswer, TransportRequest } from "./transport.js";
import { type Arrival, travel } from "./transportJourney.js";
import { type RetryRules, withRetries } from "./transportRetry.js";
import type { Endpoint, EndpointTls, RateLimit, RegistryAction, RegistryEnv } from "./types.js";

/** What the clients of a run share. */
export interface Shared extends AuthShared {
  readonly env: RegistryEnv;
  readonly limits: HttpLimits;
  readonly transport: Transport;
  /** Base addresses in the scheme that answered, by the configured origin. */
  readonly bases: Map<string, Promise<URL>>;
  /** How near the origins are that have answered. */
  readonly reached: Map<string, Reach>;
  readonly warned: Set<string>;
}

/** One request. */
export interface Call {
  readonly method: TransportRequest["method"];
  /** Below `/v2/`, with its query; or a whole address that the registry gave. */
  readonly to: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  /** More than the repository's own. */
  readonly scopes?: readonly string[];
  /** Statuses that are answers; all others are failures. */
  readonly accept: readonly number[];
  /** `read X`. */
  readonly doing: string;
  /** Not to be tried again: what may pass is thrown as PassingFailure. */
  readonly once?: boolean;
  readonly signal?: AbortSignal;
}

/** For whom requests are made. */
export interface ExchangeTarget {
  readonly endpoint: Endpoint;
  /** The registry as in references. */
  readonly registry: string;
  readonly repository: string;
  readonly action: RegistryAction;
  /** Scopes of all requests. */
  readonly scopes: readonly string[];
  /** Another endpoint can be asked in its place: less patience is needed. */
  readonly replaceable: boolean;
}

/** Tries for an endpoint that has never answered: its name may just be wrong. */
const FIRST_ATTEMPTS = 3;
const REPLACEABLE_ATTEMPTS = 2;
/** Most warnings that are shown in a run. */
const MAX_WARNINGS = 100;

/** Talks to one endpoint. */
export class Exchange {
  readonly target: ExchangeTarget;
  readonly #shared: Shared;
  readonly #tls: EndpointTls | undefined;
  readonly #auth: Authorizer;
  /** Scopes that the endpoint demanded beyond ours. */
  #scopes: readonly string[];
  #rateLimit: RateLimit | undefined;

  constructor(target: ExchangeTarget, shared: Shared) {
    const { endpoint, registry, repository, action, scopes } = target;
    this.target = target;
    this.#shared = shared;
    this.#scopes = scopes;
    this.#tls = endpoint.insecure ? { ...endpoint.tls, skipVerify: true } : endpoint.tls;
    const doing = `get a token for ${repository === "" ? registry : `${registry}/${repository}`}`;
    const host = credentialHost(endpoint, registry);
    const attempt = { doing, registry: host, repository: endpoint.repository, action };
    this.#auth = new Authorizer({ host, repository: endpoint.repository, tls: this.#tls, attempt }, shared);
  }

  /** What the registry last said of its rate limit. */
  get rateLimit(): RateLimit | undefined {
    return this.#rateLimit;
  }

  /** How near the endpoint is, once it has answered. */
  get reach(): Reach {
    return this.#shared.reached.get(this.target.endpoint.base.origin) ?? "public";
  }

  /** What errors tell of a try. */
  attempt(doing: string, origin = this.target.endpoint.base.origin): Attempt {
    const { registry, repository, action } = this.target;
    return { doing, registry, repository, action, origin };
  }

  /** How often things are tried here. */
  rules(doing: string): RetryRules {
    const { limits, env, reached } = this.#shared;
    const { endpoint, replaceable } = this.target;
    const attempts = (): number => {
      if (replaceable) return Math.min(limits.attempts, REPLACEABLE_ATTEMPTS);
      return reached.has(endpoint.base.origin) ? limits.attempts : Math.min(limits.attempts, FIRST_ATTEMPTS);
    };
    return { attempts, limits, signal: env.signal, doing };
  }

  /**
   * Makes a request.
   * @throws NacreError NETWORK, DENIED, CANCELLED, CREDENTIALS; PassingFailure where `once` says so
   */
  call(call: Call): Promise<TransportAnswer> {
    const once = (): Promise<TransportAnswer> => this.#once(call);
    return call.once ? once() : withRetries(once, this.rules(call.doing));
  }

  /** The endpoint's address, in the scheme in which it answers. @throws NacreError, PassingFailure */
  async base(doing: string): Promise<URL> {
    const { base, insecure } = this.target.endpoint;
    if (!insecure || base.protocol !== "https:") return base;
    const { bases } = this.#shared;
    const known = bases.get(base.origin) ?? this.#findScheme(base);
    bases.set(base.origin, known);
    try {
      return await known;
    } catch (error) {
      bases.delete(base.origin);
      throw networkFailure(error, this.attempt(doing), this.#shared.env.signal);
    }
  }

  /** An address that is asked: below the endpoint's `/v2/`. */
  async #urlOf({ to, doing }: Call): Promise<URL> {
    if (typeof to !== "string") return to;
    const { mirrorOf, sendsNamespace } = this.target.endpoint;
    const base = await this.base(doing);
    const url = new URL(`${base.href.replace(/\/$/, "")}/v2/${to}`);
    if (sendsNamespace && mirrorOf !== undefined) url.searchParams.set("ns", mirrorOf);
    return url;
  }

  async #once(call: Call): Promise<TransportAnswer> {
    const { env, limits } = this.#shared;
    let attempt = this.attempt(call.doing);
    try {
      const url = await this.#urlOf(call);
      attempt = this.attempt(call.doing, url.origin);
      const { answer, left, authorization } = await this.#authorized(call, url);
      if (!left) this.#note(answer);
      if (call.accept.includes(answer.status)) return answer;
      const secrets = await this.#auth.secrets(authorization);
      const context = { secrets, loggedIn: (await this.#isLoggedIn(authorization)) && !left };
      const asked = { ...attempt, origin: answer.url.origin };
      throw await statusFailure(answer, asked, { ...context, now: env.now(), retryAfter: limits.retryAfter });
    } catch (error) {
      throw networkFailure(error, attempt, call.signal ?? env.signal);
    }
  }

  async #isLoggedIn(authorization: string | undefined): Promise<boolean> {
    return authorization !== undefined && (await this.#auth.credentials()) !== undefined;
  }

  async #authorized(call: Call, url: URL): Promise<Arrival & { readonly authorization: string | undefined }> {
    const owner = await this.#owner(call.doing);
    // Addresses elsewhere are asked as a stranger.
    const isOwn = url.origin === owner.base.origin;
    let scopes = mergeScopes(this.#scopes, call.scopes ?? []);
    let authorization = isOwn ? await this.#auth.header(scopes, owner) : undefined;
    for (let turn = 0; ; turn++) {
      const arrival = await this.#travel(call, url, isOwn, authorization);
      const { answer, left, home } = arrival;
      if (isOwn) this.#shared.reached.set(this.target.endpoint.base.origin, home);
      if (answer.status !== 401 || left || !isOwn || turn === 2) return { ...arrival, authorization };
      const challenges = parseChallenges(answer.headers("www-authenticate"));
      const next = await this.#next(challenges, { authorization, scopes }, answer);
      if (next === undefined) return { ...arrival, authorization };
      await answer.discard();
      ({ authorization, scopes } = next);
      if ((call.scopes ?? []).length === 0) this.#scopes = scopes;
    }
  }

  async #next(
    challenges: ReturnType<typeof parseChallenges>,
    sent: Parameters<Authorizer["after"]>[1],
    answer: TransportAnswer,
  ): ReturnType<Authorizer["after"]> {
    try {
      return await this.#auth.after(challenges, sent, { ...(await this.#owner("")), reach: answer.reach });
    } catch (error) {
      await answer.discard();
      throw error;
    }
  }

  #travel(call: Call, url: URL, isOwn: boolean, authorization: string | undefined): Promise<Arrival> {
    const { method, headers = {}, body, signal } = call;
    return travel(this.#shared.transport, {
      request: { method, url, headers, body, signal },
      ownHeaders: isOwn
        ? { ...lowerCase(this.target.endpoint.headers), ...(authorization ? { authorization } : {}) }
        : {},
      tls: this.#tls,
      from: isOwn ? undefined : this.reach,
    });
  }

  async #owner(doing: string): Promise<RealmOwner> {
    return { base: await this.base(doing), insecure: this.target.endpoint.insecure, reach: this.reach };
  }

  /** Where https does not work, http is tried: asked for by whoever calls the registry insecure (as Docker does). */
  async #findScheme(base: URL): Promise<URL> {
    const plain = new URL(base);
    plain.protocol = "http:";
    try {
      await this.#probe(base);
      return base;
    } catch (error) {
      if (error instanceof NacreError || this.#shared.env.signal?.aborted) throw error;
      // Go's servers answer plain http on a port of https with this status: then it is https that fails just now.
      if ((await this.#probe(plain)) === 400) throw error;
      return plain;
    }
  }

  async #probe(base: URL): Promise<number> {
    const { transport } = this.#shared;
    const url = new URL(`${base.href.replace(/\/$/, "")}/v2/`);
    const answer = await transport.send({ method: "GET", url, headers: {}, tls: this.#tls });
    this.#shared.reached.set(this.target.endpoint.base.origin, answer.reach);
    await answer.discard();
    return answer.status;
  }

  #note(answer: TransportAnswer): void {
    const { warned, env } = this.#shared;
    this.#rateLimit = rateLimitOf(answer) ?? this.#rateLimit;
    for (const text of warningsOf(answer.headers("warning"))) {
      const message = `${this.target.registry}: ${text}`;
      if (warned.has(message) || warned.size >= MAX_WARNINGS) continue;
      warned.add(message);
      env.warn("registry-warning", message);
    }
  }
}

/**
 * The host under which credentials for an endpoint are kept. A mirror, and a location in place of a registry, have their
 * own: what is for one host is not sent to another because a configuration file names it.
 */
export function credentialHost({ base, mirrorOf }: Endpoint, registry: string): string {
  if (canonicalHost(base.host) === HUB) return HUB;
  if (mirrorOf === undefined && [`https://${registry}`, `http://${registry}`].some((url) => isHost(url, base)))
    return registry;
  return base.host;
}

function isHost(text: string, base: URL): boolean {
  return URL.canParse(text) && new URL(text).host === base.host;
}

function lowerCase(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
