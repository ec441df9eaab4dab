/** From solved layers to an image: config, history and manifest, as BuildKit's exporter writes them. */
import type { Image } from "../image/image.js";
import { type Digest, digestOfHex } from "../oci/digest.js";
import type { Descriptor, HistoryEntry, ImageConfig, Manifest } from "../oci/documents.js";
import { encodeConfig, encodeManifest } from "../oci/encode.js";
import { asOciLayer, OCI_CONFIG, OCI_MANIFEST } from "../oci/mediaTypes.js";
import type { PlannedStage } from "../plan/graph.js";
import { HISTORY_COMMENT } from "../plan/history.js";
import { sha256Hex } from "../support/hash.js";
import type { Solution } from "./solver.js";

/** An image whose documents are not in the store yet. */
export interface AssembledImage extends Image {
  readonly manifestBytes: Buffer;
  readonly configDescriptor: Descriptor;
}

/** What decides the image beside its layers. */
export interface AssembleOptions {
  /** Whole seconds since 1970. */
  readonly sourceDateEpoch: number | undefined;
  readonly annotations: ReadonlyMap<string, string>;
}

/** The comment of a layer that no line of the Dockerfile explains (BuildKit). */
const EXPORTER_COMMENT = "buildkit.exporter.image.v0";

/** Makes the image of a target. Pure. */
export function assemble(target: PlannedStage, solution: Solution, options: AssembleOptions): AssembledImage {
  const history = historyOf(target, solution, options.sourceDateEpoch);
  const config = configOf(target, solution, history, options.sourceDateEpoch);
  const configBytes = encodeConfig(config);
  const configDescriptor = describe(OCI_CONFIG, configBytes);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: configDescriptor,
    layers: solution.layers.map(({ descriptor }) => asOci(descriptor)),
    ...(options.annotations.size > 0 ? { annotations: Object.fromEntries(options.annotations) } : {}),
  };
  const manifestBytes = encodeManifest(manifest);
  const { os, architecture, variant, osVersion } = target.platform;
  const platform = {
    architecture,
    os,
    ...(variant ? { variant } : {}),
    ...(osVersion ? { "os.version": osVersion } : {}),
  };
  return {
    descriptor: { ...describe(OCI_MANIFEST, manifestBytes), platform },
    manifest,
    manifestBytes,
    config,
    configBytes,
    configDescriptor,
    layers: solution.layers.map((layer) => ({ ...layer, descriptor: asOci(layer.descriptor) })),
  };
}

function configOf(
  target: PlannedStage,
  solution: Solution,
  history: readonly HistoryEntry[],
  epoch: number | undefined,
): ImageConfig {
  const { os, architecture, variant, osVersion } = target.platform;
  const base = target.baseConfig;
  return {
    ...(base?.["os.features"] ? { "os.features": base["os.features"] } : {}),
    created: epoch === undefined ? latest(history) : rfc3339(epoch * 1000),
    author: target.author,
    architecture,
    os,
    variant,
    "os.version": osVersion,
    config: target.config,
    rootfs: { type: "layers", diff_ids: solution.layers.map((layer) => layer.diffId) },
    history,
  };
}

/**
 * The base's lines unchanged, then the Dockerfile's. Lines with a layer carry its time; the others that of the first new
 * layer, later that of the layer before them (BuildKit: exporter/containerimage, normalizeLayersAndHistory).
 */
function historyOf(target: PlannedStage, solution: Solution, epoch: number | undefined): HistoryEntry[] {
  const base: HistoryEntry[] = [...(target.baseConfig?.history ?? [])];
  if (solution.baseLayer) base.push({ created: time(solution.baseLayer.created, epoch), comment: EXPORTER_COMMENT });
  const lines = target.history.map(({ createdBy, step }): HistoryEntry => {
    const solved = step === undefined ? undefined : solution.steps.get(step);
    return {
      created: solved ? time(solved.created, epoch) : epoch === undefined ? undefined : rfc3339(epoch * 1000),
      created_by: createdBy,
      comment: HISTORY_COMMENT,
      ...(step === undefined ? { empty_layer: true } : {}),
    };
  });
  return fillTimes([...matchLayers(base, solution.layers.length - newLayers(target)), ...lines]);
}

function newLayers(target: PlannedStage): number {
  return target.history.filter(({ step }) => step !== undefined).length;
}

/** A base whose history does not tell of all its layers, or of too many, is mended as BuildKit does. */
function matchLayers(history: readonly HistoryEntry[], layers: number): HistoryEntry[] {
  const out = [...history];
  let told = out.filter((entry) => entry.empty_layer !== true).length;
  for (; told < layers; told++) out.push({ created: latest(out), comment: EXPORTER_COMMENT });
  for (let i = 0; told > layers && i < out.length; i++) {
    if (out[i]!.empty_layer === true) continue;
    out[i] = { ...out[i]!, empty_layer: true };
    told--;
  }
  return out;
}

function fillTimes(history: readonly HistoryEntry[]): HistoryEntry[] {
  let created: string | undefined;
  let missing = false;
  for (const entry of history) {
    if (entry.created === undefined) missing = true;
    else {
      created = entry.created;
      if (missing) break;
    }
  }
  missing = false;
  return history.map((entry) => {
    if (entry.created === undefined) {
      missing = true;
      return { ...entry, created };
    }
    if (missing) created = entry.created;
    return entry;
  });
}

/** SOURCE_DATE_EPOCH takes the place of every new time. */
function time(created: number, epoch: number | undefined): string {
  return rfc3339(epoch === undefined ? created : epoch * 1000);
}

/** RFC 3339 in UTC, without fractions that are 0, as Go prints it. */
export function rfc3339(milliseconds: number): string {
  return new Date(milliseconds)
    .toISOString()
    .replace(/(\.\d*?)0*Z$/, (_, fraction: string) => (fraction === "." ? "Z" : `${fraction}Z`));
}

function latest(history: readonly HistoryEntry[]): string | undefined {
  let best: string | undefined;
  for (const { created } of history) {
    if (created !== undefined && (best === undefined || Date.parse(created) > Date.parse(best))) best = created;
  }
  return best;
}

/** Docker's layer types have OCI twins; an OCI manifest names those. */
function asOci({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType: asOciLayer(mediaType), digest, size };
}

function describe(mediaType: string, bytes: Buffer): Descriptor {
  const digest: Digest = digestOfHex(sha256Hex(bytes));
  return { mediaType, digest, size: bytes.length };
}
