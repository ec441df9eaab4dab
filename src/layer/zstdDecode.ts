/**
 * zstd in JavaScript, for Node versions without their own. fzstd decodes the blocks; this module walks the frames
 * (RFC 8878, section 3.1) around them: it starts each frame anew, skips skippable ones, refuses windows that are too
 * large *before* they are allocated, bounds the work that tiny blocks can cause, and verifies sizes and checksums, which
 * fzstd does not.
 */
import { Decompress } from "fzstd";
import { NacreError } from "../support/errors.js";
import { XxHash64 } from "./xxhash64.js";

/** Largest window that is accepted: zstd's own limit (`--long=27`). */
export const MAX_ZSTD_WINDOW = 128 * 1024 * 1024;

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a5;
const MAX_BLOCK = 128 * 1024;
const MAX_FRAME_HEADER = 18;
/** The window descriptor of 128 KiB. */
const BLOCK_WINDOW = 7 << 3;

/** fzstd moves its whole window for each block. Blocks of a few bytes in a large window would keep it busy for hours. */
const FREE_MOVES = 16 * 1024 ** 3;
const MOVES_PER_BYTE = 2048;

interface FrameHeader {
  readonly isSingleSegment: boolean;
  readonly windowSize: number;
  readonly contentSize: number | undefined;
  readonly hasChecksum: boolean;
}

/** What the next bytes are. */
type State = "magic" | "frameHeader" | "skip" | "blockHeader" | "block" | "checksum";

/** A push decoder: {@link write} gives what the bytes so far unpack to. */
export class ZstdDecoder {
  #state: State = "magic";
  #need = 4;
  #parts: Buffer[] = [];
  #have = 0;
  #skip = 0;

  #frame: FrameHeader | undefined;
  #frameHeader: Buffer = Buffer.alloc(0);
  #decoder: Decompress | undefined;
  #hash: XxHash64 | undefined;
  #block: Buffer = Buffer.alloc(0);
  #lastBlock = false;
  #frameOutput = 0;
  /** Size of the window that the decoder was given. */
  #window = 0;
  #decoded: Buffer[] = [];
  #moves = 0;
  #output = 0;

  /** @throws NacreError COMPRESSION for a malformed stream, LIMIT_EXCEEDED for one that is made to cost too much */
  *write(chunk: Buffer): Generator<Buffer> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#state === "skip") {
        rest = this.#skipOver(rest);
        continue;
      }
      const taken = rest.subarray(0, this.#need - this.#have);
      this.#parts.push(taken);
      this.#have += taken.length;
      rest = rest.subarray(taken.length);
      if (this.#have === this.#need) this.#onPart();
      yield* this.#decoded.splice(0);
    }
  }

  /** No more bytes come. @throws NacreError COMPRESSION if a frame is not complete */
  end(): void {
    if (this.#state !== "magic" || this.#have > 0) throw damaged("it is cut off");
  }

  #skipOver(bytes: Buffer): Buffer {
    const taken = Math.min(this.#skip, bytes.length);
    this.#skip -= taken;
    if (this.#skip === 0) this.#expect("magic", 4);
    return bytes.subarray(taken);
  }

  #onPart(): void {
    const part = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    if (this.#state === "magic") this.#onMagic(part);
    else if (this.#state === "frameHeader") this.#onFrameHeader(part);
    else if (this.#state === "blockHeader") this.#onBlockHeader(part);
    else if (this.#state === "block") this.#onBlock(part);
    else this.#finishFrame(part);
  }

  /** Waits for a part of `length` bytes; bytes that came already stay. */
  #expect(state: State, length: number, already?: Buffer): void {
    this.#state = state;
    this.#parts = already ? [already] : [];
    this.#have = already?.length ?? 0;
    this.#need = length;
  }

  #onMagic(part: Buffer): void {
    const magic = part.readUInt32LE(0);
    // Five bytes of a frame's header, or eight of a skippable frame's, say how long the rest is.
    if (magic === MAGIC) this.#expect("frameHeader", 5, Buffer.from(part));
    else if (magic >>> 4 === SKIPPABLE) this.#expect("frameHeader", 8, Buffer.from(part));
    else throw damaged("there is something else where a frame should begin");
  }

  #onFrameHeader(part: Buffer): void {
    if (part.readUInt32LE(0) !== MAGIC) {
      this.#skip = part.readUInt32LE(4);
      if (this.#skip > 0) this.#state = "skip";
      else this.#expect("magic", 4);
      return;
    }
    const length = frameHeaderLength(part[4]!);
    if (part.length < length) {
      this.#expect("frameHeader", length, Buffer.from(part));
      return;
    }
    this.#startFrame(part);
  }

  #startFrame(header: Buffer): void {
    this.#frame = readFrameHeader(header);
    this.#hash = this.#frame.hasChecksum ? new XxHash64() : undefined;
    this.#frameOutput = 0;
    this.#frameHeader = Buffer.from(header);
    this.#decoder = undefined;
    this.#expect("blockHeader", 3);
  }

  /**
   * Begins to decode a frame at its first block. A frame of one block needs no window beyond that block: streams of a
   * frame for each small file would otherwise cost megabytes a frame.
   */
  #startDecoder(): Decompress {
    const decoder = new Decompress((bytes) => this.#onOutput(bytes));
    const frame = this.#frame!;
    if (this.#lastBlock && !frame.isSingleSegment && frame.windowSize > MAX_BLOCK) {
      this.#frameHeader[5] = BLOCK_WINDOW;
      this.#window = MAX_BLOCK;
    } else {
      this.#window = frame.windowSize;
    }
    this.#spend(this.#window);
    this.#decoder = decoder;
    this.#push(this.#frameHeader, false);
    return decoder;
  }

  #onBlockHeader(part: Buffer): void {
    const header = part.readUIntLE(0, 3);
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    if (type === 3 || size > MAX_BLOCK) throw damaged("a block is malformed");
    this.#lastBlock = (header & 1) === 1;
    // A block of type 1 repeats a single byte.
    this.#expect("block", 3 + (type === 1 ? 1 : size), Buffer.from(part));
    if (this.#need === 3) this.#onBlock(Buffer.from(part));
  }

  #onBlock(part: Buffer): void {
    this.#decoder ??= this.#startDecoder();
    this.#spend(this.#window);
    if (this.#lastBlock) {
      this.#block = Buffer.from(part);
      if (this.#frame!.hasChecksum) this.#expect("checksum", 4);
      else this.#finishFrame(Buffer.alloc(0));
      return;
    }
    this.#push(Buffer.from(part), false);
    this.#expect("blockHeader", 3);
  }

  #finishFrame(checksum: Buffer): void {
    this.#push(Buffer.concat([this.#block, checksum]), true);
    const { contentSize } = this.#frame!;
    if (contentSize !== undefined && contentSize !== this.#frameOutput)
      throw damaged("a frame has not the size that it says");
    if (this.#hash && this.#hash.low32() !== checksum.readUInt32LE(0)) throw damaged("a checksum is wrong");
    this.#decoder = undefined;
    this.#expect("magic", 4);
  }

  #push(bytes: Buffer, last: boolean): void {
    try {
      this.#decoder!.push(bytes, last);
    } catch (error) {
      throw damaged(error instanceof Error ? error.message : String(error), error);
    }
  }

  #onOutput(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#frameOutput += buffer.length;
    this.#output += buffer.length;
    this.#hash?.update(buffer);
    this.#decoded.push(buffer);
  }

  #spend(moved: number): void {
    this.#moves += moved;
    if (this.#moves > FREE_MOVES + MOVES_PER_BYTE * this.#output) {
      throw new NacreError("LIMIT_EXCEEDED", "the zstd stream is made of too many tiny blocks in a large window", {
        hint: "compress it again, or use a Node version with zstd of its own (22.15 or newer)",
      });
    }
  }
}

