/**
 * The isolation level `chroot`: for root without the right to mount. In comes a request, out goes a run in a whole copy
 * of the root file system, entered with chroot(2) and nothing else; the layer is what differs afterwards. There is no
 * /proc and no /sys; in /dev there are nodes only where they may be made; mounts are copies, or caches that are moved in and out.
 */
import * as fs from "node:fs";
import { readAccounts } from "../image/users.js";
import type { LayerTree } from "../layer/layerTree.js";
import { Pace } from "../layer/pace.js";
import { type ByteString, fsPath, toByteString } from "../support/bytes.js";
import { ioError, NacreError } from "../support/errors.js";
import type { ChrootEnv } from "./chrootEnv.js";
import { type CacheHomes, planPlacings } from "./chrootMounts.js";
import { ChrootPlaces, makeDirectory, resolveInRoot } from "./chrootPlaces.js";
import { killAll } from "./chrootProcess.js";
import { recordTree, type TreeRecord } from "./chrootRecord.js";
import { type ChrootRoot, keepRoot, takeRoot } from "./chrootRoots.js";
import { ROOT_NAME, sweepChroots, writeJournal } from "./chrootSweep.js";
import type { PlannedProcess } from "./rootPlan.js";
import { runEnvironment } from "./runEnvironment.js";
import { prepared, RunLife, released } from "./runLife.js";
import { resolveRunUser } from "./runUser.js";
import { keptDirectories } from "./standardMounts.js";
import type { PreparedRun, RunExit, RunIo, RunLayer, RunRequest } from "./types.js";

export type { ChrootEnv } from "./chrootEnv.js";
export { closeChrootRoots } from "./chrootRoots.js";
export { sweepChroots };

/**
 * Makes everything ready. Whoever opens the sandbox has called {@link sweepChroots}.
 * @throws NacreError ISOLATION for what cannot be given here (no network); MOUNT, SOURCE_NOT_FOUND, USER_NOT_FOUND,
 *   TOOL_MISSING, CONTENT_INVALID, STORE, DISK_FULL, CANCELLED; nothing is left behind then
 */
export async function prepareChrootRun(request: RunRequest, env: ChrootEnv): Promise<PreparedRun> {
  if (request.network === "none") {
    throw new NacreError("ISOLATION", "a step cannot be kept from the network at the isolation level chroot", {
      hint: "leave out --network=none, or use a level that has namespaces: nacre info says which work here",
    });
  }
  return prepared(new ChrootRun(request, env));
}

/** See the top of this file. */
class ChrootRun implements PreparedRun {
  readonly #request: RunRequest;
  readonly #env: ChrootEnv;
  readonly #life: RunLife;
  #copy: ChrootRoot | undefined;
  /** Absolute, without symlinks: so the kernel names it. */
  #root = "";
  #tree: LayerTree | undefined;
  #record: TreeRecord | undefined;
  #places: ChrootPlaces | undefined;
  #process: PlannedProcess | undefined;
  #released: Promise<void> | undefined;

  constructor(request: RunRequest, env: ChrootEnv) {
    this.#request = request;
    this.#env = env;
    this.#life = new RunLife(env.events.signal);
  }

