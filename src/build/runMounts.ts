/**
 * The mounts of a RUN step: from the values of `--mount` to typed mounts with absolute targets, and from those to what a
 * sandbox is asked for, with layers, secrets and agents looked up (BuildKit: dispatchRunMounts). What can go wrong with
 * them is told in BuildKit's words.
 */
import { posix } from "node:path";
import {
  contextMountNode,
  mountSourcePath,
  type PlannedBind,
  type PlannedCache,
  type PlannedOwner,
  type PlannedRunMount,
  type PlannedSecret,
  type PlannedSource,
  type PlannedSsh,
} from "../cache/runMounts.js";
import { type CacheMount, type Mount, parseMount, type SecretMount, type SshMount } from "../dockerfile/mount.js";
import { cleanPath, type FileTree, pathOf } from "../layer/fileTree.js";
import type { CopyStep, FileState, RunStep } from "../plan/graph.js";
import type { CacheRunMount, MountOwner, RunMount, TreeSource } from "../sandbox/types.js";
import { decodeText, fromByteString, toByteString } from "../support/bytes.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { SourcePlace } from "../support/source.js";
import { nearest } from "../support/suggest.js";

/** Modes of what mounts make, where none is given (BuildKit's). */
const MODES = { cache: 0o755, secret: 0o400, ssh: 0o600 } as const;

/** What a RUN's mounts ask of the build: the lookups of {@link requestMounts}. */
export interface MountLookups {
  /** Layers and path of a source; one in a context has been composed ({@link contextCopy}). */
  readonly tree: (source: PlannedSource) => TreeSource | Promise<TreeSource>;
  /** The value of a secret; undefined if it was not given. */
  readonly secret: (id: string) => Buffer | undefined;
  /** What secrets and agents were given, for hints. */
  readonly secretIds?: readonly string[];
  readonly agentIds?: readonly string[];
  /** The socket of an agent; undefined if none was given. */
  readonly agent: (id: string) => Promise<string | undefined>;
  /** True if a cache is to start anew: see {@link freshCaches}. */
  readonly fresh: (cache: PlannedCache) => boolean;
}

/** What a sandbox is asked for. */
export interface RequestedMounts {
  readonly mounts: readonly RunMount[];
  /** Values by name. Bytes that are not UTF-8 are held as `decodeText` does. */
  readonly secretEnv: ReadonlyMap<string, string>;
}

/**
 * The mounts of a step, sorted by target as BuildKit does (so that what lies in another mount comes after it), secrets
 * without a file last. Of several binds, caches or tmpfs on one target the last one stays.
 * @param cacheNamespace value of the build argument BUILDKIT_CACHE_MOUNT_NS
 * @throws NacreError MOUNT `invalid mount target "/"`, and for a seed without a source
 */
export function runMountsOf(step: RunStep, cacheNamespace = ""): readonly PlannedRunMount[] {
  let sockets = 0;
  const planned = step.mounts.map((value, i): PlannedRunMount => {
    const place = step.mountPlaces?.[i];
    return atMount(place, () => {
      const mount = parseMount(value);
      const target = targetOf(mount, step.cwd, mount.type === "ssh" ? sockets++ : 0);
      const planned = plannedMount(mount, target, step.mountSources[i], cacheNamespace);
      return place === undefined ? planned : { ...planned, place };
    });
  });
  const last = new Map(planned.filter(isPlace).map((mount) => [mount.target, mount]));
  return planned.filter((mount) => !isPlace(mount) || last.get(mount.target) === mount).sort(byTarget);
}

/**
 * `SSH_AUTH_SOCK=…` for a step with ssh mounts whose environment has none: the socket of the first one written, even if
 * no agent was given (BuildKit). Goes behind the environment.
 */
export function sshEnvironment(step: RunStep): readonly string[] {
  if (step.env.some((pair) => pair.startsWith("SSH_AUTH_SOCK="))) return [];
  const first = step.mounts.map((value) => parseMount(value)).find((mount) => mount.type === "ssh");
  return first === undefined ? [] : [`SSH_AUTH_SOCK=${targetOf(first, step.cwd, 0)}`];
}

/**
 * Which caches start anew in a build: BuildKit empties, before anything runs, those whose ids are named in steps that
 * ignore the cache, wherever else they are used.
 */
export function freshCaches(steps: readonly RunStep[]): (cache: Pick<PlannedCache, "id">) => boolean {
  const ids = new Set(
    steps.filter((step) => step.ignoreCache).flatMap((step) => runMountsOf(step).flatMap((mount) => cacheIds(mount))),
  );
  return ({ id }) => ids.has(id);
}

function cacheIds(mount: PlannedRunMount): readonly string[] {
  return mount.kind === "cache" ? [mount.id] : [];
}

/** A source in a context as a layer: the step that composes it, over nothing, and where it is in the result. */
export interface ContextCopy {
  readonly copy: CopyStep;
  /** Path from the root of the layer. */
  readonly path: string;
}

