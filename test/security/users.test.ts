/** Things that are no files in the place of the files that nacre reads from images. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tarOf } from "../archive/images.js";
import { nacre, type Outcome } from "../cli/invocation.js";
import { sh } from "../output/images.js";
import { dir, file, hardlink, header, layer, symlink } from "./layers.js";
import { freshDirectory, imageFiles, makeProbe } from "./world.js";

const PASSWD = "evil:x:7:8::/:/bin/sh\n";
const device = (name: string, flag: string) => header({ name, flag, devMajor: 1, devMinor: 5 });

/** Copies a file with `--chown=evil` onto these layers, into out.tar. */
async function copyOnTopOf(layers: readonly Buffer[]): Promise<Outcome & { readonly root: string }> {
  const root = freshDirectory();
  const env = { NACRE_HOME: join(root, "store") };
  writeFileSync(join(root, "image.tar"), tarOf(imageFiles(layers)));
  writeFileSync(join(root, "file"), "x");
  writeFileSync(join(root, "Dockerfile"), "FROM evil:1\nCOPY --chown=evil file /copied\n");
  expect(await nacre(["load", join(root, "image.tar")], { env })).toMatchObject({ code: 0 });
  return { root, ...(await nacre(["build", "-o", `type=tar,dest=${root}/out.tar`, root], { env })) };
}

/** Owner of the copied file, and what was said about it. */
async function ownerOnTopOf(layers: readonly Buffer[]): Promise<{ owner: string; stderr: string }> {
  const { root, code, stderr } = await copyOnTopOf(layers);
  expect(`${code} ${stderr}`).toMatch(/^0 /);
  const line = sh(`tar --numeric-owner -tvf ${root}/out.tar copied`);
  return { owner: /\d+\/\d+/.exec(line)![0], stderr };
}

describe("a user's name is looked up", () => {
  test.each([
    ["in a file", [layer(file("etc/passwd", PASSWD))], "7/8"],
    ["in the upper layer's file", [layer(file("etc/passwd", "")), layer(file("etc/passwd", PASSWD))], "7/8"],
    ["through a symlink inside", [layer(file("lib/users", PASSWD), symlink("etc/passwd", "../lib/users"))], "7/8"],
    [
      "through a symlink upwards, inside",
      [layer(file("users", PASSWD), symlink("etc/passwd", "../../../users"))],
      "7/8",
    ],
    ["through a hard link", [layer(file("users", PASSWD), hardlink("etc/passwd", "users"))], "7/8"],
    ["in a file among garbage", [layer(file("etc/passwd", `\0\xff:\n:::\nevil:x:-1:8:\n${PASSWD}`))], "7/8"],
  ] as const)("%s", async (_, layers, owner) => {
    expect((await ownerOnTopOf(layers)).owner).toBe(owner);
  });

  test("but not where there is none: the owner is root, and a warning says so", async () => {
    const { owner, stderr } = await ownerOnTopOf([layer(dir("etc"))]);
    expect(owner).toBe("0/0");
    expect(stderr).toMatch(/UnknownOwner: .*evil/);
  });

  test.each([
    ["a pipe", device("etc/passwd", "6")],
    ["a device that never ends", device("etc/passwd", "3")],
    ["a block device", device("etc/passwd", "4")],
    ["a directory", dir("etc/passwd")],
    ["a symlink to itself", symlink("etc/passwd", "passwd")],
    ["a symlink to a pipe", Buffer.concat([device("pipe", "6"), symlink("etc/passwd", "/pipe")])],
    ["a user beyond all numbers", file("etc/passwd", "evil:x:99999999999999999999:8::/:\n")],
  ] as const)("but not in %s: that is said at once", async (_, members) => {
    const { code, stderr } = await copyOnTopOf([layer(members)]);
    expect(`${code}`).toBe("1");
    expect(stderr).toMatch(/ERROR: .*(etc\/passwd|impossible owner)/);
    expect(stderr).not.toContain("internal error");
  });

  test("never in a file of the host", async () => {
    const probe = makeProbe();
    writeFileSync(join(probe.path, "..", "passwd"), PASSWD);
    const { owner } = await ownerOnTopOf([layer(symlink("etc/passwd", join(probe.path, "..", "passwd")))]);
    expect(owner).toBe("0/0");
    probe.expectUntouched();
  });
});

test("devices, pipes and set-uid files of an image are never made on the host", async () => {
  const root = freshDirectory();
  const env = { NACRE_HOME: join(root, "store") };
  const members = [device("null", "3"), device("disk", "4"), device("pipe", "6"), file("su", "x", { mode: 0o4755 })];
  writeFileSync(join(root, "image.tar"), tarOf(imageFiles([layer(...members)])));
  writeFileSync(join(root, "Dockerfile"), "FROM evil:1\n");
  expect(await nacre(["load", join(root, "image.tar")], { env })).toMatchObject({ code: 0 });
  const local = await nacre(["build", "-o", join(root, "out"), root], { env });
  expect(local.stderr).toMatch(/devices and pipes are not written to .*: disk, null, pipe/);
  expect(sh(`find ${root} -not -type f -not -type d -not -type l`)).toBe("");
  expect(readFileSync(join(root, "out", "su"), "utf8")).toBe("x");
  const names = [...new Set(sh(`find ${root}/out -type f`).trim().split("\n"))];
  expect(names).toEqual([join(root, "out", "su")]);
});
