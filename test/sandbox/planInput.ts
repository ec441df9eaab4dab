/** Requests and the rest of a plan's input, for tests that care for one thing of them. */
import { tmpdir } from "node:os";
import type { FileTree } from "../../src/layer/fileTree.js";
import { lookup } from "../../src/layer/fileTree.js";
import type { HostFacts } from "../../src/sandbox/hostFacts.js";
import type { BindSource } from "../../src/sandbox/planMounts.js";
import { type PlanInput, type PlannedRoot, planRoot } from "../../src/sandbox/planRoot.js";
import type { CacheRunMount, RunMount, RunRequest } from "../../src/sandbox/types.js";

export const FACTS: HostFacts = {
  kinds: new Map([
    ["/proc/acpi", "dir"],
    ["/proc/keys", "file"],
    ["/proc/sys", "dir"],
  ]),
  cgroups: [{ name: "" }],
  mounts: [],
  resolvConf: "",
};

/** A request that does nothing, changed as told. */
export function requestOf(changes: Partial<RunRequest> = {}): RunRequest {
  return {
    root: [],
    args: ["/bin/true"],
    script: undefined,
    env: [],
    secretEnv: new Map(),
    cwd: "/",
    user: "",
    hostname: "buildkitsandbox",
    network: "host",
    insecure: false,
    hosts: [],
    shmSize: 64 << 20,
    limits: { ulimits: [] },
    mounts: [],
    mtime: undefined,
    ...changes,
  };
}

export const tmpfs = (target: string, size = 0): RunMount => ({ type: "tmpfs", target, size });

/** Bind mounts are found by their object. */
export const bind = (target: string, writable = false): RunMount => ({
  type: "bind",
  target,
  source: { layers: [], path: "/" },
  writable,
});

export const cache = (
  target: string,
  sharing: CacheRunMount["sharing"] = "locked",
  readOnly = false,
): CacheRunMount => ({
  type: "cache",
  target,
  id: target,
  sharing,
  readOnly,
  seed: undefined,
  owner: { mode: 0o755, uid: 0, gid: 0 },
  fresh: false,
});

export const secret = (target: string): RunMount => ({
  type: "secret",
  target,
  content: Buffer.from("hush"),
  mode: 0o400,
  uid: 0,
  gid: 0,
});

/** A source of which one directory holds everything. */
export function sourceOf(tree: FileTree, path = "", directories: readonly string[] = ["/store/a"]): BindSource {
  return { tree, node: lookup(tree, path)!, path, directories, plain: true, key: directories.join() };
}

/** Plans a root. */
export function plan(tree: FileTree, request: Partial<RunRequest>, changes: Partial<PlanInput> = {}): PlannedRoot {
  const caches = new Map<CacheRunMount, { path: string; type: "dir"; exclusive: boolean }>();
  for (const mount of request.mounts ?? []) {
    if (mount.type !== "cache") continue;
    caches.set(mount, { path: tmpdir(), type: "dir", exclusive: mount.sharing !== "shared" });
  }
  return planRoot({
    request: requestOf(request),
    tree,
    user: { uid: 0, gid: 0, groups: [0], home: "/root", name: "root" },
    facts: FACTS,
    hand: { flavour: "root", overlayXattrs: "trusted", singleId: false, devices: true, upper: "store" },
    dir: "/step",
    upperBase: "/step",
    lower: ["/store/root"],
    binds: new Map(),
    caches,
    agents: new Map(),
    isDirectory: () => true,
    ...changes,
  });
}

/** The request's own mounts of a plan: everything after /etc/hosts, without what protects /proc. */
export function requested({ plan: { mounts } }: PlannedRoot): string[] {
  const from = mounts.findIndex(({ target }) => target.endsWith("etc/hosts")) + 1;
  return mounts.slice(from).flatMap((mount) => (mount.purpose === undefined ? [mount.target] : []));
}
