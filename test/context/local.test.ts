import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { describe, expect, test } from "vitest";
import { parseIgnoreFile } from "../../src/context/ignore.js";
import { openLocalContext } from "../../src/context/local.js";
import { treeDigest } from "../../src/context/treeDigest.js";
import { resolvePath } from "../../src/layer/fileTree.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { sha256Hex } from "../../src/support/hash.js";
import { at, contentOf, folder, pathsOf, plain } from "./folder.js";

async function failure(run: () => unknown): Promise<NacreError> {
  try {
    await run();
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("a local context", () => {
  test("shows names in byte order with types, modes, sizes, times and link targets", async () => {
    const root = folder({ "b/x": "12345", a: "", Z: "z", "b.c": "q" });
    fs.chmodSync(path.join(root, "Z"), 0o4755);
    fs.chmodSync(path.join(root, "b"), 0o2711);
    fs.symlinkSync("../outside", path.join(root, "link"));
    fs.lutimesSync(path.join(root, "link"), 5, 7.9);
    execFileSync("touch", ["-d", "1969-12-31T23:59:58.5Z", path.join(root, "a")]);
    const context = await openLocalContext({ root });
    expect(pathsOf(context)).toEqual(["Z", "a", "b/", "b/x", "b.c", "link"]);
    expect(at(context, "Z")).toMatchObject({ type: "file", mode: 0o4755, uid: 0, gid: 0, size: 1, link: undefined });
    expect(at(context, "b")).toMatchObject({ type: "dir", mode: 0o2711, size: 0 });
    expect(at(context, "link")).toMatchObject({ type: "symlink", link: "../outside", mtime: 7, size: 0 });
    expect(at(context, "a").mtime).toBe(-2);
    expect(at(context, "a").inode).toBeUndefined();
    expect(at(context, "b/x")).toBe(at(context, "b/x"));
    expect(context.child(context.root, "nothing")).toBeUndefined();
    expect(context.children(at(context, "a"))).toEqual([]);
  });

  test("floors an mtime in the last nanosecond of a second", async () => {
    const root = folder({ a: "x", b: "x" });
    execFileSync("touch", ["-d", "2021-01-01T00:00:00.999999999Z", path.join(root, "a")]);
    execFileSync("touch", ["-d", "2021-01-01T00:00:01Z", path.join(root, "b")]);
    const context = await openLocalContext({ root });
    expect(at(context, "b").mtime - at(context, "a").mtime).toBe(1);
  });

  test("gives digests and contents of files, small, large and empty", async () => {
    const large = Buffer.alloc(3_000_001, "abc");
    const root = folder({ small: "hello", empty: "" });
    fs.writeFileSync(path.join(root, "large"), large);
    const context = await openLocalContext({ root });
    let bytes = 0;
    await context.prepare(context.children(context.root), (read) => {
      bytes += read;
    });
    expect(bytes).toBe(large.length + 5);
    for (const name of ["small", "empty", "large"]) {
      const content = fs.readFileSync(path.join(root, name));
      expect(context.digest(at(context, name))).toBe(sha256Hex(content));
      expect(contentOf(context.open(at(context, name))).equals(content)).toBe(true);
    }
    expect(context.stats()).toEqual({ files: 3, bytes, hashed: 3, hashedBytes: bytes, fromCache: 0 });
  });

  test("may be reached through a symlink, and by a name that is not ASCII", async () => {
    const root = folder({ "é/x": "1" });
    fs.symlinkSync("é", path.join(root, "way"));
    const linked = await openLocalContext({ root: path.join(root, "way") });
    const direct = await openLocalContext({ root: path.join(root, "é") });
    expect(pathsOf(linked)).toEqual(["x"]);
    expect(await linked.treeDigestOf(linked.root)).toBe(await direct.treeDigestOf(direct.root));
  });

  test.each([
    ["is not there", "missing", "does not exist"],
    ["is a file", "file", "is not a directory"],
    ["is a loop of symlinks", "loop", "ELOOP"],
  ])("whose root %s is refused by name", async (_, name, message) => {
    const root = folder({ file: "" });
    fs.symlinkSync("loop", path.join(root, "loop"));
    const error = await failure(() => openLocalContext({ root: path.join(root, name) }));
    expect(error.code).toBe("CONTEXT_UNREADABLE");
    expect(error.message).toContain(path.join(root, name));
    expect(error.message).toContain(message);
  });

  test("keeps names as bytes: newlines, not UTF-8, 255 bytes, leading dashes, backslashes", async () => {
    const names = ["caf\xe9", "-rf", "a\nb", "x".repeat(255), "back\\slash", "\xff\xfe", "sp ace", "\xc3\xa9"];
    const root = folder();
    for (const name of names) fs.writeFileSync(Buffer.from(`${root}/${name}`, "latin1"), `content of ${name}`);
    fs.mkdirSync(Buffer.from(`${root}/d\xe9`, "latin1"));
    fs.writeFileSync(Buffer.from(`${root}/d\xe9/f\xe8`, "latin1"), "deep");
    fs.symlinkSync(Buffer.from("t\xe9", "latin1"), `${root}/zz`);
    const context = await openLocalContext({ root });
    expect(pathsOf(context)).toEqual([...names, "d\xe9/", "d\xe9/f\xe8", "zz"].sort());
    await context.prepare([context.root]);
    expect(context.digest(at(context, "caf\xe9"))).toBe(sha256Hex("content of caf\xe9".normalize()));
    expect(context.digest(at(context, "d\xe9/f\xe8"))).toBe(sha256Hex("deep"));
    expect(contentOf(context.open(at(context, "d\xe9/f\xe8"))).toString()).toBe("deep");
    expect(at(context, "zz").link).toBe("t\xe9");
  });

  test("looks only at the directories that are asked for", async () => {
    const root = folder({ "package.json": "{}", "deep/a/b": "1" });
    fs.writeFileSync(path.join(root, "deep", "c"), "1");
    const context = await openLocalContext({ root });
    await context.prepare([at(context, "package.json")]);
    expect(context.stats().files).toBe(1);
    await context.scan();
    expect(context.stats().files).toBe(3);
    expect(context.stats().hashed).toBe(1);
  });

  test("follows loops of symlinks no further than the tree's own limit", async () => {
    const root = folder({ "d/f": "1" });
    fs.symlinkSync("b", path.join(root, "a"));
    fs.symlinkSync("a", path.join(root, "b"));
    fs.symlinkSync("..", path.join(root, "d", "up"));
    const context = await openLocalContext({ root });
    expect(pathsOf(context)).toEqual(["a", "b", "d/", "d/f", "d/up"]);
    expect(() => resolvePath(context, "a", true)).toThrow(/symbolic links/);
    expect(resolvePath(context, "d/up/d/up/../../d/f", true).path).toBe("d/f");
  });

  test("takes sockets for empty files, lists fifos and devices, and opens none of them", async () => {
    const root = folder({ f: "1" });
    execFileSync("mkfifo", ["-m", "640", path.join(root, "fifo")]);
    if (process.getuid?.() === 0) {
      execFileSync("mknod", [path.join(root, "null"), "c", "1", "3"]);
      execFileSync("mknod", [path.join(root, "block"), "b", "259", "70000"]);
    }
    const server = net.createServer().listen(path.join(root, "socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    fs.chmodSync(path.join(root, "socket"), 0o751);
    const context = await openLocalContext({ root });
    const key = await context.treeDigestOf(context.root);
    expect(at(context, "socket")).toMatchObject({ type: "file", mode: 0o751, size: 0 });
    expect(context.digest(at(context, "socket"))).toBe(sha256Hex(""));
    expect(contentOf(context.open(at(context, "socket"))).length).toBe(0);
    expect(at(context, "fifo")).toMatchObject({ type: "fifo", mode: 0o640 });
    if (process.getuid?.() === 0) {
      expect(at(context, "null")).toMatchObject({ type: "char", devMajor: 1, devMinor: 3 });
      expect(at(context, "block")).toMatchObject({ type: "block", devMajor: 259, devMinor: 70000 });
    }
    expect(treeDigest(plain(context), context.root)).toBe(key);
    await new Promise((resolve) => server.close(resolve));
  });

  test("tells names that share an inode, where both are in the context", async () => {
    const root = folder({ "in/a": "same", "in/c": "other", "d/x": "1", outside: "2" });
    fs.linkSync(path.join(root, "in/a"), path.join(root, "in/b"));
    fs.linkSync(path.join(root, "in/a"), path.join(root, "d/y"));
    fs.linkSync(path.join(root, "outside"), path.join(root, "in/single"));
    const context = await openLocalContext({ root, ignore: parseIgnoreFile("outside", "i") });
    expect(at(context, "in/a").inode).toBeDefined();
    expect(at(context, "in/a").inode).toBe(at(context, "in/b").inode);
    expect(at(context, "d/y").inode).toBe(at(context, "in/a").inode);
    expect(at(context, "in/c").inode).toBeUndefined();
    expect(at(context, "in/single").inode).toBeUndefined();
  });

  test("names the path that is too long to be opened", async () => {
    const root = folder();
    const script = "import os\nfor _ in range(2200):\n os.mkdir('d')\n os.chdir('d')\n";
    execFileSync("python3", ["-c", script], { cwd: root });
    const context = await openLocalContext({ root });
    const error = await failure(() => context.scan());
    expect(error.code).toBe("CONTEXT_UNREADABLE");
    expect(error.message).toContain("d/d/d/d in the build context");
    expect(error.message.length).toBeLessThan(600);
    expect(error.hint).toContain("4096 bytes");
    execFileSync("rm", ["-rf", path.join(root, "d")]);
  });

  test.runIf(process.getuid?.() === 0)("names a file and a directory that it may not read", async () => {
    const root = folder({ "open/f": "1", "closed/g": "1", secret: "x" });
    fs.chmodSync(root, 0o755);
    fs.chmodSync(path.join(root, "closed"), 0o700);
    fs.chmodSync(path.join(root, "secret"), 0o600);
    process.seteuid!(65534);
    try {
      const context = await openLocalContext({ root });
      const file = await failure(() => context.prepare([at(context, "secret")]));
      expect(file.code).toBe("CONTEXT_UNREADABLE");
      expect(file.message).toContain(`secret in the build context ${root}`);
      expect(file.hint).toContain(".dockerignore");
      const directory = await failure(() => context.scan());
      expect(directory.code).toBe("CONTEXT_UNREADABLE");
      expect(directory.message).toContain("closed in the build context");
      const ignoring = await openLocalContext({ root, ignore: parseIgnoreFile("closed\nsecret\n", "i") });
      await ignoring.prepare([ignoring.root]);
      expect(pathsOf(ignoring)).toEqual(["open/", "open/f"]);
    } finally {
      process.seteuid!(0);
    }
  });

  test("stops when it is told to", async () => {
    const root = folder(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d${i}/f`, "x".repeat(300_000)])));
    const controller = new AbortController();
    const context = await openLocalContext({ root, signal: controller.signal });
    setImmediate(() => controller.abort());
    expect((await failure(() => context.prepare([context.root]))).code).toBe("CANCELLED");
  });

  test("refuses to open or hash a file that was replaced by something else", async () => {
    const root = folder({ a: "one", b: "two", c: "three" });
    const context = await openLocalContext({ root });
    await context.scan();
    fs.rmSync(path.join(root, "a"));
    fs.symlinkSync("/etc/passwd", path.join(root, "a"));
    fs.writeFileSync(path.join(root, "b"), "TWO and more");
    fs.rmSync(path.join(root, "c"));
    execFileSync("mkfifo", [path.join(root, "c")]);
    expect((await failure(() => context.open(at(context, "a")))).code).toBe("CONTEXT_CHANGED");
    expect((await failure(() => context.open(at(context, "b")))).code).toBe("CONTEXT_CHANGED");
    expect((await failure(() => context.prepare([at(context, "c")]))).code).toBe("CONTEXT_CHANGED");
    // A file that was only written to is taken as it is now.
    await context.prepare([at(context, "b")]);
    expect(context.digest(at(context, "b"))).toBe(sha256Hex("TWO and more"));
    expect(at(context, "b").size).toBe(12);
    context.reset();
    expect(at(context, "a").type).toBe("symlink");
    expect(at(context, "c").type).toBe("fifo");
  });

  test("does not follow a directory above a file that was exchanged for a symlink", async () => {
    const outside = folder({ "d/f": "outside" });
    const root = folder({ "d/f": "inside!" });
    const context = await openLocalContext({ root });
    await context.scan();
    const node = at(context, "d/f");
    fs.renameSync(path.join(root, "d"), path.join(root, "away"));
    fs.symlinkSync(path.join(outside, "d"), path.join(root, "d"));
    expect((await failure(() => context.prepare([node]))).code).toBe("CONTEXT_CHANGED");
    // Not even where it leads to the very file that was seen.
    fs.rmSync(path.join(root, "d"));
    fs.symlinkSync("away", path.join(root, "d"));
    expect((await failure(() => context.open(node))).code).toBe("CONTEXT_CHANGED");
  });

  test("takes a digest that was computed while the file was read", async () => {
    const root = folder({ a: "one" });
    const context = await openLocalContext({ root });
    await context.prepareAttributes([context.root]);
    const node = at(context, "a");
    expect(context.hasDigest(node)).toBe(false);
    expect(() => context.digest(node)).toThrow(/not known yet/);
    context.learn(node, sha256Hex(contentOf(context.open(node))));
    const key = context.listDigest(context.root);
    const other = await openLocalContext({ root });
    expect(key).toBe(await other.treeDigestOf(other.root));
    expect(context.stats().hashed).toBe(0);
  });
});

describe("an ignored directory", () => {
  test("is kept as a parent where something below it is included again", async () => {
    const root = folder({ "a/keep/f": "1", "a/other": "1", "b/none": "1", "c/d/e/f": "1" });
    const ignore = parseIgnoreFile("*\n!a/keep\n!b/missing\n!c/**/f\n", ".dockerignore");
    const context = await openLocalContext({ root, ignore });
    expect(pathsOf(context)).toEqual(["a/", "a/keep/", "a/keep/f", "c/", "c/d/", "c/d/e/", "c/d/e/f"]);
    expect(context.ignoredBy("b/none")).toEqual(expect.objectContaining({ line: 1, file: ".dockerignore" }));
    expect(context.ignoredBy("a/keep/f")).toBeUndefined();
    await context.prepare([context.root]);
    expect(treeDigest(plain(context), context.root)).toBe(context.listDigest(context.root));
  });
});

test("a writer that races the scan never leaves a wrong digest behind", async () => {
  const root = folder({ raced: "0".repeat(64), "sub/raced": "1".repeat(64) });
  const statCache = path.join(folder(), "stat");
  const writer = `
    const fs = require("fs");
    const files = process.argv.slice(1);
    for (let i = 0; ; i++) for (const file of files) {
      const text = String(i).padStart(64, "x");
      if (i % 3 === 0) fs.writeFileSync(file, text);
      else if (i % 3 === 1) { const fd = fs.openSync(file, "r+"); fs.writeSync(fd, text, 0); fs.closeSync(fd); fs.utimesSync(file, 1, 1); }
      else { fs.writeFileSync(file + ".new", text); fs.renameSync(file + ".new", file); }
    }`;
  const files = [path.join(root, "raced"), path.join(root, "sub", "raced")];
  for (let round = 0; round < 8; round++) {
    const child = spawn(process.execPath, ["-e", writer, ...files], { stdio: "ignore" });
    const until = Date.now() + 60 + round * 20;
    while (Date.now() < until) {
      const context = await openLocalContext({ root, statCache });
      try {
        await context.treeDigestOf(context.root);
      } catch (error) {
        if (!isNacreError(error) || error.code !== "CONTEXT_CHANGED") throw error;
      }
      context.save();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
    for (const file of files) fs.rmSync(`${file}.new`, { force: true });
    const context = await openLocalContext({ root, statCache });
    await context.prepare([context.root]);
    for (const name of ["raced", "sub/raced"]) {
      expect(context.digest(at(context, name))).toBe(sha256Hex(fs.readFileSync(path.join(root, name))));
    }
    context.save();
  }
});
