/** Tables of contents of lazy formats, which share one JSON form (stargz-snapshotter, docs/estargz.md), as indexes. Pure. */
import { IndexBuilder } from "../layer/indexBuilder.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import { isDigest } from "../oci/digest.js";
import { type ByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { BLOCK_SIZE, paddingOf } from "../tar/block.js";
import type { TarEntry, TarEntryType } from "../tar/entry.js";
import type { TocFacts } from "./types.js";

/** Most bytes of a table as it lies in the blob, and unpacked: about 300,000 entries. A layer with more is read whole. */
export const MAX_TOC_STORED = 48 << 20;
export const MAX_TOC_BYTES = 128 << 20;

/** A table as it was found in a layer. */
export interface FoundToc extends TocFacts {
  /** JSON. */
  readonly content: Buffer;
  /** Where the contents of files end in the blob. */
  readonly end: number;
  /** The table as a file of the layer, where it is one. */
  readonly own?:
    | {
        readonly entry: TarEntry;
        readonly digest: string;
        readonly offset: number;
        readonly inner: number;
        readonly end: number;
      }
    | undefined;
  /** Bytes of the uncompressed tar, where that is known. */
  readonly tarSize?: number | undefined;
}

/** A stretch of a file's content: compressed by itself, it stands between two positions of the blob. */
export interface TocChunk {
  readonly offset: number;
  /** Where the compressed bytes end at the latest. */
  readonly end: number;
  /** Bytes to be left out at the beginning of what is unpacked. */
  readonly inner: number;
  /** Bytes of content. */
  readonly size: number;
  /** SHA-256 of these, in hex. */
  readonly digest?: string | undefined;
  /** Nothing but zeros, which the blob does not have. */
  readonly isHole: boolean;
}

/** Where contents are, by their SHA-256 in hex. */
export type TocPlaces = ReadonlyMap<string, readonly TocChunk[]>;

/** A regular file while its chunks are coming. */
interface OpenFile {
  readonly name: string;
  readonly size: number;
  readonly digest: string;
  readonly endOffset: number;
  readonly chunks: { offset: number; inner: number; size: number; digest: string | undefined; isHole: boolean }[];
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  ...{ reg: "file", dir: "dir", symlink: "symlink", hardlink: "hardlink", char: "char", block: "block", fifo: "fifo" },
};

/**
 * Makes an index of a table. Its offsets tell contents apart and nothing more: they are no positions in the tar.
 * @throws NacreError CONTENT_INVALID, LIMIT_EXCEEDED, TAR_INVALID
 */
export function indexOfToc(toc: FoundToc): { readonly index: LayerIndex; readonly places: TocPlaces } {
  const builder = new IndexBuilder();
  const files: OpenFile[] = [];
  let position = 0;
  for (const raw of entriesOf(toc.content)) {
    const fields = new Fields(raw);
    const type = fields.text("type");
    if (type === "chunk") {
      addChunk(files.at(-1), fields);
      continue;
    }
    const entry = entryOf(fields, type);
    builder.add(entry, position, position + BLOCK_SIZE);
    if (entry.type === "file") {
      const file = openFile(fields, entry.size);
      builder.setDigest(file.digest);
      if (entry.size > 0) files.push(file);
    }
    position += BLOCK_SIZE + entry.size + paddingOf(entry.size);
  }
  const places = placesOf(files, toc.end);
  if (toc.own !== undefined) addOwn(builder, places, toc.own, position);
  return { index: builder.finish(toc.tarSize ?? position + 2 * BLOCK_SIZE), places };
}

function entriesOf(content: Buffer): readonly unknown[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content.toString("utf8"));
  } catch {
    throw invalid("it is no JSON");
  }
  const entries = isObject(parsed) ? parsed.entries : undefined;
  if (!Array.isArray(entries)) throw invalid("it has no list of entries");
  return entries;
}

function entryOf(fields: Fields, typeName: string): TarEntry {
  const type = Object.hasOwn(TYPES, typeName) ? TYPES[typeName] : undefined;
  if (type === undefined) throw invalid(`it has an entry of the type ${JSON.stringify(typeName.slice(0, 40))}`);
  const path = toByteString(fields.text("name")).replace(/\/+$/, "");
  const isLink = type === "symlink" || type === "hardlink";
  const isDevice = type === "char" || type === "block";
  const xattrs = fields.xattrs();
  return {
    ...{ path, type, mode: fields.number("mode") & 0o7777 },
    ...{ uid: fields.number("uid", 2 ** 32 - 1), gid: fields.number("gid", 2 ** 32 - 1) },
    ...{ size: type === "file" ? fields.number("size") : 0, mtime: fields.time("modtime") },
    ...(isLink ? { link: toByteString(fields.text("linkName")) } : {}),
    ...(isDevice ? { devMajor: fields.number("devMajor"), devMinor: fields.number("devMinor") } : {}),
    ...(xattrs ? { xattrs } : {}),
  };
}

