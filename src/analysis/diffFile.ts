/** One file of two images: what is different about it, and its text as a patch. */
import { cleanPath, resolvePath } from "../layer/fileTree.js";
import type { MergedNode } from "../layer/layerTree.js";
import { type ByteString, fromByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { unifiedDiff } from "../support/lineDiff.js";
import { ChangeList } from "./changeList.js";
import { readAll, sharedIndexes } from "./diffImages.js";
import { sharedLayers } from "./diffLayerRows.js";
import { layerNumber } from "./diffLayers.js";
import { compareEntries, type ReasonBits } from "./diffReasons.js";
import type { FileComparison, FileDiff, LayerChoice } from "./diffTypes.js";
import { placeOf } from "./layerFacts.js";
import { pairStacks, realEntry, type StackPair, treeOfIndexes } from "./stackLookup.js";
import type { OpenedImage, OpenedLayer } from "./types.js";

/** Largest file of which a patch is made, in bytes. */
const MAX_TEXT = 4 << 20;

/** Layers on top of each other, lowest first, in which a file is looked for. */
type Side = readonly OpenedLayer[];

/**
 * Compares one file of two images. Layers that both share are read only where nothing else tells what the file is.
 * @param path as inside a container; symlinks above it are followed
 * @throws NacreError SOURCE_NOT_FOUND if neither has it; as OpenedLayer.index and read
 */
export function compareFile(a: OpenedImage, b: OpenedImage, path: string, options: FileComparison): Promise<FileDiff> {
  return compareSides(a.layers, b.layers, sharedLayers(a.layers, b.layers), path, options);
}

/**
 * Compares one file of layers of an image.
 * @throws NacreError USAGE if there is no such layer; as {@link compareFile}
 */
export function compareFileOfLayers(
  image: OpenedImage,
  choice: LayerChoice,
  path: string,
  options: FileComparison,
): Promise<FileDiff> {
  const upTo = (number: number): Side => image.layers.slice(0, number + 1);
  const number = (text: string): number => layerNumber(image, text);
  if ("pair" in choice) {
    const [a, b] = choice.pair.map((text) => [image.layers[number(text)]!]);
    return compareSides(a!, b!, 0, path, options);
  }
  const [from, to] =
    "layer" in choice ? [number(choice.layer) - 1, number(choice.layer)] : [number(choice.from), number(choice.to)];
  return compareSides(upTo(from), upTo(to), Math.min(from, to) + 1, path, options);
}

/** A file of one side. */
interface Version {
  readonly node: MergedNode;
  /** The layer that has its content. */
  readonly layer: OpenedLayer;
}

interface Versions {
  readonly pair: StackPair;
  readonly a: Version | undefined;
  readonly b: Version | undefined;
  /** Number of the lowest layer of the stacks. */
  readonly first: number;
}

async function compareSides(
  a: Side,
  b: Side,
  shared: number,
  path: string,
  { times = false }: FileComparison,
): Promise<FileDiff> {
  const wanted = cleanPath(toByteString(path));
  const versions = await findVersions(a, b, shared, wanted);
  if (versions.a === undefined && versions.b === undefined) {
    throw new NacreError("SOURCE_NOT_FOUND", `there is no ${JSON.stringify(path)} in either of them`, {
      hint: "look for it with: nacre diff --name-only, or nacre tree",
    });
  }
  const change = describe(versions, times);
  const { before, after, reasons } = change;
  const text = await patchOf(versions, wanted);
  const isSame = reasons.length === 0 && before !== undefined && after !== undefined;
  return {
    ...{ schema: "nacre.file-diff/1", path: fromByteString(wanted) },
    ...(before ? { before } : {}),
    ...(after ? { after } : {}),
    ...{ reasons, isSame },
    ...text,
  };
}

async function findVersions(a: Side, b: Side, shared: number, path: ByteString): Promise<Versions> {
  const own = await readAll([...a.slice(shared), ...b.slice(shared)]);
  const below = a.slice(0, shared).map((layer, at) => [layer, b[at]!] as const);
  for (const read of [false, true]) {
    const known = await sharedIndexes(below, read);
    const first = shared - known.length;
    const pair = pairStacks(known, own.slice(0, a.length - shared), own.slice(a.length - shared));
    const [versionA, versionB] = [versionIn(pair.a, a.slice(first), path), versionIn(pair.b, b.slice(first), path)];
    if (first === 0 || read || (versionA && versionB)) return { pair, a: versionA, b: versionB, first };
  }
  throw new NacreError("INTERNAL", "a file was looked for without an end");
}

function versionIn(stack: StackPair["a"], layers: Side, path: ByteString): Version | undefined {
  const tree = treeOfIndexes(stack);
  const node = resolvePath(tree, path, false).node as MergedNode | undefined;
  if (node === undefined || node.layer < 0) return undefined;
  return { node, layer: layers[tree.contentNode(node).layer]! };
}

/** The facts of both sides, and in what they differ. */
function describe({ pair, a, b, first }: Versions, times: boolean): ReturnType<ChangeList["at"]> {
  const list = new ChangeList({ ...pair, firstA: first, firstB: first, own: false });
  const kind = a === undefined ? "added" : b === undefined ? "removed" : "changed";
  const [aLayer, aEntry, bLayer, bEntry] = [a?.node.layer, a?.node.entry, b?.node.layer, b?.node.entry];
  list.add({
    ...{ kind, reasons: reasonsOf(pair, a, b, times), name: "", depth: 0, path: () => "" },
    ...{ aLayer: aLayer ?? -1, aEntry: aEntry ?? -1, bLayer: bLayer ?? -1, bEntry: bEntry ?? -1 },
  });
  return list.at(0);
}

function reasonsOf(pair: StackPair, a: Version | undefined, b: Version | undefined, times: boolean): ReasonBits {
  if (a === undefined || b === undefined) return 0;
  const [realA, realB] = [realEntry(pair.a, a.node.layer, a.node.entry), realEntry(pair.b, b.node.layer, b.node.entry)];
  if (realA === undefined || realB === undefined) return 0;
  const [indexA, indexB] = [pair.a[realA.layer]!, pair.b[realB.layer]!];
  return compareEntries(indexA, realA.entry, indexB, realB.entry, { times, own: false });
}

async function patchOf(versions: Versions, path: ByteString): Promise<Pick<FileDiff, "form" | "patch">> {
  const both = [versions.a, versions.b].filter((version) => version !== undefined);
  if (both.some(({ node }) => node.type !== "file" && node.type !== "symlink")) return { form: "none" };
  if (both.some(({ node }) => node.size > MAX_TEXT)) return { form: "large" };
  const before = await textOf(versions, "a");
  const after = await textOf(versions, "b");
  // As git tells binary files.
  if (before.includes("\0") || after.includes("\0")) return { form: "binary" };
  const diff = unifiedDiff(before, after, "");
  const name = (prefix: string, version: Version | undefined): ByteString =>
    version === undefined ? "/dev/null" : quoted(`${prefix}/${path}`);
  const header = `--- ${name("a", versions.a)}\n+++ ${name("b", versions.b)}\n`;
  const patch = diff.replace(/^--- \n\+\+\+ \n/, () => header);
  return { form: "text", patch: fromByteString(patch) };
}

/** The bytes of a file; of a symlink, its target. */
async function textOf({ pair, ...versions }: Versions, side: "a" | "b"): Promise<ByteString> {
  const version = versions[side];
  if (version === undefined) return "";
  const { node, layer } = version;
  if (node.type === "symlink") return node.link ?? "";
  const stack = pair[side];
  const real = realEntry(stack, node.layer, node.entry);
  const place = real && placeOf(stack[real.layer]!, real.entry);
  if (place === undefined) throw new NacreError("INTERNAL", "a file without content was to be compared");
  const chunks: Buffer[] = [];
  for await (const chunk of layer.read(place)) chunks.push(chunk);
  return Buffer.concat(chunks).toString("latin1");
}

/** Names that a patch cannot hold as they are stand in quotes, as git writes them. */
function quoted(name: ByteString): ByteString {
  if (!/[\x00-\x1f"\\\x7f-\xff]/.test(name)) return name;
  const escaped = name.replace(/[\x00-\x1f"\\\x7f-\xff]/g, (char) =>
    char === '"' || char === "\\" ? `\\${char}` : `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  return `"${escaped}"`;
}
