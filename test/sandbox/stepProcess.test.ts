import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inheritableDescriptors } from "../../src/sandbox/inherited.js";
import { findTool, toolMissing } from "../setup/tools.js";
import { ROOT, StepBench, type StepChanges, traces } from "./steps.js";

const unable = process.getuid?.() !== 0 || toolMissing("busybox") || toolMissing("unshare");
const built = fileURLToPath(new URL("../../dist/sandbox/namespaces.js", import.meta.url));

/** Runs a plan with nacre as it is built in dist/, as a program of its own; arguments: that module, the plan, the hand. */
const PROGRAM = `
const [module, plan, hand] = process.argv.slice(1);
const { namespacesExecutor } = await import(module);
const parsed = JSON.parse(plan, (key, value) => key === "secretEnv" ? new Map() : value);
const given = JSON.parse(hand);
const io = { kind: given.io ?? "log", onOutput: (chunk) => process.stdout.write(chunk) };
if (given.io) process.on("SIGINT", () => {});
for (const secret of parsed.secretFiles) secret.content = Buffer.from(secret.content);
const options = { hand: given, warn: (rule, message) => console.log(rule, message) };
const exit = await namespacesExecutor().execute(parsed, io, options).catch((error) => error.code + " " + error.message);
console.log(JSON.stringify(exit));
`;

/** Runs a command in a user namespace with as many ids as root can give it. Argument 0: a path for a pipe. */
const MAPPED = `
rm -f "$0"; mkfifo "$0"
unshare --user --mount sh -c 'read -r go <"$0"; exec "$@"' "$0" "$@" &
until test "$(readlink /proc/$!/ns/user)" != "$(readlink /proc/$$/ns/user)"; do sleep 0.01; done
echo 0 0 65536 >/proc/$!/uid_map
echo 0 0 65536 >/proc/$!/gid_map
echo go >"$0"
wait $!
`;

