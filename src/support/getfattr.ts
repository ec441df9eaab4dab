/** Reading what getfattr prints. */
import type { ByteString } from "./bytes.js";
import { NacreError } from "./errors.js";

/** A line is a name, or a name and a value of at most 64 KiB in hex, both with escapes. */
const MAX_LINE = 1 << 20;

/**
 * Reads getfattr's dump (`-e hex`) in pieces of any size: `# file: PATH`, then `NAME=0xHEX` for each attribute, then an
 * empty line. In paths and names, backslash, newline, carriage return (and in names =) stand as three octal digits after a
 * backslash.
 */
export class GetfattrReader {
  readonly #take: (path: ByteString, name: ByteString, value: ByteString) => void;
  #path: ByteString | undefined;
  #rest = "";

  constructor(take: (path: ByteString, name: ByteString, value: ByteString) => void) {
    this.#take = take;
  }

  /** @throws NacreError CONTENT_INVALID for what getfattr never prints */
  write(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString("latin1")).split("\n");
    this.#rest = lines.pop()!;
    if (this.#rest.length > MAX_LINE) throw unexpected("a line is too long");
    for (const line of lines) this.#line(line);
  }

  /** @throws NacreError CONTENT_INVALID if the last line is not complete */
  end(): void {
    if (this.#rest !== "") throw unexpected("it ends in the middle of a line");
  }

  #line(line: string): void {
    if (line === "") return;
    if (line.startsWith("# file: ")) {
      this.#path = unescaped(line.slice(8));
      return;
    }
    // A name without value is how an attribute is told that has none.
    const found = /^([^=]+)(?:=(?:0x((?:[0-9a-fA-F]{2})*)|""))?$/.exec(line);
    if (found === null || this.#path === undefined) throw unexpected(`a line is ${JSON.stringify(line.slice(0, 80))}`);
    this.#take(this.#path, unescaped(found[1]!), Buffer.from(found[2] ?? "", "hex").toString("latin1"));
  }
}

const unescaped = (text: ByteString): ByteString =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

function unexpected(what: string): NacreError {
  return new NacreError("CONTENT_INVALID", `the list of extended attributes cannot be understood: ${what}`);
}
