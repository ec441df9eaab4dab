/** Long results: written piece by piece, as fast as they are read. */
import type { OutputStream } from "./invocation.js";

/** Characters that are gathered before they are written. */
const BATCH = 1 << 16;

/**
 * Writes texts one after the other and waits for the reader, so that a result of any length takes little memory. Ends early
 * if the reader goes away.
 */
export async function writeTexts(stream: OutputStream, texts: Iterable<string>): Promise<void> {
  let batch = "";
  for (const text of texts) {
    batch += text;
    if (batch.length < BATCH) continue;
    if (!(await writeOne(stream, batch))) return;
    batch = "";
  }
  if (batch !== "") await writeOne(stream, batch);
}

/** @returns false if nobody reads any more */
async function writeOne(stream: OutputStream, text: string): Promise<boolean> {
  if (stream.destroyed || stream.write(text)) return !stream.destroyed;
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of EVENTS) stream.off(event, done);
      resolve(!stream.destroyed);
    };
    for (const event of EVENTS) stream.on(event, done);
  });
}

const EVENTS = ["drain", "close", "error"] as const;

/** Lines with their terminators. */
export function* asLines(lines: Iterable<string>): Generator<string> {
  for (const line of lines) yield `${line}\n`;
}
