/** What servers of the tests leave behind is taken away, however a test ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

type Cleaner = () => void | Promise<void>;

const cleaners = new Set<Cleaner>();

/**
 * Runs `clean` when the test file is done, the last one first.
 * @returns does it now, once: later calls wait for the first
 */
export function whenDone(clean: Cleaner): () => Promise<void> {
  let done: Promise<void> | undefined;
  const once = (): Promise<void> => {
    cleaners.delete(once);
    done ??= (async () => clean())();
    return done;
  };
  cleaners.add(once);
  return once;
}

afterAll(async () => {
  for (const clean of [...cleaners].reverse()) await clean();
});

const directories = new Set<string>();

/** A directory that goes when the test file is done, or the process ends. */
export function serverDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "nacre-registry-"));
  directories.add(path);
  whenDone(() => removeDirectory(path));
  return path;
}

/** Removes such a directory now. */
export function removeDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  directories.delete(path);
}

process.on("exit", () => {
  for (const path of directories) removeDirectory(path);
});
