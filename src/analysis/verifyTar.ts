/** Reading a layer's tar with suspicion: in come its bytes, out come its index and what is wrong with its members. */
import { cleanPath } from "../layer/fileTree.js";
import { IndexBuilder } from "../layer/indexBuilder.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import { type DiffId, digestOfHex } from "../oci/digest.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { createHasher, type Hasher } from "../support/hash.js";
import { paddingOf } from "../tar/block.js";
import type { TarEntry } from "../tar/entry.js";
import { normalizeMemberName } from "../tar/names.js";
import { TarScanner } from "../tar/scan.js";
import { CLOCK_SLACK } from "./verifyDocuments.js";
import type { Findings, Severity, VerifyClass, VerifyPlace } from "./verifyTypes.js";

/** Longest name that Linux's file systems hold. */
const MAX_NAME = 255;

/** What a tar has turned out to be. */
export interface VerifiedTar {
  readonly index: LayerIndex;
  readonly diffId: DiffId;
  readonly members: number;
}

/** Takes the bytes of a tar; see the top of this file. */
export class TarVerifier {
  readonly #findings: Findings;
  readonly #place: VerifyPlace;
  /** Seconds since 1970. */
  readonly #latest: number;
  readonly #builder = new IndexBuilder();
  readonly #scanner: TarScanner;
  readonly #hasher = createHasher();
  #size = 0;
  #members = 0;
  /** Where the last member ends. */
  #end = 0;
  #isTrailing = false;
  #future = 0;
  #firstFuture: ByteString | undefined;
  #odd = 0;
  #firstOdd: ByteString | undefined;
  #content: Hasher | undefined;

  /**
   * @param now milliseconds since 1970
   * @param hasDigests the index is to have the digests of contents
   */
  constructor(findings: Findings, place: VerifyPlace, now: number, hasDigests = false) {
    this.#findings = findings;
    this.#place = place;
    this.#latest = (now + CLOCK_SLACK) / 1000;
    this.#scanner = new TarScanner({
      entry: (entry, header, content, sparse) => {
        this.#look(entry);
        this.#builder.add(entry, header, content, sparse);
        this.#members++;
        const stored = sparse?.reduce((sum, { length }) => sum + length, 0) ?? entry.size;
        this.#end = content + stored + paddingOf(stored);
        this.#content = hasDigests && entry.type === "file" ? createHasher() : undefined;
      },
      content: (chunk) => this.#content?.update(chunk),
      endEntry: () => {
        if (this.#content !== undefined) this.#builder.setDigest(this.#content.hex());
        this.#content = undefined;
      },
    });
  }

  /** @throws NacreError TAR_INVALID, LIMIT_EXCEEDED */
  write(chunk: Buffer): void {
    this.#hasher.update(chunk);
    this.#scanner.write(chunk);
    if (this.#scanner.ended && !this.#isTrailing) {
      const rest = chunk.subarray(Math.max(0, this.#end - this.#size));
      this.#isTrailing = rest.some((byte) => byte !== 0);
    }
    this.#size += chunk.length;
  }

  /** @throws NacreError TAR_INVALID */
  finish(): VerifiedTar {
    const isMarked = this.#scanner.ended;
    this.#scanner.end();
    if (!isMarked && this.#size > 0) this.#tell("warning", "tar", "the tar has no end mark: it may be cut off");
    if (this.#isTrailing)
      this.#tell("warning", "tar", "the tar goes on behind its end mark: programs do not read that");
    if (this.#future > 0) {
      this.#tell(
        "note",
        "time",
        `${this.#future} of ${this.#members} members were changed in the future`,
        this.#firstFuture,
      );
    }
    if (this.#odd > 0) {
      this.#tell(
        "note",
        "name",
        `${this.#odd} of ${this.#members} names are not UTF-8 or hold control characters`,
        this.#firstOdd,
      );
    }
    return { index: this.#builder.finish(this.#size), diffId: digestOfHex(this.#hasher.hex()), members: this.#members };
  }

  #look(entry: TarEntry): void {
    this.#lookAtName(entry.path, "it");
    if (entry.type === "hardlink") this.#lookAtName(entry.path, "the target of its link", entry.link ?? "");
    this.#lookForTwice(entry);
    if (entry.mtime > this.#latest) {
      this.#future++;
      this.#firstFuture ??= entry.path;
    }
    if (isOdd(entry.path)) {
      this.#odd++;
      this.#firstOdd ??= entry.path;
    }
  }

  #lookAtName(path: ByteString, what: string, name = path): void {
    if (normalizeMemberName(name) === undefined) this.#tell("error", "name", `${what} leads out of the root`, path);
    else if (/(?:^|\/)\.\.(?:\/|$)/.test(name)) this.#tell("warning", "name", `${what} has .. in it`, path);
    else if (name.startsWith("/") && name !== "/") this.#tell("warning", "name", `${what} is an absolute path`, path);
    if (name.length > MAX_NAME && name.split("/").some((part) => part.length > MAX_NAME)) {
      this.#tell(
        "error",
        "name",
        `${what} has a part of more than ${MAX_NAME} bytes, which no file system holds`,
        path,
      );
    }
  }

  #lookForTwice({ path, type }: TarEntry): void {
    const before = this.#builder.listed(cleanPath(path));
    if (before === undefined) return;
    const isMerged = before === "dir" && type === "dir";
    const message = isMerged
      ? "the directory is listed more than once"
      : "it is listed more than once: the last one counts";
    this.#tell(isMerged ? "note" : "warning", "duplicate", message, path);
  }

  #tell(severity: Severity, kind: VerifyClass, message: string, path?: ByteString): void {
    this.#findings.add(severity, kind, message, {
      ...this.#place,
      ...(path === undefined ? {} : { path: fromByteString(path) }),
    });
  }
}

function isOdd(path: ByteString): boolean {
  for (let at = 0; at < path.length; at++) {
    const code = path.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
    if (code >= 0x80)
      return fromByteString(path).match(/\p{Surrogate}|[\x80-\x9f\u202a-\u202e\u2066-\u2069]/u) !== null;
  }
  return false;
}
