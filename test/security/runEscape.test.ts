/** A step's process sees its own root and nothing of the machine: CVE-2024-21626, CVE-2019-5736 and their kind. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { file, header, layer } from "./layers.js";
import { cannotRun, expectPlain, LEVELS, lines, RunWorld, stepOutput } from "./runWorld.js";
import { makeProbe } from "./world.js";

const cli = fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));

/**
 * A static program for x86-64 that leaves a chroot: it makes the directory `x`, keeps a descriptor of the current one, enters
 * `x` by chroot(2), goes back by the descriptor and up by 64 times `..`, makes that its root, and executes its arguments.
 */
const LEAVE_CHROOT = program(
  [
    ...["488d3d84000000beed010000b8530000000f05488d3d7300000031f6b8020000000f0589c3488d3d5f000000b8a1000000"],
    ...["0f0589dfb8510000000f0541bc40000000488d3d46000000b8500000000f0541ffcc75ed488d3d31000000b8a10000000f"],
    ...["05488b0424488d742410488b3e488d54c4084883c208b83b0000000f05b83c000000bf630000000f0578002e002e2e00"],
  ].join(""),
);

/** An ELF file that is loaded as a whole and begins with its code. */
function program(code: string): string {
  const text = Buffer.from(code, "hex");
  const head = Buffer.alloc(120);
  head.write("7f454c46020101", 0, "hex");
  head.writeUInt32LE(0x003e0002, 16);
  head.writeUInt32LE(1, 20);
  head.writeBigUInt64LE(0x400078n, 24);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(64, 52);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(1, 64);
  head.writeUInt32LE(7, 68);
  for (const at of [80, 88]) head.writeBigUInt64LE(0x400000n, at);
  for (const at of [96, 104]) head.writeBigUInt64LE(BigInt(head.length + text.length), at);
  head.writeBigUInt64LE(4096n, 112);
  return Buffer.concat([head, text]).toString("latin1");
}

