/**
 * Unpacking streams. In come the bytes of a blob or an archive, compressed or not, out go the uncompressed bytes, as
 * they come, in bounded memory. Damage is an error that names it, never a short result; what a small stream unpacks to
 * is limited. gzip and (where Node has it) zstd are Node's own; zstd elsewhere is decoded in JavaScript; bzip2 and xz
 * are decoded by the system's programs, which never outlive the stream.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Transform, Writable } from "node:stream";
import * as zlib from "node:zlib";
import { errnoOf, isNacreError, NacreError } from "../support/errors.js";
import { MAX_ZSTD_WINDOW, ZstdDecoder } from "./zstdDecode.js";

/** A format that can be unpacked. */
export type CompressionFormat = "none" | "gzip" | "bzip2" | "xz" | "zstd";

export interface DecompressOptions {
  /** What the source is; told from its first bytes when absent. */
  readonly format?: CompressionFormat | undefined;
  /** Bytes that may come out; default 64 GiB. */
  readonly maxOutput?: number | undefined;
  /** How many bytes may come out for one that went in; default 200. Not applied to the first {@link ratioFrom} bytes. */
  readonly maxRatio?: number | undefined;
  /** Output from which on the ratio counts: well compressed small things are harmless; default 1 GiB. */
  readonly ratioFrom?: number | undefined;
}

const GIB = 1024 ** 3;
const SNIFF_LENGTH = 8;
const CHUNK_SIZE = 256 * 1024;
/** xz's largest preset wants 65 MiB; a header may claim 4 GiB. */
const XZ_MEMORY = "256MiB";

const TOOLS = {
  xz: { args: ["-dc", "-T1", `--memlimit-decompress=${XZ_MEMORY}`], debianPackage: "xz-utils" },
  bzip2: { args: ["-dc"], debianPackage: "bzip2" },
} as const;

/** The compression of a stream by its first bytes (8 are enough); what is not recognized is `none`. */
export function sniffCompression(head: Uint8Array): CompressionFormat {
  const starts = (...bytes: number[]) => bytes.every((byte, i) => head[i] === byte);
  if (starts(0x1f, 0x8b, 0x08)) return "gzip";
  if (starts(0x42, 0x5a, 0x68) && head[3]! >= 0x31 && head[3]! <= 0x39) return "bzip2";
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return "xz";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  // A skippable frame, with which seekable zstd files may begin.
  const skippable = head.length >= 8 && head[0]! >> 4 === 5 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;
  return skippable ? "zstd" : "none";
}

/**
 * The uncompressed bytes of a stream. Several gzip members, zstd frames or xz streams in a row are one stream; zeros
 * after a gzip stream are ignored as gzip(1) does, anything else there is damage.
 *
 * Leaving the loop early ends the work, the child process and the source.
 *
 * @throws NacreError COMPRESSION for a damaged or truncated stream, LIMIT_EXCEEDED for one that unpacks to too much,
 *   TOOL_MISSING where bzip2 or xz is not installed. What the source throws passes through.
 */
export async function* decompressStream(
  source: AsyncIterable<Buffer>,
  options: DecompressOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const meter = new Meter(options);
  const input = new Source(source, meter);
  try {
    const head = await input.peek(SNIFF_LENGTH);
    const format = options.format ?? sniffCompression(head);
    if (format !== "none" && head.length === 0) throw damaged(format, "it is empty");
    for await (const chunk of decode(format, input)) {
      meter.countOutput(chunk.length);
      yield chunk;
    }
  } finally {
    await input.close();
  }
}

function decode(format: CompressionFormat, input: Source): AsyncIterable<Buffer> {
  if (format === "none") return input;
  if (format === "gzip") return viaTransform(input, zlib.createGunzip({ chunkSize: CHUNK_SIZE }), format, noMore);
  if (format === "zstd") return native.createZstdDecompress ? viaNativeZstd(input) : viaJavaScript(input);
  return viaTool(input, format);
}

