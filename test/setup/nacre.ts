import { spawn } from "node:child_process";
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
 */
export function runNacre(
  home: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const env: NodeJS.ProcessEnv = { ...process.env, NACRE_HOME: home, NO_COLOR: "1", ...more };
  delete env.SOURCE_DATE_EPOCH;
  return run([process.execPath, cli, ...args], { env });
}

/** Runs a program to its end. Rejects only if it cannot be started. */
export function run(argv: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0]!, argv.slice(1), { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        output += chunk;
      });
    }
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}
