/**
 * One image under several names, in one registry or in several: to each repository every blob goes once, while what is
 * to be pushed is still being made. What the first repository has got, others of the same registry get by a mount.
 */
import type { Digest } from "../oci/digest.js";
import { shortDigest } from "../oci/digest.js";
import { familiarName, formatReference, parseReference, type Reference } from "../oci/reference.js";
import { blobOrigins, noteBlobOrigin } from "../registry/blobOrigins.js";
import type { EarlyBlob } from "../registry/earlyBlob.js";
import { type PushDocument, putDocuments } from "../registry/push.js";
import { type BlobOutcome, BlobPusher, type PushBlob } from "../registry/pushBlobs.js";
import type { Registries } from "../registry/types.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { type TransferEnv, withTransferEvents } from "./transferEvents.js";

/** What pushes need beside the image. Events are those of each layer, with ids `push:REPOSITORY:DIGEST`. */
export interface PushEnv extends TransferEnv {
  readonly store: Store;
  readonly registries: Registries;
  /** Blobs at once; default 5. */
  readonly uploads?: number | undefined;
  /** Told of each layer that a repository has now. */
  readonly onLayer?: ((layer: PushedLayer, repository: string) => void) | undefined;
}

/** A layer in a repository. */
export interface PushedLayer {
  /** How people know it: its diffID where it has one, else its digest. */
  readonly id: Digest;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly outcome: BlobOutcome;
}

/** An image under one name. */
export interface PushedImage {
  /** Full name, with the tag; without one where it was pushed by its digest alone. */
  readonly name: string;
  readonly digest: Digest;
  /** Bytes of the manifest or image index. */
  readonly size: number;
  readonly layers: readonly PushedLayer[];
}

/** A layer, or (without `id`) something else that is to be pushed. */
export interface PushItem {
  readonly blob: PushBlob;
  readonly id?: Digest | undefined;
}

/** Manifests of an image, children first; the last one is the image itself. */
export type PushDocuments = readonly PushDocument[];

/** A repository and the tags that the image is to have there. */
interface Target {
  readonly host: string;
  readonly path: string;
  readonly names: readonly { readonly full: string; readonly tag: string | undefined }[];
}

/**
 * Pushes an image to all its names.
 * @param make makes what is to be pushed, and hands over each blob as soon as it is known, or even before that
 * @throws NacreError REFERENCE_INVALID for a name with a digest; what `make` and the clients throw
 */
export async function pushToAll(
  names: readonly string[],
  env: PushEnv,
  make: (add: (item: PushItem) => void, early: () => EarlyBlob) => Promise<PushDocuments>,
): Promise<PushedImage[]> {
  const [first, ...others] = targetsOf(names);
  if (first === undefined)
    throw new NacreError("USAGE", "an image without a name cannot be pushed", { hint: "give it one: -t NAME" });
  const items: PushItem[] = [];
  let documents: PushDocuments = [];
  const pushed = await pushToOne(first, env, async (add, early) => {
    documents = await make((item) => {
      items.push(item);
      add(item);
    }, early);
    return documents;
  });
  for (const target of others) {
    const more = await pushToOne(target, env, async (add) => {
      for (const item of items) add(item);
      return documents;
    });
    pushed.push(...more);
  }
  return pushed;
}

/** One entry for each repository, in the order in which they are named first. */
function targetsOf(names: readonly string[]): Target[] {
  const targets = new Map<string, { host: string; path: string; names: Target["names"][number][] }>();
  for (const text of names) {
    const reference = parseReference(text);
    if (reference.digest !== undefined) {
      throw new NacreError("REFERENCE_INVALID", `cannot push to a name with a digest: ${text}`, {
        hint: "write name:tag; the digest follows from the image",
      });
    }
    const { host, path, tag } = reference;
    const target = targets.get(`${host}/${path}`) ?? { host, path, names: [] };
    targets.set(`${host}/${path}`, target);
    const full = formatReference(reference);
    if (!target.names.some((name) => name.full === full)) target.names.push({ full, tag });
  }
  return [...targets.values()];
}

async function pushToOne(
  { host, path, names }: Target,
  env: PushEnv,
  make: (add: (item: PushItem) => void, early: () => EarlyBlob) => Promise<PushDocuments>,
): Promise<PushedImage[]> {
  const { store } = env;
  const pusher = new BlobPusher(env.registries.open(host, path, "push"), {
    jobs: env.uploads,
    signal: env.signal,
    origins: (digest) => blobOrigins(store, host, digest),
    onPresent: (digest) => noteBlobOrigin(store, host, path, [digest]),
  });
  const layers = new Map<Digest, Promise<PushedLayer>>();
  try {
    const documents = await make(
      (item) => {
        if (item.id === undefined) void pusher.push(item.blob).catch(() => {});
        else if (!layers.has(item.blob.digest))
          layers.set(item.blob.digest, pushLayer(pusher, item.blob, item.id, { host, path }, env));
      },
      () => pusher.early(),
    );
    const tags = names.flatMap(({ tag }) => (tag === undefined ? [] : [tag]));
    await putDocuments(pusher, documents, tags);
    const { digest, bytes } = documents.at(-1)!;
    const done = await Promise.all(layers.values());
    return names.map(({ full }) => ({ name: full, digest, size: bytes.length, layers: done }));
  } catch (error) {
    pusher.stop();
    await pusher.settle().catch(() => {});
    throw error;
  }
}

function pushLayer(
  pusher: BlobPusher,
  blob: PushBlob,
  layer: Digest,
  { host, path }: Pick<Reference, "host" | "path">,
  env: PushEnv,
): Promise<PushedLayer> {
  const repository = `${host}/${path}`;
  const id = `push:${repository}:${layer}`;
  const name = `pushing ${shortDigest(layer)} to ${familiarName({ host, path })}`;
  const pushing = withTransferEvents(env, { id, name, total: blob.size }, async (onBytes) => {
    const outcome = await pusher.push(blob, ({ bytes }) => onBytes(bytes));
    const pushed: PushedLayer = { id: layer, digest: blob.digest, size: blob.size, outcome };
    env.onLayer?.(pushed, repository);
    return [outcome.kind === "pushed" ? "done" : "cached", pushed];
  });
  pushing.catch(() => {});
  return pushing;
}
