import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, test } from "vitest";
import { parseIgnoreFile } from "../../src/context/ignore.js";
import { openLocalContext } from "../../src/context/local.js";
import { statCacheName } from "../../src/context/statCache.js";
import { treeDigest } from "../../src/context/treeDigest.js";
import { sha256Hex } from "../../src/support/hash.js";
import { at, folder, keyed, pathsOf, plain, settle } from "./folder.js";

const TREE = {
  a: "aaaa",
  b: "bbbb",
  "dir/c": "cccc",
  "dir/d": "dddd",
  "dir/sub/e": "eeee",
  "other/f": "ffff",
  "empty/": "",
};

interface Change {
  readonly what: string;
  readonly make: (root: string) => void;
  /** The key stays as it was. */
  readonly same?: true;
  /** Files that have to be read. */
  readonly hashed: number;
}

const changes: readonly Change[] = [
  { what: "nothing", make: () => {}, same: true, hashed: 0 },
  { what: "a touched file", make: (root) => fs.utimesSync(`${root}/a`, 1, 1), same: true, hashed: 1 },
  { what: "a touched directory", make: (root) => fs.utimesSync(`${root}/dir`, 1, 1), same: true, hashed: 0 },
  { what: "content of the same size", make: (root) => fs.writeFileSync(`${root}/a`, "AAAA"), hashed: 1 },
  {
    what: "content of the same size, in place, with its times put back",
    make: (root) => {
      keepingTimes(`${root}/dir/c`, () => fs.writeFileSync(`${root}/dir/c`, "CCCC"));
    },
    hashed: 1,
  },
  {
    what: "a file replaced by rename, with the same size and mtime",
    make: (root) => {
      const replace = () => {
        fs.writeFileSync(`${root}/dir/sub/new`, "EEEE");
        fs.renameSync(`${root}/dir/sub/new`, `${root}/dir/sub/e`);
      };
      keepingTimes(`${root}/dir/sub/e`, replace);
    },
    hashed: 1,
  },
  { what: "two files exchanged", make: (root) => exchange(`${root}/a`, `${root}/b`), hashed: 2 },
  { what: "a directory's mode", make: (root) => fs.chmodSync(`${root}/dir/sub`, 0o700), hashed: 0 },
  { what: "a file's mode", make: (root) => fs.chmodSync(`${root}/dir/sub/e`, 0o751), hashed: 1 },
  { what: "a new file", make: (root) => fs.writeFileSync(`${root}/dir/new`, "n"), hashed: 1 },
  { what: "a new empty directory", make: (root) => fs.mkdirSync(`${root}/empty/x`), hashed: 0 },
  { what: "a file that is gone", make: (root) => fs.rmSync(`${root}/dir/c`), hashed: 0 },
  { what: "a directory that is gone", make: (root) => fs.rmSync(`${root}/dir/sub`, { recursive: true }), hashed: 0 },
  { what: "a renamed file", make: (root) => fs.renameSync(`${root}/a`, `${root}/z`), hashed: 1 },
  { what: "a renamed directory", make: (root) => fs.renameSync(`${root}/dir`, `${root}/rid`), hashed: 3 },
  { what: "two directories exchanged", make: (root) => exchange(`${root}/dir`, `${root}/other`), hashed: 4 },
  {
    what: "a file that became a directory",
    make: (root) => {
      fs.rmSync(`${root}/a`);
      fs.mkdirSync(`${root}/a`);
      fs.writeFileSync(`${root}/a/a`, "aaaa");
    },
    hashed: 1,
  },
  {
    what: "a directory that became a symlink",
    make: (root) => {
      fs.rmSync(`${root}/other`, { recursive: true });
      fs.symlinkSync("dir", `${root}/other`);
    },
    hashed: 0,
  },
  {
    what: "a hard link made",
    make: (root) => {
      fs.rmSync(`${root}/dir/d`);
      fs.linkSync(`${root}/dir/c`, `${root}/dir/d`);
    },
    hashed: 2,
  },
];