function openFile(fields: Fields, size: number): OpenFile {
  const name = fields.text("name");
  if (size === 0) return { name, size, digest: sha256Hex(""), endOffset: 0, chunks: [] };
  const digest = fields.digest("digest");
  // What cannot be verified is not read this way.
  if (digest === undefined) throw invalid(`${JSON.stringify(name.slice(0, 200))} has no digest`);
  const file: OpenFile = { name, size, digest, endOffset: fields.number("endOffset"), chunks: [] };
  addChunk(file, fields);
  return file;
}

function addChunk(file: OpenFile | undefined, fields: Fields): void {
  const told = file?.chunks.reduce((sum, { size }) => sum + size, 0) ?? 0;
  const offset = fields.number("chunkOffset");
  if (file === undefined || offset !== told) throw invalid("the chunks of a file do not follow each other");
  const size = fields.number("chunkSize") || file.size - offset;
  if (size <= 0 || offset + size > file.size) throw invalid("the chunks of a file are larger than it is");
  file.chunks.push({
    ...{ offset: fields.number("offset"), inner: fields.number("innerOffset"), size },
    ...{ digest: fields.digest("chunkDigest"), isHole: fields.optionalText("chunkType") === "zeros" },
  });
}

function placesOf(files: readonly OpenFile[], end: number): Map<string, readonly TocChunk[]> {
  const starts = Float64Array.from(files.flatMap(({ chunks }) => chunks.map(({ offset }) => offset))).sort();
  const places = new Map<string, readonly TocChunk[]>();
  for (const { name, size, digest, endOffset, chunks } of files) {
    const last = chunks.at(-1)!;
    const told = chunks.reduce((sum, chunk) => sum + chunk.size, 0);
    if (told !== size || last.offset >= end) {
      throw invalid(`it does not say where all of ${JSON.stringify(name.slice(0, 200))} is`);
    }
    const limit = endOffset > 0 ? Math.min(endOffset, end) : end;
    const placed = chunks.map((chunk) => ({ ...chunk, end: Math.min(limit, nextAfter(starts, chunk.offset, end)) }));
    places.set(digest, placed);
  }
  return places;
}

/** The least start above a position. */
function nextAfter(starts: Float64Array, position: number, end: number): number {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= position) low = middle + 1;
    else high = middle;
  }
  return low < starts.length ? starts[low]! : end;
}

function addOwn(
  builder: IndexBuilder,
  places: Map<string, readonly TocChunk[]>,
  { entry, digest, offset, inner, end }: NonNullable<FoundToc["own"]>,
  position: number,
): void {
  builder.add(entry, position, position + BLOCK_SIZE);
  builder.setDigest(digest);
  places.set(digest, [{ offset, end, inner, size: entry.size, digest, isHole: false }]);
}

/** One entry of the table, each field checked when it is asked for. */
class Fields {
  readonly #raw: Readonly<Record<string, unknown>>;

  constructor(raw: unknown) {
    if (!isObject(raw)) throw invalid("an entry is no object");
    this.#raw = raw;
  }

  text(name: string): string {
    const value = this.#raw[name];
    if (typeof value !== "string" || value === "") throw invalid(`an entry has no ${name}`);
    return value;
  }

  optionalText(name: string): string | undefined {
    const value = this.#raw[name];
    return typeof value === "string" ? value : undefined;
  }

  /** 0 where it is left out, as Go does. */
  number(name: string, limit = Number.MAX_SAFE_INTEGER): number {
    const value = this.#raw[name] ?? 0;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > limit) {
      throw invalid(`the ${name} of an entry is no number that it can be`);
    }
    return value;
  }

  /** Whole seconds since 1970. */
  time(name: string): number {
    const text = this.#raw[name];
    if (text === undefined || text === "") return 0;
    const time = typeof text === "string" ? Date.parse(text) : Number.NaN;
    if (Number.isNaN(time)) throw invalid(`the ${name} of an entry is no time`);
    return Math.floor(time / 1000);
  }

  /** SHA-256 in hex. */
  digest(name: string): string | undefined {
    const text = this.#raw[name];
    if (text === undefined || text === "") return undefined;
    if (!isDigest(text)) throw invalid(`the ${name} of an entry is no SHA-256 digest`);
    return text.slice("sha256:".length);
  }

  /** Values are in base64. */
  xattrs(): Record<string, ByteString> | undefined {
    const raw = this.#raw.xattrs;
    if (raw === undefined || raw === null) return undefined;
    if (!isObject(raw)) throw invalid("the attributes of an entry are no object");
    const found: Record<string, ByteString> = {};
    for (const [name, value] of Object.entries(raw)) {
      if (typeof value !== "string") throw invalid("an attribute of an entry is no text");
      found[toByteString(name)] = Buffer.from(value, "base64").toString("latin1");
    }
    return found;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(why: string): NacreError {
  return new NacreError("CONTENT_INVALID", why);
}
