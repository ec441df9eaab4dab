/** Images made here, on their way into a local engine: the archive is written while the engine reads it. */
import { PassThrough } from "node:stream";
import type { Destination } from "../archive/destination.js";
import { type Engine, type EngineEnv, loadIntoEngine } from "../archive/engine.js";
import type { Image } from "../image/image.js";
import { writeImageOutput } from "./imageOutput.js";
import type { ImageForm } from "./preparedImage.js";
import type { ExportedDigests, OutputEnv } from "./request.js";

/** What an engine was given, and what it says of it. */
export interface LoadedBuild {
  readonly image: ExportedDigests;
  /** As the engine names what it has loaded. */
  readonly loaded: readonly string[];
}

/**
 * Loads an image of the store into an engine, under the names of the environment (`nacre build --load`).
 * @throws NacreError NETWORK, OUTPUT, USAGE, CONTENT_INVALID, CANCELLED
 */
export async function loadBuilt(
  form: ImageForm,
  image: Image,
  env: OutputEnv,
  engine: Engine,
  engineEnv: EngineEnv,
): Promise<LoadedBuild> {
  let exported: ExportedDigests | undefined;
  const archive = archiveStream(async (destination) => {
    exported = await writeImageOutput({ ...form, type: "docker", tar: true, destination }, image, env);
  });
  const loaded = await loadIntoEngine(archive, engine, engineEnv);
  return { image: exported!, loaded };
}

/**
 * What a writer of archives writes, as a stream to read from. Where writing fails, reading fails for the same reason; who
 * stops reading stops the writer.
 */
export async function* archiveStream(write: (destination: Destination) => Promise<void>): AsyncGenerator<Uint8Array> {
  const stream = new PassThrough({ highWaterMark: 1 << 20 });
  stream.on("error", () => {});
  let failure: { readonly error: unknown } | undefined;
  const writing = write({ kind: "stream", stream }).then(
    () => void stream.end(),
    (error: unknown) => {
      failure = { error };
      stream.destroy();
    },
  );
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    throw failure === undefined ? error : failure.error;
  } finally {
    stream.destroy();
    await writing;
  }
}