/**
 * How the layer is composed that a mount shows of a context. It has the source itself in `/m/`, under its own name and
 * with its own mode and owner, which a plain COPY of a directory would not keep.
 * @param context the tree that the source lies in
 * @throws NacreError MOUNT if it is not there
 */
export function contextCopy(step: RunStep, source: PlannedSource, context: FileTree): ContextCopy {
  const path = pathOf(contextMountNode(context, source.path));
  const slash = path.lastIndexOf("/");
  const [parent, name] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
  const word = `${fromByteString(parent)}/./${fromByteString(name).replaceAll(/[\\*?[]/g, "\\$&")}`;
  const copy: CopyStep = {
    id: step.id,
    stage: step.stage,
    label: step.label,
    place: step.place,
    parent: { kind: "scratch" },
    ignoreCache: false,
    kind: "copy",
    keyword: "COPY",
    from: source.from,
    sources: [path === "" ? "." : word.replace(/^\//, "")],
    heredocs: [],
    destination: "/m/",
    exclude: [],
    link: true,
    parents: path !== "",
  };
  return { copy, path: path === "" ? "/m" : `/m/${fromByteString(name)}` };
}

/**
 * Looks everything up that mounts refer to.
 * @throws NacreError MOUNT for what is required and was not given, in BuildKit's words
 */
export async function requestMounts(
  planned: readonly PlannedRunMount[],
  lookups: MountLookups,
): Promise<RequestedMounts> {
  const mounts: RunMount[] = [];
  for (const mount of planned) mounts.push(...(await requestMount(mount, lookups).catch(placeAt(mount.place))));
  return { mounts, secretEnv: secretEnvironment(planned, lookups) };
}

async function requestMount(mount: PlannedRunMount, lookups: MountLookups): Promise<readonly RunMount[]> {
  const { target } = mount;
  switch (mount.kind) {
    case "bind":
      return [
        { type: "bind", target: mount.target, source: await lookups.tree(mount.source), writable: mount.writable },
      ];
    case "cache":
      return [await requestCache(mount, lookups)];
    case "tmpfs":
      return [{ type: "tmpfs", target: mount.target, size: mount.size, ...(mount.readOnly ? { readOnly: true } : {}) }];
    case "secret": {
      const content = secretValue(mount, lookups);
      return target === undefined ? [] : [{ type: "secret", target, content, ...mount.owner }];
    }
    case "ssh":
      return requestAgent(mount, lookups);
  }
}

async function requestCache(mount: PlannedCache, lookups: MountLookups): Promise<CacheRunMount> {
  return {
    type: "cache",
    target: mount.target,
    id: mount.id,
    ...(mount.namespace === "" ? {} : { namespace: mount.namespace }),
    sharing: mount.sharing,
    readOnly: mount.readOnly,
    seed: mount.seed && (await lookups.tree(mount.seed)),
    owner: mount.owner,
    fresh: lookups.fresh(mount),
  };
}

async function requestAgent(mount: PlannedSsh, lookups: MountLookups): Promise<readonly RunMount[]> {
  const agentSocket = await lookups.agent(mount.id);
  if (agentSocket !== undefined) return [{ type: "ssh", target: mount.target, agentSocket, ...mount.owner }];
  if (!mount.required) return [];
  const near = nearest(mount.id, lookups.agentIds ?? []);
  const give =
    mount.id === "default" ? "give your agent with: --ssh default" : `give it with: --ssh ${mount.id}=SOCKET or KEY`;
  throw new NacreError("MOUNT", `unset ssh forward key ${mount.id}`, {
    hint: near === undefined ? give : `did you mean ${near}, which is given? Otherwise ${give}`,
    facts: { id: mount.id },
  });
}

function secretValue({ id, required }: PlannedSecret, lookups: MountLookups): Buffer | undefined {
  const value = lookups.secret(id);
  if (value !== undefined || !required) return value;
  const near = nearest(id, lookups.secretIds ?? []);
  const give = `give it with: --secret id=${id},src=FILE or --secret id=${id},env=VARIABLE`;
  throw new NacreError("MOUNT", `secret ${id}: not found`, {
    hint: near === undefined ? give : `did you mean ${near}, which is given? Otherwise ${give}`,
    facts: { id },
  });
}

/** Of several secrets for one variable the last one written counts; one that was not given makes it empty (BuildKit). */
function secretEnvironment(planned: readonly PlannedRunMount[], lookups: MountLookups): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const mount of planned) {
    if (mount.kind !== "secret" || mount.env === undefined) continue;
    const value = atMount(mount.place, () => secretValue(mount, lookups)) ?? Buffer.alloc(0);
    if (value.includes(0)) throw placed(mount.place, unfitForEnvironment(mount.id, mount.env));
    values.set(mount.env, decodeText(value));
  }
  return values;
}

