/**
 * What executing a RUN is asked for and what it answers. `build/` turns a planned step into a {@link RunRequest}: all
 * texts expanded, all sources named by layers. A {@link Sandbox} makes a root for it, runs the process, and makes a layer
 * of what the process changed.
 */
import type { ImageLayer } from "../image/image.js";
import type { DiffId } from "../oci/digest.js";

/** How much the process is kept apart; see docs/differences.md for what each one lacks. */
export type IsolationLevel = "oci" | "namespaces" | "chroot";

/** What a sandbox cannot keep of a file; ingredients of a RUN's key, so that a lesser result never answers a fuller request. */
export type Loss =
  /** All files belong to one user and group: only a single id is mapped. */
  | "owners"
  /** Device nodes cannot be made. */
  | "devices"
  /** Extended attributes cannot be kept. */
  | "xattrs";

/** A stack of layers and a path in it. */
export interface TreeSource {
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
  /** Path from the root of the tree, symlinks in it are followed inside the tree; empty or `/` for the root itself. */
  readonly path: string;
}

/** Owner and mode of what a mount makes. */
export interface MountOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A mount with everything looked up. Targets are absolute (joined with the working directory), not cleaned of symlinks. */
export type RunMount =
  /** Files of other layers; read-only, or with a private writable copy that is thrown away. */
  | { readonly type: "bind"; readonly target: string; readonly source: TreeSource; readonly writable: boolean }
  | CacheRunMount
  /** @property size bytes; 0 is no limit */
  | { readonly type: "tmpfs"; readonly target: string; readonly size: number; readonly readOnly?: boolean | undefined }
  /** `content` undefined: not given and not required, then there is no file. */
  | ({ readonly type: "secret"; readonly target: string; readonly content: Buffer | undefined } & MountOwner)
  /** A socket that forwards to the user's agent. */
  | ({ readonly type: "ssh"; readonly target: string; readonly agentSocket: string } & MountOwner);

/** A directory that persists from build to build. */
export interface CacheRunMount {
  readonly type: "cache";
  readonly target: string;
  readonly id: string;
  /** Keeps caches of one id apart (BUILDKIT_CACHE_MOUNT_NS); default none. */
  readonly namespace?: string | undefined;
  readonly sharing: "shared" | "private" | "locked";
  readonly readOnly: boolean;
  /** First content: copied in when the cache is made. */
  readonly seed: TreeSource | undefined;
  /** True if mode, uid or gid were given: a cache that starts empty gets them; defaults 0755, 0, 0. */
  readonly owner: MountOwner;
  /** Start empty (or from the seed) although the cache exists: `--no-cache`. */
  readonly fresh: boolean;
}

/** `--ulimit name=soft[:hard]`; names as prlimit knows them (`nofile`, `nproc`, …). -1 is unlimited. */
export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Limits of one step. Undefined is none. */
export interface RunLimits {
  readonly ulimits: readonly Ulimit[];
  /** Bytes. */
  readonly memory?: number | undefined;
  /** Memory and swap together, bytes; -1 is unlimited swap. */
  readonly memorySwap?: number | undefined;
  /** Share of processor time per period, in processors: 1.5 is one and a half. */
  readonly cpus?: number | undefined;
  /** Relative weight, 2 to 262144 (cgroup v1 cpu.shares). */
  readonly cpuShares?: number | undefined;
  /** Which processors, e.g. `0-2,4`. */
  readonly cpusetCpus?: string | undefined;
  /** Number of processes. */
  readonly pids?: number | undefined;
  /** Milliseconds after which the step is killed. */
  readonly timeout?: number | undefined;
}

/** A script that is mounted read-only at `/dev/pipes/NAME`, mode 0755 (heredoc with an interpreter line). */
export interface RunScript {
  readonly name: string;
  readonly content: string;
}

