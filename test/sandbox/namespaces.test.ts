import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { namespacesExecutor } from "../../src/sandbox/namespaces.js";
import { decodeText } from "../../src/support/bytes.js";
import { toolMissing } from "../setup/tools.js";
import { ROOT, StepBench } from "./steps.js";

const unable = process.getuid?.() !== 0 || toolMissing("busybox") || toolMissing("unshare");
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

describe.skipIf(unable)("a step in namespaces", () => {
  let bench: StepBench;
  beforeAll(() => {
    bench = new StepBench();
  });
  afterAll(() => bench.remove());

  const statusOf = (text: string, name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, "m").exec(text)?.[1];

  describe("rights", () => {
    it("gives root Docker's capabilities, none of them inheritable, and lets programs gain what files grant", async () => {
      const status = await bench.shell("cat /proc/self/status");
      for (const set of ["CapPrm", "CapEff", "CapBnd"]) expect(statusOf(status, set)).toBe("00000000a80425fb");
      for (const set of ["CapInh", "CapAmb"]) expect(statusOf(status, set)).toBe("0000000000000000");
      expect(statusOf(status, "NoNewPrivs")).toBe("0");
      expect(statusOf(status, "Groups")).toBe("0");
    });

    it("gives another user no capabilities, and the groups that it is in", async () => {
      const status = await bench.shell("cat /proc/self/status", {
        process: { uid: 1000, gid: 50, groups: [50, 7, 4242] },
      });
      expect(statusOf(status, "Uid")).toBe("1000\t1000\t1000\t1000");
      expect(statusOf(status, "Gid")).toBe("50\t50\t50\t50");
      expect(statusOf(status, "Groups")).toBe("7 50 4242");
      for (const set of ["CapPrm", "CapEff", "CapInh"]) expect(statusOf(status, set)).toBe("0000000000000000");
      expect(statusOf(status, "CapBnd")).toBe("00000000a80425fb");
    });

    it("gives an insecure step all that nacre has, and the host's other devices", async () => {
      const text = await bench.shell("cat /proc/self/status; ls -l /dev; test -w /proc/sys/kernel/hostname", {
        process: { insecure: true },
      });
      const own = /^CapBnd:\s*(.*)$/m.exec(fs.readFileSync("/proc/self/status", "latin1"))?.[1];
      expect(statusOf(text, "CapBnd")).toBe(own);
      expect(statusOf(text, "CapEff")).toBe(own);
      for (const name of ["kmsg", "fuse"]) {
        if (fs.existsSync(`/dev/${name}`)) expect(text).toMatch(new RegExp(`^c.* ${name}$`, "m"));
      }
    });

    it("refuses mounts and foreign devices to an ordinary step", async () => {
      const text = await bench.shell(
        "mount -t tmpfs x /tmp || echo no-mount; mknod /tmp/d b 7 0 && cat /tmp/d >/dev/null && echo read; echo 1 >/proc/sys/kernel/panic || echo no-write",
      );
      expect(text).toContain("no-mount");
      expect(text).toContain("no-write");
    });
  });

  describe("what it sees", () => {
    it("has a /dev of its own with Docker's nodes and links", async () => {
      const text = await bench.shell(
        "cd /dev && ls -l | awk '{print $1, $3 $4, $NF, $5 $6}' | grep -v total; stat -c %a /dev",
      );
      expect(text.split("\n").filter((line) => line.startsWith("c"))).toEqual([
        "crw-rw-rw- 00 full 1,7",
        "crw-rw-rw- 00 null 1,3",
        "crw-rw-rw- 00 random 1,8",
        "crw-rw-rw- 00 tty 5,0",
        "crw-rw-rw- 00 urandom 1,9",
        "crw-rw-rw- 00 zero 1,5",
      ]);
      expect(text).toMatch(/\n755\n$/);
      const links = await bench.shell("cd /dev; for i in fd stdin stdout stderr ptmx; do readlink $i; done");
      expect(links).toBe("/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n");
    });

    it("cannot change the host's devices through any of its own, nor through its standard input or a masked path", async () => {
      const before = fs.statSync("/dev/null");
      await bench.shell(
        "chmod 600 /dev/null; chmod 600 /dev/stdin; chown 7:7 /dev/stdin; for i in /proc/keys /proc/timer_list /proc/kcore; do chmod 600 $i; chown 7 $i; done; chmod 600 /dev/zero; true",
      );
      const after = fs.statSync("/dev/null");
      expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid]);
      expect(fs.statSync("/dev/zero").mode & 0o777).toBe(0o666);
    });

    it("sees itself as process 1, its host name, its mounts, and nothing of the machine's", async () => {
      const text = await bench.shell("hostname; echo $$; ls /proc | grep -c '^[0-9]'; cat /proc/1/mountinfo", {
        process: { hostname: "some-name" },
      });
      const [hostname, pid, processes, ...mounts] = text.trim().split("\n");
      expect([hostname, pid]).toEqual(["some-name", "1"]);
      expect(Number(processes)).toBeLessThan(5);
      const points = mounts.map((line) => line.split(" ")[4]);
      expect(points[0]).toBe("/");
      // What is bound says where it lies; with Docker, /etc/hosts does.
      expect(mounts.filter((line) => line.includes(bench.directory)).map((line) => line.split(" ")[4])).toEqual([
        "/dev",
      ]);
      expect(points).toContain("/dev/shm");
    });

    it("has a umask of 022 and only the descriptors 0 to 2, whatever nacre was started with", async () => {
      const umask = process.umask(0o077);
      try {
        expect(await bench.shell("umask; mkdir /made; stat -c %a /made")).toBe("0022\n755\n");
      } finally {
        process.umask(umask);
      }
      // One more is the directory that is being read.
      expect(await bench.shell("for i in /proc/self/fd/*; do echo ${i##*/}; done; readlink /proc/self/fd/0")).toMatch(
        /^0\n1\n2\n3\n\/dev\/null\n$/,
      );
    });

    it("finds nothing of the host by climbing out of its root", async () => {
      const climbing = "mkdir -p /x; cd /; ls ..; cd ../../../..; ls; ls /proc/self/cwd/../.. /proc/1/root/..";
      const text = await bench.shell(climbing);
      expect(text).not.toContain("vmlinuz");
      expect(new Set(text.split("\n"))).not.toContain("home");
      expect(text).toContain("bin");
    });

    it("can open /dev/stdout and /dev/stderr, as another user too", async () => {
      const line = "echo one >/dev/stdout; echo two >/dev/stderr; echo three >>/proc/self/fd/1";
      expect(await bench.shell(line)).toBe("one\ntwo\nthree\n");
      expect(await bench.shell(line, { process: { uid: 1234, gid: 1234, groups: [1234] } })).toBe("one\ntwo\nthree\n");
    });

    it("has loopback only where the network is none, and it is up", async () => {
      const text = await bench.shell(
        "cat /proc/net/dev | tail -n +3 | cut -d: -f1; ip -o addr show lo; ping -c 1 -W 2 127.0.0.1",
        {
          process: { network: "none" },
        },
      );
      expect(text).toMatch(/^\s*lo\n/);
      expect(text).toContain("127.0.0.1");
      expect(text).toContain("1 packets received");
    });

    it("starts in its working directory, which a user without rights to it may have", async () => {
      const lower = join(bench.directory, "closed");
      fs.mkdirSync(join(lower, "a b/ü"), { recursive: true });
      fs.chmodSync(join(lower, "a b"), 0o700);
      const lowers = [lower, bench.lower];
      expect(await bench.shell("pwd", { process: { cwd: "/a b/ü" }, lower: lowers })).toBe(
        Buffer.from("/a b/ü\n").toString("latin1"),
      );
      const user = { uid: 5, gid: 5, groups: [5] };
      const { exit } = await bench.run(["/bin/busybox", "true"], { process: { cwd: "/a b", ...user }, lower: lowers });
      expect(exit).toEqual({ kind: "code", code: 0 });
    });

    it.each(["/proc/self/fd/3", "/proc/self/fd/6", "/proc/self/fd/11", "/proc/self/cwd/../..", "/proc/1/cwd/.."])(
      "leads nowhere with the working directory %s",
      async (cwd) => {
        const plan = bench.plan(["/bin/sh", "-c", "pwd -P; ls"], { process: { cwd } });
        const { exit, output } = await bench.execute(plan);
        if (exit.kind === "unstartable") expect(output).toBe("");
        else expect(output).toMatch(/^\/\nbin\n/);
      },
    );
  });

  describe("how it ends", () => {
    const exitOf = async (args: readonly string[], changes = {}) => (await bench.run(args, changes)).exit;

    it.each([0, 1, 7, 126, 127, 255])("reports exit code %d", async (code) => {
      expect(await exitOf(["/bin/sh", "-c", `exit ${code}`])).toEqual({ kind: "code", code });
    });

    it("reports 128 and the signal's number for a signal, as Docker does", async () => {
      expect(await exitOf(["/bin/sh", "-c", "sh -c 'kill -9 $$'; exit $?"])).toEqual({ kind: "code", code: 137 });
      expect(await exitOf(["/bin/sh", "-c", "sh -c 'kill -SEGV $$'; exit $?"])).toEqual({ kind: "code", code: 139 });
    });

    it("tells a command that is not there from one that failed", async () => {
      const missing = { kind: "unstartable", code: 127 };
      expect(await bench.run(["/bin/nothing", "x"])).toMatchObject({
        exit: { ...missing, message: 'exec: "/bin/nothing": no such file or directory' },
        output: "",
      });
      expect(await exitOf(["nothing"])).toEqual({
        ...missing,
        message: 'exec: "nothing": executable file not found in $PATH',
      });
      expect(await exitOf(["/bin/sh", "-c", "nothing"])).toEqual({ kind: "code", code: 127 });
      expect(await exitOf(["/etc"])).toEqual({
        kind: "unstartable",
        code: 126,
        message: 'exec: "/etc": permission denied',
      });
    });

    it("says that the working directory cannot be entered", async () => {
      expect(await exitOf(["/bin/true"], { process: { cwd: "/bin/busybox" } })).toEqual({
        kind: "unstartable",
        code: 126,
        message: "the working directory /bin/busybox cannot be entered: not a directory",
      });
    });

    it("is not taken in by output that looks like a failed start", async () => {
      const { exit, output } = await bench.run([
        "/bin/sh",
        "-c",
        "echo 'unshare: failed to execute /bin/sh: x'; exit 127",
      ]);
      expect(exit).toEqual({ kind: "code", code: 127 });
      expect(output).toBe("unshare: failed to execute /bin/sh: x\n");
      expect(await bench.run(["/bin/sh", "-c", "printf n; exit 3"])).toMatchObject({ exit: { code: 3 }, output: "n" });
    });

    it("says that a command is too long", async () => {
      expect(await exitOf(["/bin/sh", "-c", `: ${"x".repeat(200_000)}`])).toEqual({
        kind: "unstartable",
        code: 126,
        message: 'exec: "/bin/sh": argument list too long',
      });
    });

    it("leads a session and a process group, at which a signal to the group ends", async () => {
      const script = "awk '{print $1, $5, $6}' /proc/1/stat; sleep 100 & kill -9 0; wait; echo alive";
      expect(await bench.shell(script)).toBe("1 1 1\nalive\n");
    });

    it("takes what it has started with it", async () => {
      const marker = 7_531_900 + (process.pid % 1000);
      await bench.shell(`(sleep ${marker} &) ; setsid sleep ${marker} >/dev/null 2>&1 & sleep 0.1`);
      const list = fs.readdirSync("/proc").filter((pid) => /^[0-9]+$/.test(pid));
      const lines = list.map((pid) => {
        try {
          return fs.readFileSync(`/proc/${pid}/cmdline`, "latin1");
        } catch {
          return "";
        }
      });
      expect(lines.filter((line) => line.includes(`sleep\0${marker}\0`))).toEqual([]);
    });

    it("leaves its changes in the upper directory and can be run again over them", async () => {
      const plan = bench.plan([
        "/bin/sh",
        "-c",
        "cat /kept; echo more >>/kept; rm -rf /etc; chown 33:33 /tmp; cat /kept",
      ]);
      expect((await bench.execute(plan)).output).toContain("more\n");
      expect((await bench.execute(plan)).output).toBe("more\nmore\nmore\n");
      expect((await bench.execute(plan, { args: ["/bin/busybox", "wc", "-l", "/kept"] })).output).toBe("2 /kept\n");
      const upper = join(plan.dir, "upper");
      expect(fs.readdirSync(upper).sort()).toEqual(["etc", "kept", "tmp"]);
      expect(fs.statSync(join(upper, "etc")).rdev).toBe(0);
      expect(fs.statSync(join(upper, "tmp")).uid).toBe(33);
      expect(fs.readdirSync(plan.dir).sort()).toEqual(["merged", "upper", "work"]);
      expect(fs.readdirSync(join(plan.dir, "merged"))).toEqual([]);
    });

    it("leaves the machine's mounts and libmount's table as they were", async () => {
      const table = () => (fs.existsSync("/run/mount/utab") ? fs.readFileSync("/run/mount/utab", "latin1") : "");
      const before = [fs.readFileSync("/proc/self/mountinfo", "latin1"), table()];
      await bench.shell("mount >/dev/null");
      expect([fs.readFileSync("/proc/self/mountinfo", "latin1"), table()]).toEqual(before);
    });
  });

  describe("output", () => {
    it("comes whole and in the order in which it was written", async () => {
      const line = "i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); echo $i >&2; i=$((i+1)); done";
      const expected = Array.from({ length: 2000 }, (_, i) => `${i}\n`).join("");
      expect(await bench.shell(line)).toBe(expected);
    });

    it("has no limit, and bytes stay as they are", async () => {
      let length = 0;
      const plan = bench.plan(["/bin/sh", "-c", "head -c 300000000 /dev/zero"]);
      const io = { kind: "log", onOutput: (chunk: Buffer) => void (length += chunk.length) } as const;
      const exit = await namespacesExecutor().execute(plan, io, { hand: ROOT, warn: () => {} });
      expect([exit, length]).toEqual([{ kind: "code", code: 0 }, 300_000_000]);
      expect(await bench.shell("printf '\\377\\000\\302'")).toBe("\xff\0\xc2");
    });
  });

  describe("arguments and variables", () => {
    it("arrive byte by byte", async () => {
      const strange = [
        "a b",
        "",
        "-x",
        "--",
        "'\"$(id)`id`\\n",
        "new\nline",
        "ü€😀",
        "\\0101",
        decodeText(Buffer.from([0x80, 0xff, 92, 48])),
      ];
      const show = ["/bin/busybox", "printf", "%s|"];
      for (const words of [strange.slice(0, 8), strange]) {
        const { output } = await bench.run([...show, ...words]);
        const bytes = words.map(
          (word) => `${Buffer.from(word.replaceAll(/[\udc80-\udcff](?<![\ud800-\udbff].)/g, "?")).toString("latin1")}|`,
        );
        if (words.length === 8) expect(output).toBe(bytes.join(""));
        else expect(output).toBe(`${bytes.slice(0, 8).join("")}\x80\xff\\0|`);
      }
    });

    it("are the Dockerfile's alone, with any name", async () => {
      const env = [PATH, "A.B=1", "1X=2", "E=", "Q=a=b\nc d", "U=ü", "-i=3", "_=own"];
      const { output } = await bench.run(["/bin/env", "-0"], { process: { env } });
      expect(output.split("\0").filter(Boolean).sort()).toEqual(
        env.map((entry) => Buffer.from(entry).toString("latin1")).sort(),
      );
    });

    it("are found by PATH inside the root", async () => {
      const lower = join(bench.directory, "tools");
      fs.mkdirSync(join(lower, "opt"), { recursive: true });
      fs.symlinkSync("/bin/busybox", join(lower, "opt/id"));
      const env = ["PATH=/opt"];
      expect((await bench.run(["id", "-u"], { process: { env }, lower: [lower, bench.lower] })).output).toBe("0\n");
    });

    it("do not reach programs of the host, which would obey some of them", async () => {
      const trap = join(bench.directory, "trap");
      const env = [
        PATH,
        `LD_PRELOAD=${trap}.so`,
        `LD_DEBUG=all`,
        `LD_DEBUG_OUTPUT=${trap}`,
        `MALLOC_CHECK_=3`,
        `LD_LIBRARY_PATH=${bench.directory}`,
      ];
      fs.writeFileSync(`${trap}.so`, "");
      const { output, exit } = await bench.run(["/bin/env"], { process: { env } });
      expect(exit).toEqual({ kind: "code", code: 0 });
      for (const entry of env) expect(output).toContain(`${entry}\n`);
      expect(output).not.toContain("cannot be preloaded");
      expect(fs.readdirSync(bench.directory).filter((name) => name.startsWith("trap."))).toEqual(["trap.so"]);
    });

    it("keep their order where some are set inside the root, after secret ones", async () => {
      const env = [PATH, "LD_PRELOAD=", "B.C=1", "-i=3", "LD_DEBUG=", "_=own", "Z=a\nb", "HOME=/root"];
      const expected = env.map((entry) => `${entry}\0`).join("");
      const args = ["/bin/cat", "/proc/self/environ"];
      expect((await bench.run(args, { process: { env } })).output).toBe(expected);
      const secretEnv = new Map([["TOKEN", "s3cret"]]);
      expect((await bench.run(args, { process: { env, secretEnv } })).output).toBe(`TOKEN=s3cret\0${expected}`);
    });

    it("need something in the root to set those: env, or a shell, or nothing works", async () => {
      const lower = join(bench.directory, "bare");
      for (const name of ["bin", "dev", "proc", "sys"]) fs.mkdirSync(join(lower, name), { recursive: true });
      fs.copyFileSync(join(bench.lower, "bin/busybox"), join(lower, "bin/static"));
      fs.chmodSync(join(lower, "bin/static"), 0o755);
      const env = [PATH, "LD_LIBRARY_PATH=/x y", "B=2"];
      const changes = { process: { env }, lower: [lower] };
      await expect(bench.run(["/bin/static", "env"], changes)).rejects.toMatchObject({
        code: "ISOLATION",
        message: expect.stringContaining("LD_LIBRARY_PATH"),
      });
      fs.copyFileSync(join(lower, "bin/static"), join(lower, "bin/sh"));
      const { output } = await bench.run(["sh", "-c", 'echo "$LD_LIBRARY_PATH$B"'], changes);
      expect(output).toBe("/x y2\n");
    });

    it("that are secret reach the process, and no command line", async () => {
      const value = "s3cr3t-\\x=\n' ü";
      const secretEnv = new Map([
        ["TOKEN", value],
        ["EMPTY", ""],
        ["PWD", "odd"],
      ]);
      const plan = bench.plan(
        [
          "/bin/sh",
          "-c",
          'printf "%s" "$TOKEN" | od -An -tx1 | tr -d " \\n"; env | grep -c "^EMPTY=$"; env | grep NACRE; cat /proc/1/environ | tr "\\0" "\\n" | grep ^PWD; sleep 0.5',
        ],
        { process: { secretEnv } },
      );
      const running = bench.execute(plan);
      const seen: string[] = [];
      for (let i = 0; i < 10; i++) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        for (const pid of fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))) {
          try {
            seen.push(fs.readFileSync(`/proc/${pid}/cmdline`, "latin1"));
          } catch {
            // It has ended.
          }
        }
      }
      const { output } = await running;
      expect(output).toContain(Buffer.from(value).toString("hex"));
      expect(output).toContain("1\nPWD=odd\n");
      expect(output).not.toContain("NACRE");
      expect(seen.some((line) => line.includes(plan.dir))).toBe(true);
      expect(seen.filter((line) => line.includes("s3cr3t"))).toEqual([]);
    });

    it("that are secret cannot have a name that needs a command line", async () => {
      for (const name of ["A.B", "LD_PRELOAD", "1X", ""]) {
        const secretEnv = new Map([[name, "v"]]);
        await expect(bench.run(["/bin/env"], { process: { secretEnv } })).rejects.toMatchObject({ code: "ISOLATION" });
      }
    });
  });
});
