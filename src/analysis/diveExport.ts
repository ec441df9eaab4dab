/** What dive exports as JSON (`dive --json`), piece by piece: its file lists can be long. */
import type { IndexType, LayerIndex } from "../layer/layerIndex.js";
import { hexOf } from "../oci/digest.js";
import { fromByteString } from "../support/bytes.js";
import { type DiveNumbers, diveNumbers } from "./diveNumbers.js";
import { indexesOf } from "./mergedTree.js";
import type { OpenedImage } from "./types.js";

/** What dive finds in an image, and exports of it. */
export interface DiveReport extends DiveNumbers {
  /** The parts of the JSON document; see {@link diveExport}. */
  export(stringify?: (value: unknown) => string): Iterable<string>;
}

/**
 * Measures an image as dive does.
 * @throws NacreError as OpenedLayer.index
 */
export async function measureAsDive(image: OpenedImage): Promise<DiveReport> {
  // As the layers list them: dive follows no symlinks of lower layers.
  const stack = await indexesOf(image);
  const numbers = diveNumbers(stack);
  return { ...numbers, export: (stringify) => diveExport(image, stack, numbers, stringify) };
}

/** A file as dive's export has it. */
export interface DiveFileInfo {
  readonly path: string;
  /** Code of the tar's type flag. */
  readonly typeFlag: number;
  readonly linkName: string;
  readonly size: number;
  /** Bits of Go's os.FileMode. */
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
  readonly isDir: boolean;
}

/**
 * The parts of the document, in order; joined they are one JSON text. Of each layer its own tree, children before their
 * directories, as dive visits it.
 * @param stringify JSON that is safe where it goes
 */
export function* diveExport(
  image: OpenedImage,
  stack: readonly LayerIndex[],
  numbers: DiveNumbers,
  stringify: (value: unknown) => string = JSON.stringify,
): Generator<string> {
  const commands = new Map(image.history.map(({ layer, entry }) => [layer, entry?.created_by ?? "(missing)"]));
  yield '{"layer":[';
  for (const [index, layer] of image.layers.entries()) {
    const head = {
      ...{ index, id: hexOf(layer.descriptor.digest), digestId: layer.diffId },
      ...{ sizeBytes: numbers.layerBytes[index]! },
      command: (commands.get(index) ?? "(missing)").replace(/^\/bin\/sh -c /, ""),
    };
    yield `${index === 0 ? "" : ","}${stringify(head).slice(0, -1)},"fileList":[`;
    let separator = "";
    for (const file of layerFiles(stack[index]!)) {
      yield separator + stringify(file);
      separator = ",";
    }
    yield "]}";
  }
  const { sizeBytes, wastedBytes, efficiency } = numbers;
  const summary = { sizeBytes, inefficientBytes: wastedBytes, efficiencyScore: efficiency };
  yield `],"image":${stringify(summary).slice(0, -1)},"fileReference":[`;
  let separator = "";
  for (const file of numbers.files()) {
    yield separator + stringify(file);
    separator = ",";
  }
  yield "]}}";
}

/** Children before their directories; whiteouts with their prefix, in their place. */
function* layerFiles(index: LayerIndex, directory = 0, above = ""): Generator<DiveFileInfo> {
  const entries = [...index.children(directory)].map((entry) => ({ entry, name: rawName(index, entry) }));
  for (const { entry, name } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = above === "" ? name : `${above}/${name}`;
    yield* layerFiles(index, entry, path);
    yield index.isImplied(entry) ? NOTHING : describe(index, entry, path);
  }
}

/** What dive has for a directory that the layer does not list. */
const NOTHING: DiveFileInfo = {
  ...{ path: "", typeFlag: 0, linkName: "", size: 0, fileMode: 0, uid: 0, gid: 0, isDir: false },
};

const FLAGS: Readonly<Record<IndexType, string>> = {
  ...{ file: "0", hardlink: "1", symlink: "2", char: "3", block: "4", dir: "5", fifo: "6", whiteout: "0" },
};

/** Kinds of files in Go's mode bits. */
const KIND_BITS: Partial<Record<IndexType, number>> = {
  ...{ dir: 2 ** 31, symlink: 2 ** 27, block: 2 ** 26, char: 2 ** 26 + 2 ** 21, fifo: 2 ** 25 },
};

function describe(index: LayerIndex, entry: number, path: string): DiveFileInfo {
  const type = index.type(entry);
  return {
    path: fromByteString(path),
    typeFlag: FLAGS[type].charCodeAt(0),
    linkName: fromByteString(index.link(entry) ?? ""),
    size: type === "file" ? index.size(entry) : 0,
    fileMode: goMode(index.mode(entry), type),
    ...{ uid: index.uid(entry), gid: index.gid(entry), isDir: type === "dir" },
  };
}

/** Setuid, setgid and sticky have bits of their own in Go. */
function goMode(mode: number, type: IndexType): number {
  const special = (mode & 0o4000 ? 2 ** 23 : 0) + (mode & 0o2000 ? 2 ** 22 : 0) + (mode & 0o1000 ? 2 ** 20 : 0);
  return (mode & 0o777) + special + (KIND_BITS[type] ?? 0);
}

function rawName(index: LayerIndex, entry: number): string {
  return index.type(entry) === "whiteout" ? `.wh.${index.name(entry)}` : index.name(entry);
}
