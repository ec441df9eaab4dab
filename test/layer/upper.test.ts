import * as fs from "node:fs";
import { describe, expect, test } from "vitest";
import { LayerTree } from "../../src/layer/layerTree.js";
import { isNacreError } from "../../src/support/errors.js";
import { indexOf } from "./helpers.js";
import { applied, brief, canOverlay, changesOf, overlaid, tarOfChanges, treeOfTar } from "./upperWorld.js";

/** A lower directory with something of everything. */
const BASE = `
mkdir -p d/sub e etc
echo one > d/one; echo two > d/two; echo deep > d/sub/deep; echo e > e/file
echo root:x:0:0:root:/root:/bin/sh > etc/passwd
ln -s one d/link; ln d/one d/hard; mkfifo d/pipe; mknod d/null c 1 3
echo cap > cap; setcap cap_net_raw+ep cap; setfattr -n user.note -v 0x00ff0a cap
chmod 4755 d/two; chown 12:34 e/file
find . -exec touch -h -d '2020-01-02 03:04:05.678' {} +`;

/** What is asked of every case, whatever else it is about. */
async function check(run: string, expected: readonly string[], base = BASE) {
  const world = overlaid(base, run);
  const { changes, tidy } = await changesOf(world);
  expect(brief(changes)).toEqual(expected);
  const { tar, layer } = await tarOfChanges(changes);
  expect(applied(world, tar)).toEqual(world.merged);
  const again = indexOf(tar);
  expect(layer.index.encode().equals(again.index.encode())).toBe(true);
  expect(layer.diffId).toBe(again.diffId);
  return { world, changes, tar, tidy, index: layer.index };
}

