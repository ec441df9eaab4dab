/**
 * Logging in to one endpoint for one repository: what the endpoint wants is learned from its own refusals, remembered
 * for all repositories there, and answered with the credentials for that registry alone.
 */
import { type Challenge, coversScopes, mergeScopes, scopesOf } from "./authChallenge.js";
import { checkRealm, type RealmOwner } from "./authRealm.js";
import type { Attempt } from "./registryErrors.js";
import { basicHeader, secretsOf, type Tokens, type TokenWanted } from "./tokens.js";
import type { CredentialStore, Credentials, EndpointTls } from "./types.js";

/** How an endpoint lets clients in. */
export type Way =
  | { readonly kind: "basic" }
  | { readonly kind: "token"; readonly realm: string; readonly service?: string };

/** What is shared by all who log in. */
export interface AuthShared {
  readonly tokens: Tokens;
  readonly credentials: CredentialStore;
  /** By origin. */
  readonly ways: Map<string, Way>;
  /** By host and repository: a helper is asked once. */
  readonly found: Map<string, Promise<Credentials | undefined>>;
}

/** For whom. */
export interface AuthTarget {
  /** Host under which credentials are kept. */
  readonly host: string;
  readonly repository: string;
  readonly tls: EndpointTls | undefined;
  /** What errors of the token server say; its origin is filled in. */
  readonly attempt: Omit<Attempt, "origin">;
}

/** The next try after a refusal. */
export interface NextTry {
  readonly authorization: string;
  readonly scopes: readonly string[];
}

/** Knows what to send to an endpoint. */
export class Authorizer {
  readonly #target: AuthTarget;
  readonly #shared: AuthShared;

  constructor(target: AuthTarget, shared: AuthShared) {
    this.#target = target;
    this.#shared = shared;
  }

  /**
   * The Authorization header for a request, as far as it is known what is wanted.
   * @throws NacreError CREDENTIALS, DENIED, NETWORK
   */
  async header(scopes: readonly string[], owner: RealmOwner): Promise<string | undefined> {
    const way = this.#shared.ways.get(owner.base.origin);
    if (way === undefined) return undefined;
    const credentials = await this.credentials();
    if (way.kind === "basic") return credentials?.kind === "basic" ? basicHeader(credentials) : undefined;
    if (credentials?.kind === "bearer") return `Bearer ${credentials.token}`;
    return `Bearer ${await this.#shared.tokens.get(this.#wanted(way, scopes, owner, credentials))}`;
  }

  /**
   * What to send after a 401 of the endpoint itself.
   * @param sent what was sent
   * @returns undefined if there is nothing better
   * @throws NacreError CREDENTIALS, DENIED, NETWORK
   */
  async after(
    challenges: readonly Challenge[],
    sent: { readonly authorization: string | undefined; readonly scopes: readonly string[] },
    owner: RealmOwner,
  ): Promise<NextTry | undefined> {
    const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters.has("realm"));
    const way = bearer ? tokenWay(bearer) : challenges.some(({ scheme }) => scheme === "basic") ? BASIC : undefined;
    if (way === undefined) return undefined;
    this.#shared.ways.set(owner.base.origin, way);
    const demanded = bearer ? scopesOf(bearer) : [];
    // The registry's own words first: some servers look at the first scope alone.
    const scopes = coversScopes(sent.scopes, demanded) ? sent.scopes : mergeScopes(demanded, sent.scopes);
    if (way.kind === "token" && scopes === sent.scopes) await this.#forget(way, sent.authorization, scopes, owner);
    const authorization = await this.header(scopes, owner);
    return authorization === undefined || authorization === sent.authorization ? undefined : { authorization, scopes };
  }

  /** What lets us in. @throws NacreError CREDENTIALS */
  credentials(): Promise<Credentials | undefined> {
    const { host, repository } = this.#target;
    const key = JSON.stringify([host, repository]);
    const known = this.#shared.found.get(key) ?? this.#shared.credentials.find(host, repository || undefined);
    this.#shared.found.set(key, known);
    known.catch(() => this.#shared.found.delete(key));
    return known;
  }

  /** What must stand in no message. */
  async secrets(authorization: string | undefined): Promise<readonly string[]> {
    if (authorization === undefined) return [];
    return [...secretsOf(await this.credentials()), authorization.replace(/^\S+ /, "")];
  }

  /** A token that the registry refuses, though it is for all that is wanted, is out of date. */
  async #forget(
    way: Way & { kind: "token" },
    authorization: string | undefined,
    scopes: readonly string[],
    owner: RealmOwner,
  ) {
    const credentials = await this.credentials();
    if (authorization === undefined || credentials?.kind === "bearer") return;
    await this.#shared.tokens.forget(this.#wanted(way, scopes, owner, credentials), authorization.replace(/^\S+ /, ""));
  }

  #wanted(
    { realm, service }: Way & { kind: "token" },
    scopes: readonly string[],
    owner: RealmOwner,
    credentials: Exclude<Credentials, { kind: "bearer" }> | undefined,
  ): TokenWanted {
    const { host, repository, tls, attempt } = this.#target;
    const url = checkRealm(realm, owner);
    return {
      ...{ realm: url, owner, service, scopes, credentials, tls },
      account: JSON.stringify([host, repository]),
      attempt: { ...attempt, origin: url.origin },
    };
  }
}

const BASIC: Way = { kind: "basic" };

function tokenWay({ parameters }: Challenge): Way {
  const service = parameters.get("service");
  return { kind: "token", realm: parameters.get("realm")!, ...(service === undefined ? {} : { service }) };
}
