/** A world for commands that runs in the test's own process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { onTestFinished } from "vitest";
import { runCommand } from "../../src/cli/main.js";

/** A directory that is removed after the test. */
export function tempDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "nacre-cli-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** What a command printed, and how it ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run. */
export interface RunSettings {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Readable;
  readonly signal?: AbortSignal;
  /** Pretends that standard error is a terminal of this width. */
  readonly columns?: number;
  /** Milliseconds since 1970; default: the system's clock. */
  readonly now?: number;
}

/** Runs `nacre ARGV`. */
export async function nacre(argv: readonly string[], settings: RunSettings = {}): Promise<Outcome> {
  const stdout = collector();
  const stderr = collector();
  const terminal = settings.columns === undefined ? {} : { isTTY: true, columns: settings.columns, rows: 24 };
  const code = await runCommand(argv, {
    stdin: typeof settings.stdin === "object" ? settings.stdin : Readable.from([Buffer.from(settings.stdin ?? "")]),
    stdout: stdout.stream,
    stderr: Object.assign(stderr.stream, terminal),
    env: settings.env ?? {},
    now: () => settings.now ?? Date.now(),
    signal: settings.signal ?? new AbortController().signal,
  });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

function collector() {
  const stream = new PassThrough();
  let all = "";
  stream.on("data", (chunk: Buffer) => {
    all += chunk.toString();
  });
  return { stream, text: () => all };
}
