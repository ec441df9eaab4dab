/** What base images are locked to, and what they turned out to be: see lockFile.ts. */
import type { Digest } from "../oci/digest.js";
import { formatReference, parseReference, type Reference } from "../oci/reference.js";
import { type LockedImages, lockedDigest, readLock, writeLock } from "./lockFile.js";

/** How a build uses its lock file. */
export type LockMode = "none" | "write" | "hold";

/** The names of base images of one build, with their digests. */
export class BaseLocks {
  readonly #mode: LockMode;
  readonly #path: string;
  readonly #locked: LockedImages;
  readonly #found = new Map<string, Digest>();

  /** @throws NacreError CONTENT_INVALID for a lock file that cannot be read */
  constructor(mode: LockMode, path: string) {
    this.#mode = mode;
    this.#path = path;
    this.#locked = mode === "none" ? new Map() : (readLock(path) ?? new Map());
  }

  /**
   * What a reference stands for: with a lock that is held, the digest that is locked. Beside a digest the tag says nothing.
   * @throws NacreError REFERENCE_INVALID; LOCK if the lock file does not have it
   */
  held(text: string): Reference {
    const reference = parseReference(text);
    if (reference.digest || this.#mode !== "hold") return reference;
    return { ...reference, digest: lockedDigest(this.#locked, formatReference(reference), this.#path) };
  }

  /** Notes what a name was found to be. */
  note(reference: Reference, { digest }: { readonly digest: Digest }): void {
    if (reference.digest === undefined) this.#found.set(formatReference(reference), digest);
  }

  /** Writes what was found, beside what was locked before. @throws NacreError OUTPUT, DISK_FULL */
  async save(): Promise<void> {
    if (this.#mode === "write") await writeLock(this.#path, new Map([...this.#locked, ...this.#found]));
  }
}
