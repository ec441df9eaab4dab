import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findWithin, makeWithin } from "../../src/sandbox/cachePoint.js";
import { makePaths, stub } from "../../src/sandbox/newPaths.js";
import { treeOf } from "../layer/helpers.js";
import { toolMissing } from "../setup/tools.js";
import { temporary } from "./overlay.js";

const isRoot = process.getuid?.() === 0;
const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const warn = (rule: string, message: string) => {
  throw new Error(`${rule}: ${message}`);
};

/** `path mode uid:gid mtime` of everything in a directory, itself included. */
function looks(dir: string): string[] {
  const { stdout } = spawnSync("find", [dir, "-printf", "%P %m %U:%G %T@\n"], { encoding: "latin1" });
  return stdout.replaceAll(".0000000000", "").split("\n");
}

describe("a stub directory", () => {
  it.skipIf(!isRoot)("has what the image lacks, and parents that look as they do in the image", async () => {
    const dir = temporary();
    const tree = treeOf([
      { path: "./", mode: 0o711, uid: 3, gid: 4, mtime: 1_000 },
      { path: "srv/", mode: 0o2750, uid: 33, gid: 34, mtime: 2_000 },
      { path: "srv/caf\xe9/", mode: 0o1777, mtime: 3_000 },
      { path: "other/", mtime: 4_000 },
    ]);
    const umask = process.umask(0o077);
    try {
      const made = await makePaths(
        dir,
        tree,
        [stub("srv/caf\xe9/a/b", "dir"), stub("srv/caf\xe9/a/f", "file"), stub("srv/x", "file"), stub("srv/x", "file")],
        { warn },
      );
      expect([...made].sort()).toEqual(["srv/caf\xe9/a", "srv/caf\xe9/a/b", "srv/caf\xe9/a/f", "srv/x"]);
    } finally {
      process.umask(umask);
    }
    const lines = looks(dir);
    expect(lines).toContain(" 711 3:4 1000");
    expect(lines).toContain("srv 2750 33:34 2000");
    expect(lines).toContain("srv/caf\xe9 1777 0:0 3000");
    expect(lines.some((line) => line.startsWith("srv/caf\xe9/a/b 755 0:0 "))).toBe(true);
    expect(lines.some((line) => line.startsWith("srv/x 644 0:0 "))).toBe(true);
    expect(lines.some((line) => line.startsWith("other"))).toBe(false);
    expect(fs.statSync(join(dir, "srv/x")).size).toBe(0);
  });

  it("gives what it makes, and its missing parents, to the owner that is asked for", async () => {
    const dir = temporary();
    const tree = treeOf([
      { path: "./", ...own },
      { path: "w/", ...own },
    ]);
    const owner = isRoot ? { uid: 1000, gid: 100 } : own;
    await makePaths(dir, tree, [{ path: "w/a/b", type: "dir", ...owner }], { warn });
    expect(fs.statSync(join(dir, "w/a/b"))).toMatchObject(owner);
    expect(fs.statSync(join(dir, "w/a"))).toMatchObject(owner);
    expect(fs.statSync(join(dir, "w"))).toMatchObject(own);
  });

  it.skipIf(!isRoot || toolMissing("getfattr"))("keeps the attributes of parents", async () => {
    const dir = temporary();
    const xattrs = { "user.note": "a=\x00\xff\n", "trusted.odd name": "1" };
    await makePaths(dir, treeOf([{ path: "d \xe9=/", xattrs }]), [stub("d \xe9=/x", "file")], { warn });
    const name = Buffer.from(`${dir}/d \xe9=`, "latin1");
    const script =
      "import os,sys; p=os.fsencode(sys.argv[1])+b'/d \\xe9='; print({n: os.getxattr(p,n).hex() for n in sorted(os.listxattr(p))})";
    expect(fs.existsSync(name)).toBe(true);
    const { stdout } = spawnSync("python3", ["-c", script, dir], { encoding: "utf8" });
    expect(stdout.trim()).toBe("{'trusted.odd name': '31', 'user.note': '613d00ff0a'}");
  });
});

describe("mount points in a cache", () => {
  it("are made, with directories on the way, and what is there stays", () => {
    const dir = temporary();
    fs.mkdirSync(join(dir, "have"), { mode: 0o700 });
    makeWithin(dir, "have/new/caf\xe9", "dir", own);
    makeWithin(dir, "have/new/f", "file", own);
    makeWithin(dir, "have/new/f", "file", own);
    expect(findWithin(dir, "have/new/caf\xe9")).toEqual({ type: "dir" });
    expect(findWithin(dir, "have/new/f")).toEqual({ type: "file" });
    expect(findWithin(dir, "have/nothing/here")).toBeUndefined();
    expect(fs.statSync(join(dir, "have")).mode & 0o777).toBe(0o700);
  });

  it("are never made where a symlink leads", () => {
    const [dir, host] = [temporary(), temporary()];
    fs.symlinkSync(host, join(dir, "l"));
    fs.symlinkSync(join(host, "f"), join(dir, "d"));
    for (const [path, type] of [
      ["l/x", "file"],
      ["l/x/y", "dir"],
      ["l", "dir"],
    ] as const) {
      expect(() => makeWithin(dir, path, type, own), path).toThrow("in the way of the mount point");
    }
    makeWithin(dir, "d", "file", own);
    expect(fs.readdirSync(host)).toEqual([]);
    expect(findWithin(dir, "l/x")).toBeUndefined();
    expect(findWithin(dir, "l")).toEqual({ type: "symlink", link: host });
  });
});