/** Everything that a RUN's process observes. */
export interface RunRequest {
  /** The root file system, lowest layer first. */
  readonly root: readonly ImageLayer[];
  readonly args: readonly string[];
  readonly script: RunScript | undefined;
  /** Ordered `NAME=value`; a later one of the same name wins. HOME is added if absent, from passwd. */
  readonly env: readonly string[];
  /** Values by name, never shown, logged or written; added after `env`. */
  readonly secretEnv: ReadonlyMap<string, string>;
  /** Absolute. Made (0755, owned by the process's user) if it is not there. */
  readonly cwd: string;
  /** As in USER: `name`, `uid`, `name:group`, …; empty is root. */
  readonly user: string;
  readonly hostname: string;
  /** `host`: the network that nacre itself has. `none`: loopback only. */
  readonly network: "host" | "none";
  /** `--security=insecure`: all capabilities, nothing masked, the host's devices. */
  readonly insecure: boolean;
  /** Further lines of /etc/hosts. */
  readonly hosts: readonly { readonly name: string; readonly ip: string }[];
  /** Bytes of /dev/shm. */
  readonly shmSize: number;
  readonly limits: RunLimits;
  readonly mounts: readonly RunMount[];
  /** `--reproducible`: whole seconds that every mtime in the new layer is set to, in the snapshot too. */
  readonly mtime: number | undefined;
}

/** How a process ended. */
export type RunExit =
  | { readonly kind: "code"; readonly code: number }
  /** e.g. `SIGKILL`. */
  | { readonly kind: "signal"; readonly signal: string }
  /** Killed because {@link RunLimits.timeout} was over. */
  | { readonly kind: "timeout" }
  /** The kernel killed it because {@link RunLimits.memory} was reached. */
  | { readonly kind: "memory" }
  /** It could not be started: `message` is e.g. `exec: "/bin/sh": no such file or directory`; `code` 127 or 126. */
  | { readonly kind: "unstartable"; readonly code: 126 | 127; readonly message: string };

/** Where the process's output goes. */
export type RunIo =
  /** Standard output and error in the order in which they were written; standard input is empty. */
  | { readonly kind: "log"; readonly onOutput: (chunk: Buffer) => void }
  /** Nacre's own standard input, output and error: a shell for the user. */
  | { readonly kind: "terminal" };

/** The layer of a RUN; its blob and index are in the store. */
export interface RunLayer {
  readonly diffId: DiffId;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
}

/** A root that is ready for one request. Call `release` in the end, whatever happened. */
export interface PreparedRun {
  /**
   * Runs the request's process to its end. May be called several times (a shell in the root of a step that failed).
   * @param args in place of the request's
   * @throws NacreError CANCELLED once the signal is aborted and everything of the process is gone; ISOLATION, MOUNT,
   *   DISK_FULL where the root cannot be set up
   */
  execute(
    io: RunIo,
    options?: { readonly signal?: AbortSignal | undefined; readonly args?: readonly string[] },
  ): Promise<RunExit>;
  /**
   * The layer of everything that the process changed, and its snapshot. Call it once, after the last `execute`.
   * @throws NacreError DISK_FULL, STORE, CANCELLED
   */
  collect(options?: { readonly signal?: AbortSignal | undefined }): Promise<RunLayer>;
  /** Removes everything that was made for the request; ends what still runs. Never throws. */
  release(): Promise<void>;
}

/** What a sandbox tells while it prepares. */
export interface SandboxEvents {
  /** Something is not as asked, the step goes on, e.g. `--memory` where there are no cgroups is refused, but a missing xattr tool is told here. */
  readonly warn: (rule: string, message: string) => void;
  /** Bytes unpacked so far, while snapshots are made. */
  readonly onProgress?: ((bytes: number, total: number | undefined) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Executes RUN steps, several at once. */
export interface Sandbox {
  readonly level: IsolationLevel;
  /** Sorted; empty where nothing is lost. */
  readonly losses: readonly Loss[];
  /**
   * Makes snapshots as far as they are missing, and a root over them.
   * @throws NacreError ISOLATION, MOUNT, USER_NOT_FOUND, STORE, DISK_FULL, CANCELLED
   */
  prepare(request: RunRequest, events: SandboxEvents): Promise<PreparedRun>;
  /** A step will come: what takes time and depends on no step is begun now. Never throws. */
  expect?(): void;
  /** Ends everything that still runs. */
  close(): Promise<void>;
}