  async prepare(): Promise<void> {
    const { layers, store, events } = this.#env;
    this.#tree = await layers.tree(this.#request.root);
    const user = resolveRunUser(this.#request.user, await readAccounts(this.#tree));
    const homes = await this.#acquireCaches();
    this.#copy = await takeRoot({ ...this.#env, ...events }, this.#request.root);
    const { dir } = this.#copy;
    this.#root = fs.realpathSync(`${dir}/${ROOT_NAME}`);
    this.#record = await recordTree(toByteString(this.#root), new Pace(events.signal));
    this.#places = new ChrootPlaces(store, this.#root, dir);
    const root = toByteString(this.#root);
    this.#makeKept(root);
    const placings = await planPlacings(this.#request, this.#env, {
      dir,
      homes,
      onEnd: (undo) => this.#life.onEnd(undo),
    });
    const moved: { home: string; at: ByteString }[] = [];
    for (const placing of placings) {
      if (placing.keepAt !== undefined) {
        moved.push({ home: Buffer.from(placing.keepAt, "latin1").toString(), at: resolveInRoot(root, placing.target) });
        writeJournal(dir, moved);
      }
      await this.#places.put(placing);
    }
    this.#makeCwd(root, user);
    this.#process = this.#planProcess(user);
  }

  execute(
    io: RunIo,
    options: { readonly signal?: AbortSignal | undefined; readonly args?: readonly string[] } = {},
  ): Promise<RunExit> {
    const planned = this.#process;
    const dir = this.#copy?.dir;
    if (planned === undefined || dir === undefined || this.#life.isOver) return Promise.reject(released());
    const running = import("./chrootExecute.js").then(({ executeInChroot }) =>
      executeInChroot({
        process: planned,
        root: this.#root,
        dir,
        args: options.args ?? planned.args,
        io,
        signal: this.#life.signalWith(options.signal),
        warn: this.#env.events.warn,
      }),
    );
    return this.#life.track(running);
  }

  async collect(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<RunLayer> {
    const { store, lease, hand, events } = this.#env;
    const copy = this.#copy;
    if (copy === undefined || this.#life.isOver) throw released();
    await killAll(this.#root);
    await this.#places!.restore();
    writeJournal(copy.dir, []);
    const { collectChroot } = await import("./chrootLayer.js");
    const { layer, reusable } = await collectChroot({
      store,
      root: this.#root,
      beside: copy.dir,
      record: this.#record!,
      below: this.#tree!,
      singleId: hand.singleId,
      mtime: this.#request.mtime,
      signal: this.#life.signalWith(options.signal),
      warn: events.warn,
    });
    lease.protect([layer.diffId]);
    if (reusable) {
      this.#copy = undefined;
      await keepRoot({ ...this.#env, ...events }, { dir: copy.dir, stack: [...copy.stack, layer.diffId] });
    }
    return layer;
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    await this.#life.stop();
    if (this.#root !== "" && this.#copy !== undefined) await killAll(this.#root).catch(() => {});
    for (const target of (await this.#places?.salvage()) ?? []) {
      const message = `what the cache mount ${target} held is lost: the step has moved or replaced it`;
      this.#env.events.warn("CacheLost", message);
    }
    await this.#life.undo();
    // What cannot be removed now, a later process sweeps.
    if (this.#copy !== undefined) await this.#env.store.removeTree(this.#copy.dir).catch(() => {});
    this.#copy = undefined;
    this.#process = undefined;
  }

  /** A cache is moved into one root at a time. */
  async #acquireCaches(): Promise<CacheHomes> {
    const mounts = this.#request.mounts.filter((mount) => mount.type === "cache");
    if (mounts.length === 0) return new Map();
    const wanted = mounts.map((mount) =>
      mount.sharing === "shared" ? { ...mount, sharing: "locked" as const } : mount,
    );
    const { dirs, release } = await this.#env.caches.acquireAll(wanted, { signal: this.#env.events.signal });
    this.#life.onEnd(release);
    return new Map(mounts.map((mount, at) => [mount, dirs[at]!]));
  }

  /** They stay in the layer where the image lacks them, as at the other levels. */
  #makeKept(root: ByteString): void {
    for (const name of keptDirectories(this.#request)) {
      const at = `${root}/${name}`;
      try {
        if (!fs.lstatSync(fsPath(at), { throwIfNoEntry: false })) makeDirectory(at, 0o755);
      } catch (error) {
        throw ioError("STORE", `creating ${this.#root}/${name}`, error);
      }
    }
  }

  #makeCwd(root: ByteString, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
    const { cwd } = this.#request;
    const path = resolveInRoot(root, toByteString(cwd));
    let at = root;
    try {
      for (const part of path.split("/").filter(Boolean)) {
        at = `${at}/${part}`;
        if (!fs.lstatSync(fsPath(at), { throwIfNoEntry: false })) makeDirectory(at, 0o755, uid, gid);
      }
    } catch (error) {
      throw ioError("RUN_FAILED", `creating the working directory ${cwd}`, error);
    }
    if (fs.lstatSync(fsPath(at)).isDirectory()) return;
    throw new NacreError("RUN_FAILED", `the working directory ${cwd} is not a directory`, { hint: "check WORKDIR" });
  }

  #planProcess(user: ReturnType<typeof resolveRunUser>): PlannedProcess {
    const { args, env, secretEnv, cwd, hostname, network, insecure, limits, mounts } = this.#request;
    const defaults = {
      home: user.home,
      agentSocket: mounts.find((mount) => mount.type === "ssh")?.target,
      secretNames: new Set(secretEnv.keys()),
    };
    const { uid, gid, groups } = user;
    return {
      ...{ args, env: runEnvironment(env, defaults), secretEnv, cwd, uid, gid, groups },
      ...{ hostname, network, insecure, limits },
    };
  }
}
