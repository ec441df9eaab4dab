import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { makeControlGroup, ownPlaces, parsePlaces } from "../../src/sandbox/controlGroups.js";
import { type LimitRights, parseLimits, ulimitArguments } from "../../src/sandbox/limits.js";
import type { RunLimits } from "../../src/sandbox/types.js";
import { currentOwner, ownerName } from "../../src/store/owner.js";
import { toolMissing } from "../setup/tools.js";
import { StepBench } from "./steps.js";

const unable = process.getuid?.() !== 0 || toolMissing("busybox") || toolMissing("unshare");

describe("resource limits", () => {
  const own = parseLimits(
    [
      "Limit                     Soft Limit           Hard Limit           Units     ",
      "Max cpu time              unlimited            unlimited            seconds   ",
      "Max processes             1000                 2000                 processes ",
      "Max open files            1024                 4096                 files     ",
    ].join("\n"),
  );
  const rights = (more: Partial<LimitRights> = {}): LimitRights => ({
    canRaise: false,
    maxFiles: 1 << 20,
    own,
    ...more,
  });
  const argumentsOf = (name: string, soft: number, hard: number, given = rights()) => {
    const warnings: string[] = [];
    const words = ulimitArguments([{ name, soft, hard }], given, (rule) => warnings.push(rule));
    return [...words, ...warnings];
  };

  it("are set as asked where that is allowed", () => {
    expect(argumentsOf("nofile", 10, 20)).toEqual(["--nofile=10:20"]);
    expect(argumentsOf("cpu", -1, -1)).toEqual(["--cpu=unlimited:unlimited"]);
    expect(argumentsOf("nproc", 5000, -1, rights({ canRaise: true }))).toEqual(["--nproc=5000:unlimited"]);
  });

  it("are raised as far as allowed, with a word about it", () => {
    expect(argumentsOf("nofile", 8192, 65_536)).toEqual(["--nofile=4096:4096", "UlimitLowered"]);
    expect(argumentsOf("nproc", 1500, -1)).toEqual(["--nproc=1500:2000", "UlimitLowered"]);
    const limited = rights({ canRaise: true, maxFiles: 100_000 });
    expect(argumentsOf("nofile", 1, -1, limited)).toEqual(["--nofile=1:100000", "UlimitLowered"]);
  });

  it("of unknown names are refused", () => {
    expect(() => argumentsOf("nofiles", 1, 1)).toThrow(/nofiles/);
    expect(() => argumentsOf("toString", 1, 1)).toThrow(/toString/);
  });
});

describe("the places of control groups", () => {
  it("are found in hybrid, unified and containers' hierarchies", () => {
    const hybrid = parsePlaces(
      "3:memory:/a/b\n2:cpu,cpuacct:/\n0::/x\n",
      [
        "30 20 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
        "31 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
        "32 20 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
        "33 20 0:29 / /proc rw - proc proc rw",
      ].join("\n"),
    );
    expect(hybrid).toEqual([
      { version: 1, controllers: ["memory"], directory: "/sys/fs/cgroup/memory/a/b", top: "/sys/fs/cgroup/memory" },
      {
        version: 1,
        controllers: ["cpu", "cpuacct"],
        directory: "/sys/fs/cgroup/cpu,cpuacct",
        top: "/sys/fs/cgroup/cpu,cpuacct",
      },
      { version: 2, controllers: [], directory: "/sys/fs/cgroup/unified/x", top: "/sys/fs/cgroup/unified" },
    ]);
    const container = parsePlaces(
      "5:pids:/docker/1234\n",
      "9 8 0:1 /docker/1234 /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids",
    );
    expect(container).toEqual([
      { version: 1, controllers: ["pids"], directory: "/sys/fs/cgroup/pids", top: "/sys/fs/cgroup/pids" },
    ]);
  });

  describe("of version 2", () => {
    let top: string;
    // A directory in place of the file system: it shows what would be written, though not what a kernel makes of it.
    beforeAll(() => {
      top = fs.mkdtempSync(join(tmpdir(), "nacre-cgroup-"));
      fs.mkdirSync(join(top, "slice/session"), { recursive: true });
      fs.writeFileSync(join(top, "cgroup.controllers"), "cpuset cpu io memory pids\n");
      fs.writeFileSync(join(top, "slice/cgroup.subtree_control"), "memory pids\n");
    });
    afterAll(() => fs.rmSync(top, { recursive: true }));

    it("refuse what cannot be enforced, and say what", () => {
      const places = [{ version: 2 as const, controllers: [], directory: `${top}/slice/session`, top }];
      expect(() => makeControlGroup({ ulimits: [], memory: 1 << 20 }, [])).toThrow(/limit memory cannot be enforced/);
      // The files of a group are the kernel's; where they are missing, nothing is left behind.
      expect(() => makeControlGroup({ ulimits: [], pids: 5 }, places)).toThrow(/pids.max/);
      expect(fs.readdirSync(join(top, "slice")).filter((name) => name.startsWith("nacre-"))).toEqual([]);
      expect(() => makeControlGroup({ ulimits: [], memorySwap: 5 }, places)).toThrow(/needs the limit memory/);
      expect(() => makeControlGroup({ ulimits: [], memory: 10, memorySwap: 5 }, places)).toThrow(/smaller/);
    });
  });
});

