/**
 * How an image's size has changed since another, for the eyes of those who review a change: as a whole, by layer with the
 * instructions that made them, and by folder of what a container sees.
 */
import type { LayerIndex } from "../layer/layerIndex.js";
import type { Digest } from "../oci/digest.js";
import type { Store } from "../store/store.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { VISIBLE } from "./copyFacts.js";
import { alignLayers, type LayerMatch } from "./diffLayerRows.js";
import { sumByFolder } from "./folderSums.js";
import { contentSize } from "./gateSizes.js";
import { instructionsOf, type LayerInstruction } from "./layerInstructions.js";
import type { DockerfileLine } from "./layerLines.js";
import { stackOf, treeOf } from "./mergedTree.js";
import { TopList } from "./topList.js";
import type { OpenedImage } from "./types.js";
import { findCopies } from "./wasteCopies.js";

/** Sizes of an image, or their differences. */
export interface ImageSizes {
  /** Bytes of config and layers as the manifest names them: what is transferred. */
  readonly content: number;
  /** Bytes of the regular files of all layers: Docker's size. Undefined if files were not looked at, as the next two. */
  readonly unpacked?: number | undefined;
  /** Of these, what a container sees. */
  readonly visible?: number | undefined;
  /** Regular files of all layers. */
  readonly files?: number | undefined;
  readonly layers: number;
}

/** An image of a report. */
export interface SizedImage extends ImageSizes {
  readonly name: string;
  readonly digest: Digest;
}

/** One layer's side of a row. */
export interface SizedLayer {
  /** From 0, the lowest. */
  readonly number: number;
  readonly digest: Digest;
  readonly content: number;
  readonly unpacked?: number | undefined;
  readonly files?: number | undefined;
}

/** A layer before and after. */
export interface SizeRow {
  readonly match: LayerMatch;
  /** Of the layer as it is now, else as it was. Empty if nothing tells. */
  readonly instruction: string;
  readonly line?: DockerfileLine | undefined;
  readonly before?: SizedLayer | undefined;
  readonly after?: SizedLayer | undefined;
  /** Growth in bytes. */
  readonly content: number;
  readonly unpacked?: number | undefined;
}

/** A folder before and after: bytes that a container sees in it. */
export interface SizeFolder {
  readonly path: string;
  readonly before: number;
  readonly after: number;
  readonly growth: number;
}

/** A report. */
export interface SizeReport {
  readonly schema: "nacre.size-report/1";
  readonly image: SizedImage;
  readonly baseline: SizedImage;
  /** image − baseline. */
  readonly growth: ImageSizes;
  /** Bytes of blobs that one who has the baseline must fetch. */
  readonly download: number;
  /** How many of the lowest layers are the same. */
  readonly sharedLayers: number;
  /** Layers that are not shared, lowest first. */
  readonly layers: readonly SizeRow[];
  /** Folders whose bytes have changed, the greatest change first. Absent if files were not looked at. */
  readonly folders?: readonly SizeFolder[] | undefined;
  /** How many more folders have changed. */
  readonly moreFolders: number;
}

/** How a report is made. */
export interface SizeReportOptions {
  /** Look at files. Default: true. If not, manifests are all that is read. */
  readonly files?: boolean | undefined;
  /** Components of the folders' paths. Default: 2. */
  readonly depth?: number | undefined;
  /** Folders that are told. Default: 10. */
  readonly top?: number | undefined;
  /** Where lines of Dockerfiles are looked for. */
  readonly store?: Store | undefined;
}

/**
 * Compares the sizes of two images.
 * @throws NacreError as OpenedLayer.index, if files are looked at
 */
export async function sizeReport(
  image: OpenedImage,
  baseline: OpenedImage,
  options: SizeReportOptions = {},
): Promise<SizeReport> {
  const { files = true, depth = 2, top = 10, store } = options;
  const [after, before] = [await measure(image, files, depth), await measure(baseline, files, depth)];
  const rows = alignLayers(baseline, image);
  const instructions = [instructionsOf(baseline, undefined), instructionsOf(image, store)] as const;
  const layers = rows
    .filter(({ match }) => match !== "shared")
    .map((row) => rowOf(row.match, before.layers, after.layers, row.before?.number, row.after?.number, instructions));
  const folders = changedFolders(before.folders, after.folders, top);
  return {
    schema: "nacre.size-report/1",
    ...{ image: after.image, baseline: before.image, growth: difference(after.image, before.image) },
    ...{ download: download(image, baseline), sharedLayers: rows.length - layers.length, layers },
    ...(files ? { folders: folders.items } : {}),
    moreFolders: folders.left,
  };
}

