/**
 * Comparing a layer's own table of contents with its tar. Who mounts the layer lazily sees what the table says, who unpacks it
 * what the tar has: a table that lies shows one of them other files than the other.
 */
import type { ImageSource } from "../image/imageSource.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { Descriptor } from "../oci/documents.js";
import { fromByteString } from "../support/bytes.js";
import { compareTrees } from "./compareTrees.js";
import { reasonNames } from "./diffReasons.js";
import { openLazyLayer } from "./remoteFile.js";
import type { Findings, VerifyPlace } from "./verifyTypes.js";

/** Annotations that promise a table. */
const PROMISES = ["containerd.io/snapshot/stargz/toc.digest", "zstd-chunked.manifest-checksum"];

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
  const blob = source.blob(descriptor);
  const ranged = { descriptor, range: (offset: number, length: number) => blob.open(offset, length) };
  const lazy = await openLazyLayer(ranged, "verified", (message) => findings.add("error", "toc", message, place));
  if (lazy === undefined) return;
  compareTrees(
    [lazy.index],
    [index],
    (difference) => {
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
}
