import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { dumpXattrs, type XattrQuery } from "../../src/layer/xattrDump.js";
import { GetfattrReader } from "../../src/support/getfattr.js";
import { findTool, toolMissing } from "../setup/tools.js";

const directories: string[] = [];
const PATH = process.env.PATH;

afterEach(() => {
  process.env.PATH = PATH;
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

function directory(): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-xattrs-"));
  directories.push(dir);
  return dir;
}

/** Reads a dump that comes in pieces. */
function read(pieces: readonly Buffer[]): string[][] {
  const out: string[][] = [];
  const reader = new GetfattrReader((file, name, value) => out.push([file, name, value]));
  for (const piece of pieces) reader.write(piece);
  reader.end();
  return out;
}

describe("a dump of getfattr", () => {
  test("is the same wherever its pieces are cut", () => {
    const text =
      '# file: .\nuser.a=0x\n\n# file: ./a\\012b\\134\xe9\nuser.b\\075c=0x00ff0A\nuser.none\nuser.quoted=""\n\n';
    const bytes = Buffer.from(text, "latin1");
    const expected = [
      [".", "user.a", ""],
      ["./a\nb\\\xe9", "user.b=c", "\0\xff\n"],
      ["./a\nb\\\xe9", "user.none", ""],
      ["./a\nb\\\xe9", "user.quoted", ""],
    ];
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        expect(read(at.slice(1).map((end, i) => bytes.subarray(at[i], end)))).toEqual(expected);
      }),
    );
  });

  test("is refused where it is cut short or is none", () => {
    for (const text of [
      "user.a=0x00\n",
      "# file: a\nuser.a=0x0",
      "# file: a\nuser.a=0x0\n",
      "# file: a\nuser.a=text\n",
    ]) {
      expect(() => read([Buffer.from(text)])).toThrow(/cannot be understood/);
    }
    expect(() => read([Buffer.alloc(2 << 20, "x")])).toThrow(/too long/);
  });
});

describe.skipIf(toolMissing("getfattr") || toolMissing("setfattr"))("the extended attributes of a tree", () => {
  const all = (dir: string, more: Partial<XattrQuery> = {}) =>
    dumpXattrs({ dir, wanted: (name) => name.startsWith("user."), ...more });

  function tree(): string {
    const dir = directory();
    fs.mkdirSync(`${dir}/d`);
    for (const name of ["d/f", "plain"]) fs.writeFileSync(`${dir}/${name}`, "x".repeat(100_000));
    fs.linkSync(`${dir}/d/f`, `${dir}/second`);
    fs.symlinkSync("d/f", `${dir}/link`);
    execFileSync("setfattr", ["-n", "user.a", "-v", "0x0a00", `${dir}/d/f`]);
    execFileSync("setfattr", ["-n", "user.d%=", "-v", "1", `${dir}/d`]);
    execFileSync("setfattr", ["-n", "user.top", "-v", "1", dir]);
    return dir;
  }

  const EXPECTED = {
    "": { "user.top": "1" },
    d: { "user.d%=": "1" },
    "d/f": { "user.a": "\n\0" },
    second: { "user.a": "\n\0" },
  };

  test.each(["getfattr", "tar"] as const)(
    "are those that %s tells, of links and not of what they lead to",
    async (tool) => {
      const dump = await all(tree(), { tools: [tool] });
      expect(dump.known && Object.fromEntries([...dump.values].sort())).toEqual(EXPECTED);
    },
  );

  test("are asked for with GNU tar where getfattr is missing, and unknown without both", async () => {
    const dir = tree();
    const bin = directory();
    const tar = findTool("tar")!;
    process.env.PATH = bin;
    const none = await all(dir);
    expect(none).toEqual({ known: false, why: "getfattr is not installed, tar is not installed" });
    fs.symlinkSync(tar, `${bin}/tar`);
    const dump = await all(dir);
    expect(dump.known && dump.values.size).toBe(4);
  });

  test("are unknown where the tools fail or print something else", async () => {
    const dir = tree();
    const bin = directory();
    fs.writeFileSync(`${bin}/getfattr`, "#!/bin/sh\necho hello\n", { mode: 0o755 });
    fs.writeFileSync(`${bin}/tar`, "#!/bin/sh\nexit 3\n", { mode: 0o755 });
    process.env.PATH = bin;
    const dump = await all(dir);
    expect(dump.known).toBe(false);
    expect(!dump.known && dump.why).toMatch(/^getfattr printed what cannot be read: .*, tar failed \(3\)$/);
  });

  test("are not waited for when the build is cancelled", async () => {
    const dir = tree();
    const bin = directory();
    fs.writeFileSync(`${bin}/getfattr`, "#!/bin/sh\nexec /bin/sleep 100\n", { mode: 0o755 });
    process.env.PATH = bin;
    const controller = new AbortController();
    const dump = all(dir, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(dump).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
