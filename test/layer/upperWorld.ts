/**
 * Real overlays: a lower directory is filled by a script, another script changes it through a mount, and what is left in
 * the upper directory becomes a layer. Listings are made, and layers applied, by Python and GNU tar.
 */
import { type ExecFileSyncOptionsWithStringEncoding, execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, afterEach } from "vitest";
import type { Change } from "../../src/layer/changes.js";
import { LayerTree } from "../../src/layer/layerTree.js";
import { contentBytes, readUpper, type UpperOptions, type UpperReading } from "../../src/layer/upper.js";
import { writeChanges } from "../../src/layer/writeChanges.js";
import { findTool } from "../setup/tools.js";
import { indexOf, writtenLayer } from "./helpers.js";

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

/** Lower directories by the script that filled them: overlays only read them, so that all worlds can share one. */
const bases = new Map<string, { readonly dir: string; readonly below: LayerTree }>();

afterAll(() => {
  for (const { dir } of bases.values()) fs.rmSync(dir, { recursive: true, force: true });
  bases.clear();
});

/** False where these tests cannot mount: not root, or a tool is missing. */
export const canOverlay =
  process.getuid?.() === 0 &&
  ["unshare", "tar", "python3", "getfattr", "setfattr", "setcap"].every((tool) => findTool(tool) !== undefined);

/** A directory with the parts of an overlay. */
export interface World {
  readonly dir: string;
  readonly upper: string;
  /** The tree of the lower directory, as an index of GNU tar's archive of it tells it. */
  readonly below: LayerTree;
  /** What the process saw at its end, see {@link listing}. */
  readonly merged: readonly string[];
}

const PRELUDE = "set -e; umask 022; export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin\n";

/** Makes a lower directory and runs a script in an overlay over it. */
export function overlaid(base: string, run: string, privilege: "root" | "userns" = "root"): World {
  const lower = baseOf(base);
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-upper-"));
  directories.push(dir);
  for (const name of ["upper", "work", "merged"]) fs.mkdirSync(`${dir}/${name}`);
  fs.symlinkSync(lower.dir, `${dir}/lower`);
  return { dir, upper: `${dir}/upper`, below: lower.below, merged: inOverlay(dir, run, privilege) };
}

function baseOf(script: string): { readonly dir: string; readonly below: LayerTree } {
  let base = bases.get(script);
  if (base === undefined) {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-lower-"));
    fs.chmodSync(dir, 0o755);
    base = { dir, below: treeOfTar(archive(dir, script)) };
    bases.set(script, base);
  }
  return base;
}

/** Runs a script in the overlay of a world; whatever it changes goes to the upper directory. @returns the listing then */
export function inOverlay(dir: string, run: string, privilege: "root" | "userns" = "root"): string[] {
  const own = privilege === "root" ? "redirect_dir=off,metacopy=off,index=off" : "userxattr";
  const options = `lowerdir=lower,upperdir=upper,workdir=work,${own}`;
  return mounted(dir, options, `${run}\n`, { userNamespace: privilege === "userns" });
}

/** What an overlay of the upper directory, as a lower one, shows over the lower directory; directories with their times. */
export function viewOf(dir: string): string[] {
  return mounted(dir, "lowerdir=upper:lower,redirect_dir=off,metacopy=off,index=off", "", { times: true });
}

function mounted(
  dir: string,
  options: string,
  run: string,
  how: { readonly times?: boolean; readonly userNamespace?: boolean },
): string[] {
  const script = `${PRELUDE}cd "$1"; mount -t overlay overlay -o "$2" merged; cd merged
(${run}:
) >&2
exec python3 -c "$3" . "$4"`;
  const args = [
    "--mount",
    "--propagation",
    "private",
    "bash",
    "-c",
    script,
    "bash",
    dir,
    options,
    LISTING,
    how.times ? "times" : "",
  ];
  if (how.userNamespace) args.unshift("--user", "--map-root-user");
  return lines(execFileSync("unshare", args, OUTPUT));
}

const OUTPUT: ExecFileSyncOptionsWithStringEncoding = {
  encoding: "latin1",
  stdio: ["ignore", "pipe", "inherit"],
  maxBuffer: 1 << 28,
};

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/**
 * Prints a line for each name below a directory: type, mode, owner, size, time of all but directories, content, link,
 * device, extended attributes, first of its names where an inode has several.
 */
