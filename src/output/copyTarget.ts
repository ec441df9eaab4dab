/** Where copies go, apart from the store: a repository of a registry, an archive, a local engine. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ArchiveBlob } from "../archive/archiveBlob.js";
import type { Destination } from "../archive/destination.js";
import { loadIntoEngine } from "../archive/engine.js";
import type { ListedImage } from "../archive/layoutDocuments.js";
import { blobOf } from "../archive/stored.js";
import { writeArchive } from "../archive/write.js";
import type { ImageSource } from "../image/imageSource.js";
import { shortDigest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import type { ImagePlace } from "../oci/imagePlace.js";
import { formatReference, parseReference, type Reference } from "../oci/reference.js";
import { assertImage } from "../registry/imageManifest.js";
import { putDocuments } from "../registry/push.js";
import { BlobPusher, UPLOADS } from "../registry/pushBlobs.js";
import { NacreError } from "../support/errors.js";
import type { CopyPlan } from "./copyPlan.js";
import type { CopyTargetEnv } from "./copyRequest.js";
import { archiveStream } from "./engineLoad.js";
import { withTransferEvents } from "./transferEvents.js";

/** Tag of the image in layouts that are only a step on the way. */
const STEP_TAG = "image";

/**
 * Copies into a repository: blobs, then manifests, then what refers to them, the tag last.
 * @throws NacreError USAGE if the name has a digest that the image does not have; what the clients throw
 */
export async function copyToRegistry(
  plan: CopyPlan,
  source: ImageSource,
  { host, path, tag, digest }: Reference,
  env: CopyTargetEnv,
): Promise<void> {
  const { root } = plan.image;
  if (digest !== undefined && digest !== root.digest) {
    throw new NacreError("USAGE", `the image is ${root.digest}, so it cannot be ${digest}`, {
      hint: "name the destination by a tag",
    });
  }
  const from = source.repository?.host === host ? [source.repository.path] : [];
  const { jobs = UPLOADS, signal } = env;
  const pusher = new BlobPusher(env.registries.open(host, path, "push"), { jobs, signal, origins: () => from });
  try {
    await Promise.all(plan.blobs.map((blob) => pushOne(pusher, source, blob, env)));
    await putDocuments(pusher, plan.image.documents, []);
    for (const { documents } of plan.referrers) await putDocuments(pusher, documents, []);
    for (const { documents, tag: own } of plan.tagged) await putDocuments(pusher, documents, [own]);
    if (tag !== undefined) await putDocuments(pusher, plan.image.documents.slice(-1), [tag]);
  } catch (error) {
    pusher.stop();
    await pusher.settle().catch(() => {});
    throw error;
  }
}

async function pushOne(pusher: BlobPusher, source: ImageSource, blob: Descriptor, env: CopyTargetEnv): Promise<void> {
  const { digest, size } = blob;
  await withTransferEvents(
    env,
    { id: `copy:${digest}`, name: `copying ${shortDigest(digest)}`, total: size },
    async (on) => {
      const outcome = await pusher.push(source.blob(blob), ({ bytes }) => on(bytes));
      env.onBlob?.({ digest, size, outcome });
      return [outcome.kind === "pushed" ? "done" : "cached", undefined];
    },
  );
}

/**
 * Copies into an OCI layout or a docker-archive.
 * @throws NacreError OUTPUT, DISK_FULL, CONTENT_INVALID (no container image, for docker-archives), CANCELLED
 */
export async function copyToArchive(
  plan: CopyPlan,
  source: ImageSource,
  place: Extract<ImagePlace, { kind: "archive" }>,
  env: CopyTargetEnv,
): Promise<void> {
  const format = place.format === "docker-archive" ? "docker" : "oci";
  const names = namesIn(place.name, format);
  const destination = { kind: "path", path: place.path } as const;
  await write(plan, source, { destination, format, tar: place.format !== "oci", ...names }, env);
}

/**
 * Copies into Docker, or into containers-storage.
 * @throws NacreError NETWORK, OUTPUT, TOOL_MISSING, REFERENCE_INVALID, CANCELLED
 */
