/**
 * What an overlay root consists of, as data: the levels `oci` and `namespaces` differ only in who carries it out. All
 * paths in a plan are resolved: no component of a `target` below the root is a symlink when the process starts.
 */
import type { ByteString } from "../support/bytes.js";
import type { RunLimits } from "./types.js";

/** One mount, in the order in which they are made. */
export interface PlannedMount {
  /** What is mounted: an absolute path of the host for `bind`, else a name (`proc`, `tmpfs`). */
  readonly source: ByteString;
  /** Path below the base, clean, without leading slash; its mount point exists there, or is made by `makeTarget`. */
  readonly target: ByteString;
  /**
   * Default `root`. `step`: the target lies below {@link RootPlan.dir}, beside the root: a helper mount (always `type`
   * overlay with {@link overlay}) from which later mounts are bound. All of them come before all others.
   */
  readonly base?: "root" | "step" | undefined;
  /**
   * Of mounts of type overlay: what to put together. `options` holds neither the directories nor what all overlays get
   * (redirect_dir, metacopy, index, userxattr); `ro` or `volatile` perhaps.
   */
  readonly overlay?: PlannedOverlay | undefined;
  /**
   * What an OCI runtime has a place of its own for: `masked` (a bind of /dev/null, or an empty tmpfs), `readonly` (the
   * target bound onto itself; `source` is the target's path below `merged` in the step's directory), `cgroup` (parts of
   * the view of /sys/fs/cgroup, which a runtime makes itself). Undefined for everything else.
   */
  readonly purpose?: "masked" | "readonly" | "cgroup" | undefined;
  /** `bind`, `overlay`, `proc`, `sysfs`, `tmpfs`, `devpts`, `mqueue`, … */
  readonly type: string;
  /** As mount(8) takes them: `ro`, `nosuid`, `size=64m`, …; of binds without `bind`, but with `rbind` where submounts come along. */
  readonly options: readonly string[];
  /** Where the mount point lies within another mount (a cache, say), so that it could not be made beforehand. */
  readonly makeTarget?: "file" | "dir" | undefined;
}

/** An overlay beside the root. All paths are absolute and exist. */
export interface PlannedOverlay {
  /** Topmost first; two at least if there is no upper. */
  readonly lower: readonly string[];
  /** Undefined: read-only. */
  readonly upper: string | undefined;
  readonly work: string | undefined;
}

/** The process of a plan. */
export interface PlannedProcess {
  readonly args: readonly string[];
  /** `NAME=value`, each name once, HOME included, secret values not. */
  readonly env: readonly string[];
  readonly secretEnv: ReadonlyMap<string, string>;
  /** The last of `env` is a HOME that was added: it comes after secret variables, too. */
  readonly addsHome?: boolean | undefined;
  /** Absolute path inside the root; no symlink in it, except below /proc and /sys. */
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, the primary one first. */
  readonly groups: readonly number[];
  readonly hostname: string;
  readonly network: "host" | "none";
  readonly insecure: boolean;
  readonly limits: RunLimits;
}

/** An overlay root and what is mounted in it. */
export interface RootPlan {
  /** Directory of this step in the store's tmp/: holds `upper`, `work`, `merged` and whatever else the level wants there. */
  readonly dir: string;
  /** Lower directories, absolute, topmost first; mount points that the image lacks are in the first one. */
  readonly lower: readonly string[];
  /** /proc, /dev, /sys and so on, hosts and resolv.conf, then the request's own mounts. */
  readonly mounts: readonly PlannedMount[];
  /** Files with secret content, made on a tmpfs that only this step sees, in order; bound read-only at `target`. */
  readonly secretFiles: readonly SecretFile[];
  /**
   * The directory `cwd` must be made when all mounts are, 0755 and owned by the process's user, as are its missing parents:
   * its path below the root, resolved. It lies on a tmpfs of this step then; everywhere else it was made beforehand.
   */
  readonly makeCwd: ByteString | undefined;
  readonly process: PlannedProcess;
  /** Shared memory, bytes. */
  readonly shmSize: number;
}

/** A secret that is a file. */
export interface SecretFile {
  readonly target: ByteString;
  /** As for mounts: the file must be made, and its parents, once everything else is mounted. */
  readonly makeTarget?: "file" | undefined;
  readonly content: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}
