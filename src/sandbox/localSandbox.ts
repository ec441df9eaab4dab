/**
 * The sandbox in this process, which has the rights that the level needs: nacre as root, or its worker. One for a whole
 * build, so that snapshots, opened layers and caches are shared between its steps.
 */
import { OpenLayers } from "../image/layers.js";
import type { Lease, Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import type { CacheMounts } from "./cacheMounts.js";
import type { Executor } from "./executor.js";
import { type Hand, lossesOf } from "./hand.js";
import { Snapshots } from "./snapshots.js";
import type { IsolationLevel, Loss, PreparedRun, RunRequest, Sandbox, SandboxEvents } from "./types.js";

/** What a local sandbox is made of. */
export interface LocalParts {
  readonly store: Store;
  readonly level: IsolationLevel;
  readonly hand: Hand;
  /** Path of the OCI runtime; for level `oci`. */
  readonly runtime: string | undefined;
}

/** See the top of this file. */
export class LocalSandbox implements Sandbox {
  readonly level: IsolationLevel;
  readonly losses: readonly Loss[];
  readonly #parts: LocalParts;
  readonly #stop = new AbortController();
  readonly #running = new Set<PreparedRun | Promise<PreparedRun>>();
  #executing: Promise<Executor> | undefined;
  #resources: Promise<Resources> | undefined;

  constructor(parts: LocalParts) {
    this.#parts = parts;
    this.level = parts.level;
    this.losses = lossesOf(parts.hand);
  }

  async prepare(request: RunRequest, events: SandboxEvents): Promise<PreparedRun> {
    if (this.#stop.signal.aborted) throw new NacreError("INTERNAL", "this sandbox is closed");
    this.#resources ??= openResources(this.#parts);
    const signal = events.signal ? AbortSignal.any([events.signal, this.#stop.signal]) : this.#stop.signal;
    const preparing = this.#resources.then((resources) => this.#prepare(request, { ...events, signal }, resources));
    // What is being prepared when the sandbox is closed must be released, too.
    this.#running.add(preparing);
    try {
      const prepared = await preparing;
      this.#running.add(prepared);
      return this.#forgetting(prepared);
    } finally {
      this.#running.delete(preparing);
    }
  }

  expect(): void {
    if (this.#stop.signal.aborted || this.level === "chroot") return;
    this.#resources ??= openResources(this.#parts);
    // Whoever needs them is told what is wrong with them.
    const all = [this.#resources, this.#executor(), import("./overlayRun.js"), import("./collect.js")];
    Promise.allSettled(all).catch(() => {});
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const running of this.#running) await Promise.resolve(running).then(release, () => {});
    (await this.#executing?.catch(() => undefined))?.close?.();
    const resources = await this.#resources?.catch(() => undefined);
    if (resources === undefined) return;
    const { store, level } = this.#parts;
    if (level === "chroot") await (await import("./chroot.js")).closeChrootRoots({ store, layers: resources.layers });
    resources.layers.close();
    resources.lease.release();
  }

  async #prepare(request: RunRequest, events: SandboxEvents, resources: Resources): Promise<PreparedRun> {
    const { store, hand, level } = this.#parts;
    if (level === "chroot") {
      const { prepareChrootRun } = await import("./chroot.js");
      return prepareChrootRun(request, { store, hand, events, ...resources });
    }
    const { prepareOverlayRun } = await import("./overlayRun.js");
    return prepareOverlayRun(request, { store, hand, events, ...resources, executor: await this.#executor() });
  }

  #executor(): Promise<Executor> {
    this.#executing ??= this.#makeExecutor();
    return this.#executing;
  }

  async #makeExecutor(): Promise<Executor> {
    const { level, runtime } = this.#parts;
    if (level !== "oci") return (await import("./namespaces.js")).namespacesExecutor({ series: true });
    if (runtime === undefined) throw new NacreError("INTERNAL", "the level oci needs a runtime");
    return (await import("./oci.js")).ociExecutor({ path: runtime }, { series: true });
  }

  #forgetting(prepared: PreparedRun): PreparedRun {
    return {
      execute: (io, options) => prepared.execute(io, options),
      collect: (options) => prepared.collect(options),
      release: async () => {
        await prepared.release();
        this.#running.delete(prepared);
      },
    };
  }
}

function release(prepared: PreparedRun): Promise<void> {
  return prepared.release();
}

/** What all steps share. */
interface Resources {
  readonly lease: Lease;
  readonly layers: OpenLayers;
  readonly snapshots: Snapshots;
  readonly caches: CacheMounts;
}

async function openResources({ store, hand, level }: LocalParts): Promise<Resources> {
  // At this level processes outlive a nacre that is killed.
  if (level === "chroot") await (await import("./chroot.js")).sweepChroots(store);
  const [{ CacheMounts }, { unpackSeed }] = await Promise.all([import("./cacheMounts.js"), import("./unpackSeed.js")]);
  const lease = store.acquireLease();
  const layers = new OpenLayers(store);
  const snapshots = new Snapshots(store, lease, layers, hand);
  const caches = new CacheMounts(store, lease, hand, (source, into) =>
    unpackSeed({ store, layers, hand }, source, into),
  );
  return { lease, layers, snapshots, caches };
}
