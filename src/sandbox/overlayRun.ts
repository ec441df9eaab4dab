/**
 * A request made ready to be executed on an overlay: in comes a {@link RunRequest}, out goes a {@link PreparedRun}, behind
 * which an {@link Executor} carries out the plan as often as it is asked to. Until `release` a directory in the store's tmp/
 * holds what the root is put together from; nothing in it is followed, and no other process knows it.
 */
import * as fs from "node:fs";
import type { ImageLayer } from "../image/image.js";
import type { OpenLayers } from "../image/layers.js";
import { cleanPath } from "../layer/fileTree.js";
import type { LayerTree } from "../layer/layerTree.js";
import type { Lease, Store } from "../store/store.js";
import { type ByteString, fsPath, toByteString } from "../support/bytes.js";
import { ioError, NacreError } from "../support/errors.js";
import type { AgentProxy } from "./agentProxy.js";
import { findBindSource } from "./bindSource.js";
import { makeWithin } from "./cachePoint.js";
import type { CollectedRun } from "./collect.js";
import { hostsFile, resolvConf } from "./etcFiles.js";
import type { Executor } from "./executor.js";
import type { Hand } from "./hand.js";
import { type HostFacts, readHostFacts } from "./hostFacts.js";
import { makePaths } from "./newPaths.js";
import type { BindSource, CacheDirectory } from "./planMounts.js";
import { type PlannedRoot, planRoot, STEP_NAMES } from "./planRoot.js";
import { isWithin } from "./rootView.js";
import { prepared, RunLife, released } from "./runLife.js";
import { resolveRunUser } from "./runUser.js";
import type {
  CacheRunMount,
  PreparedRun,
  RunExit,
  RunIo,
  RunLayer,
  RunMount,
  RunRequest,
  SandboxEvents,
} from "./types.js";

/** What makes and takes over snapshots, as far as a run needs it. */
export interface RunSnapshots {
  directories(
    stack: readonly ImageLayer[],
    run: Pick<SandboxEvents, "signal" | "onProgress">,
  ): Promise<readonly string[]>;
  adopt(diffId: RunLayer["diffId"], below: readonly ImageLayer[], upperDir: string): Promise<unknown>;
}

/** What hands out the directories of cache mounts. One that is locked is no one else's, whatever sharing others ask for. */
export interface RunCaches {
  acquireAll(
    mounts: readonly CacheRunMount[],
    options: { readonly signal?: AbortSignal | undefined },
  ): Promise<{ readonly dirs: readonly string[]; release(): Promise<void> }>;
}

/** What a run works with. */
export interface OverlayRunEnv {
  readonly store: Store;
  /** Protects snapshots and layers in use; lives longer than the run. */
  readonly lease: Lease;
  readonly layers: OpenLayers;
  readonly snapshots: RunSnapshots;
  readonly hand: Hand;
  readonly executor: Executor;
  readonly events: SandboxEvents;
  readonly caches: RunCaches;
}

/**
 * Makes everything ready: unpacks layers, takes caches, plans the root, makes mount points and files.
 * @throws NacreError MOUNT, SOURCE_NOT_FOUND, USER_NOT_FOUND, RUN_FAILED (the working directory), ISOLATION, NOT_ALLOWED,
 *   CONTENT_INVALID, STORE, DISK_FULL, CANCELLED; nothing is left behind then
 */
export async function prepareOverlayRun(request: RunRequest, env: OverlayRunEnv): Promise<PreparedRun> {
  return prepared(new OverlayRun(request, env));
}

/** See the top of this file. */
class OverlayRun implements PreparedRun {
  readonly #request: RunRequest;
  readonly #env: OverlayRunEnv;
  readonly #life: RunLife;
  #upper = "";
  #tree: LayerTree | undefined;
  #root: PlannedRoot | undefined;
  /** Paths made as mount points. */
  #stubs: ReadonlySet<ByteString> = new Set();
  #released: Promise<void> | undefined;

  constructor(request: RunRequest, env: OverlayRunEnv) {
    this.#request = request;
    this.#env = env;
    this.#life = new RunLife(env.events.signal);
  }

