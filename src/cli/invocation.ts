/** One run of the command: everything of the outside world that a command may touch. */
import type { Readable, Writable } from "node:stream";

/** Standard output or error: a stream that may be a terminal. */
export type OutputStream = Writable & {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
};

/** Standard input: a stream that may be a terminal. */
export type InputStream = Readable & { readonly isTTY?: boolean | undefined };

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a command gets to work with. Results go to `stdout`; progress, remarks and errors go to `stderr`. */
export interface Invocation {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Environment;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Aborted by the first Ctrl-C or SIGTERM; the reason is a NacreError CANCELLED. */
  readonly signal: AbortSignal;
  /** While the work goes on, Ctrl-C is the affair of another program on the terminal. Absent where no signals are listened to. */
  readonly leaveSignals?: (<T>(work: () => Promise<T>) => Promise<T>) | undefined;
}

/** Writes lines, each with its terminator. */
export function print(stream: OutputStream, lines: readonly string[]): void {
  if (lines.length > 0) stream.write(lines.map((line) => `${line}\n`).join(""));
}

/** Writes a remark that is no result. */
export function note(invocation: Invocation, text: string): void {
  print(invocation.stderr, [`note: ${text}`]);
}

/**
 * Standard input in pieces, until its end.
 * @throws the signal's reason, if it is aborted meanwhile
 */
export async function* stdinChunks({ stdin, signal }: Invocation): AsyncGenerator<Buffer> {
  signal.throwIfAborted();
  const stop = (): void => void stdin.destroy(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of stdin) yield Buffer.from(chunk);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** All of standard input. @throws the signal's reason, if it is aborted meanwhile */
export async function readStdin(invocation: Invocation): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdinChunks(invocation)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