/** Counts bytes, and stops what unpacks to too much. */
class Meter {
  readonly #maxOutput: number;
  readonly #maxRatio: number;
  readonly #ratioFrom: number;
  #output = 0;
  input = 0;

  constructor(options: DecompressOptions) {
    this.#maxOutput = options.maxOutput ?? 64 * GIB;
    this.#maxRatio = options.maxRatio ?? 200;
    this.#ratioFrom = options.ratioFrom ?? GIB;
  }

  countOutput(length: number): void {
    this.#output += length;
    if (this.#output > this.#maxOutput) throw bomb(`it unpacks to more than ${this.#maxOutput} bytes`);
    if (this.#output > this.#ratioFrom && this.#output > this.#maxRatio * this.input) {
      throw bomb(`it unpacks to more than ${this.#maxRatio} times its size`);
    }
  }
}

function bomb(why: string): NacreError {
  return new NacreError("LIMIT_EXCEEDED", `the compressed stream is refused: ${why}`, {
    hint: "a stream like this could fill the disk; check where it comes from",
  });
}

/** The source with its first bytes looked at, read by one reader after the other. */
class Source implements AsyncIterable<Buffer> {
  readonly #iterator: AsyncIterator<Buffer>;
  readonly #meter: Meter;
  #unread: Buffer = NOTHING;
  #pending: Promise<IteratorResult<Buffer>> | undefined;
  #done = false;
  /** What the source itself threw. */
  failure: unknown;

  constructor(source: AsyncIterable<Buffer>, meter: Meter) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#meter = meter;
  }

  /** The first bytes, at least `length` unless the source has fewer; they will be read again. */
  async peek(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let have = 0; have < length; ) {
      const chunk = await this.#next();
      if (chunk === undefined) break;
      parts.push(chunk);
      have += chunk.length;
    }
    const head = Buffer.concat(parts);
    this.unread(head);
    return head;
  }

  /** Puts bytes back in front of what is still to be read. */
  unread(bytes: Buffer): void {
    this.#unread = bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) yield chunk;
  }

  /** Tells the source that nobody reads on. A read that is under way is not waited for: it may take forever. */
  async close(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    const closing = this.#iterator.return?.();
    if (this.#pending) closing?.catch(() => {});
    else await closing;
  }

  /** The next bytes, never none. */
  async #next(): Promise<Buffer | undefined> {
    if (this.#unread.length > 0) {
      const chunk = this.#unread;
      this.#unread = NOTHING;
      return chunk;
    }
    while (!this.#done) {
      const chunk = await this.#pull();
      this.#meter.input += chunk.length;
      if (chunk.length > 0) return chunk;
    }
    return undefined;
  }

  async #pull(): Promise<Buffer> {
    try {
      this.#pending = this.#iterator.next();
      const result = await this.#pending;
      if (!result.done) return result.value;
    } catch (error) {
      this.failure = error;
      this.#done = true;
      throw error;
    } finally {
      this.#pending = undefined;
    }
    this.#done = true;
    return NOTHING;
  }
}

const NOTHING = Buffer.alloc(0);

/** What Node has of zstd since 22.15 and 23.8, and older versions have not. */
const native = zlib as {
  readonly createZstdDecompress?: (options: object) => Transform;
  readonly constants: { readonly ZSTD_d_windowLogMax?: number };
};

function createNativeZstd(): Transform {
  const windowLog = Math.log2(MAX_ZSTD_WINDOW);
  const params = { [native.constants.ZSTD_d_windowLogMax!]: windowLog };
  return native.createZstdDecompress!({ chunkSize: CHUNK_SIZE, params });
}

/** Node's decoder stops after a frame: the next one gets a new decoder. */
async function* viaNativeZstd(input: Source): AsyncGenerator<Buffer> {
  while ((await input.peek(1)).length > 0) {
    yield* viaTransform(input, createNativeZstd(), "zstd", (rest) => input.unread(rest));
  }
}

async function* viaJavaScript(input: Source): AsyncGenerator<Buffer> {
  const decoder = new ZstdDecoder();
  for await (const chunk of input) yield* decoder.write(chunk);
  decoder.end();
}

