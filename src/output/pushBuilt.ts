/**
 * Pushing what a build has made: in the same form, and so with the same digest, as an archive of it would have. Layers are
 * compressed one after the other and sent meanwhile; only blocks that changed are compressed at all.
 */
import type { Image } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import { formatReference, parseReference } from "../oci/reference.js";
import type { PushDocument } from "../registry/push.js";
import type { EncodedDocument } from "./exportedLayer.js";
import { type ImageForm, type PreparedImage, prepareImage } from "./preparedImage.js";
import { layerPushBlob, smallPushBlob } from "./pushSources.js";
import { type PushDocuments, type PushEnv, type PushedImage, type PushItem, pushToAll } from "./pushTargets.js";
import type { ExportedDigests, OutputEnv } from "./request.js";

/** What was pushed, and where it is now. */
export interface PushedBuild {
  readonly image: ExportedDigests;
  /** One for each name. */
  readonly pushed: readonly PushedImage[];
}

/**
 * Pushes an image of the store in the wanted form to all its names.
 * @param names with tags; default tag `latest`
 * @throws NacreError USAGE, REFERENCE_INVALID, CONTENT_INVALID, NETWORK, DENIED, CREDENTIALS, CANCELLED
 */
export async function pushBuilt(
  form: ImageForm,
  image: Image,
  names: readonly string[],
  env: OutputEnv,
  push: PushEnv,
): Promise<PushedBuild> {
  const opened = new OpenLayers(env.store);
  try {
    let prepared: PreparedImage | undefined;
    const pushed = await pushToAll(names, push, async (add, early) => {
      prepared = await prepareImage(form, image, opened, { ...env, early }, (exported, layer) =>
        add({ blob: layerPushBlob(exported), id: layer.diffId }),
      );
      return addDocuments(prepared, add);
    });
    const { descriptor, config, codecs } = prepared!;
    const full = names.map((name) => formatReference(parseReference(name)));
    return { image: { descriptor, configDigest: config.descriptor.digest, names: full, codecs }, pushed };
  } finally {
    opened.close();
  }
}

/** Hands over the config, and what is published beside the image. @returns the manifests, what refers to the image first */
export function addDocuments(image: PreparedImage, add: (item: PushItem) => void): PushDocuments {
  const { config, manifest, index, published } = image;
  for (const { descriptor, bytes } of [config, ...(published?.blobs ?? [])]) {
    add({ blob: smallPushBlob(descriptor, bytes) });
  }
  const subject = manifest.descriptor.digest;
  const artifacts = published ? [{ ...documentOf(published.manifest), subject }] : [];
  return [...artifacts, ...[manifest, ...(index ? [index] : [])].map(documentOf)];
}

function documentOf({ descriptor, bytes }: EncodedDocument): PushDocument {
  return { mediaType: descriptor.mediaType, digest: descriptor.digest, bytes };
}
