/** Steps executed for real: the same step gives the same layer, wherever and by whomever it is executed. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { IsolationLevel } from "../../src/sandbox/types.js";
import { requireTool, toolMissing } from "../setup/tools.js";
import { canMount, tempDirectory } from "../store/helpers.js";
import { type Answer, runHere, type World } from "./worlds.js";

const tools = ["busybox", "unshare", "setpriv", "tar", "newuidmap", "runc"];
const missing = !canMount() || tools.some(toolMissing);

const STEPS = [
  [
    "echo working as $(id -u); mkdir -p /srv/data/old; echo one > /srv/data/one; ln /srv/data/one /srv/data/two",
    "chmod 4755 /srv/data/one; rm /etc/motd; ln -s data /srv/link; mkfifo /srv/pipe; touch /srv/data/old/file",
  ],
  ["cat /srv/link/two; rm -r /srv/data/old; mkdir /srv/data/old; echo new > /srv/data/old/new; ls /srv/data"],
].map((lines) => ["/bin/sh", "-ec", lines.join("; ")]);

/** A root file system of busybox alone. */
function makeRootfs(directory: string): string {
  const root = path.join(directory, "rootfs");
  for (const name of ["bin", "etc", "tmp"]) fs.mkdirSync(path.join(root, name), { recursive: true });
  fs.copyFileSync(requireTool("busybox"), path.join(root, "bin/busybox"));
  for (const applet of "sh cat chmod chown echo id ln ls mkdir mkfifo rm touch".split(" ")) {
    fs.symlinkSync("busybox", path.join(root, "bin", applet));
  }
  fs.writeFileSync(path.join(root, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\nweb:x:33:33::/:/bin/sh\n");
  fs.writeFileSync(path.join(root, "etc/motd"), "hello\n");
  const tar = path.join(directory, "rootfs.tar");
  execFileSync("tar", ["-C", root, "--owner=0", "--group=0", "--sort=name", "-cf", tar, "."]);
  return tar;
}

function run(world: World, isolation: IsolationLevel, args: readonly (readonly string[])[], tmpfs = false): Answer {
  const directory = tempDirectory();
  const rootfs = makeRootfs(directory);
  const answer = runHere(world, directory, { isolation, rootfs, args, tmpfs });
  const store = path.join(directory, world === "root on an overlay" ? "u/store" : "store");
  expect({ world, isolation, left: fs.readdirSync(`${store}/tmp`) }).toEqual({ world, isolation, left: [] });
  return answer;
}

describe.skipIf(missing)("a step", () => {
  let expected: Answer;
  beforeAll(() => {
    expected = run("root", "namespaces", STEPS);
  });

  it("does what its command says", () => {
    expect(expected.error).toBeUndefined();
    expect(expected.runs?.map(({ exit }) => exit)).toEqual([
      { kind: "code", code: 0 },
      { kind: "code", code: 0 },
    ]);
    expect(expected.runs?.map(({ output }) => output)).toEqual(["working as 0\n", "one\nold\none\ntwo\n"]);
  });

  const places: readonly (readonly [World, IsolationLevel])[] = [
    ["root", "oci"],
    ["root", "chroot"],
    ["user", "namespaces"],
    ["user", "oci"],
    ["user", "chroot"],
    ["single user", "namespaces"],
    ["root without mounts", "chroot"],
    ["root on an overlay", "chroot"],
  ];
  it.each(places)("gives the same layers as %s at level %s", (world, isolation) => {
    const { error, runs } = run(world, isolation, STEPS);
    expect(error).toBeUndefined();
    expect(runs).toEqual(expected.runs);
  });

  it.each(["root", "user"] as const)("gives the same layers as %s with upper directories on a tmpfs", (world) => {
    expect(run(world, "namespaces", STEPS, true).runs).toEqual(expected.runs);
  });

  const owner = ["/bin/sh", "-ec", "echo x > /tmp/x; chown 33:33 /tmp/x"];
  it("keeps owners as an ordinary user with ranges of ids", () => {
    const asRoot = run("root", "namespaces", [owner]).runs;
    expect(asRoot?.[0]?.exit).toEqual({ kind: "code", code: 0 });
    expect(run("user", "namespaces", [owner]).runs).toEqual(asRoot);
  });
});
