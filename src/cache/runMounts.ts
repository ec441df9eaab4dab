/**
 * The mounts of a RUN as data, and what of them goes into the step's key (BuildKit: ExecOp.CacheMap): where and how
 * something is mounted, and the content of what is bound. Never what a secret, an agent or a cache holds, nor whether it
 * is there.
 */
import { treeDigest } from "../context/treeDigest.js";
import { cleanPath, type FileTree, resolvePath, type TreeNode } from "../layer/fileTree.js";
import type { FileState } from "../plan/graph.js";
import { type ByteString, fromByteString, toByteString } from "../support/bytes.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { Json } from "../support/json.js";
import type { SourcePlace } from "../support/source.js";
import type { InputIdentity } from "./ingredients.js";

/** Owner and mode of what a mount makes. */
export interface PlannedOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A path in a stage, an image, or (`kind` is `context`) a directory context. */
export interface PlannedSource {
  readonly from: FileState;
  /** From the root of the source, clean, without leading slash; empty for the root. Links in it are not followed yet. */
  readonly path: ByteString;
}

/** Files of other layers or of a context. */
export interface PlannedBind {
  readonly kind: "bind";
  readonly target: string;
  readonly source: PlannedSource;
  readonly writable: boolean;
}

/** A directory that persists from build to build. */
export interface PlannedCache {
  readonly kind: "cache";
  readonly target: string;
  readonly id: string;
  /** Value of the build argument BUILDKIT_CACHE_MOUNT_NS, or empty. */
  readonly namespace: string;
  /** The id is not the one that the target gives. */
  readonly named: boolean;
  readonly sharing: "shared" | "private" | "locked";
  readonly readOnly: boolean;
  /** First content. */
  readonly seed: PlannedSource | undefined;
  readonly owner: PlannedOwner;
}

/** Memory. */
export interface PlannedTmpfs {
  readonly kind: "tmpfs";
  readonly target: string;
  /** Bytes; 0 is no limit. */
  readonly size: number;
  readonly readOnly: boolean;
}

/** A secret as a file, an environment variable, or both. */
export interface PlannedSecret {
  readonly kind: "secret";
  /** Undefined: no file. */
  readonly target: string | undefined;
  readonly env: string | undefined;
  readonly id: string;
  readonly required: boolean;
  readonly owner: PlannedOwner;
}

/** A socket that leads to an ssh agent of the user. */
export interface PlannedSsh {
  readonly kind: "ssh";
  readonly target: string;
  readonly id: string;
  readonly required: boolean;
  readonly owner: PlannedOwner;
}

/** A mount of a RUN with its target absolute and clean, its defaults filled in, its source named. */
export type PlannedRunMount = (PlannedBind | PlannedCache | PlannedTmpfs | PlannedSecret | PlannedSsh) & {
  /** The value of its flag, for errors. */
  readonly place?: SourcePlace | undefined;
};

/** How what mounts refer to is identified; asked only for what counts. */
export interface MountIdentities {
  /** Of a stage, an image, or nothing. */
  readonly input: (from: FileState) => InputIdentity | Promise<InputIdentity>;
  /** Digest of what a path of a context holds: {@link contextMountDigest}. */
  readonly content: (context: string, path: ByteString) => string | Promise<string>;
  /** In content keys: digest of what a path of a stage or an image holds. Undefined: it counts by identity. */
  readonly selection?: ((from: FileState, path: ByteString) => Promise<string>) | undefined;
}

/**
 * The ingredients of a RUN's mounts. Their order does not count beyond that of equal targets (BuildKit sorts mounts by
 * target); `planned` is expected in the order of `runMountsOf`.
 * @throws NacreError MOUNT for a missing path of a context, from `identities`
 */
export async function runMountIngredients(
  planned: readonly PlannedRunMount[],
  identities: MountIdentities,
): Promise<readonly Json[]> {
  const ingredients: Json[] = [];
  for (const mount of planned) {
    try {
      ingredients.push(await mountIngredients(mount, identities));
    } catch (error) {
      throw mount.place && isNacreError(error) ? error.at(mount.place) : error;
    }
  }
  return ingredients;
}

async function mountIngredients(mount: PlannedRunMount, identities: MountIdentities): Promise<Json> {
  switch (mount.kind) {
    case "bind":
      return {
        type: "bind",
        target: mount.target,
        source: await sourceIngredients(mount.source, identities),
        writable: mount.writable || undefined,
      };
    case "cache":
      return cacheIngredients(mount, identities);
    case "tmpfs":
      return {
        type: "tmpfs",
        target: mount.target,
        size: mount.size || undefined,
        readOnly: mount.readOnly || undefined,
      };
    case "secret":
    case "ssh":
      return givenIngredients(mount);
  }
}

/** BuildKit tells apart only whether id and sharing are the usual ones: another id or another way of sharing hits. */
async function cacheIngredients(mount: PlannedCache, identities: MountIdentities): Promise<Json> {
  const isUsual = !mount.named && mount.namespace === "" && mount.sharing === "shared";
  return {
    type: "cache",
    target: mount.target,
    usual: isUsual ? undefined : false,
    readOnly: mount.readOnly || undefined,
    seed: mount.seed && (await seedIngredients(mount.seed, identities)),
    owner: { ...mount.owner },
  };
}

/** Of the first content of a cache only the source counts, not which part of it is taken (BuildKit). */
async function seedIngredients(seed: PlannedSource, identities: MountIdentities): Promise<Json> {
  if (seed.from.kind === "context") return sourceIngredients(seed, identities);
  return (await identities.input(seed.from)) as Json;
}

/** Files of a context by content, wherever they lie; a path in anything else. */
async function sourceIngredients({ from, path }: PlannedSource, identities: MountIdentities): Promise<Json> {
  if (from.kind === "context") return { kind: "context", digest: await identities.content(from.name, path) };
  if (identities.selection) return { kind: "selection", digest: await identities.selection(from, path) };
  return { kind: "path", from: (await identities.input(from)) as Json, path: fromByteString(path) };
}

function givenIngredients(mount: PlannedSecret | PlannedSsh): Json {
  return {
    type: mount.kind,
    target: mount.target,
    id: mount.id,
    env: mount.kind === "secret" ? mount.env : undefined,
    required: mount.required || undefined,
    owner: { ...mount.owner },
  };
}

/**
 * What a path of a context leads to, links followed inside it.
 * @param path clean
 * @throws NacreError MOUNT in BuildKit's words if nothing is there
 */
export function contextMountNode(context: FileTree, path: ByteString): TreeNode {
  const { node, path: resolved } = resolvePath(context, cleanPath(path), true);
  if (node !== undefined) return node;
  throw new NacreError("MOUNT", `"/${fromByteString(path)}": not found`, {
    hint: "the source of a bind mount is relative to the root of the context; see that the ignore file does not exclude it",
    facts: { path, resolved },
  });
}

/**
 * Digest of what a path of a context holds: the content of a directory (its own mode does not count), or a file without
 * its name. Reads what the context does not know yet.
 * @throws NacreError MOUNT if nothing is there
 */
export async function contextMountDigest(
  context: FileTree,
  path: ByteString,
  onProgress?: (bytes: number) => void,
): Promise<string> {
  const node = contextMountNode(context, path);
  await context.prepare([node], onProgress);
  return treeDigest(context, node);
}

/** A path as typed in a mount, as a path from the root of its source: `..` stops there. */
export function mountSourcePath(typed: string): ByteString {
  return cleanPath(toByteString(typed));
}
