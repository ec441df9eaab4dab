/** Asking before something is lost. */
import type { Invocation } from "./invocation.js";

/**
 * Asks a question on the terminal. Only `y` and `yes` are a yes; the end of the input is a no.
 * @throws the signal's reason on Ctrl-C
 */
export async function confirm(invocation: Invocation, question: string): Promise<boolean> {
  const { stdin, stderr, signal } = invocation;
  const { createInterface } = await import("node:readline/promises");
  signal.throwIfAborted();
  const lines = createInterface({ input: stdin, output: stderr });
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  signal.addEventListener("abort", stop, { once: true });
  lines.on("close", stop);
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal: controller.signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Error && error.name === "AbortError") return false;
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    lines.close();
  }
}

/** True where someone can be asked. */
export function canAsk({ stdin, stderr }: Invocation): boolean {
  return stdin.isTTY === true && stderr.isTTY === true;
}