/** Length of a frame's header with its magic, from its descriptor byte. */
function frameHeaderLength(descriptor: number): number {
  const single = (descriptor & 0x20) !== 0;
  const idLength = [0, 1, 2, 4][descriptor & 3]!;
  return 5 + (single ? 0 : 1) + idLength + contentSizeLength(descriptor);
}

function contentSizeLength(descriptor: number): number {
  const code = descriptor >>> 6;
  if (code === 0) return (descriptor & 0x20) !== 0 ? 1 : 0;
  return 1 << code;
}

function readFrameHeader(header: Buffer): FrameHeader {
  if (header.length > MAX_FRAME_HEADER) throw damaged("a frame's header is malformed");
  const descriptor = header[4]!;
  if ((descriptor & 0x08) !== 0) throw damaged("a frame's header is malformed");
  const idLength = [0, 1, 2, 4][descriptor & 3]!;
  const single = (descriptor & 0x20) !== 0;
  const idAt = single ? 5 : 6;
  if (header.subarray(idAt, idAt + idLength).some((byte) => byte !== 0)) {
    throw damaged("it needs a dictionary, which is not supported");
  }
  const contentSize = readContentSize(header, idAt + idLength, contentSizeLength(descriptor));
  const windowSize = single ? contentSize! : windowOf(header[5]!);
  if (windowSize > MAX_ZSTD_WINDOW) {
    throw new NacreError(
      "LIMIT_EXCEEDED",
      `the zstd stream wants a window of ${windowSize} bytes (the limit is ${MAX_ZSTD_WINDOW})`,
      {
        hint: "compress it with a smaller window: zstd --long=27 or less",
      },
    );
  }
  return { isSingleSegment: single, windowSize, contentSize, hasChecksum: (descriptor & 0x04) !== 0 };
}

function windowOf(byte: number): number {
  const base = 2 ** (10 + (byte >>> 3));
  return base + (base / 8) * (byte & 7);
}

function readContentSize(header: Buffer, at: number, length: number): number | undefined {
  if (length === 0) return undefined;
  if (length === 8) return Number(header.readBigUInt64LE(at));
  // Two bytes count from 256 on, because one byte has what is below.
  return header.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}

function damaged(why: string, cause?: unknown): NacreError {
  return new NacreError("COMPRESSION", `the zstd stream is damaged: ${why}`, {
    hint: "fetch or compress it again",
    cause,
  });
}