const LISTING = `
import os, stat, sys, hashlib
root = os.fsencode(sys.argv[1])
times = 'times' in sys.argv
names, out = {}, []
def visit(path, name):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    words = ['%o' % st.st_mode, '%d:%d' % (st.st_uid, st.st_gid)]
    if kind != stat.S_IFDIR or times: words.append(str(int(st.st_mtime_ns // 10**9)))
    if kind == stat.S_IFREG:
        words.append(hashlib.sha256(open(path, 'rb').read()).hexdigest())
    if kind == stat.S_IFLNK: words.append(repr(os.readlink(path)))
    if kind in (stat.S_IFCHR, stat.S_IFBLK): words.append('%d,%d' % (os.major(st.st_rdev), os.minor(st.st_rdev)))
    for attr in sorted(os.listxattr(path, follow_symlinks=False)):
        if attr.startswith('trusted.overlay.'): continue
        words.append(attr + '=' + os.getxattr(path, attr, follow_symlinks=False).hex())
    if name != b'' and kind != stat.S_IFSOCK:
        out.append(repr(name) + ' ' + ' '.join(words))
        if st.st_nlink > 1 and kind != stat.S_IFDIR: names.setdefault((st.st_dev, st.st_ino), []).append(len(out) - 1)
    if kind == stat.S_IFDIR:
        for child in sorted(os.listdir(path)):
            visit(path + b'/' + child, name + b'/' + child if name else child)
visit(root, b'')
for group in names.values():
    for at in group[1:]: out[at] += ' with ' + out[group[0]].split(' ')[0]
print('\\n'.join(out))
`;

/** Applies a layer as the image specification says; what is not a whiteout is GNU tar's part. */
const APPLY = `
import os, shutil, subprocess, sys, tarfile
layer, root = sys.argv[1], os.fsencode(sys.argv[2])
def remove(path):
    if os.path.isdir(path) and not os.path.islink(path): shutil.rmtree(path)
    elif os.path.lexists(path): os.unlink(path)
with tarfile.open(layer, errors='surrogateescape', encoding='utf-8') as tar:
    for member in tar:
        path = os.path.join(root, os.fsencode(member.name))
        folder, name = os.path.split(path)
        if name == b'.wh..wh..opq':
            for child in os.listdir(folder): remove(os.path.join(folder, child))
        elif name.startswith(b'.wh.'):
            assert member.mode == 0 and member.size == 0 and member.uid == 0 and member.isreg()
            remove(os.path.join(folder, name[4:]))
        elif not (member.isdir() and os.path.isdir(path) and not os.path.islink(path)): remove(path)
subprocess.run(['tar', '-xpf', layer, '-C', root, '--warning=no-timestamp', '--same-owner', '--numeric-owner', '--xattrs', '--xattrs-include=*',
  '--wildcards', '--exclude=.wh.*', '--exclude=*/.wh.*'], check=True)
`;

/** What is there once the layer is applied to the lower directory by other programs. */
export function applied(world: World, tar: Buffer): string[] {
  const root = `${world.dir}/applied`;
  const layer = `${world.dir}/layer.tar`;
  fs.writeFileSync(layer, tar);
  execFileSync("cp", ["-a", `${world.dir}/lower/.`, root]);
  const program = `${APPLY}\nsys.argv[1] = sys.argv[2]\n${LISTING}`;
  return lines(execFileSync("python3", ["-c", program, layer, root], OUTPUT));
}

/** Reads the upper directory of a world. */
export function changesOf(world: World, options: Partial<UpperOptions> = {}): Promise<UpperReading> {
  return readUpper({ dir: world.upper, xattrs: "trusted", below: world.below, ...options });
}

/** The tar of changes, and its index, which must be the one that the tar's bytes give. */
export async function tarOfChanges(changes: readonly Change[], mtime?: number) {
  return writtenLayer((writer) => writeChanges(changes, writer, { mtime }), contentBytes(changes));
}

/** Changes as short lines: `+ path` or `- path`; directories end in a slash. */
export function brief(changes: readonly Change[]): string[] {
  return changes.map((change) => {
    if (change.kind === "removed") return `- ${change.path}`;
    return `+ ${change.path}${change.type === "dir" ? "/" : ""}${change.opaque ? " opaque" : ""}`;
  });
}

/** Fills a directory by a script. @returns GNU tar's archive of it */
function archive(dir: string, script: string): Buffer {
  const pack = "tar --format=posix --xattrs '--xattrs-include=*' --sort=name -cf - .";
  const { stdout, status, stderr } = spawnSync("bash", ["-c", `${PRELUDE}(${script}\n) >&2\n${pack}`], {
    cwd: dir,
    maxBuffer: 1 << 30,
  });
  if (status !== 0) throw new Error(`filling a directory failed: ${stderr.toString()}`);
  return stdout;
}

/** The tree of a single layer. */
export function treeOfTar(tar: Buffer): LayerTree {
  const content = {
    prepare: async () => {},
    read: (target: Buffer, at: number, length: number, position: number) =>
      tar.copy(target, at, position, position + length),
  };
  return new LayerTree([{ index: indexOf(tar).index, content }]);
}