/** Directories at the top of the image; what else is there is not the step's root. */
const OWN = new Set(["bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "x", "jail", "leave", "escaped"]);

describe.skipIf(cannotRun)("a step's process", () => {
  const world = new RunWorld();
  beforeAll(async () => {
    await world.load();
    await world.load("leave:1", layer(file("leave", LEAVE_CHROOT, { mode: 0o755 })));
  });
  afterAll(() => world.expectSound());

  /** Runs a command. @returns its lines */
  const sh = (level: string, command: string, before = "", base = "box:1"): Promise<string[]> =>
    world.run(`FROM ${base}\n${before}RUN ${command}\n`, { level, args: ["--no-cache"] });

  describe.each(LEVELS)("%s", (level) => {
    test.each([
      ...["/proc/self/fd/3", "/proc/self/fd/7", "/proc/self/fd/64", "/proc/self/cwd/../..", "/proc/self/root/.."],
      ...["/proc/1/root", "/proc/1/cwd", "/dev/fd/8", "/proc/../proc/self/cwd", "/proc/thread-self/cwd/.."],
      ...["/proc/sys/../self/fd/9", "/dev/fd/../cwd"],
    ])("never starts in the working directory %s", async (cwd) => {
      const { message, text } = await world.fail(`FROM box:1\nWORKDIR ${cwd}\nRUN ls -a; ls -a ..\n`, { level });
      expect(message).toMatch(/working directory ".*" cannot be (used|entered)/);
      expect(stepOutput(text)).toEqual([]);
    });

    test("never starts where a symlink of the image leads through a process", async () => {
      const links = "RUN ln -s /proc/self/fd/9 /a; ln -s proc/1/root/../.. /b; ln -s /dev/fd /c\n";
      for (const cwd of ["/a", "/b", "/c/7"]) {
        const { message } = await world.fail(`FROM box:1\n${links}WORKDIR ${cwd}\nRUN ls\n`, { level });
        expect(message).toMatch(/working directory|leads through a process|not a directory|proc/);
      }
    });

    test("has three descriptors, no matter what nacre was started with", async () => {
      const probe = makeProbe();
      const path = join(world.root, "Descriptors");
      fs.writeFileSync(path, "FROM box:1\nRUN ls /proc/1/fd; readlink /proc/1/fd/0\n");
      const stdio = Array.from({ length: 252 }, (_, i): "ignore" | "pipe" => (i === 1 || i === 2 ? "pipe" : "ignore"));
      const open = [3, 9, 17, 251].map((fd) => [fd, fs.openSync(probe.path, "r")] as const);
      const argv = [cli, "build", "--no-cache", "--progress=plain", "--isolation", level, "-f", path, world.context];
      const env = { ...process.env, ...world.env };
      const child = spawn(process.execPath, argv, { env, stdio: Object.assign([...stdio], Object.fromEntries(open)) });
      for (const [, fd] of open) fs.closeSync(fd);
      let text = "";
      for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk) => (text += chunk));
      const code = await new Promise((resolve) => child.once("close", resolve));
      expect(code, text).toBe(0);
      expect(stepOutput(text)).toEqual(["0", "1", "2", "/dev/null"]);
    });

    test("finds no other process, and no program of the machine behind any", async () => {
      const output = await sh(
        level,
        lines(
          'for p in /proc/[0-9]*; do echo "pid ${p#/proc/}"; done',
          "readlink /proc/1/exe; readlink /proc/self/exe",
          "tr '\\0' '\\n' </proc/1/environ",
          "cat /proc/1/cmdline | tr '\\0' ' '; echo",
          "ls /proc/1/root/ /proc/1/cwd/",
        ),
      );
      expect(output.filter((line) => line.startsWith("pid "))[0]).toBe("pid 1");
      expect(output.filter((line) => line.startsWith("pid ")).length).toBeLessThanOrEqual(2);
      expect(output.filter((line) => line.startsWith("/bin/")).length).toBeGreaterThanOrEqual(2);
      expect(output.join("\n")).not.toMatch(/NACRE|node|setpriv|unshare|crun|runc|XDG|SSH_/);
      expect(output.join("\n")).not.toContain(world.root);
    });

    test("learns of the machine's directories only where its hosts, resolv.conf and /dev come from", async () => {
      const output = await sh(level, "cat /proc/self/mountinfo /proc/1/mounts; tr '\\0' ' ' </proc/1/cmdline");
      const telling = output.filter((line) => line.includes(world.root));
      for (const line of telling)
        expect(line).toMatch(
          /\/tmp\/t\.\S+\/((hosts|resolv\.conf) \/etc\/\S+ ro,|run-[0-9a-f]+\/dev \/dev rw,nosuid,nodev)/,
        );
      expect(output.filter((line) => / \/ rw/.test(line) && line.includes("overlay")).join()).not.toContain(world.root);
    });

    test("leaves its root by no way that a chroot could be left", async () => {
      const output = await sh(
        level,
        lines(
          "cd /; for i in 1 2 3 4 5 6 7 8 9; do cd ..; done; echo up $(ls)",
          "echo proc $(ls /proc/1/root/../../..) $(ls /proc/self/cwd/../../..)",
          "mkdir -p /x; echo nested $(chroot /x/../.. /bin/ls /)",
        ),
      );
      expect(output).toHaveLength(3);
      for (const line of output) {
        expect(
          line
            .split(" ")
            .slice(1)
            .filter((name) => !OWN.has(name)),
        ).toEqual([]);
        expect(line).toContain("bin");
      }
    });

    test.skipIf(process.arch !== "x64")("leaves its root by no descriptor that it kept", async () => {
      const output = await sh(
        level,
        lines(
          // What leaves a chroot within the root …
          "mkdir -p /jail/bin && cp /bin/busybox /jail/bin/ls && cp /leave /jail/ && echo jail $(chroot /jail /leave /bin/ls /)",
          // … does not leave the root.
          "mkdir /x/y 2>/dev/null; cd /tmp && echo root $(/leave /bin/ls /)",
        ),
        "",
        "leave:1",
      );
      expect(output[0]).toMatch(/^jail .*\bjail\b.*\bproc\b/);
      expect(output[1]).toMatch(/^root .*\bproc\b/);
      for (const line of output)
        expect(
          line
            .split(" ")
            .slice(1)
            .filter((name) => !OWN.has(name)),
        ).toEqual([]);
    });

    test("reveals nothing from a user namespace of its own", async () => {
      const reveal = lines(
        "umount -l / 2>/dev/null && echo REVEALED root",
        "umount -l /proc/acpi /proc/keys /proc/timer_list /sys/firmware 2>/dev/null && echo REVEALED masked",
        "umount -l /proc 2>/dev/null && echo REVEALED proc",
        "mount -o remount,rw /proc/sys 2>/dev/null && echo REVEALED sysctl",
        "mount -o remount,rw /sys 2>/dev/null && echo REVEALED sys",
        "mount -o remount,rw /etc/hosts 2>/dev/null && echo REVEALED hosts",
        "mkdir -p /tmp/old; mount --bind /tmp /tmp 2>/dev/null; pivot_root /tmp /tmp/old 2>/dev/null && ls /old",
        "nsenter --mount=/proc/self/ns/mnt ls / 2>/dev/null",
        "ls /proc/self/root/..; true",
      );
      const output = await sh(
        level,
        `unshare -Urmp --fork sh -c '${reveal}' 2>&1; unshare -Ur sh -c '${reveal}' 2>&1; true`,
      );
      expect(output.filter((line) => line.includes("REVEALED"))).toEqual([]);
      const names = output.filter((line) => !/: |old/.test(line));
      expect(names.filter((name) => !OWN.has(name))).toEqual([]);
    });

    test("can neither write nor see what protects it", async () => {
      const output = await sh(
        level,
        lines(
          "cat /proc/keys /proc/timer_list 2>&1 | head -c 100; ls /proc/acpi /sys/firmware 2>&1",
          "for f in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /sys/kernel/uevent_helper /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/cgroup.procs /proc/irq/default_smp_affinity; do (echo x >$f) 2>/dev/null && echo WROTE $f; done",
          "mount -t tmpfs t /tmp 2>/dev/null && echo MOUNTED; umount /proc 2>/dev/null && echo UNMOUNTED",
          "mount -o remount,rw /sys 2>/dev/null && echo REMOUNTED",
          "grep -E '^CapBnd' /proc/self/status | tr -d '\\t'",
        ),
      );
      expect(output.filter((line) => /WROTE|MOUNTED/.test(line))).toEqual([]);
      expect(output.at(-1)).toBe("CapBnd:00000000a80425fb");
    });
  });

  /** `name type` of nodes wherever they could be opened: /dev/zero's, which is harmless, stands for a disk's. */
  const PLACES = ["/tmp", "/dev", "/dev/shm", "/mnt/tmpfs", "/mnt/cache", "/mnt/copy", "/etc"];

  test.each(LEVELS)("at level %s opens no device but those of every root, wherever a node is made", async (level) => {
    const mounts =
      "--mount=type=tmpfs,target=/mnt/tmpfs --mount=type=cache,target=/mnt/cache --mount=type=bind,from=box:1,target=/mnt/copy,rw";
    const output = await world.run(
      `FROM box:1\nRUN ${mounts} for d in ${PLACES.join(" ")}; do mknod -m 666 $d/zero-node c 1 5 && head -c 3 $d/zero-node >/tmp/read 2>/dev/null; echo $d $(wc -c </tmp/read); : >/tmp/read; done; rm /dev/shm/zero-node\nRUN ls -l /etc/zero-node; head -c 3 /etc/zero-node | wc -c; head -c 3 /dev/zero | wc -c; echo x >/dev/null && echo fine\n`,
      { level, args: ["--no-cache"] },
    );
    expect(output.slice(0, PLACES.length)).toEqual(PLACES.map((place) => `${place} 0`));
    expect(output.filter((line) => !line.startsWith("/") && !line.startsWith("head: ")).slice(-4)).toEqual([
      expect.stringMatching(/^crw-.* 1, +5 .*\/etc\/zero-node$/),
      ...["0", "3", "fine"],
    ]);
  });

  test.each(LEVELS)(
    "at level %s opens no device that a layer brings, and cannot hide the node from the layer",
    async (level) => {
      const nodes = ["b", "c"].map((type) =>
        header({ name: `node-${type}`, flag: type === "b" ? "4" : "3", devMajor: 1, devMinor: 5, mode: 0o666 }),
      );
      await world.load("nodes:1", layer(...nodes));
      const { message, text } = await world.fail("FROM nodes:1\nRUN head -c 1 /node-b; head -c 1 /node-c\n", { level });
      expect(message).toContain("exit code: 1");
      expect(text).toMatch(/node-b: Permission denied/);
      expect(text).toMatch(/node-c: Permission denied/);
    },
  );

  test("cannot change the programs that started it", async () => {
    const programs = [process.execPath, cli, ...["/bin/sh", "/usr/bin/unshare", "/usr/bin/setpriv", "/usr/bin/env"]];
    const stat = () =>
      programs
        .filter((path) => fs.existsSync(path))
        .map((path) => {
          const { ino, size, mode, mtimeNs, ctimeNs } = fs.statSync(path, { bigint: true });
          return [path, ino, size, mode, mtimeNs, ctimeNs].map(String);
        });
    const before = stat();
    // A program whose interpreter is the program that executes it: so runc was overwritten.
    const script = "COPY <<E /evil\n#!/proc/self/exe\nE\nRUN chmod 755 /evil\n";
    for (const level of LEVELS) {
      const { code, text } = await world.build(
        `FROM box:1\n${script}RUN for p in self 1 2 3 4; do (echo x >/proc/$p/exe) 2>/dev/null && echo WROTE; done; true\nRUN ["/evil"]\n`,
        { level },
      );
      expectPlain(code, text);
      expect(code).toBe(1);
      expect(text).not.toContain("WROTE\n");
    }
    expect(stat()).toEqual(before);
  });
});
