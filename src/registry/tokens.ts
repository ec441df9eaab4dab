/**
 * Tokens of registries (distribution, "Token Authentication Specification" and "OAuth2 Token Authentication"): asked for
 * once however many want one, kept for the time that they hold, for nothing but the very scopes that they were asked for.
 */
import { isNacreError, type NacreError } from "../support/errors.js";
import { scopeKey } from "./authChallenge.js";
import { assertRealm, type RealmOwner, realmReach } from "./authRealm.js";
import type { HttpLimits } from "./httpClient.js";
import { type Attempt, failed, networkFailure, statusFailure } from "./registryErrors.js";
import type { RequestBody, Transport, TransportAnswer } from "./transport.js";
import { type Arrival, travel } from "./transportJourney.js";
import { withRetries } from "./transportRetry.js";
import { tlsElsewhere } from "./transportTls.js";
import type { Credentials, EndpointTls, RegistryEnv } from "./types.js";

/** A token that is wanted. */
export interface TokenWanted {
  /** As {@link checkRealm} found it. */
  readonly realm: URL;
  readonly owner: RealmOwner;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  /** Undefined: anonymous. */
  readonly credentials: Exclude<Credentials, { kind: "bearer" }> | undefined;
  /** Whose credentials these are: tokens of one are never those of another. */
  readonly account: string;
  readonly tls: EndpointTls | undefined;
  readonly attempt: Attempt;
}

/** Name that token servers see. */
const CLIENT = "nacre";
const MAX_TOKEN_BYTES = 64 << 10;
/** Seconds that a token holds where its server does not say (distribution, "Token Response Fields"). */
const USUAL_LIFETIME = 60;
/** Longest that a token is kept, in seconds, whatever its server says. */
const MAX_LIFETIME = 86_400;
/** Part of its life after which a new one is asked for. */
const RENEWAL = 0.8;

interface Kept {
  readonly token: Promise<string>;
  /** Milliseconds since 1970; undefined while it is asked for. */
  renewAt: number | undefined;
}

/** The tokens of a run. */
export class Tokens {
  readonly #env: RegistryEnv;
  readonly #limits: HttpLimits;
  readonly #transport: Transport;
  readonly #kept = new Map<string, Kept>();

  constructor(env: RegistryEnv, limits: HttpLimits, transport: Transport) {
    this.#env = env;
    this.#limits = limits;
    this.#transport = transport;
  }

  /**
   * A token, kept or new.
   * @throws NacreError DENIED if the credentials are refused; NETWORK; CANCELLED
   */
  get(wanted: TokenWanted): Promise<string> {
    const key = keyOf(wanted);
    const known = this.#kept.get(key);
    if (known && (known.renewAt === undefined || this.#env.now() < known.renewAt)) return known.token;
    const kept: Kept = { renewAt: undefined, token: this.#ask(wanted, (lifetime) => this.#keep(kept, lifetime)) };
    this.#kept.set(key, kept);
    kept.token.catch(() => {
      if (this.#kept.get(key) === kept) this.#kept.delete(key);
    });
    return kept.token;
  }

  /** Forgets a token that the registry refuses; one that came since stays. */
  async forget(wanted: TokenWanted, token: string): Promise<void> {
    const key = keyOf(wanted);
    const known = this.#kept.get(key);
    if (known?.renewAt !== undefined && (await known.token) === token) this.#kept.delete(key);
  }

  #keep(kept: Kept, lifetime: number): void {
    kept.renewAt = this.#env.now() + lifetime * 1000 * RENEWAL;
  }

  #ask(wanted: TokenWanted, onLifetime: (seconds: number) => void): Promise<string> {
    const limits = this.#limits;
    const { signal } = this.#env;
    const doing = wanted.attempt.doing;
    const once = async (): Promise<string> => {
      try {
        const { token, lifetime } = await this.#once(wanted);
        onLifetime(lifetime);
        return token;
      } catch (error) {
        throw networkFailure(error, wanted.attempt, signal);
      }
    };
    return withRetries(once, { attempts: () => limits.attempts, limits, signal, doing });
  }

  async #once(wanted: TokenWanted): Promise<{ readonly token: string; readonly lifetime: number }> {
    const { credentials } = wanted;
    if (credentials?.kind === "identity") {
      const { answer } = await this.#post(wanted, credentials.token);
      // Older servers know only the other way.
      if (answer.status !== 404 && answer.status !== 405) return await this.#read(answer, wanted);
      await answer.discard();
    }
    return await this.#read((await this.#getToken(wanted)).answer, wanted);
  }

  #getToken(wanted: TokenWanted): Promise<Arrival> {
    const { credentials, realm } = wanted;
    const url = new URL(realm);
    for (const [name, value] of fieldsOf(wanted)) url.searchParams.append(name, value);
    for (const scope of wanted.scopes) url.searchParams.append("scope", scope);
    if (credentials?.kind === "basic") url.searchParams.append("account", credentials.username);
    const authorization = credentials === undefined ? undefined : basicHeader(credentials);
    const headers = { accept: "application/json" };
    return this.#travel(wanted, { method: "GET", url, headers }, authorization === undefined ? {} : { authorization });
  }

