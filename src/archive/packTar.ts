/** Writing the tar around images with tar-stream: a deterministic one, in constant memory. */
import { type Pack, pack } from "tar-stream";
import { NacreError } from "../support/errors.js";
import type { Sink } from "./destination.js";

/** An entry: a directory if it has no content. */
export type TarFile =
  | { readonly path: string; readonly open?: undefined }
  | {
      readonly path: string;
      readonly mode: number;
      /** Bytes. */
      readonly size: number;
      open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
    };

const EPOCH = new Date(0);

/**
 * Packs the files in the given order: owned by 0:0, of 1970.
 * @throws NacreError INTERNAL if a file has not the size that it should have, and what `open` or the sink throws
 */
export async function packTar(files: Iterable<TarFile>, sink: Sink): Promise<void> {
  const tar = pack();
  // Whichever side fails first tells what went wrong; the other only sees the stream being closed.
  let failure: { readonly error: unknown } | undefined;
  const first = (error: unknown): void => {
    failure ??= { error };
    tar.destroy();
  };
  const draining = drain(tar, async (chunk) => {
    try {
      await sink(chunk);
    } catch (error) {
      first(error);
    }
  });
  const filling = fill(tar, files).catch(first);
  await draining.catch(first);
  await filling;
  if (failure) throw failure.error;
}

async function drain(tar: Pack, sink: Sink): Promise<void> {
  for await (const chunk of tar) await sink(chunk as Uint8Array);
}

async function fill(tar: Pack, files: Iterable<TarFile>): Promise<void> {
  for (const file of files) {
    if (file.open === undefined) await addDirectory(tar, file.path);
    else await addFile(tar, file);
  }
  tar.finalize();
}

function addDirectory(tar: Pack, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => (error ? reject(error) : resolve());
    tar.entry({ name: path, type: "directory", mode: 0o755, mtime: EPOCH }, done);
  });
}

async function addFile(tar: Pack, file: Exclude<TarFile, { open?: undefined }>): Promise<void> {
  let wake = (): void => {};
  let ended = false;
  const entry = tar.entry({ name: file.path, type: "file", mode: file.mode, size: file.size, mtime: EPOCH });
  const closed = new Promise<void>((resolve) => {
    entry.on("close", () => {
      ended = true;
      wake();
      resolve();
    });
  });
  entry.on("drain", () => wake());
  entry.on("error", () => {});
  let written = 0;
  for await (const chunk of file.open()) {
    if (ended) throw new NacreError("OUTPUT", "the archive was closed while it was being written");
    const drained = new Promise<void>((resolve) => {
      wake = resolve;
    });
    written += chunk.length;
    if (!entry.write(chunk)) await drained;
  }
  if (written !== file.size) {
    throw new NacreError("INTERNAL", `${file.path} has ${written} bytes instead of ${file.size}`);
  }
  entry.end(null);
  await closed;
}