describe.skipIf(!canOverlay)("the changes in an upper directory", () => {
  test("are none where nothing was done, and the layer is the empty tar", async () => {
    const { tar } = await check("true", []);
    expect(tar.equals(Buffer.alloc(1024))).toBe(true);
  });

  test("are what was added, changed and removed, without directories that only hold them", async () => {
    await check("echo new > d/new; echo more >> d/sub/deep; rm e/file", ["+ d/new", "+ d/sub/deep", "- e/file"]);
  });

  test("leave out what was there only for a while, and removed names that never were below", async () => {
    await check("touch e/x; rm e/x; mkdir d/y; rmdir d/y; echo x > d/sub/deep2; mv d/sub/deep2 q; rm q", []);
  });

  test("leave out what is as it was before", async () => {
    await check(
      "chmod 600 d/two; chmod 4755 d/two; chown 1 e/file; chown 12 e/file; chmod 700 e; chmod 755 e; touch -r d/two d/two",
      [],
    );
  });

  test("leave out a file that was removed and made again with the same content and time", async () => {
    await check("cp -a e/file x; rm e/file; mv x e/file", []);
    await check("cp -a e/file x; rm e/file; mv x e/file; touch e/file", ["+ e/file"]);
  });

  test("tell a content that differs though size and time do not", async () => {
    await check("echo E > e/file; touch -d '2020-01-02 03:04:05' e/file", ["+ e/file"]);
  });

  test("tell what of the metadata differs", async () => {
    await check("chmod 4700 d/two", ["+ d/two"]);
    await check("chown 4294967294:4294967294 e/file", ["+ e/file"]);
    await check("touch -d @1 d/one", ["+ d/one"]);
    await check("chmod 1777 e", ["+ e/"]);
    await check("chown 5 e", ["+ e/"]);
    await check("touch -h -d @-5 d/link; touch -d @-7.5 d/pipe", ["+ d/link", "+ d/pipe"]);
    await check("setfattr -n user.x -v 1 e", ["+ e/"]);
    await check("setfattr -x user.note cap", ["+ cap"]);
    await check("touch d e", []);
  });

  test("turn a directory into a file and back", async () => {
    await check("rm -r d; echo file > d", ["+ d"]);
    await check("rm cap; mkdir cap; echo in > cap/in", ["+ cap/", "+ cap/in"]);
    await check("rm d/link; mkdir d/link; rm -r e; ln -s d e", ["+ d/link/", "+ e"]);
    await check("rm -r d; ln -s e d", ["+ d"]);
    await check("rm d/pipe; mknod d/pipe b 7 300; rm d/null; mkfifo d/null", ["+ d/null", "+ d/pipe"]);
  });

  test("name what is gone from a directory that was removed and made again", async () => {
    await check("rm -r d; mkdir d; echo new > d/new", [
      "- d/hard",
      "- d/link",
      "+ d/new",
      "- d/null",
      "- d/one",
      "- d/pipe",
      "- d/sub",
      "- d/two",
    ]);
  });

  test("leave out what came back in a directory that was removed and made again", async () => {
    const run = "cp -a d x; rm -r d; mv x d; rm d/two; echo other > d/sub/deep";
    await check(
      run,
      ["+ d/sub/deep", "- d/two"].sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1)),
    );
    await check("cp -a d x; rm -r d; mv x d", []);
    await check("rm -r d; mkdir -p d/sub; touch -d '2020-01-02 03:04:05' d/sub d", [
      "- d/hard",
      "- d/link",
      "- d/null",
      "- d/one",
      "- d/pipe",
      "- d/sub/deep",
      "- d/two",
    ]);
  });

  test("hold a renamed directory of the layers below whole", async () => {
    await check("mv d moved", [
      "- d",
      "+ moved/",
      "+ moved/hard",
      "+ moved/link",
      "+ moved/null",
      "+ moved/one",
      "+ moved/pipe",
      "+ moved/sub/",
      "+ moved/sub/deep",
      "+ moved/two",
    ]);
  });

  test("are new directories that nothing was below, without a word of hiding", async () => {
    const { index } = await check("mkdir -p a/b/c d/n/m; rm -r e; mkdir e", [
      "+ a/",
      "+ a/b/",
      "+ a/b/c/",
      "+ d/n/",
      "+ d/n/m/",
      "- e/file",
    ]);
    expect([...index.columns.flags].some((flags) => flags & 2)).toBe(false);
  });

  test("keep all names of an inode together", async () => {
    await check("ln e/file e/also", ["+ e/also", "+ e/file"]);
    await check("ln cap c2; ln cap d/c3", ["+ c2", "+ cap", "+ d/c3"]);
    await check("echo x > n1; ln n1 n2; ln n1 a0; ln -P d/link l2; mknod dev b 1 2; ln dev dev2", [
      "+ a0",
      "+ d/link",
      "+ dev",
      "+ dev2",
      "+ l2",
      "+ n1",
      "+ n2",
    ]);
  });

  test("take in both names where two equal files of the layers below became one", async () => {
    const base = "echo same > a; cp a b; touch -d @5 a b";
    await check("ln -f a b", ["+ a", "+ b"], base);
  });

  test("separate the names of an inode of the layers below, of which one was written", async () => {
    await check("echo more >> d/one", ["+ d/one"]);
  });

  test("keep extended attributes of all kinds, and none of overlayfs or the host", async () => {
    const run = `
echo b > bin; setcap cap_chown,cap_net_bind_service=ep bin
setfattr -n user.bytes -v 0x000a0d3d5cff bin; setfattr -n user.empty bin; setfattr -n trusted.t -v 0x00 bin
setfattr -n $'user.odd\\nname' -v 1 bin; setfattr -n 'user.back\\slash' -v 1 bin; setfattr -n $'user.\\xe9' -v x bin
mkdir att; setfattr -n user.dir -v 1 att; ln -s x ln; setfattr -h -n trusted.ln -v 1 ln`;
    const { changes } = await check(run, ["+ att/", "+ bin", "+ ln"]);
    const names = changes.flatMap((change) => (change.kind === "present" ? Object.keys(change.xattrs ?? {}) : []));
    expect(names).toEqual([
      "user.dir",
      "security.capability",
      "trusted.t",
      "user.back\\slash",
      "user.bytes",
      "user.empty",
      "user.odd\nname",
      "user.\xe9",
      "trusted.ln",
    ]);
  });

  test("do not hold attributes whose names no tar archive can", async () => {
    const world = overlaid(BASE, "setfattr -n 'user.a=b' -v 1 e/file; echo n > n; setfattr -n 'user.a=b' -v 1 n");
    const { changes } = await changesOf(world);
    expect(brief(changes)).toEqual(["+ n"]);
    await tarOfChanges(changes);
  });

  test("keep names of all bytes, and long ones", async () => {
    const long = "l".repeat(250);
    const run = `
for n in $'caf\\xe9' $'new\\nline' 'back\\slash' $'\\x01\\xff' ' ' '-rf' '"' "'" '# file: x' 'a=0x00' 'é' '日本'; do
  mkdir "d/$n"; echo "$n" > "d/$n/$n"; setfattr -n user.n -v 1 "d/$n/$n"; done
mkdir -p ${long}/${long}; echo x > ${long}/${long}/f; rm "d/one"; setfattr -n user.n -v 1 ${long}/${long}/f`;
    const world = overlaid(BASE, run);
    const { changes } = await changesOf(world);
    const { tar, layer } = await tarOfChanges(changes);
    expect(applied(world, tar)).toEqual(world.merged);
    expect(layer.index.encode().equals(indexOf(tar).index.encode())).toBe(true);
    const given = changes.filter((change) => change.kind === "present" && change.xattrs !== undefined);
    expect(given).toHaveLength(13);
  });

  test("are whiteouts of names that a file system can just hold", async () => {
    const long = `${"x".repeat(254)}y`;
    await check(`rm ${long}`, [`- ${long}`], `echo x > ${long}`);
  });

  test("leave sockets out, and do not let what one replaced come back", async () => {
    const socket = (name: string) => `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("${name}")'`;
    await check(`${socket("e/new.sock")}; rm e/file; ${socket("e/file")}; mkdir run; ${socket("run/s")}`, [
      "- e/file",
      "+ run/",
    ]);
  });

  test("hold sparse files whole", async () => {
    const { changes } = await check("truncate -s 3M sparse; echo x >> sparse", ["+ sparse"]);
    expect(changes[0]).toMatchObject({ size: (3 << 20) + 2 });
  });

  test("floor times", async () => {
    const { changes } = await check("echo x > e/f; touch -d @1000000000.999999999 e/f", ["+ e/f"]);
    expect(changes[0]).toMatchObject({ mtime: 1_000_000_000 });
  });

  test("stand in the order of an index", async () => {
    const { changes } = await check("mkdir a a.b; touch a/z a.b/c a-b ab; rm -r d", [
      "+ a/",
      "+ a/z",
      "+ a-b",
      "+ a.b/",
      "+ a.b/c",
      "+ ab",
      "- d",
    ]);
    expect(changes).toHaveLength(7);
  });

  test("leave out what was done to the root itself", async () => {
    await check("chmod 700 .; touch -d @9 .; setfattr -n user.r -v 1 .", []);
  });

  test("are the same as the merged tree of both layers shows", async () => {
    const { world, tar } = await check("rm -r d; mkdir d; echo n > d/n; ln e/file e/f2; rm cap", [
      "- cap",
      "- d/hard",
      "- d/link",
      "+ d/n",
      "- d/null",
      "- d/one",
      "- d/pipe",
      "- d/sub",
      "- d/two",
      "+ e/f2",
      "+ e/file",
    ]);
    const tree = new LayerTree([world.below.layers[0]!, treeOfTar(tar).layers[0]!]);
    const paths: string[] = [];
    const visit = (node: Parameters<LayerTree["children"]>[0], above: string): void => {
      for (const child of tree.children(node)) {
        paths.push(above + child.name);
        visit(child, `${above}${child.name}/`);
      }
    };
    visit(tree.root, "");
    expect(paths).toEqual(world.merged.map((line) => /^b'([^']*)'/.exec(line)![1]));
  });

  test.each(["getfattr", "tar"] as const)("are the same whichever tool tells attributes: %s", async (tool) => {
    const run = `
rm -r d; mkdir d; echo x > n; ln n n2; setfattr -n user.x -v 0x0a00 n; setfattr -n 'user.p%3Dq' -v 1 n
mkdir $'caf\\xe9'; setfattr -n user.y -v 1 $'caf\\xe9'; ln -s a $'l\\n'; setfattr -h -n trusted.z -v 1 $'l\\n'`;
    const world = overlaid(BASE, run);
    const { changes } = await changesOf(world, { tools: [tool] });
    expect(brief(changes)).toEqual([
      "+ caf\xe9/",
      "- d/hard",
      "- d/link",
      "- d/null",
      "- d/one",
      "- d/pipe",
      "- d/sub",
      "- d/two",
      "+ l\n",
      "+ n",
      "+ n2",
    ]);
    const attributes = changes.map((change) => (change.kind === "present" ? change.xattrs : undefined));
    const ofN = { "user.p%3Dq": "1", "user.x": "\n\0" };
    expect(attributes.filter(Boolean)).toEqual([{ "user.y": "1" }, { "trusted.z": "1" }, ofN, ofN]);
  });

  test("are refused where no tool tells attributes, because what is hidden is not known", async () => {
    const world = overlaid(BASE, "rm -r d; mkdir d");
    const failure = await changesOf(world, { tools: [] }).catch((error: unknown) => error);
    expect(isNacreError(failure) && failure.code).toBe("TOOL_MISSING");
    const untouched = overlaid(BASE, "true");
    expect((await changesOf(untouched, { tools: [] })).changes).toEqual([]);
  });

  test("are refused where overlayfs was mounted so that contents lie elsewhere", async () => {
    for (const attribute of ["redirect", "metacopy"]) {
      const world = overlaid(BASE, "mkdir n; echo x > n/f");
      const marked = `${world.upper}/n/f`;
      const { execFileSync } = await import("node:child_process");
      execFileSync("setfattr", ["-n", `trusted.overlay.${attribute}`, "-v", "/d", marked]);
      await expect(changesOf(world)).rejects.toMatchObject({ code: "CONTENT_INVALID" });
    }
  });

  test("heed whiteouts that are empty files with an attribute, in marked directories only", async () => {
    const world = overlaid(BASE, "touch d/sub e");
    const { execFileSync } = await import("node:child_process");
    for (const name of ["d/one", "e/file"]) {
      fs.mkdirSync(`${world.upper}/${name.slice(0, 1)}`, { recursive: true });
      fs.writeFileSync(`${world.upper}/${name}`, "");
      execFileSync("setfattr", ["-n", "trusted.overlay.whiteout", "-v", "y", `${world.upper}/${name}`]);
    }
    execFileSync("setfattr", ["-n", "trusted.overlay.opaque", "-v", "x", `${world.upper}/d`]);
    expect(brief((await changesOf(world)).changes)).toEqual(["- d/one", "+ e/file"]);
  });

  test("take no notice of attributes that only look like those of overlayfs", async () => {
    const world = overlaid(BASE, "mkdir -p e/x; echo n > e/x/n");
    const { execFileSync } = await import("node:child_process");
    execFileSync("setfattr", ["-n", "user.overlay.opaque", "-v", "y", `${world.upper}/e`]);
    execFileSync("setfattr", ["-n", "user.overlay.redirect", "-v", "/d", `${world.upper}/e`]);
    expect(brief((await changesOf(world)).changes)).toEqual(["+ e/x/", "+ e/x/n"]);
    // With the mount option userxattr they are what overlayfs wrote.
    await expect(changesOf(world, { xattrs: "user" })).rejects.toMatchObject({ code: "CONTENT_INVALID" });
  });

  test("are found as well where overlayfs was mounted in a user namespace", async () => {
    const base = "mkdir -p d/s e; echo x > d/x; echo y > d/s/y; echo e > e/e; touch -d @5 d/x d/s/y e/e";
    const run = "rm -r d; mkdir -p d/s/t; rm e/e; echo n > n; setfattr -n user.n -v 1 n";
    const world = overlaid(base, run, "userns");
    const { changes } = await changesOf(world, { xattrs: "user", singleId: true });
    expect(brief(changes)).toEqual(["+ d/s/t/", "- d/s/y", "- d/x", "- e/e", "+ n"]);
    expect(applied(world, (await tarOfChanges(changes)).tar)).toEqual(world.merged);
  });

  test("leave out mount points that were made for the step, unless something is in them", async () => {
    const run =
      "mkdir -p run/secrets mnt/a/b; touch run/secrets/key mnt/file; echo x > mnt/a/x; echo full > full; mkdir e/in";
    const world = overlaid(BASE, run);
    const stubs = new Set([
      "run",
      "run/secrets",
      "run/secrets/key",
      "mnt",
      "mnt/a",
      "mnt/a/b",
      "mnt/file",
      "full",
      "e",
      "e/in",
    ]);
    expect(brief((await changesOf(world, { stubs })).changes)).toEqual(["+ full", "+ mnt/", "+ mnt/a/", "+ mnt/a/x"]);
  });

  test("take owners from below where only one id exists", async () => {
    const world = overlaid(
      BASE,
      "chown 0:0 e/file; echo x >> d/one; echo y >> e/file; chown 7 d; echo z > z; chown 9:9 z; rm cap; mkdir cap; chown 3 cap",
    );
    const { changes } = await changesOf(world, { singleId: true });
    const owners = changes.map((change) => (change.kind === "present" ? [change.path, change.uid, change.gid] : []));
    expect(owners).toEqual([
      ["cap", 0, 0],
      ["d/one", 0, 0],
      ["e/file", 12, 34],
      ["z", 0, 0],
    ]);
  });

  test("are refused where a file is written to while it is read", async () => {
    const world = overlaid(BASE, "echo first > file; echo large > large; truncate -s 5M large");
    for (const name of ["file", "large"]) {
      const { changes } = await changesOf(world);
      fs.appendFileSync(`${world.upper}/${name}`, "more");
      await expect(tarOfChanges(changes)).rejects.toMatchObject({ code: "CONTENT_INVALID" });
      const shorter = await changesOf(world);
      fs.truncateSync(`${world.upper}/${name}`, 3);
      await expect(tarOfChanges(shorter.changes)).rejects.toMatchObject({ code: "CONTENT_INVALID" });
    }
    const { changes } = await changesOf(world);
    fs.rmSync(`${world.upper}/file`);
    fs.symlinkSync("/etc/passwd", `${world.upper}/file`);
    await expect(tarOfChanges(changes)).rejects.toMatchObject({ code: "STORE" });
  });

  test("are not waited for once the build is cancelled", async () => {
    const world = overlaid(BASE, "echo x > x");
    const signal = AbortSignal.abort();
    await expect(changesOf(world, { signal })).rejects.toMatchObject({ code: "CANCELLED" });
    const soon = new AbortController();
    const reading = changesOf(world, { signal: soon.signal });
    soon.abort();
    await expect(reading).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
