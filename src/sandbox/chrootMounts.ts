/** What a request mounts, as things to put into a copied root. */
import * as fs from "node:fs";
import { uniqueSuffix } from "../store/owner.js";
import { type ByteString, fromByteString, fsPath, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { ChrootEnv } from "./chrootEnv.js";
import { makeDirectory, makeFile, type Placing } from "./chrootPlaces.js";
import { hostsFile, resolvConf } from "./etcFiles.js";
import { readHostFacts } from "./hostFacts.js";
import { needStepProgram } from "./programs.js";
import { DEVICE_LINKS, DEVICE_NODES, INSECURE_DEVICE_NODES } from "./standardMounts.js";
import type { CacheRunMount, RunMount, RunRequest } from "./types.js";

/** Directories of caches. */
export type CacheHomes = ReadonlyMap<CacheRunMount, string>;

/** What planning takes. */
export interface PlacingContext {
  /** Beside the root. */
  readonly dir: string;
  readonly homes: CacheHomes;
  /** Takes what must be undone in the end. */
  readonly onEnd: (undo: () => Promise<void>) => void;
}

/**
 * Everything that is put into a root, in order: what is the system's, then the mounts by target, byte by byte, so that
 * parents come before what is in them.
 */
export async function planPlacings(request: RunRequest, env: ChrootEnv, context: PlacingContext): Promise<Placing[]> {
  const own = new Set(request.mounts.map(({ target }) => target.replace(/\/+$/, "")));
  const system = systemPlacings(request, env).filter(({ target }) => !own.has(`/${target}`));
  const mounts = [...request.mounts].sort((a, b) => (toByteString(a.target) < toByteString(b.target) ? -1 : 1));
  const placings: Placing[] = [...system];
  for (const mount of mounts) {
    const placing = await mountPlacing(mount, env, context);
    if (placing) placings.push(placing);
  }
  const { script } = request;
  if (script) placings.push(file(toByteString(`dev/pipes/${script.name}`), Buffer.from(script.content), 0o755));
  return placings;
}

/** /proc and /sys are empty: nothing that is written there is the image's. */
function systemPlacings({ hostname, hosts, network, insecure }: RunRequest, env: ChrootEnv): Placing[] {
  const { resolvConf: servers } = readHostFacts();
  return [
    directory("proc", 0o755),
    directory("sys", 0o755),
    { target: "dev", type: "dir", put: (at) => makeDevices(at, env.hand.devices, insecure) },
    file("etc/resolv.conf", Buffer.from(resolvConf(servers, network), "latin1"), 0o644),
    file("etc/hosts", Buffer.from(hostsFile(hostname, hosts, network)), 0o644),
  ];
}

async function mountPlacing(mount: RunMount, env: ChrootEnv, context: PlacingContext): Promise<Placing | undefined> {
  const target = toByteString(mount.target);
  switch (mount.type) {
    case "tmpfs":
      return directory(target, 0o1777);
    case "secret":
      if (mount.content === undefined) return undefined;
      return file(target, mount.content, mount.mode, mount.uid, mount.gid);
    case "ssh":
      return { target, type: "other", put: (at) => openAgent(mount, at, context) };
    case "cache":
      return cachePlacing(mount, target, context);
    case "bind":
      return bindPlacing(mount, target, env, context);
  }
}

function cachePlacing(mount: CacheRunMount, target: ByteString, { homes, dir }: PlacingContext): Placing {
  const home = toByteString(homes.get(mount)!);
  const stat = fs.lstatSync(fsPath(home), { throwIfNoEntry: false });
  // The same cache at two targets: there is only one of it.
  if (stat === undefined) throw twice(mount);
  const type = stat.isDirectory() ? "dir" : "other";
  if (mount.readOnly) {
    const copy = `${toByteString(dir)}/read-only`;
    const put = async (at: ByteString): Promise<void> => {
      await copyTree(home, copy);
      fs.renameSync(fsPath(copy), fsPath(at));
    };
    return { target, type, put };
  }
  return { target, type, put: (at) => moveIn(home, at, mount), keepAt: home };
}

function moveIn(home: ByteString, at: ByteString, mount: CacheRunMount): void {
  if (!fs.lstatSync(fsPath(home), { throwIfNoEntry: false })) throw twice(mount);
  fs.renameSync(fsPath(home), fsPath(at));
}

function twice({ id }: CacheRunMount): NacreError {
  return new NacreError("MOUNT", `the cache ${id} can be mounted only once in a step at the isolation level chroot`, {
    hint: "give the second mount an id of its own",
  });
}

async function bindPlacing(
  mount: Extract<RunMount, { type: "bind" }>,
  target: ByteString,
  { store, layers, hand }: ChrootEnv,
  { dir }: PlacingContext,
): Promise<Placing> {
  const { unpackSeed } = await import("./unpackSeed.js");
  const copy = `${dir}/bind-${uniqueSuffix()}`;
  await unpackSeed({ store, layers, hand }, mount.source, copy);
  const stat = fs.lstatSync(copy, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new NacreError("SOURCE_NOT_FOUND", `${JSON.stringify(mount.source.path)} is not in the source of the mount`, {
      hint: "check source= and from= of the --mount",
    });
  }
  const type = stat.isDirectory() ? "dir" : "other";
  return { target, type, put: (at) => fs.renameSync(copy, fsPath(at)) };
}

async function openAgent(
  { agentSocket, mode, uid, gid }: Extract<RunMount, { type: "ssh" }>,
  at: ByteString,
  { dir, onEnd }: PlacingContext,
): Promise<void> {
  const { openAgentProxy } = await import("./agentProxy.js");
  const path = `${dir}/agent-${uniqueSuffix()}`;
  const proxy = await openAgentProxy({ path, agentSocket, mode, uid, gid });
  onEnd(() => proxy.close());
  fs.renameSync(path, fsPath(at));
}

/** As far as nodes may be made; in their place nothing is, so that no program takes an ordinary file for a device. */
async function makeDevices(at: ByteString, nodes: boolean, insecure: boolean): Promise<void> {
  makeDirectory(at, 0o755);
  for (const [name, mode] of [
    ["pts", 0o755],
    ["shm", 0o1777],
    ["mqueue", 0o1777],
  ] as const) {
    makeDirectory(`${at}/${name}`, mode);
  }
  for (const { name, target } of DEVICE_LINKS) fs.symlinkSync(target, fsPath(`${at}/${name}`));
  if (!nodes) return;
  const wanted = [
    ...DEVICE_NODES,
    ...(insecure ? INSECURE_DEVICE_NODES.filter(({ name }) => !name.includes("/")) : []),
  ];
  const there = wanted.map(({ name }) => `/dev/${name}`).filter((path) => fs.existsSync(path));
  await copy(["-dR", "--", ...there, `${fromByteString(at)}/`]);
  for (const { name, mode } of DEVICE_NODES) {
    const node = fsPath(`${at}/${name}`);
    if (fs.lstatSync(node, { throwIfNoEntry: false })?.isCharacterDevice()) fs.chmodSync(node, mode);
  }
}

function copyTree(from: ByteString, to: ByteString): Promise<void> {
  return copy(["-a", "--", fromByteString(from), fromByteString(to)]);
}

async function copy(args: readonly string[]): Promise<void> {
  const { execFile } = await import("node:child_process");
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
  await new Promise<void>((resolve, reject) => {
    execFile(needStepProgram("cp"), args, { env }, (error, _stdout, stderr) => {
      if (!error) return resolve();
      const words = stderr.trim().split("\n").at(-1) ?? error.message;
      reject(new NacreError("MOUNT", `copying failed: ${words}`, { cause: error }));
    });
  });
}

function directory(target: ByteString, mode: number): Placing {
  return { target, type: "dir", put: (at) => makeDirectory(at, mode) };
}

function file(target: ByteString, content: Buffer, mode: number, uid = 0, gid = 0): Placing {
  return { target, type: "other", put: (at) => makeFile(at, content, mode, uid, gid) };
}
