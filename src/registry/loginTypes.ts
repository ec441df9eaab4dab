/** What logging in to a registry, and out of it, takes and tells. */
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
  /** Tries credentials on a registry in another way than by asking it. @throws NacreError DENIED if it refuses them */
  readonly check?: ((host: string, credentials: Credentials) => Promise<void>) | undefined;
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