export async function copyToEngine(
  plan: CopyPlan,
  source: ImageSource,
  { engine, name }: Extract<ImagePlace, { kind: "engine" }>,
  env: CopyTargetEnv,
): Promise<void> {
  if (typeof name === "string" || name.digest !== undefined) {
    throw new NacreError("REFERENCE_INVALID", "an engine names images by tags, not by digests", {
      hint: "write NAME:TAG",
    });
  }
  const { variables, signal } = env;
  const names = [formatReference(name)];
  if (engine === "docker") {
    const archive = archiveStream((destination) =>
      write(plan, source, { destination, format: "docker", tar: true, names }, env),
    );
    await loadIntoEngine(archive, "docker", { env: variables, signal });
    return;
  }
  const { loadIntoStorage } = await import("../archive/enginePodman.js");
  const path = await mkdtemp(join(tmpdir(), "nacre-copy-"));
  try {
    const destination = { kind: "path", path } as const;
    await write(plan, source, { destination, format: "oci", tar: false, tags: [STEP_TAG] }, env);
    await loadIntoStorage(path, names[0]!, variables, signal);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

interface ArchiveForm {
  readonly destination: Destination;
  readonly format: "oci" | "docker";
  readonly tar: boolean;
  readonly names?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
}

async function write(plan: CopyPlan, source: ImageSource, form: ArchiveForm, env: CopyTargetEnv): Promise<void> {
  const { destination, format, tar, names = [], tags } = form;
  const { root, manifest } = plan.image;
  if (format === "docker" && manifest !== undefined) assertImage(manifest, source.shown);
  const parts = manifest && { config: manifest.config.digest, layers: manifest.layers.map(({ digest }) => digest) };
  const images: ListedImage[] = [
    { descriptor: root, names, tags, parts },
    ...(format === "docker" ? [] : plan.referrers.map((tree) => ({ descriptor: tree.root, names: [] }))),
    ...(format === "docker" ? [] : plan.tagged.map((tree) => ({ descriptor: tree.root, names: [], tags: [tree.tag] }))),
  ];
  const trees = format === "docker" ? [plan.image] : [plan.image, ...plan.referrers, ...plan.tagged];
  const documents = trees.flatMap((tree) => tree.documents);
  const small = documents.map(({ digest, bytes }) => blobOf({ digest, size: bytes.length }, bytes));
  const blobs = plan.blobs.map((blob) => archiveBlob(source, blob, env));
  const { signal, jobs = UPLOADS } = env;
  await writeArchive(destination, { images, blobs: [...blobs, ...small] }, { format, tar, jobs, signal });
}

function archiveBlob(source: ImageSource, blob: Descriptor, env: CopyTargetEnv): ArchiveBlob {
  const { digest, size } = blob;
  return { digest, size, open: () => reported(source.blob(blob).open(0), blob, env) };
}

/** A blob's bytes, with the events of its transfer. */
async function* reported(
  content: AsyncIterable<Uint8Array>,
  { digest, size }: Descriptor,
  { emit = () => {}, now, onBlob }: CopyTargetEnv,
): AsyncGenerator<Uint8Array> {
  const id = `copy:${digest}`;
  emit({ type: "start", id, name: `copying ${shortDigest(digest)}`, time: now() });
  let bytes = 0;
  let whole = false;
  try {
    for await (const chunk of content) {
      yield chunk;
      bytes += chunk.length;
      emit({ type: "progress", id, current: bytes, total: size, unit: "bytes", time: now() });
    }
    whole = true;
    onBlob?.({ digest, size, outcome: { kind: "pushed" } });
  } finally {
    emit({ type: "end", id, outcome: whole ? "done" : "error", time: now() });
  }
}

/** A whole name where the text is one; else a tag. */
function namesIn(text: string | undefined, format: "oci" | "docker"): Pick<ArchiveForm, "names" | "tags"> {
  if (text === undefined) return {};
  if (format === "oci" && !/[:/]/.test(text)) return { tags: [text] };
  return { names: [formatReference(parseReference(text))] };
}