  async prepare(): Promise<void> {
    const { layers, hand, events } = this.#env;
    const { root, user } = this.#request;
    const tree = await layers.tree(root);
    this.#tree = tree;
    const { readAccounts } = await import("../image/users.js");
    const runUser = resolveRunUser(user, await readAccounts(tree));
    const binds = await this.#findSources();
    const lower = await this.#directories(root);
    assertGoing(events.signal);
    const dir = this.#makeStepDirectory();
    const upperBase = this.#makeUpperBase(dir);
    const facts = readHostFacts();
    this.#writeFiles(dir, facts);
    const caches = await this.#acquireCaches();
    const agents = await this.#openAgents(dir);
    const input = {
      request: this.#request,
      tree,
      user: runUser,
      facts,
      hand,
      dir,
      upperBase,
      lower,
      binds,
      caches,
      agents,
    };
    const planned = planRoot({ ...input, isDirectory });
    this.#root = planned;
    await this.#materialise(planned, dir, upperBase, tree);
    assertGoing(events.signal);
  }

  execute(
    io: RunIo,
    options: { readonly signal?: AbortSignal | undefined; readonly args?: readonly string[] } = {},
  ): Promise<RunExit> {
    const { executor, hand, events } = this.#env;
    const root = this.#root;
    if (root === undefined || this.#life.isOver) return Promise.reject(released());
    const running = executor.execute(root.plan, io, {
      hand,
      signal: this.#life.signalWith(options.signal),
      ...(options.args ? { args: options.args } : {}),
      warn: events.warn,
    });
    return this.#life.track(running);
  }

  async collect(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<RunLayer> {
    const { store, lease, hand, events, snapshots } = this.#env;
    if (this.#tree === undefined || this.#life.isOver) throw released();
    const { collectUpper } = await import("./collect.js");
    const { layer, upperUse }: CollectedRun = await collectUpper({
      store,
      upper: this.#upper,
      below: this.#tree,
      stubs: this.#stubs,
      hand,
      mtime: this.#request.mtime,
      signal: this.#life.signalWith(options.signal),
      warn: events.warn,
    });
    lease.protect([layer.diffId]);
    if (upperUse === "layer") await snapshots.adopt(layer.diffId, this.#request.root, this.#upper);
    return layer;
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    await this.#life.stop();
    await this.#life.undo();
    this.#root = undefined;
  }

  #directories(stack: readonly ImageLayer[]): Promise<readonly string[]> {
    const { signal, onProgress } = this.#env.events;
    return this.#env.snapshots.directories(stack, { signal, onProgress });
  }

  /** All sources are looked up before anything is made: a name that is not there shows at once. */
  async #findSources(): Promise<ReadonlyMap<RunMount, BindSource>> {
    const known = new Map<string, Promise<readonly string[]>>();
    const directoriesOf = (stack: readonly ImageLayer[]) => {
      const key = stack.map(({ diffId }) => diffId).join(" ");
      const directories = known.get(key) ?? this.#directories(stack);
      known.set(key, directories);
      return directories;
    };
    const sources = new Map<RunMount, BindSource>();
    for (const mount of this.#request.mounts) {
      if (mount.type !== "bind") continue;
      sources.set(mount, await findBindSource(mount.source, this.#env.layers, directoriesOf));
    }
    return sources;
  }

  #makeStepDirectory(): string {
    const { store } = this.#env;
    const dir = store.directory.tempTree();
    this.#life.onEnd(() => store.removeTree(dir));
    for (const name of [STEP_NAMES.merged, STEP_NAMES.stubs, STEP_NAMES.empty]) makeDirectory(`${dir}/${name}`);
    return dir;
  }

  /** The upper directory and all that goes with it, on a disk that can hold it. */
  #makeUpperBase(dir: string): string {
    const { hand, store } = this.#env;
    if (hand.upper === undefined) {
      throw new NacreError("ISOLATION", "overlays cannot be mounted here, neither on the store's disk nor on a tmpfs", {
        hint: "choose another level with --isolation, or put the store on another disk with NACRE_HOME",
      });
    }
    if (hand.upper === "store") {
      this.#upper = `${dir}/${STEP_NAMES.upper}`;
      makeDirectory(this.#upper);
      makeDirectory(`${dir}/${STEP_NAMES.work}`);
      return dir;
    }
    const base = `${hand.upper.tmpfs}/${dir.slice(dir.lastIndexOf("/") + 1)}`;
    this.#life.onEnd(() => store.removeTree(base));
    this.#upper = `${base}/${STEP_NAMES.upper}`;
    for (const path of [base, this.#upper, `${base}/${STEP_NAMES.work}`]) makeDirectory(path);
    for (const name of [STEP_NAMES.upper, STEP_NAMES.work]) fs.symlinkSync(`${base}/${name}`, `${dir}/${name}`);
    return base;
  }

  #writeFiles(dir: string, facts: HostFacts): void {
    const { hostname, hosts, network, script } = this.#request;
    writeFile(`${dir}/${STEP_NAMES.hosts}`, hostsFile(hostname, hosts, network), 0o644);
    writeFile(`${dir}/${STEP_NAMES.resolvConf}`, Buffer.from(resolvConf(facts.resolvConf, network), "latin1"), 0o644);
    if (script === undefined) return;
    makeDirectory(`${dir}/${STEP_NAMES.scripts}`);
    // The file has the heredoc's name, which the grammar keeps free of slashes; a path would leave the directory.
    if (!/^[^/\0]+$/.test(script.name) || script.name === "." || script.name === "..") {
      throw new NacreError("MOUNT", `${JSON.stringify(script.name)} cannot be the name of a script`, {
        hint: "give the heredoc another name",
      });
    }
    writeFile(`${dir}/${STEP_NAMES.scripts}/${script.name}`, script.content, 0o755);
  }

  /** A cache in which something else is mounted must be no one else's meanwhile: see planMounts.ts. */
  async #acquireCaches(): Promise<ReadonlyMap<CacheRunMount, CacheDirectory>> {
    const { caches, events } = this.#env;
    const mounts = this.#request.mounts.filter((mount) => mount.type === "cache");
    if (mounts.length === 0) return new Map();
    const alone = new Set(mounts.filter((mount) => this.#holdsTarget(mount)).map(({ id }) => id));
    const wanted = mounts.map((mount) => (alone.has(mount.id) ? { ...mount, sharing: "locked" as const } : mount));
    const { dirs, release } = await caches.acquireAll(wanted, { signal: events.signal });
    this.#life.onEnd(release);
    return new Map(mounts.map((mount, i) => [mount, cacheDirectory(dirs[i]!, wanted[i]!)]));
  }

  #holdsTarget(cache: CacheRunMount): boolean {
    const at = cleanPath(toByteString(cache.target));
    return this.#request.mounts.some((mount) => {
      const target = cleanPath(toByteString(mount.target));
      return target !== at && isWithin(target, at);
    });
  }

  async #openAgents(dir: string): Promise<ReadonlyMap<RunMount, string>> {
    const agents = new Map<RunMount, string>();
    for (const mount of this.#request.mounts) {
      if (mount.type !== "ssh") continue;
      const { openAgentProxy } = await import("./agentProxy.js");
      const path = `${dir}/agent${agents.size}`;
      const { agentSocket, mode, uid, gid } = mount;
      const proxy: AgentProxy = await openAgentProxy({ path, agentSocket, mode, uid, gid });
      this.#life.onEnd(() => proxy.close());
      agents.set(mount, path);
    }
    return agents;
  }

  async #materialise(root: PlannedRoot, dir: string, upperBase: string, tree: LayerTree): Promise<void> {
    const { warn } = this.#env.events;
    this.#stubs = await makePaths(`${dir}/${STEP_NAMES.stubs}`, tree, root.stubs, { warn });
    await makePaths(`${upperBase}/${STEP_NAMES.upper}`, tree, root.kept, { warn });
    for (const { upper, work, tree: source, paths } of root.scratches) {
      makeDirectory(upper);
      makeDirectory(work);
      await makePaths(upper, source, paths, { warn });
    }
    for (const { directory, path, type, uid, gid } of root.cachePoints) {
      makeWithin(directory, path, type, { uid, gid });
    }
    for (const { base, target } of root.plan.mounts) if (base === "step") makeDirectory(`${dir}/${target}`);
  }
}

function isDirectory(path: string): boolean {
  try {
    return fs.statSync(fsPath(toByteString(path))).isDirectory();
  } catch {
    return false;
  }
}

function cacheDirectory(path: string, { sharing }: CacheRunMount): CacheDirectory {
  const type = fs.lstatSync(path).isDirectory() ? "dir" : "file";
  return { path, type, exclusive: sharing !== "shared" };
}

function assertGoing(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new NacreError("CANCELLED", "the build was cancelled");
}

function makeDirectory(path: string): void {
  try {
    fs.mkdirSync(path);
    fs.chmodSync(path, 0o755);
  } catch (error) {
    throw ioError("STORE", `creating ${path}`, error);
  }
}

function writeFile(path: string, content: string | Buffer, mode: number): void {
  try {
    fs.writeFileSync(path, content, { mode, flag: "wx" });
    fs.chmodSync(path, mode);
  } catch (error) {
    throw ioError("STORE", `writing ${path}`, error);
  }
}
