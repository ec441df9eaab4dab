/** Verifying the blob of one layer: its bytes, its compression, its tar. */
import type { ImageSource } from "../image/imageSource.js";
import { decompressStream, sniffCompression } from "../layer/decompress.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { DiffId } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import { compressionOf } from "../oci/mediaTypes.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { Emit } from "../support/events.js";
import { isEncryptedType, isForeignType } from "./layerFacts.js";
import { TarVerifier } from "./verifyTar.js";
import { promisesToc, verifyToc } from "./verifyToc.js";
import type { Findings, VerifyClass, VerifyPlace } from "./verifyTypes.js";

/** Milliseconds between two events about the progress of one blob. */
const PROGRESS_INTERVAL = 50;

/** What verifying a layer needs. */
export interface LayerWork {
  readonly source: ImageSource;
  readonly findings: Findings;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly emit?: Emit | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a blob has turned out to be. */
export interface VerifiedLayer {
  /** Bytes that were hashed. */
  readonly bytes: number;
  readonly members: number;
  /** Undefined if the layer is not one whose files can be looked at. */
  readonly index?: LayerIndex | undefined;
}

/** Errors that say something of the image and not of the world. */
const OF_THE_IMAGE: ReadonlySet<string> = new Set([
  "CONTENT_INVALID",
  "COMPRESSION",
  "TAR_INVALID",
  "LIMIT_EXCEEDED",
  "UNSUPPORTED",
]);

/** True for errors that are findings. */
export function isFinding(error: unknown): error is NacreError {
  return isNacreError(error) && OF_THE_IMAGE.has(error.code);
}

/**
 * Reads a layer once and tells what is wrong with it.
 * @param diffId what the config calls it; undefined: the image is none, or the config does not tell: bytes are compared only
 * @throws NacreError NETWORK, DENIED, CANCELLED, STORE
 */
export async function verifyLayer(
  descriptor: Descriptor,
  diffId: DiffId | undefined,
  place: VerifyPlace,
  work: LayerWork,
): Promise<VerifiedLayer> {
  const { source, findings } = work;
  const { mediaType } = descriptor;
  if (!(await source.has(descriptor))) {
    tellMissing(descriptor, place, findings);
    return { bytes: 0, members: 0 };
  }
  if (isEncryptedType(mediaType))
    findings.add("note", "unchecked", "the layer is encrypted: only its bytes were compared", place);
  const isTar = diffId !== undefined && compressionOf(mediaType) !== undefined;
  return isTar ? readTar(descriptor, diffId, place, work) : readBytes(descriptor, place, work);
}

function tellMissing({ mediaType, urls }: Descriptor, place: VerifyPlace, findings: Findings): void {
  if (!isForeignType(mediaType)) {
    findings.add("error", "missing", "the blob is not there", place);
    return;
  }
  const where = urls?.[0] === undefined ? "" : `, at ${urls[0]}`;
  findings.add("note", "unchecked", `the layer is kept elsewhere than the image${where}`, place);
}

/** Compares the bytes of a blob with its descriptor. @throws NacreError as {@link verifyLayer} */
export async function readBytes(descriptor: Descriptor, place: VerifyPlace, work: LayerWork): Promise<VerifiedLayer> {
  let bytes = 0;
  try {
    for await (const chunk of watched(descriptor, work)) bytes += chunk.length;
  } catch (error) {
    if (!isFinding(error)) throw error;
    work.findings.add("error", "blob", error.message, place);
  }
  return { bytes, members: 0 };
}

async function readTar(
  descriptor: Descriptor,
  diffId: DiffId,
  place: VerifyPlace,
  work: LayerWork,
): Promise<VerifiedLayer> {
  const { findings } = work;
  const hasTable = promisesToc(descriptor);
  const verifier = new TarVerifier(findings, place, work.now(), hasTable);
  try {
    const blob = sniffed(watched(descriptor, work), (found) => tellCompression(descriptor, found, place, findings));
    for await (const chunk of decompressStream(blob)) verifier.write(chunk);
    const { index, diffId: actual, members } = verifier.finish();
    if (actual !== diffId)
      findings.add("error", "diff-id", `unpacked it is ${actual}; the config says ${diffId}`, place);
    if (hasTable) await verifyToc(descriptor, index, place, work);
    return { bytes: descriptor.size, members, index };
  } catch (error) {
    if (!isFinding(error)) throw error;
    // Damage inside may come of damaged bytes, which says more.
    const { bytes } = error.code === "CONTENT_INVALID" ? { bytes: 0 } : await readBytes(descriptor, place, work);
    const isDamaged = findings.all.some((one) => one.class === "blob" && one.digest === place.digest);
    if (!isDamaged || error.code === "CONTENT_INVALID") findings.add("error", classOf(error), error.message, place);
    return { bytes, members: 0 };
  }
}

function classOf({ code }: NacreError): VerifyClass {
  if (code === "COMPRESSION") return "compression";
  if (code === "LIMIT_EXCEEDED") return "limit";
  return code === "CONTENT_INVALID" ? "blob" : "tar";
}

/** What most programs look at is the media type. */
function tellCompression({ mediaType }: Descriptor, found: string, place: VerifyPlace, findings: Findings): void {
  const told = compressionOf(mediaType);
  if (told === found) return;
  const what = found === "none" ? "not compressed" : `compressed with ${found}`;
  findings.add("error", "media-type", `it is ${what}, which its type ${mediaType} does not say`, place);
}

async function* sniffed(source: AsyncIterable<Buffer>, tell: (found: string) => void): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of source) {
    if (head !== undefined) {
      head = Buffer.concat([head, chunk.subarray(0, 8)]);
      if (head.length >= 8) {
        tell(sniffCompression(head));
        head = undefined;
      }
    }
    yield chunk;
  }
}

/** The bytes of a blob, compared with its digest, and told of. */
async function* watched(descriptor: Descriptor, { source, emit, signal, now }: LayerWork): AsyncGenerator<Buffer> {
  const { digest, size } = descriptor;
  const id = `layer:${digest}`;
  let [current, told] = [0, now()];
  emit?.({ type: "start", id, name: digest.slice(7, 19), time: told });
  try {
    for await (const chunk of source.blob(descriptor).open(0)) {
      if (signal?.aborted) throw new NacreError("CANCELLED", "stopped while an image was being verified");
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      current += chunk.length;
      if (current < size && now() - told < PROGRESS_INTERVAL) continue;
      told = now();
      emit?.({ type: "progress", id, current, total: size, unit: "bytes", time: told });
    }
  } finally {
    emit?.({ type: "end", id, outcome: signal?.aborted ? "cancelled" : "done", time: now() });
  }
}
