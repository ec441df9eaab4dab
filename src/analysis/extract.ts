/**
 * Taking files out of an image: one file, a directory with all below it, or everything, onto the disk or into a tar. Contents
 * are read layer by layer in the order in which they lie there, so that each layer is unpacked once.
 */
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fillDirectory, type Sink } from "../archive/destination.js";
import { components } from "../layer/fileTree.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import { type ByteString, fromByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import {
  type ExtractPlan,
  type PlannedFile,
  type PlannedLink,
  type PlannedName,
  planExtraction,
} from "./extractPlan.js";
import type { ExtractOptions, ExtractReport, LeftOut } from "./extractTypes.js";
import { ExtractWriter, type WrittenFacts, type WrittenInode } from "./extractWriter.js";
import { type ImageView, type ViewChoice, viewOf } from "./imageView.js";
import { type FoundPath, PathLookup } from "./pathLookup.js";
import { realEntry } from "./stackLookup.js";
import type { OpenedImage } from "./types.js";

/** Names of what was left out that are kept. */
const MOST_LEFT_OUT = 100;

/** What is to be taken out, found. */
interface Source {
  readonly image: OpenedImage;
  readonly stack: readonly LayerIndex[];
  readonly found: FoundPath;
  readonly plan: ExtractPlan;
}

/**
 * Writes a file, or all that is in a directory, to the disk.
 * @param destination a directory's files go into this directory, which is made if it is not there; a file gets this name,
 *   or goes into this directory if it is one or ends in a slash
 * @throws NacreError SOURCE_NOT_FOUND, OUTPUT, DISK_FULL, CANCELLED, USAGE; as OpenedLayer.index
 */
export async function extractPath(
  image: OpenedImage,
  path: string,
  destination: string,
  options: ExtractOptions = {},
): Promise<ExtractReport> {
  const source = await findSource(image, path, options);
  if (source.found.type === "dir") {
    return fillDirectory(destination, () => extractTo(destination, source, [], options));
  }
  const isDirectory = destination.endsWith("/") || statSync(destination, { throwIfNoEntry: false })?.isDirectory();
  if (!isDirectory) return extractTo(dirname(destination), source, [toByteString(basename(destination))], options);
  const name = components(toByteString(path)).at(-1)!;
  return fillDirectory(destination, () => extractTo(destination, source, [name], options));
}

/**
 * Writes the same as a tar, names relative to the path, with owners, modes, devices and attributes as the image has them.
 * @throws NacreError SOURCE_NOT_FOUND, CANCELLED, USAGE; what the sink throws; as OpenedLayer.index
 */
export async function extractTar(
  image: OpenedImage,
  path: string,
  sink: Sink,
  options: Pick<ExtractOptions, "layer" | "upTo" | "signal"> = {},
): Promise<ExtractReport> {
  const { writeExtractTar } = await import("./extractTar.js");
  const { plan, stack, found } = await findSource(image, path, options);
  const name = components(toByteString(path)).at(-1) ?? "";
  return writeExtractTar(
    { image, plan, stack, base: found.path, name: found.type === "dir" ? undefined : name },
    sink,
    options.signal,
  );
}

async function findSource(image: OpenedImage, path: string, options: ViewChoice): Promise<Source> {
  const view: ImageView = viewOf(image, options);
  const lookup = new PathLookup(image, view);
  const found = await lookup.find(path);
  const stack = await lookup.stackFor(found);
  return { image, stack, found, plan: planExtraction(stack, found.path, view.kind === "layer") };
}

async function extractTo(
  directory: string,
  { image, stack, found, plan }: Source,
  prefix: readonly ByteString[],
  options: ExtractOptions,
): Promise<ExtractReport> {
  const { overwrite = "refuse", preserve = false } = options;
  const writer = new ExtractWriter(directory, { overwrite, preserve });
  try {
    return await new Extraction(writer, image, stack, found.path, prefix, options).run(plan);
  } finally {
    writer.close();
  }
}

class Extraction {
  readonly #writer: ExtractWriter;
  readonly #image: OpenedImage;
  readonly #stack: readonly LayerIndex[];
  readonly #base: number;
  readonly #prefix: readonly ByteString[];
  readonly #options: ExtractOptions;
  readonly #leftOut: LeftOut[] = [];
  #leftOutCount = 0;
  #bytes = 0;
  #files = 0;
  #links = 0;

  constructor(
    writer: ExtractWriter,
    image: OpenedImage,
    stack: readonly LayerIndex[],
    base: ByteString,
    prefix: readonly ByteString[],
    options: ExtractOptions,
  ) {
    this.#writer = writer;
    this.#image = image;
    this.#stack = stack;
    this.#base = base === "" ? 0 : base.split("/").length;
    this.#prefix = prefix;
    this.#options = options;
  }