  #post(wanted: TokenWanted, refreshToken: string): Promise<Arrival> {
    const form = new URLSearchParams([...fieldsOf(wanted), ["grant_type", "refresh_token"]]);
    form.append("scope", wanted.scopes.join(" "));
    form.append("refresh_token", refreshToken);
    const headers = { accept: "application/json", "content-type": "application/x-www-form-urlencoded" };
    const body = bytesBody(Buffer.from(form.toString()));
    return this.#travel(wanted, { method: "POST", url: wanted.realm, headers, body }, {});
  }

  #travel(
    { owner, tls, realm }: TokenWanted,
    request: Parameters<typeof travel>[1]["request"],
    ownHeaders: Readonly<Record<string, string>>,
  ): Promise<Arrival> {
    return travel(this.#transport, {
      ...{ request, ownHeaders, secretBody: request.body !== undefined },
      tls: realm.hostname === owner.base.hostname ? tls : tlsElsewhere(tls),
      from: realmReach(realm, owner),
      check: (url) => assertRealm(url, owner),
    });
  }

  async #read(answer: TransportAnswer, wanted: TokenWanted) {
    const { attempt, credentials } = wanted;
    if (answer.status !== 200) {
      throw await statusFailure(answer, attempt, {
        ...{ loggedIn: credentials !== undefined, secrets: secretsOf(credentials) },
        ...{ now: this.#env.now(), retryAfter: this.#limits.retryAfter },
      });
    }
    const bytes = await this.#bounded(answer, attempt);
    return parseToken(bytes, attempt);
  }

  async #bounded(answer: TransportAnswer, attempt: Attempt): Promise<Buffer> {
    try {
      return await answer.read(MAX_TOKEN_BYTES, "the answer");
    } catch (error) {
      if (isNacreError(error)) throw failed("LIMIT_EXCEEDED", attempt, error.message);
      throw error;
    }
  }
}

/** What of credentials must stand in no message. */
export function secretsOf(credentials: Credentials | undefined): readonly string[] {
  if (credentials === undefined) return [];
  const secret = credentials.kind === "basic" ? credentials.password : credentials.token;
  return secret === "" ? [] : [secret];
}

/** The header for a user name and password (RFC 7617), or for an identity token as older servers take it. */
export function basicHeader(credentials: Exclude<Credentials, { kind: "bearer" }>): string {
  const text =
    credentials.kind === "basic" ? `${credentials.username}:${credentials.password}` : `<token>:${credentials.token}`;
  return `Basic ${Buffer.from(text).toString("base64")}`;
}

/** A body of known bytes. */
export function bytesBody(bytes: Uint8Array): RequestBody & { readonly length: number } {
  return {
    length: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}

function fieldsOf({ service }: TokenWanted): [string, string][] {
  return [...(service === undefined ? [] : [["service", service] as [string, string]]), ["client_id", CLIENT]];
}

function keyOf({ realm, owner, service, scopes, account }: TokenWanted): string {
  return JSON.stringify([account, owner.base.origin, realm.href, service ?? null, scopes.map(scopeKey).sort()]);
}

/** Reads a token server's answer. @throws NacreError NETWORK */
function parseToken(bytes: Buffer, attempt: Attempt): { readonly token: string; readonly lifetime: number } {
  const { token, access_token, expires_in } = parseObject(bytes, attempt);
  const found = typeof token === "string" && token !== "" ? token : access_token;
  // What is no token of RFC 6750 could become another header.
  if (typeof found !== "string" || !/^[\x21-\x7e]+$/.test(found)) throw noToken(attempt);
  const lifetime = typeof expires_in === "number" && expires_in > 0 ? expires_in : USUAL_LIFETIME;
  return { token: found, lifetime: Math.min(lifetime, MAX_LIFETIME) };
}

function parseObject(bytes: Buffer, attempt: Attempt): Record<string, unknown> {
  try {
    return (JSON.parse(bytes.toString("utf8")) ?? {}) as Record<string, unknown>;
  } catch {
    throw noToken(attempt);
  }
}

function noToken(attempt: Attempt): NacreError {
  return failed("NETWORK", attempt, "the answer holds no token", { hint: "tell whoever runs the registry" });
}
