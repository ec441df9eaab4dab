/** Digests: the names of all immutable bytes. */
import { NacreError } from "../support/errors.js";

/** `sha256:` and 64 lower-case hex digits. Only {@link parseDigest} and {@link digestOfHex} make one, so it is always valid. */
export type Digest = `sha256:${string}` & { readonly __digest: unique symbol };

/** The digest of an uncompressed layer tar (image-spec, config.md, "Layer DiffID"). */
export type DiffId = Digest;

const FORM = /^sha256:[0-9a-f]{64}$/;

/** True if the text is a digest that nacre handles: SHA-256 in lower case. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && FORM.test(text);
}

/**
 * Checks a digest that came from outside, before it becomes a part of any path.
 * @throws NacreError CONTENT_INVALID
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new NacreError("CONTENT_INVALID", `not a sha256 digest: ${JSON.stringify(text.slice(0, 100))}`, {
    hint: "a digest is sha256: and 64 lower-case hexadecimal digits",
  });
}

/** The digest of 64 hex digits that this program has computed. */
export function digestOfHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

/** The 64 hex digits of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice(7);
}

/** The first 12 hex digits, as people see digests in listings. */
export function shortDigest(digest: Digest): string {
  return digest.slice(7, 19);
}
