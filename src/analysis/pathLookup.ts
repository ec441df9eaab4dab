/**
 * Finding one path in an image. Layers are looked into from the topmost down, and no further than needed: a file that the
 * top layer lists is found without the indexes of those below, which for images in registries may not be at hand.
 */
import { cleanPath, components, MAX_LINKS, tooManyLinks } from "../layer/fileTree.js";
import { IndexBuilder } from "../layer/indexBuilder.js";
import type { IndexType, LayerIndex } from "../layer/layerIndex.js";
import { type ByteString, fromByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { type ImageView, stackUpTo } from "./imageView.js";
import { placeOf } from "./layerFacts.js";
import { isDangling, realEntry } from "./stackLookup.js";
import type { FilePlace, OpenedImage } from "./types.js";

/** What is at a path. */
export interface FoundPath {
  /** Without symlinks in it, but for a last one that was not to be followed. */
  readonly path: ByteString;
  readonly layer: number;
  readonly index: LayerIndex;
  readonly entry: number;
  /** Further names of an inode are files. */
  readonly type: IndexType;
}

/** How a path is looked up. */
export interface LookupOptions {
  /** Follow a symlink at its very end. Default: true. */
  readonly follow?: boolean | undefined;
}

/** Where a file's content is. */
export interface FoundContent {
  readonly layer: number;
  readonly place: FilePlace;
}

/** Says nothing about any path. */
const EMPTY = new IndexBuilder().finish(0);

/** Looks paths up in a view of an image. */
export class PathLookup {
  readonly #image: OpenedImage;
  readonly #view: ImageView;
  /** As they read on top of each other; asked for only where that matters. */
  #stack: Promise<readonly LayerIndex[]> | undefined;
  #isWhole = false;

  constructor(image: OpenedImage, view: ImageView) {
    this.#image = image;
    this.#view = view;
  }

  /**
   * Finds what is at a path; symlinks on the way are followed inside the image.
   * @param path as people write it, with or without a slash at its beginning
   * @throws NacreError SOURCE_NOT_FOUND, COPY_CONFLICT on a loop of symlinks, and as OpenedLayer.index
   */
  async find(path: string, { follow = true }: LookupOptions = {}): Promise<FoundPath> {
    const found = await this.seek(toByteString(path), follow);
    if (found !== undefined) return found;
    throw await this.#notThere(path);
  }

  /** The same; undefined if nothing is there. */
  async seek(path: ByteString, follow: boolean): Promise<FoundPath | undefined> {
    const todo = components(path).reverse();
    const done: ByteString[] = [];
    let here: FoundPath | undefined;
    for (let links = 0; todo.length > 0; ) {
      const part = todo.pop()!;
      here = undefined;
      if (part === "..") {
        done.pop();
        continue;
      }
      done.push(part);
      here = await this.#at(done);
      if (here === undefined) return undefined;
      if (here.type === "symlink" && (follow || todo.length > 0)) {
        if (++links > MAX_LINKS) throw tooManyLinks(path);
        const target = here.index.link(here.entry) ?? "";
        if (target.startsWith("/")) done.length = 0;
        else done.pop();
        todo.push(...components(target).reverse());
        here = undefined;
      } else if (here.type !== "dir" && todo.length > 0) return undefined;
    }
    return here ?? this.#at(done);
  }

  /**
   * Where the content of a file is. A hard link into a lower layer has that of what it leads to.
   * @throws NacreError CONTENT_INVALID for a hard link that leads nowhere
   */
  async content({ layer, index, entry, path }: FoundPath): Promise<FoundContent> {
    if (!isDangling(index, entry)) return { layer, place: placeOf(index, entry)! };
    const stack = await this.stack();
    const real = realEntry(stack, layer, stack[layer]!.find(path));
    const place = real && placeOf(stack[real.layer]!, real.entry);
    if (place !== undefined) return { layer: real!.layer, place };
    throw new NacreError("CONTENT_INVALID", `the hard link /${fromByteString(path)} leads to nothing`, {
      hint: "the image is damaged; get it again from where it came from",
    });
  }

  /** All indexes of the view. */
  stack(): Promise<readonly LayerIndex[]> {
    this.#isWhole = true;
    this.#stack ??= stackUpTo(this.#image, this.#view);
    return this.#stack;
  }

  /**
   * Indexes enough to look at what was found and all below it: for a file that lies in its own layer, those that have been
   * looked into; the places of others are empty.
   */
  async stackFor({ type, index, entry, layer }: FoundPath): Promise<readonly LayerIndex[]> {
    if (type === "dir" || this.#isWhole || isDangling(index, entry)) return this.stack();
    return this.#image.layers.slice(0, layer + 1).map(({ number }) => (number === layer ? index : EMPTY));
  }

  /** What is at a path without symlinks in it. */
  async #at(path: readonly ByteString[]): Promise<FoundPath | undefined> {
    const { kind, top } = this.#view;
    // An image without layers has a root all the same.
    if (top < 0 && path.length === 0) return this.#found(0, EMPTY, 0, path);
    const lowest = kind === "layer" ? top : 0;
    for (let layer = top; layer >= lowest; layer--) {
      const index = await this.#index(layer);
      const met = descend(index, path, kind !== "layer" && !this.#isWhole);
      if (met === "below") continue;
      if (met === "gone") return undefined;
      // A directory that is not listed may be a symlink in lower layers: only all of them together tell.
      if (met === "unknown") {
        await this.stack();
        return this.#at(path);
      }
      const isImplied = index.type(met) === "dir" && index.isImplied(met);
      const listed = isImplied ? await this.#listedBelow(path, layer, lowest) : undefined;
      return listed ?? this.#found(layer, index, met, path);
    }
    return undefined;
  }

  /** A directory has its metadata from the topmost layer that lists it. */
  async #listedBelow(path: readonly ByteString[], above: number, lowest: number): Promise<FoundPath | undefined> {
    for (let layer = above - 1; layer >= lowest; layer--) {
      const index = await this.#index(layer);
      const met = descend(index, path, false);
      if (met === "gone" || met === "unknown") return undefined;
      if (met === "below") continue;
      if (index.type(met) !== "dir") return undefined;
      if (!index.isImplied(met)) return this.#found(layer, index, met, path);
      if (index.isOpaque(met)) return undefined;
    }
    return undefined;
  }

  async #index(layer: number): Promise<LayerIndex> {
    return this.#isWhole ? (await this.#stack!)[layer]! : this.#image.layers[layer]!.index();
  }

  #found(layer: number, index: LayerIndex, entry: number, path: readonly ByteString[]): FoundPath {
    const type = index.type(entry);
    return { path: path.join("/"), layer, index, entry, type: type === "hardlink" ? "file" : type };
  }

  async #notThere(path: string): Promise<NacreError> {
    const { kind, top } = this.#view;
    const where = { final: "", "up-to": ` up to layer ${top}`, layer: ` in layer ${top}` }[kind];
    const shown = `/${fromByteString(cleanPath(toByteString(path)))}`;
    const hint =
      kind === "final"
        ? `see what became of it with: nacre which ${this.#image.shown} ${shown}`
        : "see which layers have it with: nacre which";
    return new NacreError("SOURCE_NOT_FOUND", `there is no ${shown} in ${this.#image.shown}${where}`, { hint });
  }
}

/**
 * Where a path leads in one layer: an entry; `below`: the layer says nothing, lower ones may; `gone`: there is nothing, and
 * lower layers do not count; `unknown`: parents are not listed.
 */
function descend(
  index: LayerIndex,
  path: readonly ByteString[],
  isWary: boolean,
): number | "below" | "gone" | "unknown" {
  let entry = 0;
  let isOpaque = index.isOpaque(0);
  for (const [at, name] of path.entries()) {
    entry = index.child(entry, name);
    if (entry < 0) return isOpaque ? "gone" : "below";
    const type = index.type(entry);
    if (type === "whiteout") return "gone";
    if (type !== "dir" && at < path.length - 1) return "gone";
    if (isWary && type === "dir" && index.isImplied(entry)) return "unknown";
    isOpaque ||= index.isOpaque(entry);
  }
  return entry;
}