/** @param onRest gets what follows the end of the decoder's stream, see {@link feed} */
async function* viaTransform(
  input: Source,
  transform: Transform,
  format: CompressionFormat,
  onRest: (rest: Buffer) => void,
): AsyncGenerator<Buffer> {
  const feeding = feed(input, transform, onRest);
  feeding.catch((error: unknown) => transform.destroy(error as Error));
  try {
    yield* transform as AsyncIterable<Buffer>;
    await feeding;
    if (onRest === noMore) for await (const chunk of input) noMore(chunk);
  } catch (error) {
    if (input.failure !== undefined) throw input.failure;
    throw isNacreError(error) ? error : damaged(format, reasonOf(error), error);
  } finally {
    transform.destroy();
  }
}

/** Behind the end of a gzip stream there may be zeros, as tapes' blocks are filled up with, and nothing else. */
function noMore(rest: Buffer): void {
  if (rest.some((byte) => byte !== 0)) throw damaged("gzip", "there is something behind its end");
}

/**
 * Writes the input, all of it or up to where the decoder has seen the end of its stream.
 * @param onRest gets the bytes that were read but not taken
 */
async function feed(input: Source, target: Writable, onRest: (rest: Buffer) => void): Promise<void> {
  let written = 0;
  for await (const chunk of input) {
    if (!(await writeTo(target, chunk))) return;
    written += chunk.length;
    // Decoders of node:zlib say how much they took; other programs take all.
    const { bytesWritten = written } = target as { bytesWritten?: number };
    if (bytesWritten < written) {
      onRest(chunk.subarray(chunk.length - (written - bytesWritten)));
      return;
    }
  }
  target.end();
}

/** @returns false if the target is gone */
function writeTo(target: Writable, chunk: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const onClose = () => resolve(false);
    target.once("close", onClose);
    target.write(chunk, (error) => {
      target.off("close", onClose);
      resolve(!error);
    });
  });
}

async function* viaTool(input: Source, format: "xz" | "bzip2"): AsyncGenerator<Buffer> {
  const { args, debianPackage } = TOOLS[format];
  // Options from the environment (XZ_OPT, BZIP2) must not change what comes out.
  const env = { PATH: process.env.PATH, LC_ALL: "C" };
  const child = spawn(format, args, { stdio: ["pipe", "pipe", "pipe"], env });
  const closed = once(child, "close").then(
    () => undefined,
    (error: unknown) => error,
  );
  const complaint = collect(child.stderr);
  // A program that has seen enough closes its input; its exit code tells why.
  child.stdin.on("error", () => {});
  const feeding = feed(input, child.stdin, noMore);
  feeding.catch(() => child.kill("SIGKILL"));
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    const failure = await closed;
    if (input.failure !== undefined) throw input.failure;
    if (failure !== undefined) throw toolFailure(format, debianPackage, failure);
    if (child.exitCode !== 0) throw damaged(format, lastLine(await complaint) || `${format} failed`);
    await feeding;
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await closed;
  }
}

function toolFailure(tool: string, debianPackage: string, error: unknown): NacreError {
  if (errnoOf(error) !== "ENOENT") return damaged(tool, `${tool} could not be started: ${reasonOf(error)}`, error);
  return new NacreError("TOOL_MISSING", `the program ${tool} is needed to unpack this and is not installed`, {
    hint: `install it; on Debian and Ubuntu: apt-get install ${debianPackage}`,
    facts: { tool },
  });
}

/** What a program says of its failure: its first kilobytes, the rest is thrown away. */
async function collect(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream) if (text.length < 8192) text += String(chunk);
  return text;
}

const lastLine = (text: string) => text.trim().split("\n").at(-1) ?? "";
const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function damaged(format: string, why: string, cause?: unknown): NacreError {
  return new NacreError("COMPRESSION", `the ${format} stream is damaged: ${why}`, {
    hint: "fetch or compress it again",
    cause,
  });
}
