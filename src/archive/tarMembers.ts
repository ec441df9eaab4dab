/**
 * Listing the members of a tar that lies in a file, without reading their content. tar-stream decodes the headers (PAX,
 * GNU long names, base-256 sizes); where the next header stands, and where the archive ends, is decided here: at the
 * first block of zeros, as Go, Python and GNU tar do it. Left to itself, tar-stream would go on behind the end and show
 * members that no other program sees.
 */
import { fstatSync, readSync } from "node:fs";
import { extract, type Header } from "tar-stream";
import { NacreError } from "../support/errors.js";

/** A member of the tar. */
export interface TarMember {
  readonly name: string;
  /** `other`: nothing that an image archive needs. */
  readonly type: "file" | "symlink" | "hardlink" | "other";
  /** Target, for links. */
  readonly link: string | undefined;
  /** Where its content starts in the file. */
  readonly offset: number;
  /** Bytes of content. */
  readonly size: number;
}

const BLOCK = 512;
/** Enough for nearly every header with its extensions. */
const FIRST_BYTES = 4096;
const MORE_BYTES = 64 << 10;
/** Longest extensions that one member may have. */
const MAX_HEADER_BYTES = 2 << 20;
/** An image of 5,000 layers, ten times over. */
const MAX_MEMBERS = 100_000;

/** What tar-stream tells about a member beyond its types. */
type FoundHeader = Omit<Header, "type"> & { readonly byteOffset: number; readonly type: Header["type"] | null };

/**
 * The members in the order in which they stand.
 * @throws NacreError TAR_INVALID if a header is damaged or the file ends early, LIMIT_EXCEEDED
 */
export async function* tarMembers(fd: number, name: string): AsyncIterable<TarMember> {
  const { size: length } = fstatSync(fd);
  let count = 0;
  for (let at = 0; at < length; ) {
    if (isEnd(readAt(fd, at, BLOCK))) return;
    if (++count > MAX_MEMBERS) {
      throw new NacreError(
        "LIMIT_EXCEEDED",
        `${name} has more than ${MAX_MEMBERS} members; no image archive has so many`,
      );
    }
    const header = await headerAt(fd, at, name);
    const size = hasContent(header) ? header.size : 0;
    const offset = at + header.byteOffset;
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
    if (!Number.isSafeInteger(at) || offset + size > length) throw cutShort(name, `in the middle of ${header.name}`);
    yield { name: header.name, type: kindOf(header), link: header.linkname || undefined, offset, size };
  }
}

async function headerAt(fd: number, at: number, name: string): Promise<FoundHeader> {
  const parser = extract({ allowUnknownFormat: true } as object);
  let found: FoundHeader | undefined;
  let failure: unknown;
  parser.on("entry", (header, stream) => {
    found ??= header as unknown as FoundHeader;
    stream.on("error", () => {});
  });
  parser.on("error", (error: unknown) => {
    failure = error;
  });
  try {
    for (let fed = 0; found === undefined; ) {
      const chunk = readAt(fd, at + fed, fed === 0 ? FIRST_BYTES : MORE_BYTES);
      if (chunk.length < BLOCK) throw cutShort(name, "within a header");
      parser.write(chunk);
      fed += chunk.length;
      await new Promise(setImmediate);
      if (failure !== undefined) throw damaged(name, failure);
      if (found === undefined && fed > MAX_HEADER_BYTES) throw damaged(name, new Error("a header is too long"));
    }
    return found;
  } finally {
    parser.destroy();
  }
}

function isEnd(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** Only these are followed by content, whatever size the others claim (Go's archive/tar: isHeaderOnly). */
function hasContent({ type }: FoundHeader): boolean {
  return type === "file" || type === "contiguous-file" || type === null;
}

function kindOf({ type }: FoundHeader): TarMember["type"] {
  if (type === "file" || type === "contiguous-file") return "file";
  if (type === "symlink") return "symlink";
  return type === "link" ? "hardlink" : "other";
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
}

function cutShort(name: string, where: string): NacreError {
  return new NacreError("TAR_INVALID", `${name} ends ${where}`, { hint: "the archive was cut short; make it again" });
}

function damaged(name: string, cause: unknown): NacreError {
  const why = cause instanceof Error ? cause.message.replace(/\. Maybe.*$/s, "") : String(cause);
  return new NacreError("TAR_INVALID", `${name} is not a tar archive, or damaged: ${why}`, { cause });
}
