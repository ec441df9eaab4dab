/**
 * Downloads for ADD and for contexts: in comes an http or https address, out comes a file in the store, verified, which
 * stays what it is until it is released. What the store has is asked about, not fetched again; a content that a checksum
 * names is not even asked about.
 */
import * as fs from "node:fs";
import { type Digest, isDigest } from "../oci/digest.js";
import { downloadName, type HttpAddress, parseHttpAddress, shownUrl } from "../registry/httpAddress.js";
import { HTTP_LIMITS, type HttpLimits } from "../registry/httpClient.js";
import type { Environment } from "../registry/httpProxy.js";
import { sourcePath, touchSource, useSource } from "../store/sources.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import {
  adoptTransferred,
  holdContent,
  looksUntouched,
  readStored,
  type StoredDownload,
  validatorsOf,
  verifyStored,
} from "./downloadCache.js";
import { isStillStored, type Transferred, transfer } from "./downloadTransfer.js";

/** Most bytes of a download where nothing else is said. */
const MAX_BYTES = 32 * 2 ** 30;

/** What is to be downloaded, and how. */
export interface DownloadRequest {
  readonly url: string;
  /** `sha256:…` as typed, after expansion. */
  readonly checksum?: string | undefined;
  /** Value of the Authorization header, from a secret; goes before user name and password of the address. */
  readonly authorization?: string | undefined;
  /** Ask no one: only what the store has. */
  readonly offline?: boolean | undefined;
  /** Default: 32 GiB. */
  readonly maxBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes have come, of how many if that is known; starts again from 0 if the download has to. */
  readonly onProgress?: ((bytes: number, total?: number) => void) | undefined;
  /** Told of tries that have failed. */
  readonly warn?: ((rule: string, message: string) => void) | undefined;
  /** For proxies and certificates. */
  readonly env: Environment;
  /** How long to wait for what. */
  readonly limits?: Partial<HttpLimits> | undefined;
}

/** A content in use. */
export interface Download {
  /** A file with the content, read-only. */
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  /** The file's name in a directory; `__unnamed__` if the address has none. */
  readonly name: string;
  /** Whole seconds since 1970, from Last-Modified; 0 without one. */
  readonly mtime: number;
  readonly contentType: string | undefined;
  /** Nothing had to be transferred. */
  readonly fromCache: boolean;
  /** Ends the use. Calling it again does nothing. */
  release(): Promise<void>;
}

/**
 * Downloads, or finds in the store. Steps and processes that want the same address at once wait for each other, and
 * transfer it once.
 * @throws NacreError NETWORK; CONTENT_INVALID for a checksum that is malformed or does not match; LIMIT_EXCEEDED;
 *   CANCELLED; STORE, DISK_FULL
 */
export async function download(store: Store, request: DownloadRequest): Promise<Download> {
  const checksum = request.checksum === undefined ? undefined : parseChecksum(request.checksum);
  const address = parseHttpAddress(request.url);
  return new Downloader(store, request, address, checksum).run();
}

/** What is known of a download without downloading it. */
export interface LookedUp {
  readonly digest: Digest;
  /** As in {@link Download.name}. */
  readonly name: string;
}

/**
 * What a download would give, as far as that can be told without it: by its checksum, or because the server says that
 * what is in the store is still right. The store is not changed.
 * @returns undefined if it has to be downloaded to be known
 * @throws NacreError CONTENT_INVALID for a malformed checksum; CANCELLED
 */
export async function lookUpDownload(store: Store, request: DownloadRequest): Promise<LookedUp | undefined> {
  const address = parseHttpAddress(request.url);
  const name = downloadName(request.url);
  if (request.checksum !== undefined) return { digest: parseChecksum(request.checksum), name };
  const stored = readStored(sourcePath(store, "http", sourceName(address)));
  if (stored === undefined) return undefined;
  if (request.offline) return { digest: stored.digest, name };
  const { env, limits, signal, authorization } = request;
  const unchanged = await isStillStored({
    ...{ address, authorization, verified: false },
    setting: { env, limits: { ...HTTP_LIMITS, ...limits }, signal },
    stored: { answered: stored.answered, validators: validatorsOf(stored) },
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    return false;
  });
  return unchanged ? { digest: stored.digest, name } : undefined;
}

class Downloader {
  readonly #store: Store;
  readonly #request: DownloadRequest;
  readonly #address: HttpAddress;
  readonly #checksum: Digest | undefined;
  readonly #label: string;
  /** Of the source in the store. */
  readonly #source: string;
  /** Of the file. */
  readonly #name: string;

  constructor(store: Store, request: DownloadRequest, address: HttpAddress, checksum: Digest | undefined) {
    this.#store = store;
    this.#request = request;
    this.#address = address;
    this.#checksum = checksum;
    this.#label = shownUrl(address.url);
    this.#source = sourceName(address);
    this.#name = downloadName(request.url);
  }

