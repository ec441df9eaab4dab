/** Making snapshots last beyond a power cut, without anyone waiting for it. */
import { spawn } from "node:child_process";
import type { StoredSnapshot } from "../store/snapshots.js";
import type { Store } from "../store/store.js";

/**
 * Milliseconds after which the kernel has long written files out by itself (dirty_expire_centisecs is 30 s). Synchronising
 * means the whole file system: it holds up everyone who has just written something.
 */
const SETTLE_AFTER = 15 * 60_000;
/** Each step of a build asks for the same snapshots again. */
const asked = new WeakSet<StoredSnapshot>();
/** Bytes of a snapshot that is quicker made anew than synchronised. */
const SMALL = 64 << 20;

/**
 * Synchronises the file system in the background if there are snapshots that are old enough for that to cost next to
 * nothing, and notes it. One that is never noted is made anew after the next boot, nothing else.
 */
export function syncLater(store: Store, snapshots: readonly StoredSnapshot[]): void {
  const now = store.directory.now();
  const due = snapshots.filter((one) => !one.synced && now - one.created > SETTLE_AFTER && !asked.has(one));
  if (!due.some(({ bytes }) => bytes >= SMALL) || store.directory.readOnly) return;
  for (const one of due) asked.add(one);
  const child = spawn("sync", ["-f", store.directory.at("snapshots")], {
    stdio: "ignore",
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C" },
  });
  child.once("error", () => {});
  child.once("exit", (code) => {
    if (code === 0) for (const { name } of due) store.snapshots.noteSynced(name);
  });
  child.unref();
}
