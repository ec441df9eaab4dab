/**
 * Why a step was not answered by the cache, as data: complete, true, and without values that look secret. Everything is
 * JSON as it stands; paths and values are texts.
 */
import type { FileType } from "../layer/fileTree.js";
import type { Json } from "../support/json.js";

/** Why a step misses, or why its key is another one than last time. */
export type MissReason =
  /** Nothing is known to compare it with: neither the project (`project`) nor, in it, this step (`step`). */
  | { readonly kind: "first"; readonly scope: "project" | "step" }
  /** The cache was not to be asked. */
  | { readonly kind: "disabled"; readonly by: "no-cache" | "no-cache-filter" }
  /** It was known with just this key, and garbage collection removed it. */
  | {
      readonly kind: "evicted";
      /** Milliseconds since 1970; absent if it is not known when, or by what. */
      readonly at?: number | undefined;
      readonly why?: string | undefined;
    }
  /** It is known with just this key, but its record is damaged or what that needs is gone. */
  | { readonly kind: "unusable"; readonly why: "damaged" | "blobs" }
  /** It is made from something else than last time. */
  | {
      readonly kind: "changed";
      /** Its text, where that was edited. */
      readonly instruction?: Edited | undefined;
      /** Never empty. Those of the step itself come before those of what it is built on. */
      readonly changes: readonly Change[];
    };

/** A text before and after. */
export interface Edited {
  readonly before: string;
  readonly after: string;
}

/** One difference between the ingredients of a step then and now. */
export type Change =
  | FilesChange
  /** The names that a source word with wildcards means. */
  | {
      readonly what: "matches";
      readonly source: SourceRef;
      readonly added: readonly string[];
      readonly removed: readonly string[];
    }
  /** The source words of a COPY or ADD. */
  | SetChange<"sources">
  /** The name of a single file, which becomes its name at the destination. */
  | ({ readonly what: "name"; readonly source: SourceRef } & Edited)
  /** What an address of ADD leads to: digests. */
  | ({ readonly what: "download"; readonly source: SourceRef } & Edited)
  /** Names of one inode in different matches of a word. */
  | { readonly what: "links"; readonly source: SourceRef }
  | InputChange
  | VariableChange
  | { readonly what: "variableOrder" }
  /** The process of a RUN: the text that a shell is given, or the words of the exec form. */
  | ({ readonly what: "command" } & Edited)
  /** What the text is given to: SHELL. */
  | ({ readonly what: "shell" } & Edited)
  | { readonly what: "heredoc"; readonly name: string; readonly change: "added" | "removed" | "content" }
  | SettingChange
  | SetChange<"hosts" | "devices" | "ulimits" | "losses" | "exclude" | "paths" | "mounts">
  | MountChange
  /** This program makes the instruction differently since the version of then, or makes keys differently. */
  | { readonly what: "semantics" | "version"; readonly before: Json; readonly after: Json }
  /** Another kind of instruction stands there. */
  | ({ readonly what: "kind" } & Edited)
  /** An ingredient that this version knows nothing of. */
  | { readonly what: "other"; readonly name: string };

/** What holds files: a source word of COPY or ADD (counted from 0), a mount, or the tree that serves as a base. */
export type SourceRef =
  | { readonly kind: "word"; readonly word: number; readonly text?: string | undefined }
  | { readonly kind: "mount"; readonly target: string }
  | { readonly kind: "tree" };

/** Files of a context. Unknown: they differ, but the lists of then are gone. */
export type FilesChange =
  | { readonly what: "files"; readonly source: SourceRef; readonly known: false }
  | {
      readonly what: "files";
      readonly source: SourceRef;
      readonly known: true;
      readonly totals: FileTotals;
      /** All of them, in the order of the tree. */
      readonly files: readonly FileChange[];
    };

export interface FileTotals {
  /** Names that are, or were, no directories. */
  readonly files: number;
  /** How many of them differ; `files` of the change has these and the directories. */
  readonly differing: number;
  /** Directories that differ in themselves: added, removed, or of another mode or owner. */
  readonly directories: number;
}

/** One path. */
export interface FileChange {
  /** From the root of the context. */
  readonly path: string;
  /** What it is now, or was if it is gone. */
  readonly type: FileType;
  readonly reasons: readonly FileReason[];
}

/** What of a path differs. */
export type FileReason =
  | { readonly what: "added" | "removed" }
  /** With sizes in bytes. */
  | { readonly what: "content"; readonly before: number; readonly after: number }
  /** Modes are octal: `0644`. Owners are `uid:gid`, devices `major:minor`, capabilities hex digits or empty. */
  | ({ readonly what: "mode" | "type" | "link" | "owner" | "capability" | "device" } & Edited)
  /** It shares its inode with other names than before. */
  | { readonly what: "hardLinks" };

/** What a step starts from or reads, then or now. */
export type Input =
  | { readonly kind: "scratch" | "context" }
  | {
      readonly kind: "image";
      readonly digest: string;
      readonly platform: string;
      /** As the Dockerfile names it. */
      readonly reference?: string | undefined;
    }
  /** `step`: its number among the steps of its build. */
  | {
      readonly kind: "step";
      readonly key: string;
      readonly step?: number | undefined;
      readonly instruction?: string | undefined;
    }
  | { readonly kind: "tree"; readonly digest: string }
  | { readonly kind: "content"; readonly digest: string; readonly platform: string };

/** Another thing below the step (`parent`), in its `--from` (`source`), or in a mount. */
export interface InputChange {
  readonly what: "input";
  readonly role: "parent" | "source" | "mount";
  /** Target of the mount. */
  readonly mount?: string | undefined;
  readonly before?: Input | undefined;
  readonly after?: Input | undefined;
  /** Number of the step, among those of now, whose key is another one and to which {@link rootCause} follows. */
  readonly step?: number | undefined;
  /** Both are the same step of the Dockerfile: then it is that step which changed. */
  readonly same?: true | undefined;
}

/** A variable of a RUN's environment; values that look secret, and user names and passwords in addresses, are left out. */
export interface VariableChange {
  readonly what: "variable";
  readonly name: string;
  /** It comes from ARG. Absent if that is not known. */
  readonly argument?: boolean | undefined;
  /** Absent if there was none. */
  readonly before?: string | undefined;
  readonly after?: string | undefined;
  /** The values stand as `****`. */
  readonly masked?: true | undefined;
}

/** Names of the settings that have one value. */
export type SettingName =
  | "user"
  | "cwd"
  | "network"
  | "security"
  | "platform"
  | "hostname"
  | "shmSize"
  | "destination"
  | "chown"
  | "chmod"
  | "link"
  | "parents"
  | "unpack"
  | "mtime"
  | "path";

/** Undefined values are those that were not given. */
export interface SettingChange {
  readonly what: "setting";
  readonly name: SettingName;
  readonly before?: Json | undefined;
  readonly after?: Json | undefined;
}

/** A list of which members came and went, or stand in another order. */
export interface SetChange<T extends string> {
  readonly what: T;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly reordered?: true | undefined;
}

/** A mount of a RUN; what it shows is told by changes of their own. */
export interface MountChange {
  readonly what: "mount";
  readonly target: string;
  readonly type: string;
  readonly change: "added" | "removed" | "changed";
  /** For `changed`: what of it. */
  readonly fields?: readonly {
    readonly name: string;
    readonly before?: Json | undefined;
    readonly after?: Json | undefined;
  }[];
}