describe.skipIf(unable)("the processes of a step", () => {
  let bench: StepBench;
  let marker: string;
  beforeAll(() => {
    bench = new StepBench();
    marker = bench.directory;
  });
  afterAll(() => bench.remove());

  /** Waits for something, up to ten seconds. */
  const until = async (done: () => boolean): Promise<boolean> => {
    for (let i = 0; i < 500 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 20));
    return done();
  };
  /** Sleeping longer than any test, recognisable in the process list. */
  const naps = () => 800_000 + Math.floor(Math.random() * 100_000);
  const napping = (seconds: number) => traces(`sleep ${seconds}`).processes.length > 0;

  const nacre = (
    args: readonly string[],
    changes: StepChanges = {},
    around: readonly string[] = [],
    hand: object = { flavour: "root", overlayXattrs: "trusted", singleId: false, devices: true, upper: "store" },
    before: (dir: string) => void = () => {},
  ): ChildProcess & { output: () => string; ended: Promise<number | null> } => {
    const plan = bench.plan(args, changes);
    before(plan.dir);
    const command = [
      process.execPath,
      "--input-type=module",
      "-e",
      PROGRAM,
      built,
      JSON.stringify(plan),
      JSON.stringify(hand),
    ];
    const [program, ...rest] = [...around, ...command];
    const child = spawn(program!, rest, { stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("latin1").on("data", (text) => (output += text));
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    return Object.assign(child, { output: () => output, ended });
  };

  describe("when the step is stopped", () => {
    const stubborn = (seconds: number) => [
      "/bin/sh",
      "-c",
      `trap '' TERM INT HUP; echo begun; (setsid sleep ${seconds} &); (sh -c "trap '' TERM; sleep ${seconds}" >/dev/null 2>&1 &); while :; do sleep ${seconds}; done`,
    ];

    it.each([0, 1000])("are gone before the caller hears of it (user %d)", async (uid) => {
      const seconds = naps();
      const controller = new AbortController();
      const changes = { process: { uid, gid: uid, groups: [uid] } };
      const running = bench.run(stubborn(seconds), changes, { signal: controller.signal });
      running.catch(() => {});
      const begun = await until(() => napping(seconds)).finally(() => controller.abort());
      expect(begun).toBe(true);
      await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
      expect(napping(seconds)).toBe(false);
      expect(traces(marker).processes).toEqual([]);
    });

    it("are gone when the time is over, and the output until then is there", async () => {
      const seconds = naps();
      const { exit, output } = await bench.run(stubborn(seconds), {
        process: { limits: { ulimits: [], timeout: 700 } },
      });
      expect(exit).toEqual({ kind: "timeout" });
      expect(output).toBe("begun\n");
      expect(napping(seconds)).toBe(false);
    });

    it("are gone at whatever moment that is", async () => {
      for (let delay = 0; delay < 40; delay += 2) {
        const controller = new AbortController();
        const running = bench.run(["/bin/sh", "-c", "sleep 100"], {}, { signal: controller.signal });
        setTimeout(() => controller.abort(), delay);
        await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
        expect(traces(marker).processes).toEqual([]);
      }
      const aborted = AbortSignal.abort();
      await expect(bench.run(["/bin/true"], {}, { signal: aborted })).rejects.toMatchObject({ code: "CANCELLED" });
    });

    it("are gone where they fork without end", async () => {
      const limits = { ulimits: [], pids: 200, timeout: 1_500 };
      const { exit } = await bench.run(["/bin/sh", "-c", "f() { f | f & }; (f) & while :; do :; done"], {
        process: { limits },
      });
      expect(exit).toEqual({ kind: "timeout" });
      expect(traces(marker).processes).toEqual([]);
    });
  });

  describe("when nacre is killed", () => {
    it.each([0, 1000])("end with it, at any moment (user %d)", async (uid) => {
      const before = fs.readFileSync("/proc/self/mountinfo", "latin1");
      const changes = { process: { uid, gid: uid, groups: [uid] } };
      for (let i = 0; i < 8; i++) {
        const seconds = naps();
        const child = nacre(
          ["/bin/sh", "-c", `trap '' TERM; echo begun; (setsid sleep ${seconds} &); sleep ${seconds}`],
          changes,
        );
        // Once while it runs, else somewhere on the way there.
        if (i === 0) await until(() => child.output().includes("begun"));
        else {
          // It is itself one of those that name the directory.
          await until(() => traces(marker).processes.length > 1);
          await new Promise((resolve) => setTimeout(resolve, i * 4));
        }
        child.kill("SIGKILL");
        await child.ended;
        expect(await until(() => traces(marker).processes.length === 0 && !napping(seconds))).toBe(true);
      }
      expect(fs.readFileSync("/proc/self/mountinfo", "latin1")).toBe(before);
    });
  });

  describe("inherit", () => {
    it("none of the descriptors that nacre itself was given", async () => {
      const file = join(bench.directory, "open");
      fs.writeFileSync(file, "");
      const script = `exec 5<"$0" 7<"$0" 20<"$0" 251<"$0"; shift 0; exec "$@"`;
      const child = nacre(["/bin/sh", "-c", "ls -l /proc/self/fd"], {}, ["bash", "-c", script, file]);
      expect(await child.ended).toBe(0);
      expect(child.output()).toContain('{"kind":"code","code":0}');
      expect(child.output()).not.toContain(file);
      expect(child.output().match(/ -> /g)).toHaveLength(3);
    });

    it("nothing of this process either, as Node opens its own for itself", () => {
      const fd = fs.openSync("/dev/null", "r");
      expect(inheritableDescriptors()).not.toContain(fd);
      fs.closeSync(fd);
    });
  });

  describe("with other programs of the system", () => {
    const secret = { target: "tmp/secret", content: "hidden", mode: 0o400, uid: 3, gid: 4 };

    it.each([
      ["bash for sh", "bash", ["sh"]],
      ["busybox for all that it can be", "busybox", ["sh", "cp", "cat", "env", "dd", "mkdir", "chown", "chmod"]],
    ])("work alike: %s", async (_, program, names) => {
      const folder = fs.mkdtempSync(join(bench.directory, "bin-"));
      for (const name of names) fs.symlinkSync(findTool(program)!, join(folder, name));
      const mounts = [{ source: "tmpfs", target: "tmp", type: "tmpfs", options: [] }];
      const process = {
        env: ["PATH=/bin", "B=back\\slash", "Q=\udcff"],
        uid: 3,
        gid: 4,
        groups: [4],
        network: "none" as const,
      };
      const secretFiles = [{ ...secret, makeTarget: "file" as const, content: secret.content as never }];
      const changes = { process, mounts, secretFiles, makeCwd: "tmp/in/here" };
      const line =
        'env | sort; pwd; stat -c "%a %u %g" . /tmp/secret; cat /tmp/secret; ls -l /dev/null; echo x >/dev/stdout; umask';
      const child = nacre(["/bin/sh", "-c", line], { ...changes, process: { ...process, cwd: "/tmp/in/here" } }, [
        "env",
        `PATH=${folder}:${globalThis.process.env.PATH}`,
      ]);
      await child.ended;
      expect(child.output().split("\n")).toEqual([
        ...["B=back\\slash", "PATH=/bin", "PWD=/tmp/in/here", "Q=\xff", "SHLVL=1", "/tmp/in/here"],
        ...[
          "755 3 4",
          "400 3 4",
          expect.stringMatching(/^hiddencrw-rw-rw-/),
          "x",
          "0022",
          '{"kind":"code","code":0}',
          "",
        ],
      ]);
    });
  });

  describe("on a terminal", () => {
    it("have it, its size and their own words, and end by themselves", async () => {
      const python = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
      const line =
        "test -t 0 && test -t 1 && test -t 2 && echo terminal; stty size; echo words >&2; read word; echo got $word; ls /proc/self/fd | wc -l; exit 9";
      const child = nacre(["/bin/sh", "-c", line], {}, ["python3", "-c", python], { ...ROOT, io: "terminal" });
      await until(() => child.output().includes("words"));
      child.stdin?.on("error", () => {});
      child.stdin?.write("typed\n");
      await child.ended;
      expect(child.output()).toContain("terminal\r\n");
      expect(child.output()).toContain("got typed\r\n");
      // One is the directory that is read.
      expect(child.output()).toContain("\n4\r\n");
      expect(child.output()).toContain('{"kind":"code","code":9}');
      expect(child.output()).toMatch(/words\r\n/);
    });

    it("hear Ctrl-C, which does not end what is around them", async () => {
      const python = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
      const line = "trap 'echo interrupted' INT; echo begun; read word; echo got $word; exit 5";
      const child = nacre(["/bin/sh", "-c", line], {}, ["python3", "-c", python], { ...ROOT, io: "terminal" });
      await until(() => child.output().includes("begun"));
      // It may have ended before it has read everything.
      child.stdin?.on("error", () => {});
      child.stdin?.write("\x03");
      await until(() => child.output().includes("interrupted"));
      child.stdin?.write("word\n");
      await child.ended;
      expect(child.output()).toContain("interrupted");
      expect(child.output()).toContain('{"kind":"code","code":5}');
    });
  });

  describe("in a user namespace", () => {
    const hand = { flavour: "u1", overlayXattrs: "user", singleId: true, devices: false, upper: "store" };
    const changes: StepChanges = { hand: hand as never };
    const line =
      "id -u; echo data >/new; rm /etc/some; mkdir /root/d; ls /dev; echo x >/dev/null; head -c 4 /dev/zero | wc -c; chmod 600 /dev/null; hostname; grep CapBnd /proc/self/status; echo 1 >/proc/sys/kernel/panic || echo no-write; cat /proc/net/dev | wc -l";

    const check = (output: string, dir: string) => {
      expect(output).toContain('{"kind":"code","code":0}');
      expect(output).toMatch(/^0\n/);
      for (const name of ["null", "zero", "random", "ptmx", "shm", "stdout"]) expect(output).toContain(`\n${name}\n`);
      expect(output).toContain("\n4\n");
      expect(output).toContain("buildkitsandbox");
      expect(output).toContain("CapBnd:\t00000000a80425fb");
      expect(output).toContain("no-write");
      expect(fs.readdirSync(join(dir, "upper")).sort()).toEqual(["etc", "new", "root"]);
    };

    beforeAll(() => fs.writeFileSync(join(bench.lower, "etc/some"), ""));

    it("of an ordinary user with a single id work alike", async () => {
      const given: string[] = [];
      const own = (dir: string) => {
        given.push(dir);
        for (const path of [dir, "upper", "work", "merged"])
          fs.chownSync(path === dir ? dir : join(dir, path), 65534, 65534);
      };
      fs.chmodSync(bench.directory, 0o755);
      const around = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--",
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "--",
      ];
      const child = nacre(["/bin/sh", "-c", line], { ...changes, lower: [lowerOf(65534)] }, around, hand, own);
      await child.ended;
      check(child.output(), given[0]!);
      expect(fs.statSync(join(given[0]!, "upper/new")).uid).toBe(65534);
    });

    it("with many ids work alike, and other users too", async () => {
      const many = { ...hand, singleId: false };
      const around = ["bash", "-c", MAPPED, join(bench.directory, "go")];
      const dirs: string[] = [];
      const mode = fs.statSync("/dev/null").mode;
      const child = nacre(["/bin/sh", "-c", line], changes, around, many, (dir) => dirs.push(dir));
      await child.ended;
      check(child.output(), dirs[0]!);
      expect(fs.statSync("/dev/null").mode).toBe(mode);
      const user = { process: { uid: 33, gid: 33, groups: [33, 44] }, hand: many as never };
      const other = nacre(
        ["/bin/sh", "-c", "id; echo x >/dev/stdout; cat /proc/self/status; touch /tmp/f"],
        user,
        around,
        many,
      );
      await other.ended;
      expect(other.output()).toMatch(/uid=33 gid=33 groups=33,44\nx\n/);
      expect(other.output()).toMatch(/CapEff:\t0+\n/);
    });

    /** A root that belongs to a user. */
    const lowerOf = (uid: number) => {
      const directory = join(bench.directory, `lower-${uid}`);
      fs.cpSync(bench.lower, directory, { recursive: true, verbatimSymlinks: true });
      const own = (path: string) => {
        fs.lchownSync(path, uid, uid);
        if (fs.lstatSync(path).isDirectory()) for (const name of fs.readdirSync(path)) own(join(path, name));
      };
      own(directory);
      return directory;
    };
  });
});