interface Measured {
  readonly image: SizedImage;
  readonly layers: readonly SizedLayer[];
  readonly folders: ReadonlyMap<ByteString, number>;
}

async function measure(image: OpenedImage, files: boolean, depth: number): Promise<Measured> {
  const known = {
    ...{ name: image.shown, digest: image.descriptor.digest, content: contentSize(image), layers: image.layers.length },
  };
  const layers = image.layers.map(({ number, descriptor: { digest, size } }) => ({ number, digest, content: size }));
  if (!files) return { image: known, layers, folders: new Map() };
  const stack = stackOf(await treeOf(image));
  const { folders, visible } = visibleFolders(stack, depth);
  const sized: SizedLayer[] = [];
  for (const [at, layer] of image.layers.entries()) {
    const { bytes, files: count } = await layer.stats();
    sized.push({ ...layers[at]!, unpacked: bytes, files: count });
  }
  const sum = (what: "unpacked" | "files"): number => sized.reduce((all, layer) => all + layer[what]!, 0);
  return { image: { ...known, unpacked: sum("unpacked"), files: sum("files"), visible }, layers: sized, folders };
}

function visibleFolders(
  stack: readonly LayerIndex[],
  depth: number,
): { readonly folders: Map<ByteString, number>; readonly visible: number } {
  const folders = new Map<ByteString, number>();
  const { layers } = findCopies(stack);
  let visible = 0;
  sumByFolder(stack, layers, (fate) => fate === VISIBLE, depth, {
    folder: (path, { bytes }) => {
      folders.set(path, bytes);
      visible += bytes;
    },
  });
  return { folders, visible };
}

function rowOf(
  match: LayerMatch,
  before: readonly SizedLayer[],
  after: readonly SizedLayer[],
  numberBefore: number | undefined,
  numberAfter: number | undefined,
  [instructionsBefore, instructionsAfter]: readonly [readonly LayerInstruction[], readonly LayerInstruction[]],
): SizeRow {
  const [a, b] = [at(before, numberBefore), at(after, numberAfter)];
  const { instruction, line } =
    numberAfter === undefined ? instructionsBefore[numberBefore!]! : instructionsAfter[numberAfter]!;
  const isSized = (a ?? b)?.unpacked !== undefined;
  return {
    ...{ match, instruction },
    ...(line ? { line } : {}),
    ...(a ? { before: a } : {}),
    ...(b ? { after: b } : {}),
    content: (b?.content ?? 0) - (a?.content ?? 0),
    ...(isSized ? { unpacked: (b?.unpacked ?? 0) - (a?.unpacked ?? 0) } : {}),
  };
}

function at(layers: readonly SizedLayer[], number: number | undefined): SizedLayer | undefined {
  return number === undefined ? undefined : layers[number];
}

function difference(after: SizedImage, before: SizedImage): ImageSizes {
  const minus = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : a - b;
  return {
    ...{ content: after.content - before.content, layers: after.layers - before.layers },
    ...{ unpacked: minus(after.unpacked, before.unpacked), visible: minus(after.visible, before.visible) },
    files: minus(after.files, before.files),
  };
}

function download({ manifest }: OpenedImage, { manifest: has }: OpenedImage): number {
  const there = new Set([has.config, ...has.layers].map(({ digest }) => digest));
  const wanted = new Map([manifest.config, ...manifest.layers].map(({ digest, size }) => [digest, size]));
  return [...wanted].reduce((sum, [digest, size]) => sum + (there.has(digest) ? 0 : size), 0);
}

function changedFolders(
  before: ReadonlyMap<ByteString, number>,
  after: ReadonlyMap<ByteString, number>,
  top: number,
): TopList<SizeFolder> {
  const list = new TopList<SizeFolder>(top);
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [old, now] = [before.get(path) ?? 0, after.get(path) ?? 0];
    if (old === now) continue;
    list.offer(Math.abs(now - old), () => {
      return { path: `/${fromByteString(path)}`, before: old, after: now, growth: now - old };
    });
  }
  return list;
}