/** Changes a file and puts its mtime back to the nanosecond, which Node's own calls cannot. */
function keepingTimes(file: string, change: () => void): void {
  const reference = path.join(folder({ times: "" }), "times");
  execFileSync("touch", ["-r", file, reference]);
  const before = fs.statSync(file, { bigint: true }).mtimeNs;
  change();
  execFileSync("touch", ["-r", reference, file]);
  expect(fs.statSync(file, { bigint: true }).mtimeNs).toBe(before);
}

function exchange(one: string, two: string): void {
  fs.renameSync(one, `${one}.tmp`);
  fs.renameSync(two, one);
  fs.renameSync(`${one}.tmp`, two);
}

describe("with a stat cache", () => {
  test.each(changes)("$what is seen, and nothing is read without need", async ({ make, same, hashed }) => {
    const root = folder(TREE);
    fs.chmodSync(`${root}/dir/sub/e`, 0o644);
    const statCache = path.join(folder(), "stat");
    await settle();
    const first = await keyed(root, statCache);
    expect(first.hashed).toBe(6);
    make(root);
    await settle();
    const second = await keyed(root, statCache);
    expect(second.key === first.key).toBe(same === true);
    expect(second.hashed).toBe(hashed);
    const fresh = await keyed(root, path.join(folder(), "stat"));
    expect(fresh.key).toBe(second.key);
    expect(pathsOf(fresh.context)).toEqual(pathsOf(second.context));
    expect(treeDigest(plain(second.context), second.context.root)).toBe(second.key);
    const third = await keyed(root, statCache);
    expect(third.key).toBe(second.key);
    expect(third.hashed).toBe(0);
  });

  test("a change is seen by the same context after a reset", async () => {
    const root = folder(TREE);
    const context = await openLocalContext({ root });
    for (const { make, same } of changes.slice(0, 8)) {
      const before = await context.treeDigestOf(context.root);
      make(root);
      context.reset();
      const after = await context.treeDigestOf(context.root);
      expect(after === before).toBe(same === true);
      const fresh = await openLocalContext({ root });
      expect(await fresh.treeDigestOf(fresh.root)).toBe(after);
    }
  });

  test("a hard link that is removed counts, though nothing of the other name's content changed", async () => {
    const root = folder({ a: "x", "d/b": "y" });
    fs.linkSync(`${root}/a`, `${root}/d/link`);
    const statCache = path.join(folder(), "stat");
    await settle();
    const linked = await keyed(root, statCache);
    fs.rmSync(`${root}/d/link`);
    fs.writeFileSync(`${root}/d/link`, "x");
    const apart = await keyed(root, statCache);
    expect(apart.key).not.toBe(linked.key);
    // Within d alone there never was a group.
    expect(apart.context.listDigest(at(apart.context, "d"))).toBe(linked.context.listDigest(at(linked.context, "d")));
  });

  test("a file that was too fresh is read once more, and then not again", async () => {
    const root = folder({ a: "x" });
    const statCache = path.join(folder(), "stat");
    const { ctimeMs } = fs.statSync(`${root}/a`);
    const clock = (after: number) => ({ clock: () => ctimeMs + after });
    expect((await keyed(root, statCache, clock(20))).hashed).toBe(1);
    expect((await keyed(root, statCache, clock(5_000))).hashed).toBe(1);
    expect((await keyed(root, statCache, clock(6_000))).hashed).toBe(0);
  });

  test("nothing is believed when the clock has gone back", async () => {
    const root = folder({ a: "x" });
    const statCache = path.join(folder(), "stat");
    const now = Date.now();
    await keyed(root, statCache, { clock: () => now + 20_000 });
    expect((await keyed(root, statCache, { clock: () => now + 10_000 })).hashed).toBe(1);
    expect((await keyed(root, statCache, { clock: () => now + 30_000 })).hashed).toBe(0);
  });

  test("parts that were not looked at are still known to the next build", async () => {
    const root = folder(TREE);
    const statCache = path.join(folder(), "stat");
    await settle();
    const first = await keyed(root, statCache);
    fs.writeFileSync(`${root}/a`, "changed");
    const partial = await openLocalContext({ root, statCache });
    await partial.prepare([at(partial, "a")]);
    partial.save();
    await settle();
    const second = await keyed(root, statCache);
    expect(second.hashed).toBe(1);
    expect(second.key).not.toBe(first.key);
  });

  test("a change of the ignore rules costs no reading", async () => {
    const root = folder(TREE);
    const statCache = path.join(folder(), "stat");
    await settle();
    const ignoring = (text: string) => ({ ignore: parseIgnoreFile(text, "i") });
    const first = await keyed(root, statCache, ignoring("other"));
    expect(pathsOf(first.context)).not.toContain("other/");
    // Looks at one directory only; the others were listed under the old rules.
    const partial = await openLocalContext({ root, statCache, ...ignoring("b\ndir/d") });
    at(partial, "other");
    partial.save();
    const second = await keyed(root, statCache, ignoring("b\ndir/d"));
    expect(pathsOf(second.context)).toEqual([
      "a",
      "dir/",
      "dir/c",
      "dir/sub/",
      "dir/sub/e",
      "empty/",
      "other/",
      "other/f",
    ]);
    expect(second.hashed).toBe(1);
    const third = await keyed(root, statCache, ignoring("*\n!dir/sub"));
    expect(pathsOf(third.context)).toEqual(["dir/", "dir/sub/", "dir/sub/e"]);
    expect(third.hashed).toBe(0);
    const fourth = await keyed(root, statCache, ignoring("dir/sub/e\n*\n!dir/sub"));
    const fresh = await keyed(root, path.join(folder(), "s"), ignoring("dir/sub/e\n*\n!dir/sub"));
    expect(fourth.key).toBe(fresh.key);
  });

  test("an ignored directory comes and goes with what is included below it", async () => {
    const root = folder({ "a/b/keep": "1", c: "2" });
    const statCache = path.join(folder(), "stat");
    const options = { ignore: parseIgnoreFile("a\n!a/b/keep", "i") };
    await settle();
    const first = await keyed(root, statCache, options);
    fs.rmSync(`${root}/a/b/keep`);
    const second = await keyed(root, statCache, options);
    expect(pathsOf(second.context)).toEqual(["c"]);
    fs.writeFileSync(`${root}/a/b/keep`, "1");
    await settle();
    const third = await keyed(root, statCache, options);
    expect(third.key).toBe(first.key);
    expect((await keyed(root, statCache, options)).hashed).toBe(0);
  });

  test("odd names, links and devices are kept too", async () => {
    const root = folder({ "d/x": "1" });
    fs.writeFileSync(Buffer.from(`${root}/d/\xe9\n`, "latin1"), "2");
    fs.symlinkSync(Buffer.from("\xe9", "latin1"), `${root}/l`);
    execFileSync("mkfifo", [`${root}/p`]);
    if (process.getuid?.() === 0) execFileSync("mknod", [`${root}/n`, "c", "1", "3"]);
    const statCache = path.join(folder(), "stat");
    await settle();
    const first = await keyed(root, statCache);
    const second = await keyed(root, statCache);
    expect(second.hashed).toBe(0);
    expect(second.key).toBe(first.key);
    expect(treeDigest(plain(second.context), second.context.root)).toBe(first.key);
    expect(at(second.context, "l").link).toBe("\xe9");
  });

  test("a cache that is damaged, cut short, of another version or another folder is as good as none", async () => {
    const root = folder(TREE);
    const statCache = path.join(folder(), "stat");
    await settle();
    const { key } = await keyed(root, statCache);
    const good = fs.readFileSync(statCache);
    const flip = (index: number) => {
      const bytes = Buffer.from(good);
      bytes[index]! ^= 1;
      return bytes;
    };
    const versions = [
      Buffer.alloc(0),
      good.subarray(0, 30),
      good.subarray(0, -1),
      flip(7),
      flip(60),
      flip(good.length - 5),
    ];
    versions.push(Buffer.concat([good, Buffer.from("x")]));
    for (const bytes of versions) {
      fs.writeFileSync(statCache, bytes);
      const again = await keyed(root, statCache);
      expect(again.key).toBe(key);
      expect(again.hashed).toBe(6);
    }
    fs.writeFileSync(statCache, good);
    expect((await keyed(folder(TREE), statCache)).hashed).toBe(6);
    expect(fs.readdirSync(path.dirname(statCache))).toEqual(["stat"]);
  });

  test("a cache that cannot be written is only a warning", async () => {
    const root = folder({ a: "x" });
    const warnings: string[] = [];
    const blocked = path.join(folder({ file: "" }), "file", "stat");
    const { hashed } = await keyed(root, blocked, { warn: (message) => warnings.push(message) });
    expect(hashed).toBe(1);
    expect(warnings).toEqual([expect.stringContaining("stat cache cannot be written")]);
  });

  test("every change in a long random series is seen", async () => {
    const root = folder(TREE);
    const statCache = path.join(folder(), "stat");
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed % below;
    };
    for (let round = 0; round < 60; round++) {
      for (let i = random(3); i >= 0; i--) mutate(root, random);
      if (round % 7 === 0) await settle();
      const { key, context } = await keyed(root, statCache);
      const fresh = await openLocalContext({ root });
      expect(key).toBe(await fresh.treeDigestOf(fresh.root));
      expect(pathsOf(context)).toEqual(pathsOf(fresh));
    }
  });
});

