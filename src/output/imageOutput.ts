/** Writing an image as an archive. */

import type { ArchiveBlob } from "../archive/archiveBlob.js";
import { blobOf } from "../archive/stored.js";
import { writeArchive } from "../archive/write.js";
import type { Image } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import { formatReference, parseReference } from "../oci/reference.js";
import { NacreError } from "../support/errors.js";
import { prepareImage } from "./preparedImage.js";
import type { ExportedDigests, ImageOutput, OutputEnv } from "./request.js";

/**
 * Writes an `oci` or `docker` output.
 * @throws NacreError OUTPUT, DISK_FULL, USAGE, CONTENT_INVALID, CANCELLED
 */
export async function writeImageOutput(output: ImageOutput, image: Image, env: OutputEnv): Promise<ExportedDigests> {
  if (env.index && output.type === "docker") throw noIndexInDockerArchive();
  const names = (output.names ?? env.names).map((name) => formatReference(parseReference(name)));
  const opened = new OpenLayers(env.store);
  try {
    const { descriptor, config, manifest, index, layers, codecs } = await prepareImage(output, image, opened, env);
    const parts = { config: config.descriptor.digest, layers: layers.map((layer) => layer.descriptor.digest) };
    const listed = { descriptor, names, created: env.created, ...(index ? {} : { parts }) };
    const small = [manifest, config, ...(index ? [index] : [])].map(({ descriptor: of, bytes }) => blobOf(of, bytes));
    await writeBlobs(output, [listed], [...small, ...layers.map(({ blob }) => blob)], env);
    return { descriptor, configDigest: parts.config, names, codecs };
  } finally {
    opened.close();
  }
}

async function writeBlobs(
  output: ImageOutput,
  images: Parameters<typeof writeArchive>[1]["images"],
  blobs: readonly ArchiveBlob[],
  env: OutputEnv,
): Promise<void> {
  let before = 0;
  await writeArchive(
    output.destination,
    { images, blobs },
    {
      format: output.type,
      tar: output.tar,
      signal: env.signal,
      onProgress: (bytes) => {
        env.onProgress?.("writing the archive", bytes - before);
        before = bytes;
      },
    },
  );
}

function noIndexInDockerArchive(): NacreError {
  return new NacreError("OUTPUT", "docker exporter does not currently support exporting manifest lists", {
    hint: "leave BUILDKIT_MULTI_PLATFORM out, or write an OCI archive: -o type=oci,dest=FILE",
  });
}