function unfitForEnvironment(id: string, name: string): NacreError {
  return new NacreError("MOUNT", `secret ${id} cannot be the environment variable ${name}: it holds a NUL byte`, {
    hint: "mount it as a file: leave env= out",
    facts: { id, env: name },
  });
}

function plannedMount(mount: Mount, target: string, from: FileState | undefined, namespace: string): PlannedRunMount {
  switch (mount.type) {
    case "bind":
      return plannedBind(target, mount.source, from, !mount.readOnly);
    case "cache":
      return plannedCache(mount, target, from, namespace);
    case "tmpfs":
      return { kind: "tmpfs", target, size: mount.size, readOnly: mount.readOnly };
    case "secret":
      return plannedSecret(mount, target);
    case "ssh":
      return { kind: "ssh", target, id: mount.id, required: mount.required, owner: ownerOf(mount, MODES.ssh) };
  }
}

function plannedBind(target: string, source: string, from: FileState | undefined, writable: boolean): PlannedBind {
  const path = mountSourcePath(source);
  return { kind: "bind", target, source: { from: from ?? { kind: "context", name: "" }, path }, writable };
}

/**
 * A cache that has an owner but names no part of its `from` starts empty: BuildKit takes a directory that it makes there.
 * One that names a part keeps what that has, whatever owner is given.
 */
function plannedCache(mount: CacheMount, target: string, from: FileState | undefined, namespace: string): PlannedCache {
  const path = mountSourcePath(mount.source);
  const isOwned = mount.mode !== undefined || mount.uid !== undefined || mount.gid !== undefined;
  if (from === undefined && path !== "") throw seedWithoutSource(path);
  const seed = from === undefined || (path === "" && isOwned) ? undefined : { from, path };
  const owner = ownerOf(seed === undefined ? mount : {}, MODES.cache);
  return {
    kind: "cache",
    target,
    id: mount.id,
    namespace,
    named: mount.id !== usualCacheId(mount.target),
    sharing: mount.sharing,
    readOnly: mount.readOnly,
    seed,
    owner,
  };
}

function seedWithoutSource(path: string): NacreError {
  const shown = `/${fromByteString(path)}`;
  return new NacreError("MOUNT", `open ${shown}: no such file or directory`, {
    hint: `a cache without from= starts empty: name what ${shown} is in with from=, or leave source= out`,
  });
}

/** What the id of a cache is if none is given: the target as typed, cleaned (Go's path.Clean). */
function usualCacheId(target: string): string {
  return posix.normalize(target).replace(/(.)\/$/, "$1");
}

function plannedSecret(mount: SecretMount, target: string): PlannedSecret {
  const { id, env, required } = mount;
  const owner = ownerOf(mount, MODES.secret);
  return { kind: "secret", target: mount.target === "" ? undefined : target, env, id, required, owner };
}

function ownerOf(
  given: { readonly [key in keyof PlannedOwner]?: number | undefined },
  mode: number,
): PlannedOwner & MountOwner {
  return { mode: (given.mode ?? mode) & 0o7777, uid: given.uid ?? 0, gid: given.gid ?? 0 };
}

/** Absolute and clean. */
function targetOf(mount: Mount | SshMount, cwd: string, socket: number): string {
  if (mount.type === "ssh" && mount.target === "") return `/run/buildkit/ssh_agent.${socket}`;
  const typed = mount.target.startsWith("/") ? mount.target : `${cwd}/${mount.target}`;
  const target = `/${fromByteString(cleanPath(toByteString(typed)))}`;
  if (target !== "/" || (mount.type === "secret" && mount.target === "")) return target;
  throw new NacreError("MOUNT", `invalid mount target ${JSON.stringify(target)}`, {
    hint: mount.target === "" ? "say where: add target=/PATH" : "mount below the root, for example target=/cache",
  });
}

/** Runs `work`; a failure without a place gets that of the mount. */
function atMount<T>(place: SourcePlace | undefined, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw placed(place, error);
  }
}

function placeAt(place: SourcePlace | undefined): (error: unknown) => never {
  return (error) => {
    throw placed(place, error);
  };
}

function placed(place: SourcePlace | undefined, error: unknown): unknown {
  return place && isNacreError(error) ? error.at(place) : error;
}

function isPlace(mount: PlannedRunMount): mount is Exclude<PlannedRunMount, PlannedSecret | PlannedSsh> {
  return mount.kind === "bind" || mount.kind === "cache" || mount.kind === "tmpfs";
}

/** Byte order of targets; what has none keeps its order behind. */
function byTarget(a: PlannedRunMount, b: PlannedRunMount): number {
  if (a.target === b.target) return 0;
  if (a.target === undefined || b.target === undefined) return a.target === undefined ? 1 : -1;
  return toByteString(a.target) < toByteString(b.target) ? -1 : 1;
}
