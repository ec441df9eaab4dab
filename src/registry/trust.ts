/** What vouches for an image before anything of it was read: Docker's programmes of trusted content. Pure. */

/** Kinds of trusted content. The words are those of Docker Hub's search, but for `hardened`, which it does not know. */
export type TrustBadge = "official" | "verified_publisher" | "open_source" | "hardened";

/** All of them, the strongest first. */
export const TRUST_BADGES: readonly TrustBadge[] = ["official", "hardened", "verified_publisher", "open_source"];

/** Where Docker's hardened images are. */
export const HARDENED_HOST = "dhi.io";

/** How people call them. */
export const BADGE_LABELS: Readonly<Record<TrustBadge, string>> = {
  official: "Official",
  hardened: "Hardened",
  verified_publisher: "Verified Publisher",
  open_source: "Sponsored OSS",
};

/**
 * What the name alone tells: images of `library/` on Docker Hub are official, those of dhi.io are hardened.
 * @param hardenedPrefixes mirrors of hardened images, as `HOST/PATH/` or `HOST/`; the border of a path element ends each
 */
export function trustOf(
  { host, path }: { readonly host: string; readonly path: string },
  hardenedPrefixes: readonly string[] = [],
): TrustBadge | undefined {
  if (host === "docker.io" && path.startsWith("library/")) return "official";
  const name = `${host}/${path}/`;
  const isHardened = [HARDENED_HOST, ...hardenedPrefixes].some((prefix) => name.startsWith(`${trimmed(prefix)}/`));
  return isHardened ? "hardened" : undefined;
}

function trimmed(prefix: string): string {
  return prefix.replace(/\/+$/, "");
}
