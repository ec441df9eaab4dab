/**
 * Outputs of an image. In: an image in the store, and what is wanted of it. Out: an OCI or Docker archive, its files in
 * a directory, or its files as one tar. Memory does not grow with the image; a file gets its name only when it is
 * whole; the image in the store stays as it is.
 */
import { writeDestination } from "../archive/destination.js";
import type { Image } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import { NacreError } from "../support/errors.js";
import { writeImageOutput } from "./imageOutput.js";
import { writeLocalDirectory } from "./localDirectory.js";
import type { FilesOutput, Output, OutputEnv, OutputResult } from "./request.js";
import { writeRootTar } from "./rootTar.js";

/**
 * Writes one output.
 * @throws NacreError OUTPUT, DISK_FULL, USAGE, CONTENT_INVALID, CANCELLED
 */
export async function writeOutput(output: Output, image: Image, env: OutputEnv): Promise<OutputResult> {
  if (!isFiles(output)) return { image: await writeImageOutput(output, image, env) };
  await writeFiles(output, image, env);
  return {};
}

function isFiles(output: Output): output is FilesOutput {
  return output.type === "local" || output.type === "tar";
}

/**
 * Writes several outputs, one after the other: they share the work of compressing through the store.
 * @throws NacreError as {@link writeOutput}; USAGE if two of them go to the same stream
 */
export async function writeOutputs(
  outputs: readonly Output[],
  image: Image,
  env: OutputEnv,
): Promise<readonly OutputResult[]> {
  const streams = outputs.flatMap(({ destination }) => (destination.kind === "stream" ? [destination.stream] : []));
  if (new Set(streams).size < streams.length) {
    throw new NacreError("USAGE", "two outputs go to standard output", { hint: "give one of them a dest=PATH" });
  }
  const results: OutputResult[] = [];
  for (const output of outputs) results.push(await writeOutput(output, image, env));
  return results;
}

async function writeFiles(output: FilesOutput, image: Image, env: OutputEnv): Promise<void> {
  const opened = new OpenLayers(env.store);
  try {
    const tree = await opened.tree(image.layers);
    if (output.type === "tar") {
      await writeDestination(output.destination, (sink) => writeRootTar(tree, sink, env));
    } else if (output.destination.kind === "path") {
      await writeLocalDirectory(tree, output.destination.path, env);
    } else {
      throw new NacreError("USAGE", "a directory cannot be written to a stream", {
        hint: "give type=local a dest=PATH, or use type=tar",
      });
    }
  } finally {
    opened.close();
  }
}
