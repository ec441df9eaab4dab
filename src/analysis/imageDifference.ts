/**
 * Why two images that were to be the same are not. In go two opened images; out come the causes, the first one first: of the
 * lowest layer that differs, what its files are before how they are written. Layers with the same digest are not read.
 */
import { isDeepStrictEqual } from "node:util";
import type { DiffId } from "../oci/digest.js";
import type { HistoryEntry } from "../oci/documents.js";
import { layerCauses } from "./imageDifferenceLayer.js";
import { DIFFERENCE_CLASSES, type ImageCause } from "./imageDifferenceTypes.js";
import type { DockerfileLine } from "./layerLines.js";
import type { OpenedImage } from "./types.js";

/** Longest value that is told. */
const MOST_SHOWN = 200;

/**
 * Compares two images byte by byte where they differ.
 * @param lines where the instructions of layers stand
 * @throws NacreError as OpenedLayer.index
 */
export async function imageDifference(
  a: OpenedImage,
  b: OpenedImage,
  lines: ReadonlyMap<DiffId, DockerfileLine> = new Map(),
): Promise<ImageCause[]> {
  if (a.descriptor.digest === b.descriptor.digest) return [];
  const causes: ImageCause[] = [];
  if (a.layers.length !== b.layers.length) {
    const [before, after] = [`${a.layers.length}`, `${b.layers.length}`];
    causes.push({ class: "layers", message: `the first has ${before} layers, the second ${after}`, before, after });
  }
  for (const [number, layer] of a.layers.entries()) {
    const other = b.layers[number];
    if (other === undefined || other.descriptor.digest === layer.descriptor.digest) continue;
    const made = {
      layer: number,
      createdBy: layer.history?.created_by,
      line: lines.get(layer.diffId) ?? lines.get(other.diffId),
    };
    const found = await layerCauses(layer, other);
    for (const cause of found.sort(byClass)) causes.push({ ...cause, ...made });
    layer.forget();
    other.forget();
  }
  return [...causes, ...configCauses(a, b).sort(byClass), ...manifestCauses(a, b)];
}

function byClass(a: ImageCause, b: ImageCause): number {
  return DIFFERENCE_CLASSES.indexOf(a.class) - DIFFERENCE_CLASSES.indexOf(b.class);
}

function configCauses({ config: a }: OpenedImage, { config: b }: OpenedImage): ImageCause[] {
  const skipped = new Set(["config", "history", "created", "rootfs"]);
  const causes = [
    ...fieldCauses("", plain(a, skipped), plain(b, skipped)),
    ...fieldCauses("config.", plain(a.config), plain(b.config)),
  ];
  if (a.created !== b.created) causes.push({ ...cause("created", "created", a.created, b.created) });
  return [...causes, ...historyCauses(a.history ?? [], b.history ?? [])];
}

function historyCauses(a: readonly HistoryEntry[], b: readonly HistoryEntry[]): ImageCause[] {
  const causes: ImageCause[] = [];
  if (a.length !== b.length) causes.push(cause("history", "history", `${a.length} lines`, `${b.length} lines`));
  let times = 0;
  let firstTime: ImageCause | undefined;
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const { created: x, ...left } = a[at]!;
    const { created: y, ...right } = b[at]!;
    if (!isDeepStrictEqual(left, right))
      causes.push(cause("history", `history[${at}]`, JSON.stringify(left), JSON.stringify(right)));
    if (x === y) continue;
    times++;
    firstTime ??= cause("created", `history[${at}].created`, x, y);
  }
  return firstTime === undefined ? causes : [...causes, { ...firstTime, count: times }];
}

function manifestCauses({ manifest: a }: OpenedImage, { manifest: b }: OpenedImage): ImageCause[] {
  const skipped = new Set(["config", "layers"]);
  const causes = fieldCauses("", plain(a, skipped), plain(b, skipped));
  return causes.map((one) => ({ ...one, class: "manifest" }));
}

type Fields = Readonly<Record<string, unknown>>;

function plain(object: object | null | undefined, skipped: ReadonlySet<string> = new Set()): Fields {
  return Object.fromEntries(Object.entries(object ?? {}).filter(([name]) => !skipped.has(name)));
}

function fieldCauses(prefix: string, a: Fields, b: Fields): ImageCause[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return names
    .filter((name) => !isDeepStrictEqual(a[name], b[name]))
    .map((name) => cause("config", prefix + name, JSON.stringify(a[name]), JSON.stringify(b[name])));
}

function cause(kind: ImageCause["class"], field: string, x: string | undefined, y: string | undefined): ImageCause {
  const [before, after] = [short(x), short(y)];
  return { class: kind, message: `${field} is ${before}, then ${after}`, field, before, after };
}

function short(text: string | undefined): string {
  if (text === undefined) return "not set";
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN - 1)}…` : text;
}
