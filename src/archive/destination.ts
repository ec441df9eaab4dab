/** Where one file of output goes: a path, which is replaced only by a whole file, or a stream. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Writable } from "node:stream";
import { makeDirectories } from "../store/files.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";

/** A path, or an open stream (standard output), which is not ended. */
export type Destination =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "stream"; readonly stream: NodeJS.WritableStream };

/** Takes the next bytes; wait for it before giving it more. */
export type Sink = (chunk: Uint8Array) => void | Promise<void>;

/**
 * Writes one file. A path gets its name only when everything is written; until then, and for ever if `produce` fails,
 * whatever was there before stays. Devices and pipes are written in place.
 * @param produce makes the bytes
 * @throws NacreError OUTPUT, DISK_FULL, and whatever `produce` throws
 */
export async function writeDestination(
  destination: Destination,
  produce: (sink: Sink) => Promise<void>,
): Promise<void> {
  if (destination.kind === "stream") return writeStream(destination.stream, produce);
  const { path } = destination;
  const there = statOf(path);
  if (there?.isDirectory()) {
    throw new NacreError("OUTPUT", `cannot write ${path}: it is a directory`, {
      hint: "name a file, or remove it first",
    });
  }
  if (there && !there.isFile()) return writeInPlace(path, produce);
  await writeBeside(there ? realpathSync(path) : path, path, produce);
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw ioError("OUTPUT", `writing ${path}`, error, "choose a place that you may write to");
  }
}

async function writeBeside(target: string, shown: string, produce: (sink: Sink) => Promise<void>): Promise<void> {
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
  const fd = openFile(temporary, "wx", shown);
  let open = true;
  try {
    await produce(fileSink(fd, shown));
    open = false;
    closeSync(fd);
    renameSync(temporary, target);
  } catch (error) {
    if (open) closeSync(fd);
    rmSync(temporary, { force: true });
    throw errnoOf(error) ? ioError("OUTPUT", `writing ${shown}`, error) : error;
  }
}

async function writeInPlace(path: string, produce: (sink: Sink) => Promise<void>): Promise<void> {
  const fd = openFile(path, "w", path);
  try {
    if (fstatSync(fd).isDirectory()) throw new NacreError("OUTPUT", `cannot write ${path}: it is a directory`);
    await produce(fileSink(fd, path));
  } finally {
    closeSync(fd);
  }
}

function openFile(path: string, flags: string, shown: string): number {
  try {
    return openSync(path, flags, 0o666);
  } catch (error) {
    const isMissing = errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR";
    const hint = isMissing ? `make the directory ${dirname(shown)} first` : "choose a place that you may write to";
    throw ioError("OUTPUT", `writing ${shown}`, error, hint);
  }
}

function fileSink(fd: number, shown: string): Sink {
  return (chunk) => {
    try {
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at);
    } catch (error) {
      throw ioError("OUTPUT", `writing ${shown}`, error);
    }
  };
}

/**
 * Fills a directory, which is made if it is not there. One that was made here goes again if that fails; in one that was
 * there, what is written so far stays.
 * @throws NacreError OUTPUT, DISK_FULL, and whatever `fill` throws
 */
export async function fillDirectory<T>(path: string, fill: () => Promise<T>): Promise<T> {
  const made = makeOutputDirectory(path);
  try {
    return await fill();
  } catch (error) {
    if (made !== undefined) removeQuietly(made);
    throw error;
  }
}

/** @returns the topmost directory that had to be made, or undefined if all were there */
function makeOutputDirectory(path: string): string | undefined {
  try {
    return makeDirectories(path);
  } catch (error) {
    throw ioError("OUTPUT", `making ${path}`, error, "name a directory that you may write to");
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The error on the way here is the one to tell.
  }
}

async function writeStream(stream: NodeJS.WritableStream, produce: (sink: Sink) => Promise<void>): Promise<void> {
  let failure: NacreError | undefined;
  let wake = (): void => {};
  const onError = (error: unknown): void => {
    failure ??= ioError("OUTPUT", "writing the output to a stream", error, "whoever reads it has stopped");
    wake();
  };
  const onDrain = (): void => wake();
  const onClose = (): void => onError(new Error("the stream was closed"));
  stream.on("error", onError).on("drain", onDrain).on("close", onClose);
  // One that has failed already does not tell it again.
  if (stream instanceof Writable && stream.destroyed) onError(stream.errored ?? new Error("the stream was closed"));
  try {
    await produce(async (chunk) => {
      if (failure) throw failure;
      const drained = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (!stream.write(chunk)) await drained;
      if (failure) throw failure;
    });
  } finally {
    stream.off("error", onError).off("drain", onDrain).off("close", onClose);
  }
}
