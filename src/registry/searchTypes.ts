/** What searches and lists of tags are asked, and what they answer. */
import type { TagOrder } from "./tagOrder.js";
import type { TrustBadge } from "./trust.js";
import type { CredentialStore, EndpointFinder, Registries, RegistryEnv } from "./types.js";

/** Where Docker Hub's two searches are, without a slash at the end. */
export interface HubAddresses {
  /** The one that Docker's engine asks. */
  readonly index: string;
  /** The web site's. */
  readonly site: string;
}

/** By what results are sorted: as the registry ranks them, or the greatest first; `name` from A to Z. */
export type SearchOrder = "best" | "pulls" | "updated" | "stars" | "name";

/** What is wanted. */
export interface SearchRequest {
  readonly env: RegistryEnv;
  /** From 1 to 100; 25 by default. Filters are applied to what comes, as Docker does it. */
  readonly limit?: number | undefined;
  /** `is-official=…`, `stars=…`. */
  readonly filters?: readonly string[] | undefined;
  /** Tells badges, publishers and numbers of pulls, which only Docker Hub's own search knows. */
  readonly details?: boolean | undefined;
  /** Only these; implies `details`. */
  readonly badges?: readonly TrustBadge[] | undefined;
  /** `pulls` and `updated` imply `details`. */
  readonly sort?: SearchOrder | undefined;
  /** Mirrors of hardened images: `HOST/PATH`. */
  readonly hardened?: readonly string[] | undefined;
  readonly hub?: Partial<HubAddresses> | undefined;
  /** What is used to ask registries; made from `env` where it is not given. */
  readonly access?: SearchAccess | undefined;
}

/** What a search needs to ask registries. */
export interface SearchAccess {
  readonly credentials: CredentialStore;
  readonly endpoints: EndpointFinder;
  /** Made when they are first asked for. */
  readonly registries: () => Promise<Registries>;
}

/** One image repository. */
export interface SearchResult {
  /** As it can be pulled: `nginx`, `bitnami/nginx`, `quay.io/some/app`. */
  readonly name: string;
  readonly description: string;
  /** Undefined where the registry counts none. */
  readonly stars: number | undefined;
  readonly official: boolean;
  /** What is known of it without details: `official` and `hardened`. */
  readonly badge: TrustBadge | undefined;
  /** As Docker Hub says it: `1B+`. */
  readonly pulls?: string | undefined;
  readonly publisher?: string | undefined;
  /** RFC 3339. */
  readonly updated?: string | undefined;
  readonly archived?: boolean | undefined;
  readonly architectures?: readonly string[] | undefined;
}

/** What is wanted of a list of tags. */
export interface TagsRequest {
  readonly env: RegistryEnv;
  /** `version` by default. `updated` asks Docker Hub's web site, and works for its repositories alone. */
  readonly sort?: TagOrder | undefined;
  /** So many at most, the first ones; all by default. */
  readonly limit?: number | undefined;
  readonly hub?: Partial<HubAddresses> | undefined;
  readonly access?: SearchAccess | undefined;
}

/** One tag. Only Docker Hub's web site tells more than its name. */
export interface TagInfo {
  readonly tag: string;
  /** RFC 3339. */
  readonly updated?: string | undefined;
  /** Bytes of the compressed layers, of the one platform that Docker Hub counts. */
  readonly size?: number | undefined;
  readonly digest?: string | undefined;
  readonly platforms?: readonly string[] | undefined;
}
