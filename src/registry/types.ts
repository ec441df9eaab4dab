/**
 * What the parts of the distribution client say to each other. A *registry* is asked about one repository at a time;
 * which hosts are really asked (mirrors, another location) and with which credentials is settled below this.
 */
import type { Digest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import type { Platform } from "../oci/platform.js";
import type { HttpLimits } from "./httpClient.js";

/** What the outside world gives to a client. */
export interface RegistryEnv {
  /** Variables: proxies, DOCKER_CONFIG, REGISTRY_AUTH_FILE, XDG_*, SSL_CERT_FILE, … */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly warn: (rule: string, message: string) => void;
}

/** What a client may do in a repository: decides over endpoints (mirrors are for `pull` only) and token scopes. */
export type RegistryAction = "pull" | "push";

/** A host that is asked in place of, or as, a registry (registries.conf, hosts.toml, daemon.json). */
export interface Endpoint {
  /** Scheme, host, port and a path before `/v2/`, without a slash at the end. */
  readonly base: URL;
  /** Repository path there, e.g. `library/alpine`; a location may rewrite it. */
  readonly repository: string;
  /** The registry that it mirrors (sent as `?ns=` where the configuration is containerd's); undefined for the registry itself. */
  readonly mirrorOf?: string | undefined;
  readonly sendsNamespace?: boolean | undefined;
  readonly capabilities: ReadonlySet<"resolve" | "pull" | "push">;
  /** Of a mirror: which references it may answer. */
  readonly answers: "all" | "digest" | "tag";
  /** Plain http is tried where https is refused, and certificates are not checked. */
  readonly insecure: boolean;
  readonly tls?: EndpointTls | undefined;
  /** Sent with each request to it, and to no other host. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** PEM texts. */
export interface EndpointTls {
  readonly ca?: readonly string[] | undefined;
  readonly clientPairs?: readonly { readonly cert: string; readonly key: string }[] | undefined;
  readonly skipVerify?: boolean | undefined;
}

/** Finds out whom to ask. Reads configuration files once. */
export interface EndpointFinder {
  /**
   * Endpoints in the order in which they are to be tried, the registry itself last.
   * @param host as in references, e.g. `docker.io`
   * @throws NacreError NOT_ALLOWED if the configuration blocks it; USAGE for a configuration that cannot be read
   */
  endpoints(host: string, repository: string, action: RegistryAction): readonly Endpoint[];
}

/** How to log in. */
export type Credentials =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** An identity token (OAuth2 refresh token). */
  | { readonly kind: "identity"; readonly token: string }
  /** A registry token that is sent as it is. */
  | { readonly kind: "bearer"; readonly token: string };

/** Credentials by registry. Values never appear in errors, JSON or what a debugger prints. */
export interface CredentialStore {
  /**
   * @param host as in references; `repository` for files that are more specific (auth.json)
   * @returns undefined: anonymous
   * @throws NacreError CREDENTIALS if a helper fails or answers wrongly
   */
  find(host: string, repository?: string): Promise<Credentials | undefined>;
}

/** A manifest or index as it was sent. */
export interface FetchedManifest {
  /** mediaType, digest of the raw bytes, size. */
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** Reads a content from an offset on; may be called again after a failure. */
export type ContentSource = (offset: number) => AsyncIterable<Uint8Array>;

/** Bytes so far of a transfer, and what of them was there already. */
export interface TransferProgress {
  readonly bytes: number;
  readonly total?: number | undefined;
}

/** Which bytes of a blob are wanted; default: all. */
export interface BlobRange {
  readonly offset?: number | undefined;
  /** Default: up to its end. */
  readonly length?: number | undefined;
}

/** One repository of a registry. */
export interface RepositoryClient {
  /** Registry host as in references. */
  readonly host: string;
  readonly repository: string;
  /**
   * What a tag or digest is now: HEAD, and GET where the answer has no digest. Undefined if there is none.
   * @throws NacreError NETWORK, DENIED, CONTENT_INVALID, LIMIT_EXCEEDED, CANCELLED (so do all methods)
   */
  resolve(reference: string): Promise<Descriptor | undefined>;
  /**
   * A manifest or index, bounded and verified: bytes against the digest where it is known (`expected`, or a digest as
   * reference), body's mediaType against Content-Type.
   */
  manifest(reference: string, expected?: Descriptor): Promise<FetchedManifest | undefined>;
  /** Bytes of a blob, if it is there. */
  blobSize(digest: Digest): Promise<number | undefined>;
  /**
   * A blob's bytes from `offset` on. Resumes where the connection ends early; ends after exactly `length` bytes,
   * or those that are left.
   * With offset 0 and no length the digest is checked, and what is wrong throws before the stream ends; else that is up to the caller.
   */
  blob(descriptor: Descriptor, options?: BlobRange): AsyncIterable<Buffer>;
  /** Makes a blob of another repository of this registry one of this: true if that was done. */
  mount(digest: Digest, from: string): Promise<boolean>;
  /** Uploads what is known by digest and size; does nothing if it is there. Resumes after failures. */
  upload(
    descriptor: Pick<Descriptor, "digest" | "size">,
    content: ContentSource,
    onProgress?: (progress: TransferProgress) => void,
  ): Promise<"uploaded" | "exists">;
  /**
   * Uploads what is made while it is sent, in chunks; its digest is known only at the end. What fails is cancelled.
   * @param digest gives it when the content has ended, if that need not be hashed here
   */
  uploadStream(
    content: AsyncIterable<Uint8Array>,
    onProgress?: (progress: TransferProgress) => void,
    digest?: () => Digest,
  ): Promise<{ readonly digest: Digest; readonly size: number }>;
  /** @param reference a tag, or the digest of the bytes */
  putManifest(reference: string, mediaType: string, bytes: Uint8Array): Promise<Digest>;
  /** Tags, page by page. */
  tags(): AsyncIterable<string>;
  /** What refers to a manifest: by the API, else by the fallback tag (distribution-spec, "Listing Referrers"). */
  referrers(digest: Digest, artifactType?: string): Promise<readonly Descriptor[]>;
  /** Puts a manifest with a subject, and keeps the fallback tag where the registry has no API. */
  putReferrer(mediaType: string, bytes: Uint8Array, subject: Digest): Promise<Digest>;
  /** What the registry last said of its rate limit. */
  rateLimit(): RateLimit | undefined;
}

/** Docker Hub's `ratelimit-*` headers. */
export interface RateLimit {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds. */
  readonly window: number;
  /** Whom it is counted for: an address, or an account's id. */
  readonly source?: string | undefined;
}

/** Gives out clients; tokens, connections and configuration are shared between them. Close it in the end. */
export interface Registries {
  open(host: string, repository: string, action: RegistryAction): RepositoryClient;
  /** Repositories of a registry, where it tells them. */
  catalog(host: string): AsyncIterable<string>;
  close(): Promise<void>;
}

/** What is wanted of an image with several platforms. */
export interface PlatformChoice {
  readonly platform: Platform;
  readonly all: boolean;
}
