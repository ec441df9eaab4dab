/** What the layers of an image did to one path: which of them added, changed, removed it and brought it back. */
import { cleanPath } from "../layer/fileTree.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { DiffId, Digest } from "../oci/digest.js";
import type { Store } from "../store/store.js";
import { type ByteString, fromByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { type ChangeReason, compareEntries, REASON, reasonNames, TYPE } from "./diffReasons.js";
import { readHistoryLine } from "./historyInstruction.js";
import { type DockerfileLine, dockerfileLines } from "./layerLines.js";
import { indexesOf, stackOf } from "./mergedTree.js";
import { PathLookup } from "./pathLookup.js";
import { isDangling, realEntry, seenIn, treeOfIndexes } from "./stackLookup.js";
import type { OpenedImage } from "./types.js";

/** What a layer does to a path. `restored`: added again after it was gone. */
export type PathAction = "added" | "modified" | "touched" | "unchanged" | "removed" | "restored";

/** How a path was removed. */
export type RemovalCause =
  /** By a whiteout of its own name. */
  | "whiteout"
  /** A directory above it was removed. */
  | "directory-removed"
  /** A directory above it was replaced by something else. */
  | "directory-replaced"
  /** A directory above it is opaque. */
  | "opaque";

/** A path in one layer. */
export interface PathVersion {
  readonly action: PathAction;
  /** In what it differs from what was there before. */
  readonly reasons: readonly ChangeReason[];
  readonly cause?: RemovalCause | undefined;
  /** The directory that the cause speaks of. */
  readonly at?: string | undefined;
  readonly layer: { readonly number: number; readonly digest: Digest; readonly diffId: DiffId };
  /** The instruction that made the layer, as a Dockerfile has it; undefined where the history does not tell. */
  readonly instruction?: string | undefined;
  /** Where it stands, if this store's builds tell. */
  readonly line?: DockerfileLine | undefined;
  /** What is there from then on; undefined if it is gone. */
  readonly file?: VersionFacts | undefined;
}

/** What a version is. */
export interface VersionFacts {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly link?: string | undefined;
  /** SHA-256 of a file's content, 64 hex digits. */
  readonly digest?: string | undefined;
}

/** The history of a path. */
export interface PathHistory {
  readonly schema: "nacre.which/1";
  readonly image: string;
  /** As it was asked for. */
  readonly asked: string;
  /** Where it is, symlinks on the way followed; begins with a slash. */
  readonly path: string;
  /** True if a container sees it. */
  readonly isPresent: boolean;
  /** Oldest first. */
  readonly versions: readonly PathVersion[];
}

/**
 * Tells what the layers did to a path, seen or not.
 * @param options `follow`: of a symlink at its end, the history of what it leads to
 * @throws NacreError SOURCE_NOT_FOUND if no layer ever had it; as OpenedLayer.index
 */
export async function pathHistory(
  image: OpenedImage,
  asked: string,
  options: { readonly follow?: boolean | undefined; readonly store?: Store | undefined } = {},
): Promise<PathHistory> {
  const stack = stackOf(treeOfIndexes(await indexesOf(image)));
  const path = await locate(image, stack, asked, options.follow ?? false);
  const tracer = new Tracer(image, stack, path, dockerfileLines(image, options.store));
  const versions = tracer.trace();
  if (versions.length === 0) {
    throw new NacreError("SOURCE_NOT_FOUND", `no layer of ${image.shown} has ${shown(path)}`, {
      hint: `look for it with: nacre tree ${image.shown} --glob`,
    });
  }
  const isPresent = versions.at(-1)!.file !== undefined;
  return { schema: "nacre.which/1", image: image.shown, asked, path: shown(path), isPresent, versions };
}

/** The path itself where some layer has it; else where its symlinks lead, in the last stack in which they lead anywhere. */
async function locate(
  image: OpenedImage,
  stack: readonly LayerIndex[],
  asked: string,
  follow: boolean,
): Promise<ByteString> {
  const literal = cleanPath(toByteString(asked));
  const isThere = stack.some((index) => index.find(literal) >= 0);
  if (isThere && !follow) return literal;
  for (let top = stack.length - 1; top >= 0; top--) {
    const kind = top === stack.length - 1 ? "final" : "up-to";
    const found = await new PathLookup(image, { kind, top }).seek(toByteString(asked), follow);
    if (found !== undefined) return found.path;
    if (isThere) break;
  }
  return literal;
}

/** What a layer says of a path. */
type Met =
  | { readonly kind: "silent" }
  | { readonly kind: "listed"; readonly entry: number }
  | { readonly kind: "removed"; readonly cause: RemovalCause; readonly at: ByteString };

class Tracer {
  readonly #image: OpenedImage;
  readonly #stack: readonly LayerIndex[];
  readonly #path: ByteString;
  readonly #lines: ReadonlyMap<DiffId, DockerfileLine>;

  constructor(
    image: OpenedImage,
    stack: readonly LayerIndex[],
    path: ByteString,
    lines: ReadonlyMap<DiffId, DockerfileLine>,
  ) {
    this.#image = image;
    this.#stack = stack;
    this.#path = path;
    this.#lines = lines;
  }

  trace(): PathVersion[] {
    const versions: PathVersion[] = [];
    let [isThere, wasThere] = [false, false];
    for (const [layer, index] of this.#stack.entries()) {
      const met = meet(index, this.#path);
      if (met.kind === "silent" || (met.kind === "removed" && !isThere)) continue;
      if (met.kind === "removed") {
        const { cause, at } = met;
        const above = cause === "whiteout" ? {} : { at: shown(at) };
        versions.push({ action: "removed", reasons: [], cause, ...above, ...this.#facts(layer) });
        isThere = false;
        continue;
      }
      const version = this.#listed(layer, met.entry, isThere, wasThere);
      if (version !== undefined) versions.push(version);
      [isThere, wasThere] = [true, true];
    }
    return versions;
  }

  #listed(layer: number, entry: number, isThere: boolean, wasThere: boolean): PathVersion | undefined {
    const index = this.#stack[layer]!;
    const facts = { ...this.#facts(layer), file: this.#version(layer, entry) };
    if (!isThere) return { action: wasThere ? "restored" : "added", reasons: [], ...facts };
    const before = seenIn(this.#stack, layer, this.#path);
    const old = before && realEntry(this.#stack, before.layer, before.entry);
    const now = realEntry(this.#stack, layer, entry);
    if (old === undefined || now === undefined) return { action: "modified", reasons: ["hardlink"], ...facts };
    const options = { times: true, own: false };
    const compared = compareEntries(this.#stack[old.layer]!, old.entry, this.#stack[now.layer]!, now.entry, options);
    // A directory that is only implied says nothing about itself.
    const isImplied = index.isImplied(entry);
    const bits = (isImplied ? compared & REASON.type : compared) | (index.isOpaque(entry) ? REASON.opaque : 0);
    if (bits === 0 && isImplied) return undefined;
    if (bits === 0) return { action: "unchanged", reasons: [], ...facts };
    return { action: bits === REASON.time ? "touched" : "modified", reasons: reasonNames(bits), ...facts };
  }

  #facts(number: number): Pick<PathVersion, "layer" | "instruction" | "line"> {
    const { descriptor, diffId, history } = this.#image.layers[number]!;
    const instruction = history && readHistoryLine(history.created_by ?? "", false)?.text;
    const line = this.#lines.get(diffId);
    return {
      layer: { number, digest: descriptor.digest, diffId },
      ...(instruction === undefined ? {} : { instruction }),
      ...(line ? { line } : {}),
    };
  }

  #version(layer: number, entry: number): VersionFacts {
    const real = realEntry(this.#stack, layer, entry) ?? { layer, entry };
    const index = this.#stack[real.layer]!;
    const { columns } = index;
    const type = index.type(real.entry);
    const isFile = columns.types[real.entry] === TYPE.file || columns.types[real.entry] === TYPE.hardlink;
    const link = index.link(real.entry);
    const digest = isFile ? index.digestHex(real.entry) : undefined;
    return {
      ...{ type: type === "hardlink" ? "file" : type, mode: index.mode(real.entry) },
      ...{ uid: index.uid(real.entry), gid: index.gid(real.entry) },
      ...{ size: index.size(real.entry), mtime: index.mtime(real.entry) },
      ...(link === undefined || isDangling(index, real.entry) ? {} : { link: fromByteString(link) }),
      ...(digest === undefined ? {} : { digest }),
    };
  }
}

function meet(index: LayerIndex, path: ByteString): Met {
  const parts = path === "" ? [] : path.split("/");
  let entry = 0;
  let isCut = parts.length > 0 && index.isOpaque(0);
  let at: ByteString = "";
  let here: ByteString = "";
  for (const [depth, name] of parts.entries()) {
    entry = index.child(entry, name);
    here = here === "" ? name : `${here}/${name}`;
    const isLast = depth === parts.length - 1;
    if (entry < 0) return isCut ? { kind: "removed", cause: "opaque", at } : { kind: "silent" };
    const type = index.columns.types[entry]!;
    if (type === TYPE.whiteout) return { kind: "removed", cause: isLast ? "whiteout" : "directory-removed", at: here };
    if (type !== TYPE.dir && !isLast) return { kind: "removed", cause: "directory-replaced", at: here };
    if (!isLast && index.isOpaque(entry) && !isCut) [isCut, at] = [true, here];
  }
  return { kind: "listed", entry };
}

function shown(path: ByteString): string {
  return `/${fromByteString(path)}`;
}
