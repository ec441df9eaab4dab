import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Executor } from "../../src/sandbox/executor.js";
import { namespacesExecutor } from "../../src/sandbox/namespaces.js";
import { ociExecutor } from "../../src/sandbox/oci.js";
import type { PlannedMount } from "../../src/sandbox/rootPlan.js";
import { deviceLinks } from "../../src/sandbox/standardMounts.js";
import { findTool, toolMissing } from "../setup/tools.js";
import { makeOciRoot, type OciRoot, type PlanChanges, ROOT_HAND } from "./ociRoot.js";

const unable =
  process.getuid?.() !== 0 ||
  ["unshare", "setpriv", "busybox"].some(toolMissing) ||
  spawnSync("unshare", ["--mount", "true"]).status !== 0;

const executors: readonly [string, () => Executor][] = [
  ["namespaces", namespacesExecutor],
  ["crun", () => ociExecutor({ path: findTool("crun")! })],
  ["runc", () => ociExecutor({ path: findTool("runc")! })],
];

const NODES = ["null", "zero", "full", "random", "urandom", "tty"];

describe.each(executors)("the devices of a step (%s)", (name, makeExecutor) => {
  describe.skipIf(unable || (name !== "namespaces" && toolMissing(name)))("of real root", () => {
    let root: OciRoot;
    beforeEach(() => {
      root = makeOciRoot();
    });
    afterEach(() => root.remove());

    const run = async (script: string, changes: PlanChanges = {}): Promise<string> => {
      const chunks: Buffer[] = [];
      const plan = root.plan({ ...changes, process: { ...changes.process, args: ["/bin/sh", "-c", script] } });
      const io = { kind: "log", onOutput: (chunk: Buffer) => chunks.push(chunk) } as const;
      const exit = await makeExecutor().execute(plan, io, { hand: ROOT_HAND, warn: () => {} });
      const output = Buffer.concat(chunks).toString("utf8");
      expect(exit, output).toEqual({ kind: "code", code: 0 });
      return output;
    };

    const directory = (path: string): string => {
      fs.mkdirSync(join(root.dir, path));
      return join(root.dir, path);
    };

    /** A cache, a tmpfs, and the writable copy of a bind source, each at the name given here. */
    const places = (): PlannedMount[] => {
      for (const at of ["cache", "memory", "copy"]) fs.mkdirSync(join(root.dir, "upper", at));
      const [lower, upper, work] = [directory("lower"), directory("copy.upper"), directory("copy.work")];
      directory("mount0");
      const overlay = { lower: [lower], upper, work };
      return [
        { source: "overlay", target: "mount0", base: "step", type: "overlay", options: ["volatile"], overlay },
        { source: directory("cache"), target: "cache", type: "bind", options: [] },
        { source: "tmpfs", target: "memory", type: "tmpfs", options: ["nosuid"] },
        { source: join(root.dir, "mount0"), target: "copy", type: "bind", options: [] },
      ];
    };

    it("cannot be opened by nodes that it makes, wherever it can make one", async () => {
      // Only read: should this fail, it is a disk of the machine.
      const script = `for d in / /tmp /dev /dev/shm /dev/new /cache /memory /copy; do
        mkdir -p $d; mknod $d/disk b 254 0 && mknod $d/same c 1 3 || echo none in $d
        for n in disk same; do dd if=$d/$n of=/dev/null bs=1 count=1 2>&1; done
        (echo x >$d/same) 2>&1
      done; true`;
      const output = await run(script, { mounts: places() });
      const said = output.trim().split("\n");
      expect(said).toHaveLength(8 * 3);
      expect(said.filter((line) => !/: Permission denied$/i.test(line))).toEqual([]);
    });

    it("cannot be opened by nodes of a layer or of a bind source", async () => {
      const source = directory("source");
      spawnSync("mknod", ["-m", "666", join(source, "same"), "c", "1", "3"]);
      spawnSync("mknod", ["-m", "666", join(root.dir, "upper/same"), "c", "1", "3"]);
      fs.writeFileSync(join(root.dir, "upper/file"), "");
      const mounts: PlannedMount[] = [
        { source, target: "mnt", type: "bind", options: ["ro"] },
        { source: join(source, "same"), target: "file", type: "bind", options: [] },
      ];
      const output = await run("for f in /same /mnt/same /file; do cat $f 2>&1; done; true", { mounts });
      expect(output.trim().split("\n")).toEqual([
        expect.stringMatching(/\/same.*: Permission denied$/),
        expect.stringMatching(/\/mnt\/same.*: Permission denied$/),
        expect.stringMatching(/\/file.*: Permission denied$/),
      ]);
    });

    it("become entries of the layer all the same", async () => {
      await run("mknod -m 640 /node c 1 3; mknod /disk b 254 0");
      const node = fs.lstatSync(join(root.dir, "upper/node"));
      expect([node.isCharacterDevice(), node.rdev, node.mode & 0o7777]).toEqual([true, 0x103, 0o640]);
      expect(fs.lstatSync(join(root.dir, "upper/disk")).isBlockDevice()).toBe(true);
    });

    it.each([0, 1000])("are the usual ones, and work, for user %i", async (uid) => {
      const script = `echo lost >/dev/null; cat /dev/null; echo x 2>&1 >/dev/full
        for n in zero random urandom; do dd if=/dev/$n bs=4 count=1 2>/dev/null | wc -c; done
        (: >/dev/tty) 2>&1
        cd /dev; stat -c "%n %t:%T %a %u:%g" ${NODES.join(" ")}`;
      const lines = (await run(script, { process: { uid, gid: uid, groups: [uid] } })).trim().split("\n");
      expect(lines.slice(0, 5)).toEqual([
        expect.stringMatching(/No space left on device$/),
        ...["4", "4", "4"],
        expect.stringMatching(/No such device or address$/),
      ]);
      // Crun gives the standard input to the user.
      const owner = name === "crun" ? `${uid}:${uid}` : "0:0";
      expect(lines.slice(5)).toEqual([
        ...[`null 1:3 666 ${owner}`, "zero 1:5 666 0:0", "full 1:7 666 0:0"],
        ...["random 1:8 666 0:0", "urandom 1:9 666 0:0", "tty 5:0 666 0:0"],
      ]);
    });

    it("cannot be changed for the machine or the next step", async () => {
      const before = fs.lstatSync("/dev/null");
      const change = "chmod 640 /proc/keys; chmod 600 /dev/stdin /dev/null; stat -c %a /dev/null";
      // Bound read-only, or nodes of the step's own.
      expect(await run(`(${change}) 2>/dev/zero`)).toBe(name === "namespaces" ? "666\n" : "600\n");
      const { mode, uid } = fs.lstatSync("/dev/null");
      expect({ mode, uid }).toEqual({ mode: before.mode, uid: before.uid });
      fs.rmSync(join(root.dir, "work"), { recursive: true });
      fs.mkdirSync(join(root.dir, "work"));
      expect(await run("stat -c %a /dev/null")).toBe("666\n");
    });

    it("are the machine's where the step is insecure", async () => {
      const script =
        "mknod -m 666 /same c 1 3 && echo gone >/same && cat /same; test -c /dev/null && echo x >/dev/null";
      expect(await run(script, { process: { insecure: true } })).toBe("");
    });

    it("come with Docker's links: one to /proc/kcore only where there is one", async () => {
      const links = deviceLinks(fs.existsSync("/proc/kcore")).map(({ name, target }) => `${name} ${target}`);
      const output = await run(
        "cd /dev; for n in *; do test ! -L $n || echo $n $(readlink $n); done; test -e core; true",
      );
      expect(output.trim().split("\n").sort()).toEqual(links.sort());
    });
  });
});
