/**
 * Bringing a store of an earlier version up to this one. Each step leads from one version to the next, and stands for ever.
 * It may be killed at any moment and begin again, it may find its work half done by another process, and other processes
 * of the earlier version may have the store open meanwhile: so it only adds, or makes anew under another name what
 * readers of both versions must find. The version is written, durably, after the work of each step.
 */
import { ioError } from "../support/errors.js";
import type { StoreDirectory } from "./directory.js";
import { makeDirectory, syncDirectory } from "./files.js";
import { readVersion, STORE_VERSION, versionText } from "./layout.js";
import type { Locks } from "./locks.js";

/** One step of the way. */
export interface Migration {
  /** The version that the store has afterwards. */
  readonly to: number;
  /** Does the work, from the start or from wherever it was left. @throws NacreError or the error of a system call */
  readonly run: (directory: StoreDirectory) => void | Promise<void>;
}

/** All steps, in order. */
export const MIGRATIONS: readonly Migration[] = [
  {
    // Removed records are remembered, and what a project was built from; the directories are made here so that a disk
    // without room for them is met before anything is worked on.
    to: 2,
    run: (directory) => {
      for (const name of ["evictions", "projects"]) makeDirectory(directory.at(name));
    },
  },
];

/** The parts of a store that moving it takes. */
export interface Migrated {
  readonly directory: StoreDirectory;
  readonly locks: Pick<Locks, "withLock">;
}

/**
 * Takes a store from the version it has to the newest one. Several processes may ask for it at once: one does it, the
 * others wait.
 * @throws NacreError STORE, DISK_FULL; the store then has the version that it got to
 */
export async function migrate(store: Migrated, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  const { directory, locks } = store;
  await locks.withLock("migrate", async () => {
    for (const { to, run } of migrations) {
      // Read afresh: another process may have done it while this one waited, or may even be newer.
      const version = readVersion(directory.path) ?? STORE_VERSION;
      if (version >= to) continue;
      try {
        await run(directory);
        syncDirectory(directory.path);
        directory.publish(directory.at("version"), [Buffer.from(versionText(to))], { mode: 0o644, durable: true });
      } catch (error) {
        const doing = `bringing the store ${directory.path} from version ${version} to ${to}`;
        throw ioError("STORE", doing, error, "run any command again: it goes on where it stopped");
      }
    }
  });
}
