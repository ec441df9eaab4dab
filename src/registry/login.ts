/**
 * Logging in to a registry and out of it. In: host, user name and password. Out: credentials that were tried on the
 * registry, kept where every tool that reads Docker's configuration finds them. This face is loaded with the library; the
 * work is loaded when it is asked for.
 */
import type { CredentialOptions } from "./credentials.js";
import type { Credentials, RegistryEnv } from "./types.js";

/** Who logs in where. */
export interface LoginRequest {
  /** As in references, or as a URL: scheme and path are left aside. Default: Docker Hub. */
  readonly host?: string | undefined;
  /** Without both, the credentials that are kept already are tried. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** What a login works with. */
export interface LoginWorld extends CredentialOptions {
  readonly env: RegistryEnv;
  /** Tries credentials on a registry. @throws NacreError DENIED if it refuses them */
  check(host: string, credentials: Credentials): Promise<void>;
}

/** What became of a login. */
export interface Login {
  /** As in references. */
  readonly host: string;
  /** Undefined for a login with a token. */
  readonly username: string | undefined;
  /** Where the credentials are: undefined if they were there before. */
  readonly keptIn: { readonly kind: "file" | "helper"; readonly name: string } | undefined;
}

/** What became of a logout. */
export interface Logout {
  readonly host: string;
  /** Files and helper programs that had credentials, and have none now. */
  readonly removedFrom: readonly string[];
  /** Where credentials for it, or for a part of it, still are. */
  readonly leftIn: readonly string[];
}

/**
 * Tries credentials on a registry and keeps them: with the helper program that the configuration names, else in the
 * `config.json`, of which everything else stays.
 * @throws NacreError USAGE for a wrong host or user name, CREDENTIALS if there are none to try or they cannot be kept, and
 * whatever `check` throws; then nothing is kept
 */
export async function login(request: LoginRequest, world: LoginWorld): Promise<Login> {
  return (await import("./loginStore.js")).performLogin(request, world);
}

/**
 * Removes the credentials of a registry from everywhere that nacre would find them.
 * @param host as for {@link login}
 * @throws NacreError USAGE, CREDENTIALS
 */
export async function logout(host: string | undefined, world: Omit<LoginWorld, "check">): Promise<Logout> {
  return (await import("./loginStore.js")).performLogout(host, world);
}
