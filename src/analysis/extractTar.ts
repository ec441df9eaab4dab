/**
 * Files of an image as a tar: contents layer by layer, then links and devices. Directories come last, the deepest first: what
 * unpacks the tar makes them when it needs them, and gives them modes and times when nothing more is written into them.
 */
import type { Sink } from "../archive/destination.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { TarEntry } from "../tar/entry.js";
import { TarWriter } from "../tar/write.js";
import type { ExtractPlan, PlannedName } from "./extractPlan.js";
import type { ExtractReport } from "./extractTypes.js";
import { realEntry } from "./stackLookup.js";
import type { OpenedImage } from "./types.js";

/** What is written. */
export interface TarSource {
  readonly image: OpenedImage;
  readonly stack: readonly LayerIndex[];
  readonly plan: ExtractPlan;
  /** Names are relative to this path. */
  readonly base: ByteString;
  /** Name of a single file, instead. */
  readonly name: ByteString | undefined;
}

const CHUNK_BYTES = 256 << 10;

/** Writes the tar. @throws what the sink throws; NacreError CANCELLED, and as OpenedLayer.read */
export async function writeExtractTar(
  source: TarSource,
  sink: Sink,
  signal: AbortSignal | undefined,
): Promise<ExtractReport> {
  const { image, plan } = source;
  const batch = new Batch(sink, signal);
  const writer = new TarWriter((chunk) => batch.add(chunk));
  let [files, bytes] = [0, 0];
  for (const [layer, planned] of plan.files) {
    for await (const { place, content } of image.layers[layer]!.readMany(planned)) {
      writer.add({ ...entryOf(source, place), type: "file", size: place.size, link: undefined });
      for await (const chunk of content) {
        writer.write(chunk);
        await batch.flushIfFull();
      }
      await batch.flushIfFull();
      files++;
      bytes += place.size;
    }
  }
  for (const link of plan.links) {
    writer.add({ ...entryOf(source, link), type: "hardlink", size: 0, link: nameOf(source, link.first) });
    await batch.flushIfFull();
  }
  const directories = plan.directories.filter((name) => nameOf(source, name) !== "").reverse();
  for (const name of [...plan.symlinks, ...plan.specials, ...directories]) {
    writer.add(entryOf(source, name));
    await batch.flushIfFull();
  }
  writer.end();
  await batch.flush();
  const leftOut = plan.broken.map((name) => ({
    path: `/${fromByteString(source.stack[name.layer]!.path(name.entry))}`,
    why: "broken-link" as const,
  }));
  const links = plan.links.length + plan.symlinks.length;
  return { files, directories: directories.length, links, bytes, leftOutCount: leftOut.length, leftOut };
}

function nameOf({ stack, base, name }: TarSource, { layer, entry }: PlannedName): ByteString {
  const path = stack[layer]!.path(entry);
  if (name !== undefined && path === base) return name;
  return base === "" ? path : path.slice(base.length + 1);
}

function entryOf(source: TarSource, name: PlannedName): TarEntry {
  const real = realEntry(source.stack, name.layer, name.entry) ?? name;
  const index = source.stack[real.layer]!;
  const type = index.type(real.entry);
  const [link, device, xattrs] = [index.link(real.entry), index.device(real.entry), index.xattrs(real.entry)];
  return {
    ...{ path: nameOf(source, name), type: type === "hardlink" || type === "whiteout" ? "file" : type, size: 0 },
    mode: index.isImplied(real.entry) ? 0o755 : index.mode(real.entry),
    ...{ uid: index.uid(real.entry), gid: index.gid(real.entry), mtime: index.mtime(real.entry) },
    ...(link !== undefined && type === "symlink" ? { link } : {}),
    ...(device === undefined ? {} : { devMajor: device[0], devMinor: device[1] }),
    ...(xattrs ? { xattrs } : {}),
  };
}

/** Collects small pieces, so that a header does not cost a system call. */
class Batch {
  readonly #sink: Sink;
  readonly #signal: AbortSignal | undefined;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(sink: Sink, signal: AbortSignal | undefined) {
    this.#sink = sink;
    this.#signal = signal;
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  async flushIfFull(): Promise<void> {
    if (this.#size >= CHUNK_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#signal?.aborted) throw new NacreError("CANCELLED", "stopped while a tar was being written");
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#size = 0;
    if (bytes.length > 0) await this.#sink(bytes);
  }
}
