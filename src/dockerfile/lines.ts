/** From the text of a file to its physical lines. */
import { encodeText } from "../support/bytes.js";
import type { SourceText } from "./sourceText.js";

/** BuildKit reads lines through a 64 KiB buffer, one byte of which is the terminator. */
export const MAX_LINE_BYTES = 65_535;

/** One physical line; offsets count UTF-16 units of the text. */
export interface PhysicalLine {
  /** The first line is 1. */
  readonly number: number;
  /** Where the line starts, a byte-order mark included: column 0. */
  readonly origin: number;
  /** Where its content starts: after a byte-order mark, else at `origin`. */
  readonly start: number;
  /** Where its content ends, terminator (any run of CR, then LF) excluded. */
  readonly end: number;
  /** Where the next line starts. */
  readonly next: number;
}

/** Hands out the lines of a text one by one. */
export class LineReader {
  readonly #source: SourceText;
  readonly #checkLength: boolean;
  #offset = 0;
  #number = 0;

  constructor(source: SourceText, checkLength: boolean) {
    this.#source = source;
    this.#checkLength = checkLength;
  }

  /**
   * The next line, or undefined at the end. A text that ends with a terminator has no empty line after it.
   * @throws NacreError LIMIT_EXCEEDED for a line over {@link MAX_LINE_BYTES} (BuildKit refuses it too)
   */
  next(): PhysicalLine | undefined {
    const { text } = this.#source;
    const origin = this.#offset;
    if (origin >= text.length) return undefined;
    const feed = text.indexOf("\n", origin);
    const next = feed === -1 ? text.length : feed + 1;
    let end = feed === -1 ? text.length : feed;
    this.#offset = next;
    this.#number++;
    if (this.#checkLength) this.#check(origin, end);
    while (end > origin && text.charCodeAt(end - 1) === 0x0d) end--;
    const start = origin === 0 && end > 0 && text.charCodeAt(0) === 0xfeff ? 1 : origin;
    return { number: this.#number, origin, start, end, next };
  }

  #check(origin: number, end: number): void {
    // A UTF-16 unit takes at most three bytes, so most lines need no counting.
    const units = end - origin;
    if (units * 3 <= MAX_LINE_BYTES) return;
    // And at least one, so that only what may fit is counted.
    if (units <= MAX_LINE_BYTES && encodeText(this.#source.text.slice(origin, end)).length <= MAX_LINE_BYTES) return;
    const range = { start: { line: this.#number, column: 0 }, end: { line: this.#number, column: end - origin } };
    throw this.#source.limit(
      `dockerfile line greater than max allowed size of ${MAX_LINE_BYTES}`,
      range,
      "break the line with continuations, or move its text into a file that is copied",
    );
  }
}