  async run(plan: ExtractPlan): Promise<ExtractReport> {
    const made = plan.directories.filter((name) => this.#makeDirectory(name));
    const first = new Map(plan.links.map(({ first: file }) => [file, undefined as WrittenInode | undefined]));
    for (const [layer, files] of plan.files) {
      for await (const { place, content } of this.#image.layers[layer]!.readMany(files)) {
        const inode = await this.#file(place, place, content);
        if (first.has(place)) first.set(place, inode);
      }
    }
    for (const link of plan.links) await this.#link(link, first.get(link.first));
    for (const name of plan.symlinks) this.#symlink(name);
    for (const name of plan.specials) this.#special(name);
    for (const name of plan.broken) this.#leaveOut(name, "broken-link");
    for (const name of made.reverse()) this.#writer.finishDirectory(this.#pathOf(name), this.#factsOf(name));
    return {
      ...{ files: this.#files, directories: made.length, links: this.#links, bytes: this.#bytes },
      ...{ leftOutCount: this.#leftOutCount, leftOut: this.#leftOut },
    };
  }

  /** @returns true if it is to get its metadata in the end: what was there stays as it was, unless files are replaced */
  #makeDirectory(name: PlannedName): boolean {
    const path = this.#pathOf(name);
    if (path.length === 0) return false;
    const isNew = this.#writer.directory(path);
    return isNew || this.#options.overwrite === "replace";
  }

  async #file(name: PlannedName, file: PlannedFile, content: AsyncIterable<Buffer>): Promise<WrittenInode | undefined> {
    const { signal } = this.#options;
    if (signal?.aborted) throw new NacreError("CANCELLED", "stopped while files were being written");
    const inode = await this.#writer.file(this.#pathOf(name), this.#factsOf(name), content);
    if (inode === undefined) this.#leaveOut(name, "kept");
    else {
      this.#files++;
      this.#bytes += file.size;
    }
    return inode;
  }

  /** Where the first name was not written, or links cannot be made, it is a file of its own. */
  async #link(link: PlannedLink, first: WrittenInode | undefined): Promise<void> {
    if (first !== undefined && this.#writer.link(this.#pathOf(link), first)) {
      this.#links++;
      return;
    }
    await this.#file(link, link.first, this.#image.layers[link.first.layer]!.read(link.first));
  }

  #symlink(name: PlannedName): void {
    const { index, entry } = this.#real(name);
    if (this.#writer.symlink(this.#pathOf(name), index.link(entry) ?? "", this.#factsOf(name))) this.#links++;
    else this.#leaveOut(name, "kept");
  }

  #special(name: PlannedName): void {
    const { index, entry } = this.#real(name);
    const type = index.type(entry);
    const why = type === "fifo" ? "pipe" : "device";
    if (this.#options.devices !== true || process.getuid?.() !== 0) {
      this.#leaveOut(name, why);
      return;
    }
    const [major, minor] = index.device(entry) ?? [0, 0];
    const what = type === "fifo" ? ["p"] : [type === "char" ? "c" : "b", String(major), String(minor)];
    const isMade = this.#writer.special(this.#pathOf(name), this.#factsOf(name), (path) => {
      execFileSync("mknod", ["--mode=600", "--", path, ...what], {
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
        stdio: "pipe",
      });
    });
    if (!isMade) this.#leaveOut(name, "kept");
  }

  #leaveOut(name: PlannedName, why: LeftOut["why"]): void {
    this.#leftOutCount++;
    if (this.#leftOut.length >= MOST_LEFT_OUT) return;
    this.#leftOut.push({ path: `/${fromByteString(this.#stack[name.layer]!.path(name.entry))}`, why });
  }

  /** Where it is written, below the destination. */
  #pathOf({ layer, entry }: PlannedName): readonly ByteString[] {
    const path = this.#stack[layer]!.path(entry);
    const parts = path === "" ? [] : path.split("/");
    return [...this.#prefix, ...parts.slice(this.#base)];
  }

  /** A hard link into a lower layer is what it leads to. */
  #real({ layer, entry }: PlannedName): { readonly index: LayerIndex; readonly entry: number } {
    const real = realEntry(this.#stack, layer, entry) ?? { layer, entry };
    return { index: this.#stack[real.layer]!, entry: real.entry };
  }

  #factsOf(name: PlannedName): WrittenFacts {
    const { index, entry } = this.#real(name);
    const mode = index.isImplied(entry) ? 0o755 : index.mode(entry);
    return { mode, uid: index.uid(entry), gid: index.gid(entry), mtime: index.mtime(entry) };
  }
}
