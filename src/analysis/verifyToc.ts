/**
 * Comparing a layer's own table of contents with its tar. Who mounts the layer lazily sees what the table says, who unpacks it
 * what the tar has: a table that lies shows one of them other files than the other.
 */
import type { ImageSource } from "../image/imageSource.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { Descriptor } from "../oci/documents.js";
import { INDEX_DIGEST, layerIndexOf } from "../oci/layerIndexes.js";
import { fromByteString } from "../support/bytes.js";
import { isNacreError } from "../support/errors.js";
import { compareTrees } from "./compareTrees.js";
import { reasonNames } from "./diffReasons.js";
import { rangedBlob } from "./rangedBlob.js";
import { openLazyLayer } from "./remoteFile.js";
import type { Findings, VerifyPlace } from "./verifyTypes.js";

/** Annotations that promise a table. */
const PROMISES = [INDEX_DIGEST, "containerd.io/snapshot/stargz/toc.digest", "zstd-chunked.manifest-checksum"];

/** True if the manifest says that the layer has a table. */
export function promisesToc({ annotations = {} }: Descriptor): boolean {
  return Object.keys(annotations).some((name) => PROMISES.some((promise) => name.endsWith(promise)));
}

/**
 * Looks for differences between table and tar.
 * @param index of the tar, with the digests of contents
 * @throws NacreError NETWORK, DENIED, CANCELLED
 */
export async function verifyToc(
  descriptor: Descriptor,
  index: LayerIndex,
  place: VerifyPlace,
  { source, findings }: { readonly source: ImageSource; readonly findings: Findings },
): Promise<void> {
  if (await hasLostIndex(descriptor, source)) {
    const what = "the index that was published beside the layer is not there: files are read out of the whole layer";
    // Where all of the image is at hand, nobody needs it.
    if (source.repository !== undefined) findings.add("note", "unchecked", what, place);
    return;
  }
  const blob = rangedBlob(source, descriptor);
  const lazy = await openLazyLayer(blob, "verified", (message) => findings.add("error", "toc", message, place));
  if (lazy === undefined) return;
  let isDifferent = false;
  compareTrees(
    [lazy.index],
    [index],
    (difference) => {
      isDifferent = true;
      const { kind, reasons } = difference;
      const kinds = { added: "does not have it", removed: "alone has it" } as Readonly<Record<string, string>>;
      const what = kinds[kind] ?? `tells another ${reasonNames(reasons).join(", ")} of it`;
      findings.add("error", "toc", `the table of contents ${what}`, {
        ...place,
        path: fromByteString(difference.path()),
      });
      return false;
    },
    { own: true },
  );
  if (lazy.facts.format === "nacre" && !isDifferent && !hasSamePlaces(lazy.index, index)) {
    findings.add("error", "toc", "the published index says of files that they are where they are not", place);
  }
}

/** Other tables do not tell positions in the tar. */
function hasSamePlaces({ columns: one }: LayerIndex, { columns: other }: LayerIndex): boolean {
  return one.tarSize === other.tarSize && one.contentOffsets.every((at, entry) => at === other.contentOffsets[entry]);
}

/** Tools that copy an image leave behind what only refers to it. That makes reading dearer, and nothing wrong. */
async function hasLostIndex(descriptor: Descriptor, source: ImageSource): Promise<boolean> {
  try {
    const index = layerIndexOf(descriptor);
    return index !== undefined && !(await source.has(index));
  } catch (error) {
    // Told of when it is read.
    if (isNacreError(error) && error.code === "CONTENT_INVALID") return false;
    throw error;
  }
}