function mutate(root: string, random: (below: number) => number): void {
  const dirs = [".", "dir", "dir/sub", "x", "x/y"];
  const dir = path.join(root, dirs[random(dirs.length)]!);
  if (fs.existsSync(dir) && !fs.statSync(dir).isDirectory()) fs.rmSync(dir);
  fs.mkdirSync(dir, { recursive: true });
  const file = path.join(dir, `f${random(3)}`);
  const kind = random(7);
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (kind === 0) fs.rmSync(file, { recursive: true, force: true });
  else if (kind === 1 && !stat) fs.symlinkSync(`t${random(3)}`, file);
  else if (kind === 2 && !stat) fs.mkdirSync(file);
  else if (kind === 3) fs.rmSync(path.join(root, "x"), { recursive: true, force: true });
  else if (kind === 4 && fs.existsSync(path.join(root, "b"))) {
    fs.rmSync(file, { recursive: true, force: true });
    fs.linkSync(path.join(root, "b"), file);
  } else if (stat?.isFile()) {
    if (kind === 5) fs.chmodSync(file, 0o600 + random(64));
    else fs.writeFileSync(file, String(random(10)));
  } else if (!stat) fs.writeFileSync(file, "new");
}

test("the name of a stat cache depends on the folder and on which ignore file applies", () => {
  const names = [statCacheName("/a", undefined), statCacheName("/b", undefined), statCacheName("/a", ".dockerignore")];
  expect(new Set(names).size).toBe(3);
  expect(names[0]).toMatch(/^[0-9a-f]{64}$/);
});

test("what is known of a file stays right when its directory's rows move", async () => {
  const root = folder(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`d/f${i}`, `content ${i}`])));
  const context = await openLocalContext({ root });
  await context.prepare([context.root]);
  await settle();
  fs.writeFileSync(`${root}/d/f000`, "first");
  context.reset();
  await context.prepare([context.root]);
  expect(context.digest(at(context, "d/f7"))).toBe(sha256Hex("content 7"));
  expect(context.digest(at(context, "d/f000"))).toBe(sha256Hex("first"));
});
