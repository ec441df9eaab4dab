/**
 * Layers with a table of contents of their own (eStargz, zstd:chunked), or with a published index beside them: listed and read
 * by ranges, so that a file of a remote image costs a few small requests. A table is believed where the manifest gives its digest; what is read through it is
 * compared with the digests that it lists. It says what the layer's maker wrote into it: that the tar is the same is only
 * known when all of it was read.
 */
import { isNacreError } from "../support/errors.js";
import { openEstargz } from "./estargz.js";
import { openNacreIndex } from "./nacreIndex.js";
import type { LazyLayer, RangedBlob } from "./rangedBlob.js";
import { type FoundToc, indexOfToc } from "./tocIndex.js";
import { TocReader } from "./tocReader.js";
import type { TocTrust } from "./types.js";
import { openZstdChunked } from "./zstdChunked.js";

/** What makes a table unusable while the layer may be sound. */
const UNUSABLE: ReadonlySet<string> = new Set(["CONTENT_INVALID", "COMPRESSION", "TAR_INVALID", "LIMIT_EXCEEDED"]);

/**
 * Opens a layer's own table of contents; undefined if it has none that can be trusted.
 * @param warn told why a table that is there is not used
 * @throws NacreError NETWORK, DENIED, CANCELLED
 */
export async function openLazyLayer(
  blob: RangedBlob,
  trust: TocTrust,
  warn: (message: string) => void,
): Promise<LazyLayer | undefined> {
  if (trust === "never") return undefined;
  const tell = ({ message }: Error): void =>
    warn(`the table of contents of the layer ${blob.descriptor.digest} is not used: ${message}`);
  try {
    const published = await openNacreIndex(blob, tell);
    if (published !== undefined) return published;
    const found = await findToc(blob, trust === "any");
    if (found === undefined) return undefined;
    const { index, places } = indexOfToc(found);
    const { format, isVerified } = found;
    return new TocReader(blob, { format, isVerified }, index, places);
  } catch (error) {
    if (!isNacreError(error) || !UNUSABLE.has(error.code)) throw error;
    tell(error);
    return undefined;
  }
}

async function findToc(blob: RangedBlob, isAny: boolean): Promise<FoundToc | undefined> {
  return (await openZstdChunked(blob, isAny)) ?? (await openEstargz(blob, isAny));
}
