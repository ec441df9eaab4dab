/** Worlds in which nacre is started: as an ordinary user, without rights, on an overlay. All of it ends with the process. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import type { Finding } from "../../src/sandbox/probe.js";
import type { SandboxChoice } from "../../src/sandbox/sandbox.js";
import type { IsolationLevel, RunExit } from "../../src/sandbox/types.js";

const repository = fileURLToPath(new URL("../..", import.meta.url));

/** Arguments: directory, repository, node, text for /etc/subuid; then what is to be started. */
const AROUND = `
set -e
dir=$1 repository=$2 node=$3 ranges=$4; shift 4
mkdir -p "$dir/nacre"; touch "$dir/node"; printf "%s\\n" "$ranges" > "$dir/ranges"
mount --bind "$repository" "$dir/nacre"; mount --bind "$node" "$dir/node"
for file in /etc/subuid /etc/subgid; do if [ -e $file ]; then mount --bind "$dir/ranges" $file; fi; done
exec "$@"
`;

const USER = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];

/** In a user namespace in which no other can be made, all ids as outside. */
const NO_NAMESPACES = [
  ...["unshare", "--user", "--map-users", "0,0,65536", "--map-groups", "0,0,65536", "--setuid", "0", "--setgid", "0"],
  ...["--", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"],
];

/** Argument: the directory. */
const ON_OVERLAY = [
  ...["sh", "-c"],
  [
    'd=$1; shift; mkdir "$d/l" "$d/u" "$d/w" "$d/world"',
    'mount -t overlay -o "lowerdir=$d/l,upperdir=$d/u,workdir=$d/w" overlay "$d/world"; exec "$@"',
  ].join("; "),
];

/** Where nacre is started. */
export type World =
  | "root"
  | "user"
  | "single user"
  | "user without namespaces"
  | "root without mounts"
  | "root on an overlay";

/** What {@link runHere} may be asked. */
export interface Wanted {
  readonly isolation: "auto" | IsolationLevel;
  readonly findings?: boolean;
  /** PATH in which programs are looked for. */
  readonly path?: string;
  readonly rootfs?: string;
  readonly args?: readonly (readonly string[])[];
  /** Upper directories on a tmpfs in any case. */
  readonly tmpfs?: boolean;
}

/** What it answers. */
export interface Answer {
  readonly choice?: Omit<SandboxChoice, "facts">;
  readonly findings?: Record<IsolationLevel, Finding>;
  readonly runs?: readonly { readonly exit: RunExit; readonly output: string; readonly diffId: string }[];
  readonly error?: { readonly name: string; readonly code: string; readonly message: string; readonly hint?: string };
}

/** Runs runHere.js in a world, with a store of its own below the directory. @param directory an empty one */
export function runHere(world: World, directory: string, wanted: Wanted): Answer {
  fs.chmodSync(directory, 0o755);
  const isUser = world.includes("user");
  const store = path.join(directory, world === "root on an overlay" ? "world/store" : "store");
  if (isUser && !fs.existsSync(store)) {
    fs.mkdirSync(store);
    fs.chownSync(store, 65534, 65534);
  }
  const ranges = world === "user without namespaces" ? "root:0:65536" : world === "user" ? "65534:200000:65536" : "";
  const node = path.join(directory, "node");
  const script = path.join(directory, "nacre/test/sandbox/runHere.js");
  const argv = [
    ...["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", AROUND, "sh"],
    ...[directory, repository, process.execPath, ranges],
    ...wayInto(world, directory),
    ...[node, script, JSON.stringify({ ...wanted, store })],
  ];
  const ended = spawnSync(argv[0]!, argv.slice(1), { encoding: "utf8", cwd: "/", maxBuffer: 1 << 26 });
  if (ended.status !== 0) throw new Error(`${world}: ${ended.status ?? ended.signal}: ${ended.stderr}`);
  return JSON.parse(ended.stdout) as Answer;
}

function wayInto(world: World, directory: string): readonly string[] {
  switch (world) {
    case "root":
      return [];
    case "user":
    case "single user":
      return USER;
    case "user without namespaces":
      return [...NO_NAMESPACES, ...USER];
    case "root without mounts":
      return ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", "--"];
    case "root on an overlay":
      return [...ON_OVERLAY, "sh", directory];
  }
}
