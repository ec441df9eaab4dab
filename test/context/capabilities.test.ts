import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, test } from "vitest";
import { CAPABILITY, parseGetfattr } from "../../src/context/capabilities.js";
import { openLocalContext } from "../../src/context/local.js";
import { treeDigest } from "../../src/context/treeDigest.js";
import { at, folder, keyed, plain, settle } from "./folder.js";

const able = process.getuid?.() === 0 && spawnSync("setcap", ["-h"]).error === undefined;

/** cap_net_raw+ep, as the kernel stores it (vfs_cap_data, revision 2). */
const NET_RAW = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

function setcap(file: string | Buffer, value = "cap_net_raw+ep"): void {
  // Through a shell's stdin, since arguments cannot hold names that are not UTF-8.
  const name = typeof file === "string" ? Buffer.from(file) : file;
  execFileSync("xargs", ["-0", "setcap", value], { input: Buffer.concat([name, Buffer.of(0)]) });
}

describe("what getfattr says", () => {
  test("is read with all escapes of names", () => {
    const output = [
      "# file: plain",
      "security.capability=0x0100FF",
      "",
      "# file: a\\012b\\134c\\015",
      "security.capability=0x02",
      "",
      "# file: caf\xe9 = \t",
      "security.capability=0x",
      "",
    ].join("\n");
    expect([...parseGetfattr(output)]).toEqual([
      ["plain", "\x01\x00\xff"],
      ["a\nb\\c\r", "\x02"],
      ["caf\xe9 = \t", ""],
    ]);
  });

  test("is not confused by names that look like its own lines", () => {
    const output = "# file: x\\012security.capability=0x01\nsecurity.capability=0x02\n";
    expect([...parseGetfattr(output)]).toEqual([["x\nsecurity.capability=0x01", "\x02"]]);
  });
});

describe.runIf(able)("the capability of a file", () => {
  test("reaches the nodes of files with any name", async () => {
    const names = [
      "plain",
      "-dash",
      "a\nb",
      "back\\slash",
      "caf\xe9",
      "tab\t=",
      "# file: x",
      "sub/deep",
      "%s",
      "'\"$x",
    ];
    const root = folder({ "sub/none": "", none: "x" });
    for (const name of names) {
      const full = Buffer.from(`${root}/${name}`, "latin1");
      fs.writeFileSync(full, "x");
      setcap(full);
    }
    const context = await openLocalContext({ root });
    expect(at(context, "plain").xattrs).toBeUndefined();
    await context.prepare([context.root]);
    for (const name of names) expect(at(context, name).xattrs).toEqual({ [CAPABILITY]: NET_RAW });
    expect(at(context, "none").xattrs).toBeUndefined();
    expect(at(context, "sub/none").xattrs).toBeUndefined();
    expect(treeDigest(plain(context), context.root)).toBe(context.listDigest(context.root));
  });

  test("is found below a root whose name is not UTF-8", async () => {
    const root = folder();
    const odd = Buffer.from(`${root}/r\xe9`, "latin1");
    fs.mkdirSync(odd);
    const file = Buffer.concat([odd, Buffer.from("/f")]);
    fs.writeFileSync(file, "x");
    setcap(file);
    const context = await openLocalContext({ root: `${root}/r\udce9` });
    await context.prepare([context.root]);
    expect(at(context, "f").xattrs).toEqual({ [CAPABILITY]: NET_RAW });
  });

  test("counts in the key, is kept in the stat cache, and a change of it is seen", async () => {
    const root = folder({ "d/f": "x", "d/g": "y" });
    const statCache = path.join(folder(), "stat");
    await settle();
    const before = await keyed(root, statCache);
    setcap(`${root}/d/f`);
    await settle();
    const after = await keyed(root, statCache);
    expect(after.key).not.toBe(before.key);
    expect(after.hashed).toBe(1);
    const unasked = await keyed(root, statCache, { xargs: "/nonexistent" });
    expect(unasked.hashed).toBe(0);
    expect(unasked.key).toBe(after.key);
    expect(at(unasked.context, "d/f").xattrs).toEqual({ [CAPABILITY]: NET_RAW });
    setcap(`${root}/d/f`, "-r");
    expect((await keyed(root, statCache)).key).toBe(before.key);
  });

  test("of symlinks and what they lead to is not asked for", async () => {
    const outside = folder({ f: "x" });
    setcap(`${outside}/f`);
    const root = folder();
    fs.symlinkSync(`${outside}/f`, `${root}/link`);
    const context = await openLocalContext({ root });
    await context.prepare([context.root]);
    expect(at(context, "link").xattrs).toBeUndefined();
  });
});

describe("without getfattr", () => {
  test.each([
    ["is not installed", "exit 127"],
    ["failed", "exit 1"],
  ])("there is one warning that it %s, and it is asked again next time", async (why, script) => {
    const bin = path.join(folder({ tool: `#!/bin/sh\n${script}\n` }), "tool");
    fs.chmodSync(bin, 0o755);
    const root = folder({ a: "x", b: "y" });
    const statCache = path.join(folder(), "stat");
    await settle();
    const warnings: string[] = [];
    const options = { xargs: bin, warn: (message: string) => warnings.push(message) };
    const { context, key } = await keyed(root, statCache, options);
    context.reset();
    await context.prepare([context.root]);
    expect(warnings).toEqual([expect.stringContaining(why)]);
    expect(warnings[0]).toContain("security.capability");
    if (!able) return;
    setcap(`${root}/a`);
    const { ctimeMs } = fs.statSync(`${root}/a`);
    const blind = await keyed(root, statCache, { xargs: bin, clock: () => ctimeMs + 5000 });
    expect(blind.key).toBe(key);
    const seeing = await keyed(root, statCache, { clock: () => ctimeMs + 6000 });
    expect(seeing.hashed).toBe(0);
    expect(seeing.key).not.toBe(key);
  });
});