const controllers = new Set(
  unable ? [] : ownPlaces().flatMap((place) => [...place.controllers, ...inVersion2(place.top)]),
);

function inVersion2(top: string): string[] {
  const file = `${top}/cgroup.controllers`;
  return fs.existsSync(file) ? fs.readFileSync(file, "latin1").trim().split(" ") : [];
}

describe.skipIf(unable)("a limited step", () => {
  let bench: StepBench;
  beforeAll(() => {
    bench = new StepBench();
  });
  afterAll(() => bench.remove());
  const groups = () =>
    ownPlaces().flatMap(({ directory }) => fs.readdirSync(directory).filter((name) => name.startsWith("nacre-")));
  afterEach(() => expect(groups()).toEqual([]));

  const limited = (line: string, limits: Partial<RunLimits>, uid = 0) =>
    bench.run(["/bin/sh", "-c", line], {
      process: { limits: { ulimits: [], ...limits }, uid, gid: uid, groups: [uid] },
    });

  it("has the ulimits that were asked for", async () => {
    const ulimits = [
      { name: "nofile", soft: 60, hard: 70 },
      { name: "core", soft: 0, hard: -1 },
      { name: "fsize", soft: 1024, hard: 1024 },
    ];
    const { output } = await limited(
      "ulimit -Sn; ulimit -Hn; ulimit -Hc; head -c 5000 /dev/zero >/big; stat -c %s /big",
      { ulimits },
      0,
    );
    expect(output).toMatch(/^60\n70\nunlimited\n/);
    expect(output).toMatch(/1024\n$/);
  });

  it("is told apart when memory runs out, from one that merely fails", async () => {
    if (!controllers.has("memory"))
      return expect(limited("true", { memory: 1 << 25 })).rejects.toMatchObject({ code: "ISOLATION" });
    const { exit } = await limited("head -c 200000000 /dev/zero | tail >/dev/null; exit 3", {
      memory: 32 << 20,
      memorySwap: 32 << 20,
    });
    expect(exit).toEqual({ kind: "memory" });
    expect((await limited("exit 3", { memory: 32 << 20 })).exit).toEqual({ kind: "code", code: 3 });
    const enough = await limited("head -c 20000000 /dev/zero | tail | wc -c", { memory: 128 << 20 });
    expect(enough).toMatchObject({ exit: { code: 0 }, output: "20000000\n" });
  });

  it("has as many processes as were allowed, and no fewer", async () => {
    if (!controllers.has("pids"))
      return expect(limited("true", { pids: 5 })).rejects.toMatchObject({ code: "ISOLATION" });
    const line = "i=0; while [ $i -lt 20 ]; do sleep 5 & i=$((i+1)); done; echo all";
    const { output } = await limited(line, { pids: 5 });
    expect(output).toMatch(/fork/);
    expect((await limited(line, { pids: 30 })).output).toBe("all\n");
    expect((await limited("echo one", { pids: 1 })).output).toBe("one\n");
  });

  it("has the processors and the share that were asked for", async () => {
    if (!controllers.has("cpu"))
      return expect(limited("true", { cpus: 1 })).rejects.toMatchObject({ code: "ISOLATION" });
    const { output } = await limited("cat /proc/self/cgroup; nproc", { cpus: 0.5, cpuShares: 512, cpusetCpus: "0" });
    expect(output).toMatch(/cpu[^\n]*:.*\/nacre-/);
    if (controllers.has("cpuset")) expect(output).toMatch(/\n1\n$/);
    await expect(limited("true", { cpusetCpus: "4000" })).rejects.toMatchObject({ code: "ISOLATION" });
  });

  it("removes the groups that a killed nacre has left, and no others", async () => {
    const place = ownPlaces().find(({ version, controllers: own }) => version === 1 && own.includes("pids"));
    if (place === undefined) return;
    const { boot, pidNamespace } = currentOwner();
    const dead = `${place.directory}/nacre-${ownerName({ boot, pidNamespace, pid: 2 ** 22 - 1, start: "5" })}-0123456789ab`;
    const alive = `${place.directory}/nacre-${ownerName(currentOwner())}-0123456789ab`;
    fs.mkdirSync(dead);
    fs.mkdirSync(alive);
    try {
      expect((await limited("true", { pids: 10 })).exit).toEqual({ kind: "code", code: 0 });
      expect(fs.existsSync(dead)).toBe(false);
      expect(fs.existsSync(alive)).toBe(true);
    } finally {
      for (const directory of [dead, alive]) if (fs.existsSync(directory)) fs.rmdirSync(directory);
    }
  });
});