  async run(): Promise<Download> {
    const directory = sourcePath(this.#store, "http", this.#source);
    const stored = readStored(directory);
    if (this.#request.offline && stored === undefined) throw this.#offline();
    if (this.#isEnough(stored) && looksUntouched(directory, stored)) {
      const found = await this.#use(directory, stored, true);
      if (found !== undefined) {
        touchSource(this.#store, "http", this.#source);
        return found;
      }
    }
    const work = (at: string) => this.#find(at);
    return useSource(this.#store, "http", this.#source, this.#label, work, this.#request.signal);
  }

  /** True if what is stored needs no question to the server. */
  #isEnough(stored: StoredDownload | undefined): stored is StoredDownload {
    if (stored === undefined) return false;
    if (this.#checksum !== undefined) return stored.digest === this.#checksum;
    return this.#request.offline === true;
  }

  /** Alone in the directory. */
  async #find(directory: string): Promise<Download> {
    const known = readStored(directory);
    const isRight =
      known !== undefined && (looksUntouched(directory, known) || (await verifyStored(this.#store, directory, known)));
    const stored = isRight ? known : undefined;
    if (this.#isEnough(stored)) return this.#useOrFail(directory, stored, true);
    if (this.#request.offline) throw this.#offline();
    const brought = await this.#transfer(stored);
    if (brought === "unchanged") {
      this.#check(stored!.digest);
      return this.#useOrFail(directory, stored!, true);
    }
    try {
      this.#check(brought.digest);
    } catch (error) {
      fs.unlinkSync(brought.temp);
      throw error;
    }
    return this.#useOrFail(directory, adoptTransferred(this.#store, directory, brought), false);
  }

  #transfer(stored: StoredDownload | undefined): Promise<Transferred | "unchanged"> {
    const { env, limits, signal, authorization, onProgress, warn, maxBytes } = this.#request;
    return transfer({
      address: this.#address,
      authorization,
      verified: this.#checksum !== undefined,
      setting: { env, limits: { ...HTTP_LIMITS, ...limits }, signal },
      stored: stored && { answered: stored.answered, validators: validatorsOf(stored) },
      maxBytes: maxBytes ?? MAX_BYTES,
      temp: () => this.#store.tempFile(),
      onProgress: onProgress ?? (() => {}),
      warn: (message) => warn?.("DownloadRetry", message),
    });
  }

  async #useOrFail(directory: string, stored: StoredDownload, fromCache: boolean): Promise<Download> {
    const found = await this.#use(directory, stored, fromCache);
    if (found === undefined) throw new NacreError("STORE", `${directory} was removed while it was in use`);
    return found;
  }

  async #use(directory: string, stored: StoredDownload, fromCache: boolean): Promise<Download | undefined> {
    const held = await holdContent(this.#store, this.#source, directory, stored);
    if (held === undefined) return undefined;
    const { digest, size, mtime, contentType } = stored;
    return { ...held, digest, size, name: this.#name, mtime, contentType, fromCache };
  }

  /** BuildKit's words. @throws NacreError CONTENT_INVALID */
  #check(digest: Digest): void {
    if (this.#checksum === undefined || this.#checksum === digest) return;
    throw new NacreError("CONTENT_INVALID", `digest mismatch ${digest}: ${this.#checksum}`, {
      hint: `${this.#label} does not hold what --checksum names: find out which of the two is right before you change either`,
      facts: { url: this.#label, digest, checksum: this.#checksum },
    });
  }

  #offline(): NacreError {
    const what = this.#checksum === undefined ? "" : " with that checksum";
    return new NacreError("NETWORK", `${this.#label} is not in the store${what}, and --offline allows no download`, {
      hint: "build once without --offline",
      facts: { url: this.#label },
    });
  }
}

/** What a download is called among the store's sources. */
function sourceName({ url }: HttpAddress): string {
  return sha256Hex(url.href);
}

/**
 * The checksum of a download, in BuildKit's words where it is none.
 * @throws NacreError CONTENT_INVALID
 */
function parseChecksum(text: string): Digest {
  if (isDigest(text)) return text;
  const [, algorithm, hex] = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):([0-9a-f]+)$/.exec(text) ?? [];
  const why = algorithm === undefined ? "format" : algorithm === "sha256" && hex !== undefined ? "length" : "";
  const message = why === "" ? "unsupported digest algorithm" : `invalid checksum digest ${why}`;
  throw new NacreError("CONTENT_INVALID", `${message}: ${JSON.stringify(text.slice(0, 200))}`, {
    hint: "a checksum is sha256: and 64 lower-case hexadecimal digits, as sha256sum prints them",
  });
}
