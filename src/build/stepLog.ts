/** The output of one executed step: kept whole in the store, told line by line, its end remembered for the error. */
import { createLog, type LogWriter } from "../store/logs.js";
import type { Store } from "../store/store.js";
import { decodeText } from "../support/bytes.js";
import type { Vertex } from "./session.js";

/** Lines of the end that an error carries. */
const TAIL_LINES = 20;
/** Longest piece of a line that is told at once; a program that draws without newlines must not fill memory. */
const MAX_LINE = 64 << 10;

/** See the top of this file. */
export class StepLog {
  readonly #writer: LogWriter;
  readonly #vertex: Vertex;
  readonly #tail: string[] = [];
  #pending: Buffer = Buffer.alloc(0);
  /** Bytes so far. */
  bytes = 0;

  constructor(store: Store, vertex: Vertex) {
    this.#writer = createLog(store);
    this.#vertex = vertex;
  }

  /** Its name in the store. */
  get name(): string {
    return this.#writer.name;
  }

  /** Takes output as it comes. @throws NacreError STORE, DISK_FULL */
  write(chunk: Buffer): void {
    this.#writer.write(chunk);
    this.bytes += chunk.length;
    const text = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
    let end = text.lastIndexOf(10) + 1;
    if (text.length - end > MAX_LINE) end = text.length;
    // Whole lines only: a line must not be torn, and neither a character of several bytes.
    this.#pending = Buffer.from(text.subarray(end));
    if (end > 0) this.#tell(text.subarray(0, end));
  }

  /** Ends it: a last line without a newline is told too. */
  close(): void {
    if (this.#pending.length > 0) this.#tell(this.#pending);
    this.#pending = Buffer.alloc(0);
    this.#writer.close();
  }

  /** Removes it: the step did not come to an end of its own. */
  discard(): void {
    this.#writer.discard();
  }

  /** The last lines. */
  tail(): readonly string[] {
    return this.#tail;
  }

  #tell(bytes: Buffer): void {
    const text = decodeText(bytes);
    this.#vertex.log(text);
    const lines = text.replace(/\n$/, "").split("\n");
    this.#tail.push(...lines.slice(-TAIL_LINES));
    this.#tail.splice(0, this.#tail.length - TAIL_LINES);
  }
}
