/**
 * Locks between processes. The kernel holds them: `flock` (util-linux or busybox) runs as a helper process that ends
 * with the pipe to us, so that any death of ours frees the lock. Beside it a symbolic link is made whose target names
 * the owner; it keeps out processes on systems that lack the helper, and is all there is where the helper is missing.
 */
import type { ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf, ioError } from "../support/errors.js";
import type { StoreDirectory } from "./directory.js";
import { isMissing, makeDirectory, namesIn, unlinkIfThere } from "./files.js";
import { HEARTBEAT_INTERVAL, isAlive, livenessOf, ownerName, parseOwner, uniqueSuffix } from "./owner.js";

/** Milliseconds of waiting after which a warning says so. */
const WARN_AFTER = 5_000;
/** Milliseconds between tries where only the owner link can be waited for. */
const POLL = 20;

/** Whether to wait for a lock that is taken. */
type Patience = "wait" | "try";
type Release = () => void | Promise<void>;

/** The locks of one opened store. Not re-entrant: do not ask for a lock while holding it. */
export class Locks {
  readonly #directory: StoreDirectory;
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #helper: string;

  /** @param helper the flock program */
  constructor(directory: StoreDirectory, helper = "flock") {
    this.#directory = directory;
    this.#helper = helper;
  }

  /**
   * Runs the work while no one else, in any process, holds the lock of that name (letters, digits, `-`).
   * @throws NacreError STORE if the lock cannot be taken at all
   */
  async withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
    return (await this.#queued(name, "wait", work))!.result;
  }

  /** The same, but gives up at once where another process holds the lock. @returns undefined if it does */
  async tryWithLock<T>(name: string, work: () => Promise<T>): Promise<{ readonly result: T } | undefined> {
    return this.#queued(name, "try", work);
  }

  /**
   * Removes what killed owners have left. It keeps nobody out for longer than one look, but locks that nobody asks for
   * again would keep it for ever.
   */
  sweep(): void {
    for (const name of namesIn(this.#directory.at("locks"))) {
      // With a further suffix: moved aside by someone who was killed before deleting it.
      if (/\.owner(?:\.[0-9a-f]+)?$/.test(name)) this.#breakIfStale(this.#directory.at("locks", name), false);
    }
  }

  /** Within this process requests wait in line, which saves all but one helper process. */
  async #queued<T>(
    name: string,
    patience: Patience,
    work: () => Promise<T>,
  ): Promise<{ readonly result: T } | undefined> {
    this.#directory.assertWritable();
    const before = this.#queues.get(name) ?? Promise.resolve();
    const turn = before.then(() => this.#holding(name, patience, work));
    const settled = turn.catch(() => undefined);
    this.#queues.set(name, settled);
    try {
      return await turn;
    } finally {
      if (this.#queues.get(name) === settled) this.#queues.delete(name);
    }
  }

  async #holding<T>(
    name: string,
    patience: Patience,
    work: () => Promise<T>,
  ): Promise<{ readonly result: T } | undefined> {
    const release = await this.#take(name, patience);
    if (!release) return undefined;
    try {
      return { result: await work() };
    } finally {
      await release();
    }
  }

  async #take(name: string, patience: Patience): Promise<Release | undefined> {
    const file = this.#directory.at("locks", name);
    const impatience = setTimeout(
      () => this.#directory.warn(`waiting for another process that uses ${file}`),
      WARN_AFTER,
    );
    try {
      makeDirectory(this.#directory.at("locks"));
      const kernel = await takeKernelLock(this.#helper, file, patience);
      if (kernel === "busy") return undefined;
      const releaseKernel = kernel === "unavailable" ? () => {} : kernel;
      const releaseLink = await this.#takeLink(`${file}.owner`, kernel !== "unavailable", patience).catch((error) => {
        void releaseKernel();
        throw error;
      });
      if (!releaseLink) {
        await releaseKernel();
        return undefined;
      }
      return async () => {
        await releaseLink();
        await releaseKernel();
      };
    } catch (error) {
      throw ioError("STORE", `locking ${file}`, error);
    } finally {
      clearTimeout(impatience);
    }
  }

  /** Makes the link that names us; breaks one whose owner is dead. A link has its content from the moment it exists. */
  async #takeLink(path: string, haveKernelLock: boolean, patience: Patience): Promise<Release | undefined> {
    const content = `${haveKernelLock ? "kernel" : "link"}.${ownerName(this.#directory.owner)}.${uniqueSuffix()}`;
    for (;;) {
      try {
        fs.symlinkSync(content, path);
        return this.#holdLink(path, content);
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw error;
      }
      if (this.#breakIfStale(path, haveKernelLock)) continue;
      if (patience === "try") return undefined;
      await sleep(POLL);
    }
  }

  #holdLink(path: string, content: string): Release {
    const timer = setInterval(() => {
      try {
        fs.lutimesSync(path, new Date(), new Date());
      } catch {
        // Gone: someone took us for dead. The kernel's lock, where there is one, still holds.
      }
    }, HEARTBEAT_INTERVAL).unref();
    return () => {
      clearInterval(timer);
      if (readLink(path) === content) unlinkIfThere(path);
    };
  }

  /** Removes the link of a dead owner. @returns true if it is worth trying again at once */
  #breakIfStale(path: string, haveKernelLock: boolean): boolean {
    const content = readLink(path);
    const stat = fs.lstatSync(path, { throwIfNoEntry: false });
    if (content === undefined || !stat) return true;
    const [kind, name = ""] = content.split(".");
    const owner = parseOwner(name);
    // Who held the kernel's lock, which we hold now, is gone, wherever it ran; or only its helper was killed, and it works on.
    const { owner: self } = this.#directory;
    const replaced = haveKernelLock && kind === "kernel" && !(owner && livenessOf(owner, self) === "alive");
    if (!replaced && owner && isAlive(owner, self, stat.mtimeMs, this.#directory.now())) return false;
    const aside = `${path}.${uniqueSuffix()}`;
    try {
      fs.renameSync(path, aside);
    } catch (error) {
      if (isMissing(error)) return true;
      throw error;
    }
    // Another process may have broken the stale link first, and what we moved is its new one: put it back.
    if (readLink(aside) !== content && fs.lstatSync(path, { throwIfNoEntry: false }) === undefined) {
      fs.renameSync(aside, path);
      return false;
    }
    unlinkIfThere(aside);
    return true;
  }
}

/**
 * Takes the kernel's lock through a helper that echoes once it has it. The helper leads a session of its own: a Ctrl-C
 * at the terminal must not free the lock while we are still cleaning up.
 */
async function takeKernelLock(
  helper: string,
  file: string,
  patience: Patience,
): Promise<Release | "busy" | "unavailable"> {
  // Loaded here: a build in which nothing changed takes no lock.
  const { spawn } = await import("node:child_process");
  const options = patience === "try" ? ["-n", "-x"] : ["-x"];
  const child = spawn(helper, [...options, file, "sh", "-c", "echo locked; exec cat >/dev/null"], {
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  return new Promise((resolve) => {
    child.stdin.on("error", () => {});
    child.once("error", () => resolve("unavailable"));
    child.stdout.once("data", () => resolve(() => ended(child)));
    child.once("exit", (code) => resolve(patience === "try" && code === 1 ? "busy" : "unavailable"));
  });
}

/** Lets the helper end, and waits for it, so that whoever asks next finds the lock free. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once("exit", () => resolve());
    child.stdin?.end();
  });
}

function readLink(path: string): string | undefined {
  try {
    return fs.readlinkSync(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
