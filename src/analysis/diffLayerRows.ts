/** Which layers two images share, and which of their own stand for each other. From the manifests and configs alone. */
import type { DiffId, Digest } from "../oci/digest.js";
import { alignRows, CERTAIN } from "./alignRows.js";
import type { OpenedImage, OpenedLayer } from "./types.js";

/**
 * How two layers belong together. `shared`: the same layer with the same ones below it; `same`: the same layer, on others;
 * `changed`: both were made by the same instruction; `added`, `removed`: the other image has nothing like it.
 */
export type LayerMatch = "shared" | "same" | "changed" | "added" | "removed";

/** A layer as a comparison tells of it. */
export interface DiffedLayer {
  /** From 0, the lowest. */
  readonly number: number;
  /** Of the blob. */
  readonly digest: Digest;
  readonly diffId: DiffId;
  readonly chainId: Digest;
  readonly mediaType: string;
  /** Bytes of the blob. */
  readonly compressedSize: number;
  readonly createdBy?: string | undefined;
}

/** A layer of the one image beside that of the other. */
export interface LayerRow {
  readonly match: LayerMatch;
  /** The same content in other blobs: compressed otherwise, or not at all. */
  readonly isRepacked: boolean;
  readonly before?: DiffedLayer | undefined;
  readonly after?: DiffedLayer | undefined;
}

/** How many of the lowest layers are the same in both, with all below them. */
export function sharedLayers(a: readonly OpenedLayer[], b: readonly OpenedLayer[]): number {
  let shared = 0;
  while (shared < Math.min(a.length, b.length) && a[shared]!.chainId === b[shared]!.chainId) shared++;
  return shared;
}

/** Aligns the layers of two images, lowest first: by chainID, then by diffID, then by the instruction that made them. */
export function alignLayers(a: OpenedImage, b: OpenedImage): LayerRow[] {
  const shared = sharedLayers(a.layers, b.layers);
  const [ownA, ownB] = [a.layers.slice(shared), b.layers.slice(shared)];
  const [keysA, keysB] = [ownA.map(instructionOf), ownB.map(instructionOf)];
  const worth = (i: number, j: number): number => {
    if (ownA[i]!.diffId === ownB[j]!.diffId) return CERTAIN;
    return keysA[i] !== undefined && keysA[i] === keysB[j] ? 1 : 0;
  };
  const rows = a.layers.slice(0, shared).map((layer, at) => rowOf(layer, b.layers[at]!, true));
  return [...rows, ...alignRows(ownA.length, ownB.length, worth).map((row) => rowOf(at(ownA, row.a), at(ownB, row.b)))];
}

function at(layers: readonly OpenedLayer[], number: number | undefined): OpenedLayer | undefined {
  return number === undefined ? undefined : layers[number];
}

function rowOf(a: OpenedLayer | undefined, b: OpenedLayer | undefined, isShared = false): LayerRow {
  const isSame = a !== undefined && b !== undefined && a.diffId === b.diffId;
  const match = isShared
    ? "shared"
    : isSame
      ? "same"
      : a === undefined
        ? "added"
        : b === undefined
          ? "removed"
          : "changed";
  return {
    match,
    isRepacked: isSame && a.descriptor.digest !== b.descriptor.digest,
    ...(a ? { before: describeLayer(a) } : {}),
    ...(b ? { after: describeLayer(b) } : {}),
  };
}

/** A layer without the content. */
export function describeLayer({ number, descriptor, diffId, chainId, history }: OpenedLayer): DiffedLayer {
  const { digest, mediaType, size } = descriptor;
  const createdBy = history?.created_by;
  const told = createdBy === undefined ? {} : { createdBy };
  return { number, digest, diffId, chainId, mediaType, compressedSize: size, ...told };
}

/** The instruction that made a layer, without what changes with the files that it copies: classic builders write hashes of them. */
function instructionOf({ history }: OpenedLayer): string | undefined {
  return history?.created_by === undefined ? undefined : instructionKey(history.created_by);
}

/** A line of a history, so that the same instruction gives the same text whatever it copied. */
export function instructionKey(createdBy: string): string | undefined {
  const text = createdBy
    .replace(/ *# buildkit$/, "")
    .replace(/\b(file|dir|multi):[0-9a-f]{64}\b/g, "$1")
    .replace(/\s+/g, " ")
    .trim();
  return text === "" ? undefined : text;
}

/** What is fetched to get one image where the other one is. */
export interface DownloadCost {
  /** Layers of B whose blobs A does not have, and their bytes, as B has them. */
  readonly layers: number;
  readonly layerBytes: number;
  /** With the config, where that is another one. */
  readonly bytes: number;
}

/** What a user of A must download to get B. */
export function downloadCost(a: OpenedImage, b: OpenedImage): DownloadCost {
  const blobs = new Map(b.layers.map(({ descriptor }) => [descriptor.digest, descriptor.size]));
  for (const { descriptor } of a.layers) blobs.delete(descriptor.digest);
  const layerBytes = [...blobs.values()].reduce((sum, size) => sum + size, 0);
  const config = a.id === b.id ? 0 : b.configBytes.length;
  return { layers: blobs.size, layerBytes, bytes: layerBytes + config };
}
