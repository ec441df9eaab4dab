/**
 * Trying what isolation needs, in the process that is to be the hand: makes a small root in the store's own directory,
 * mounts and enters it, and leaves nothing behind. Nothing is concluded from versions or settings.
 */
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { removeTree } from "../store/removeTree.js";
import type { Store } from "../store/store.js";
import { ioError } from "../support/errors.js";
import { PLAIN_OVERLAY } from "./fstab.js";
import type { Hand } from "./hand.js";
import { flavourOf, type IdMapping, isIdentity } from "./idMapping.js";
import { type Facts, ownMapping } from "./probeFacts.js";
import { lastWords, type Reason, TRIAL_CODES, type Trial, whyNoChroot, whyNoRoot } from "./probeReasons.js";
import { missingProgram } from "./probeTools.js";
import type { IsolationLevel } from "./types.js";

/** What was found of one level in one place. */
export type Finding =
  /** @property runtime the OCI runtime, at level `oci` */
  { readonly works: true; readonly runtime?: string | undefined } | ({ readonly works: false } & Reason);

/** What was found in one process. */
export interface ProbeReport {
  readonly hand: Hand;
  /** Of the levels that were asked for. */
  readonly levels: { readonly [Level in IsolationLevel]?: Finding | undefined };
  /** How many ids there are: users, groups. */
  readonly ids: readonly [number, number];
}

/** Where and for what to probe. */
export interface ProbeRequest {
  readonly levels: readonly IsolationLevel[];
  /** A directory on a tmpfs for upper directories, for where the store's disk cannot hold them. */
  readonly tmpfs: string | undefined;
  /** The user namespaces around this one, as far as the caller knows them. */
  readonly around: readonly IdMapping[];
}

/** Milliseconds after which a trial counts as failed: mounts on a dead network disk hang for ever. */
const PATIENCE = 20_000;

/**
 * A root like that of a step: an overlay that is mounted twice, with a directory replaced in between, over directories
 * with marks of what they remove; a /proc; the exchange of the root directory; and a program that is not there, so that
 * the exit code is 127.
 */
const TRIAL = `
cd "$1" || exit ${TRIAL_CODES.directory}
mount -t overlay -o "$2" overlay "$3" || exit ${TRIAL_CODES.overlay}
rm -r "$3/gone" && mkdir "$3/gone" && umount "$3" && mount -t overlay -o "$2" overlay "$3" || exit ${TRIAL_CODES.opaque}
test ! -e "$3/gone/file" || exit ${TRIAL_CODES.opaque}
test ! -e "$3/removed" && test ! -e "$3/replaced/file" || exit ${TRIAL_CODES.marks}
mount -t proc proc "$3/proc" || exit ${TRIAL_CODES.proc}
cd "$3" && mount --no-mtab --move . / || exit ${TRIAL_CODES.root}
exec unshare --root=. -- /no-such-program
`;

/** Tries. Never throws for what does not work. @throws NacreError STORE, DISK_FULL where the store cannot be written */
export async function probeHere(store: Store, facts: Facts, request: ProbeRequest): Promise<ProbeReport> {
  const world = ownMapping();
  const xattrs = isIdentity(world.uids) ? "trusted" : "user";
  const directory = store.directory.tempTree();
  try {
    const overlay = await tryOverlay(store, directory, xattrs, request.tmpfs, facts);
    const hand: Hand = {
      flavour: flavourOf([world, ...request.around]),
      overlayXattrs: xattrs,
      singleId: !canChangeOwner(directory),
      devices: await canMakeDevices(directory, facts),
      upper: overlay.upper,
    };
    const levels: Partial<Record<IsolationLevel, Finding>> = {};
    for (const level of request.levels) {
      if (level === "chroot") levels.chroot = await tryChroot(directory, facts);
      else levels[level] = overlay.finding.works && level === "oci" ? await tryOci() : overlay.finding;
    }
    return { hand, levels, ids: [count(world.uids), count(world.gids)] };
  } catch (error) {
    throw ioError("STORE", `trying what works in ${directory}`, error);
  } finally {
    await removeTree(directory).catch(() => {});
  }
}

interface OverlayFinding {
  readonly upper: Hand["upper"];
  readonly finding: Finding;
}

async function tryOverlay(
  store: Store,
  directory: string,
  xattrs: Hand["overlayXattrs"],
  tmpfs: string | undefined,
  facts: Facts,
): Promise<OverlayFinding> {
  for (const name of ["unshare", "setpriv", "mount", "tar"] as const) {
    if (facts.programs.has(name)) continue;
    return { upper: undefined, finding: { works: false, why: missingProgram(name) } };
  }
  const marks = await makeLower(directory, xattrs);
  if (marks !== undefined) {
    const trial = { code: TRIAL_CODES.marks, stderr: marks };
    return { upper: undefined, finding: { works: false, ...whyNoRoot(trial, fileSystemType(store.path), facts) } };
  }
  const trial = await mountTrial(directory, directory, xattrs, facts);
  if (trial.code === TRIAL_CODES.done) return { upper: "store", finding: { works: true } };
  const why = whyNoRoot(trial, fileSystemType(store.path), facts);
  const elsewhere = trial.code === TRIAL_CODES.overlay || trial.code === TRIAL_CODES.opaque;
  if (tmpfs === undefined || !elsewhere) return { upper: undefined, finding: { works: false, ...why } };
  const upper = path.join(tmpfs, path.basename(directory));
  fs.mkdirSync(upper, { mode: 0o700 });
  try {
    const second = await mountTrial(directory, upper, xattrs, facts);
    if (second.code === TRIAL_CODES.done) return { upper: { tmpfs }, finding: { works: true } };
    return { upper: undefined, finding: { works: false, ...whyNoRoot(second, "tmpfs", facts) } };
  } finally {
    await removeTree(upper).catch(() => {});
  }
}

