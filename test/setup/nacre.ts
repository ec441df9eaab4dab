import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";

const cli = fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));

/** How a command ended: its exit code (null if a signal ended it), and standard output and error as they came. */
export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/**
 * Runs nacre's command as it is built in dist/, without colours and without a SOURCE_DATE_EPOCH from outside.
 * @param home the store
 * @param stdin a file for its standard input, which is empty otherwise
 */
export function runNacre(
  home: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
  stdin?: string,
): Promise<Ended> {
  const env: NodeJS.ProcessEnv = { ...process.env, NACRE_HOME: home, NO_COLOR: "1", ...more };
  delete env.SOURCE_DATE_EPOCH;
  return run([process.execPath, cli, ...args], { env, stdin });
}

/** Where and how {@link run} starts a program. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** A file for its standard input, which is empty otherwise. */
  readonly stdin?: string | undefined;
}

/** Runs a program to its end. Rejects only if it cannot be started. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { stdin, ...rest } = options;
  return new Promise((resolve, reject) => {
    const input = stdin === undefined ? ("ignore" as const) : openSync(stdin, "r");
    const child = spawn(argv[0]!, argv.slice(1), { ...rest, stdio: [input, "pipe", "pipe"] });
    if (input !== "ignore") closeSync(input);
    let output = "";
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        output += chunk;
      });
    }
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}
