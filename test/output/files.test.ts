import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { loadImage } from "../../src/image/image.js";
import { writeOutput } from "../../src/output/output.js";
import type { OutputEnv } from "../../src/output/request.js";
import { type Member, newStore, putImage, SOME_LAYERS, tempDir } from "../archive/images.js";
import { envOf, sh } from "./images.js";

async function write(
  type: "local" | "tar",
  layers: readonly (readonly Member[])[],
  path: string,
  more: Partial<OutputEnv> = {},
): Promise<string> {
  const store = await newStore();
  const image = loadImage(store, await putImage(store, layers));
  await writeOutput({ type, destination: { kind: "path", path } }, image, envOf(store, more));
  return path;
}

const mode = (path: string): number => lstatSync(path).mode & 0o7777;

describe("the local output", () => {
  test("writes the merged files with modes and times, as the current user's", async () => {
    const dir = await write("local", SOME_LAYERS, join(tempDir(), "new/deep"));
    expect(readdirSync(dir).sort()).toEqual(["bin", "etc", "home", "lib", "tmp"]);
    expect(readdirSync(join(dir, "etc")).sort()).toEqual(["motd", "passwd"]);
    expect(mode(join(dir, "bin/sh"))).toBe(0o4755);
    expect(mode(join(dir, "tmp"))).toBe(0o1777);
    expect(mode(join(dir, "home"))).toBe(0o700);
    expect(statSync(join(dir, "bin/sh")).ino).toBe(statSync(join(dir, "bin/bash")).ino);
    expect(readlinkSync(join(dir, "lib"))).toBe("usr/lib");
    expect(lstatSync(join(dir, "lib")).mtimeMs).toBe(1_700_000_000_000);
    expect(statSync(join(dir, "etc")).mtimeMs).toBe(1_700_000_000_000);
    const [name] = readdirSync(Buffer.from(join(dir, "home")), { encoding: "buffer" });
    expect(name!.toString("latin1")).toBe("caf\xe9");
    expect(statSync(Buffer.from(join(dir, "home/caf\xe9"), "latin1")).mtimeMs).toBe(1_800_000_000_000);
    expect(statSync(join(dir, "etc/motd")).uid).toBe(process.getuid!());
  });

  test("gives every file the epoch, if there is one", async () => {
    const dir = await write("local", SOME_LAYERS, join(tempDir(), "o"), { epoch: 86_400 });
    for (const name of ["bin", "bin/sh", "etc/motd", "lib"])
      expect(lstatSync(join(dir, name)).mtimeMs).toBe(86_400_000);
  });

  test("replaces files of the same name and keeps the others", async () => {
    const dir = tempDir();
    mkdirSync(join(dir, "etc"));
    mkdirSync(join(dir, "lib"));
    writeFileSync(join(dir, "etc/motd"), "old");
    chmodSync(join(dir, "etc/motd"), 0);
    writeFileSync(join(dir, "etc/mine"), "mine");
    writeFileSync(join(dir, "home"), "a file where a directory will be");
    for (let times = 0; times < 2; times++) await write("local", SOME_LAYERS, dir);
    expect(readFileSync(join(dir, "etc/mine"), "utf8")).toBe("mine");
    expect(readFileSync(join(dir, "etc/motd"), "utf8")).toContain("welcome");
    expect(readlinkSync(join(dir, "lib"))).toBe("usr/lib");
    expect(lstatSync(join(dir, "home")).isDirectory()).toBe(true);
    expect(sh(`find ${dir} -name '.nacre*'`)).toBe("");
  });

  test("does not remove a directory with files for a file of the image", async () => {
    const dir = tempDir();
    mkdirSync(join(dir, "lib"));
    writeFileSync(join(dir, "lib/precious"), "x");
    await expect(write("local", SOME_LAYERS, dir)).rejects.toMatchObject({
      code: "OUTPUT",
      message: expect.stringContaining("lib"),
    });
    expect(readFileSync(join(dir, "lib/precious"), "utf8")).toBe("x");
  });

  test("never writes through symlinks that lie in the destination", async () => {
    const dir = tempDir();
    const outside = tempDir();
    writeFileSync(join(outside, "passwd"), "host");
    symlinkSync(outside, join(dir, "etc"));
    mkdirSync(join(dir, "bin"));
    symlinkSync(join(outside, "passwd"), join(dir, "bin/sh"));
    symlinkSync(join(outside, "made"), join(dir, "bin/bash"));
    await write("local", SOME_LAYERS, dir);
    expect(readdirSync(outside)).toEqual(["passwd"]);
    expect(readFileSync(join(outside, "passwd"), "utf8")).toBe("host");
    expect(lstatSync(join(dir, "etc")).isDirectory()).toBe(true);
    expect(lstatSync(join(dir, "bin/sh")).isFile()).toBe(true);
  });

  test("never writes through symlinks or names that come from the image", async () => {
    const outside = tempDir();
    const up = "../".repeat(30);
    const hostile: Member[][] = [
      [
        { path: "d", type: "symlink", link: outside },
        { path: "d/file", content: "x" },
        { path: `${up}${outside.slice(1)}/escaped`, content: "x" },
        { path: `${outside}/absolute`, content: "x" },
        { path: "dots/../../x", content: "x" },
      ],
      [
        { path: "d/second", content: "x" },
        { path: "e", type: "dir" },
      ],
      [
        { path: "e", type: "symlink", link: outside },
        { path: "e/third", content: "x" },
      ],
    ];
    const dir = await write("local", hostile, join(tempDir(), "o"));
    expect(readdirSync(outside)).toEqual([]);
    expect(readFileSync(join(dir, "x"), "utf8")).toBe("x");
    expect(existsSync(join(dir, outside, "absolute"))).toBe(true);
  });

  test("never links to a file outside through a hard link", async () => {
    const outside = tempDir();
    writeFileSync(join(outside, "secret"), "host");
    const dir = join(tempDir(), "o");
    const link = `../../../../../../../../../..${outside}/secret`;
    await write("local", [[{ path: "a", type: "hardlink", link }]], dir).catch(() => {});
    expect(statSync(join(outside, "secret")).nlink).toBe(1);
  });

  test("leaves devices and pipes out, and says so", async () => {
    const warnings: string[] = [];
    const members: Member[] = [
      { path: "null", type: "char", devMajor: 1, devMinor: 3 },
      { path: "pipe", type: "fifo" },
      { path: "file", content: "x" },
    ];
    const dir = await write("local", [members], join(tempDir(), "o"), {
      onWarning: (text) => void warnings.push(text),
    });
    expect(readdirSync(dir)).toEqual(["file"]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("null, pipe");
  });

  test("tells where it cannot write", async () => {
    const file = join(tempDir(), "file");
    writeFileSync(file, "x");
    await expect(write("local", SOME_LAYERS, file)).rejects.toMatchObject({ code: "OUTPUT" });
  });
});

describe("the tar output", () => {
  test("has all files with owners, modes, times, links, devices and attributes, sorted", async () => {
    const top: Member[] = [
      { path: "dev", type: "dir", mode: 0o755 },
      { path: "dev/null", type: "char", mode: 0o666, devMajor: 1, devMinor: 3 },
      { path: "ping", content: "p", mode: 0o755, xattrs: { "security.capability": "\x01\x00\xff" } },
    ];
    const path = await write("tar", [...SOME_LAYERS, top], join(tempDir(), "o.tar"));
    const script = `
import tarfile, json, sys
print(json.dumps([[m.name, m.type.decode(), oct(m.mode), m.uid, m.gid, m.mtime, m.linkname, m.devmajor] for m in tarfile.open(sys.argv[1], encoding='latin1')]))`;
    const members = JSON.parse(sh(`python3 -c "${script}" ${path}`));
    expect(members).toEqual([
      ["bin", "5", "0o755", 0, 0, 1_700_000_000, "", 0],
      ["bin/bash", "0", "0o4755", 0, 0, 1_700_000_000, "", 0],
      ["bin/sh", "1", "0o4755", 0, 0, 1_700_000_000, "bin/bash", 0],
      ["dev", "5", "0o755", 0, 0, 1_700_000_000, "", 0],
      ["dev/null", "3", "0o666", 0, 0, 1_700_000_000, "", 1],
      ["etc", "5", "0o755", 0, 0, 1_700_000_000, "", 0],
      ["etc/motd", "0", "0o644", 3_000_000, 0, 1_700_000_000, "", 0],
      ["etc/passwd", "0", "0o644", 0, 0, 1_700_000_000, "", 0],
      ["home", "5", "0o700", 1000, 1000, 1_700_000_000, "", 0],
      ["home/caf\xe9", "0", "0o644", 0, 0, 1_800_000_000, "", 0],
      ["lib", "2", "0o777", 0, 0, 1_700_000_000, "usr/lib", 0],
      ["ping", "0", "0o755", 0, 0, 1_700_000_000, "", 0],
      ["tmp", "5", "0o1777", 0, 0, 1_700_000_000, "", 0],
    ]);
    expect(readFileSync(path).includes(Buffer.from("SCHILY.xattr.security.capability=\x01\x00\xff\n", "latin1"))).toBe(
      true,
    );
    expect(sh(`tar xOf ${path} bin/bash`)).toBe("#!shell\n");
  });

  test("gives every file the epoch, if there is one", async () => {
    const path = await write("tar", SOME_LAYERS, join(tempDir(), "o.tar"), { epoch: 86_400 });
    const times = sh(`TZ=UTC tar --full-time -tvf ${path} | awk '{ print $4, $5 }' | sort -u`);
    expect(times).toBe("1970-01-02 00:00:00\n");
  });

  test("goes to a stream, the same bytes", async () => {
    const store = await newStore();
    const image = loadImage(store, await putImage(store, SOME_LAYERS));
    const path = join(tempDir(), "o.tar");
    const stream = new PassThrough({ highWaterMark: 10 });
    const collected = stream.toArray();
    await writeOutput({ type: "tar", destination: { kind: "stream", stream } }, image, envOf(store));
    await writeOutput({ type: "tar", destination: { kind: "path", path } }, image, envOf(store));
    stream.end();
    expect(Buffer.concat(await collected).equals(readFileSync(path))).toBe(true);
  });

  test("fails when the stream is closed by its reader", async () => {
    const store = await newStore();
    const image = loadImage(store, await putImage(store, [[{ path: "f", content: Buffer.alloc(1 << 20) }]]));
    const stream = new PassThrough({ highWaterMark: 10 });
    stream.once("data", () => stream.destroy(new Error("EPIPE: gone")));
    const writing = writeOutput({ type: "tar", destination: { kind: "stream", stream } }, image, envOf(store));
    await expect(writing).rejects.toMatchObject({ code: "OUTPUT" });
  });
});