/**
 * Two lower directories, of which the upper one removes a name and replaces a directory, made as snapshots are.
 * @returns why that cannot be
 */
async function makeLower(base: string, xattrs: Hand["overlayXattrs"]): Promise<string | undefined> {
  for (const name of ["gone", "proc", "replaced"]) fs.mkdirSync(path.join(base, "lower", name), { recursive: true });
  for (const name of ["gone/file", "replaced/file", "removed"]) fs.writeFileSync(path.join(base, "lower", name), "");
  for (const name of ["marks", "merged"]) fs.mkdirSync(path.join(base, name));
  const common = { uid: 0, gid: 0, size: 0, mtime: 0 };
  const opaque = { [`${xattrs}.overlay.opaque`]: "y" };
  const { unpackWithTar } = await import("./gnuTar.js");
  try {
    await unpackWithTar(
      path.join(base, "marks"),
      [
        { entry: { ...common, path: "removed", type: "char", mode: 0, devMajor: 0, devMinor: 0 } },
        { entry: { ...common, path: "replaced", type: "dir", mode: 0o755, xattrs: opaque } },
      ],
      {},
    );
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** @param base where the lower directories are. @param upper where upper and work directories are made */
async function mountTrial(base: string, upper: string, xattrs: Hand["overlayXattrs"], facts: Facts): Promise<Trial> {
  const names = ["upper", "work"].map((name) => `${name}-${xattrs}`);
  for (const name of names) fs.mkdirSync(path.join(upper, name));
  // Relative, because a comma or a colon in the store's path would end the option.
  const top = commonParent(base, upper);
  const from = (directory: string, name: string) => path.relative(top, path.join(directory, name));
  const options = [
    `lowerdir=${from(base, "marks")}:${from(base, "lower")}`,
    `upperdir=${from(upper, names[0]!)}`,
    `workdir=${from(upper, names[1]!)}`,
    ...PLAIN_OVERLAY,
    ...(xattrs === "user" ? ["userxattr"] : []),
  ];
  const namespaces = ["--pid", "--fork", "--kill-child", "--mount", "--ipc", "--uts", "--propagation", "private"];
  const script = ["sh", "-c", TRIAL, "sh", top, options.join(), from(base, "merged")];
  return run(["setpriv", "--pdeathsig", "KILL", "--", "unshare", ...namespaces, "--", ...script], facts);
}

function commonParent(a: string, b: string): string {
  let parent = a;
  while (b !== parent && !b.startsWith(`${parent}/`) && parent !== "/") parent = path.dirname(parent);
  return parent;
}

async function tryChroot(directory: string, facts: Facts): Promise<Finding> {
  if (!facts.programs.has("unshare")) return { works: false, why: missingProgram("unshare") };
  const trial = await run(["unshare", `--root=${directory}`, "--", "/no-such-program"], facts);
  return trial.code === TRIAL_CODES.done ? { works: true } : { works: false, ...whyNoChroot(trial) };
}

async function tryOci(): Promise<Finding> {
  try {
    const { probeOci } = await import("./oci.js");
    const found = await probeOci();
    return found.ok ? { works: true, runtime: found.runtime.path } : { works: false, why: found.why };
  } catch (error) {
    return { works: false, why: lastWords(String(error)) };
  }
}

function canChangeOwner(directory: string): boolean {
  const file = path.join(directory, "owner");
  try {
    fs.writeFileSync(file, "");
    fs.chownSync(file, 1, 1);
    return true;
  } catch {
    return false;
  }
}

async function canMakeDevices(directory: string, facts: Facts): Promise<boolean> {
  const { code } = await run(["mknod", path.join(directory, "null"), "c", "1", "3"], facts);
  return code === 0;
}

function run(args: readonly string[], facts: Facts): Promise<Trial> {
  const env = { PATH: facts.path, LC_ALL: "C", LIBMOUNT_FORCE_MOUNT2: "always" };
  const options = { env, timeout: PATIENCE, killSignal: "SIGKILL", maxBuffer: 1 << 20 } as const;
  return new Promise((resolve) => {
    const child = execFile(args[0]!, args.slice(1), options, (error, _stdout, stderr) => {
      const code = child.exitCode ?? -1;
      resolve({ code, stderr: stderr === "" && error && code === -1 ? error.message : stderr });
    });
    child.stdin?.end();
  });
}

function count(map: IdMapping["uids"]): number {
  return map.reduce((sum, range) => sum + range.count, 0);
}

/** Type of the file system that a directory lies on, from /proc/self/mountinfo (proc(5)); the last mount on the longest path is the visible one. */
export function fileSystemType(directory: string): string {
  let [longest, type] = ["", "unknown"];
  let text = "";
  try {
    text = fs.readFileSync("/proc/self/mountinfo", "latin1");
  } catch {
    return type;
  }
  const here = Buffer.from(fs.realpathSync(directory)).toString("latin1");
  for (const line of text.split("\n")) {
    const [front = "", back = ""] = line.split(" - ");
    const point = (front.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const covers = point === "/" || here === point || here.startsWith(`${point}/`);
    if (!point || !covers || point.length < longest.length) continue;
    [longest, type] = [point, back.split(" ")[0] ?? type];
  }
  return type;
}
