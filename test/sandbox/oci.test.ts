import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ociExecutor, probeOci } from "../../src/sandbox/oci.js";
import type { RootPlan } from "../../src/sandbox/rootPlan.js";
import type { RunExit } from "../../src/sandbox/types.js";
import { run as runProgram } from "../setup/nacre.js";
import { findTool, toolMissing } from "../setup/tools.js";
import { makeOciRoot, type OciRoot, type PlanChanges, ROOT_HAND } from "./ociRoot.js";
import { compileWorkerOf, groupsNamed, mountsNow, processesWith } from "./ociWorld.js";

const unable = process.getuid?.() !== 0 || toolMissing("unshare") || toolMissing("setpriv") || toolMissing("busybox");

describe.skipIf(unable || (toolMissing("crun") && toolMissing("runc")))("the probe of OCI runtimes", () => {
  it("finds one that runs a container here, and leaves nothing", async () => {
    const before = mountsNow();
    const found = await probeOci();
    expect(found).toMatchObject({ ok: true });
    expect(mountsNow()).toEqual(before);
  });
});

describe.each(["crun", "runc"])("%s as executor", (name) => {
  describe.skipIf(unable || toolMissing(name))("over a busybox root", () => {
    let root: OciRoot;
    let mounts: string[];
    beforeEach(() => {
      mounts = mountsNow();
      root = makeOciRoot();
    });
    afterEach(() => {
      root.remove();
      expect(mountsNow()).toEqual(mounts);
    });

    const run = async (changes: PlanChanges | RootPlan, options: { signal?: AbortSignal; args?: string[] } = {}) => {
      const chunks: Buffer[] = [];
      const executor = ociExecutor({ path: findTool(name)! });
      const plan = "dir" in changes ? (changes as RootPlan) : root.plan(changes as PlanChanges);
      const io = { kind: "log", onOutput: (chunk: Buffer) => chunks.push(chunk) } as const;
      const exit = await executor.execute(plan, io, { hand: ROOT_HAND, warn: () => {}, ...options });
      return { exit, output: Buffer.concat(chunks).toString("utf8") };
    };
    const shell = (script: string, changes: PlanChanges = {}) =>
      run({ ...changes, process: { ...changes.process, args: ["/bin/sh", "-c", script] } });

    it("keeps standard output and error in the order in which they were written", async () => {
      const script =
        "for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done; echo a >/dev/stdout; echo b >/dev/stderr";
      const { exit, output } = await shell(script);
      expect(output).toBe(`${[1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => `o${i}\ne${i}\n`).join("")}a\nb\n`);
      expect(exit).toEqual({ kind: "code", code: 0 });
    });

    it("tells the exit code of the command, 128 and more for signals", async () => {
      expect((await shell("exit 7")).exit).toEqual({ kind: "code", code: 7 });
      expect((await shell("sh -c 'kill -9 $$'; exit $?")).exit).toEqual({ kind: "code", code: 137 });
      expect((await shell("exit 1")).exit).toEqual({ kind: "code", code: 1 });
    });

    it.each<[string, readonly string[], RunExit]>([
      ["a path that is not there", ["/nope"], unstartable(127, '"/nope": no such file or directory')],
      ["a name that is not on PATH", ["nope"], unstartable(127, '"nope": executable file not found in $PATH')],
      ["a file that is not executable", ["/etc/text"], unstartable(126, '"/etc/text": permission denied')],
    ])("tells that a command cannot be started: %s", async (_, args, exit) => {
      fs.mkdirSync(join(root.dir, "upper/etc"));
      fs.writeFileSync(join(root.dir, "upper/etc/text"), "text\n", { mode: 0o644 });
      expect((await run({ process: { args } })).exit).toEqual(exit);
    });

    it("gives the user, its groups and Docker's capabilities", async () => {
      const script = "id -u; id -g; grep -E '^(Groups|Cap|NoNewPrivs)' /proc/self/status";
      const asRoot = await shell(script, { process: { groups: [0, 5, 7] } });
      expect(asRoot.output.replace(/[\t ]+/g, " ").replace(/ $/gm, "")).toBe(
        "0\n0\nGroups: 0 5 7\nCapInh: 0000000000000000\nCapPrm: 00000000a80425fb\nCapEff: 00000000a80425fb\n" +
          "CapBnd: 00000000a80425fb\nCapAmb: 0000000000000000\nNoNewPrivs: 0\n",
      );
      const asUser = await shell(script, { process: { uid: 1000, gid: 100, groups: [100, 4] } });
      expect(asUser.output.replace(/[\t ]+/g, " ")).toMatch(
        /^1000\n100\nGroups: 4 100 \nCapInh: 0+\nCapPrm: 0+\nCapEff: 0+\nCapBnd: 00000000a80425fb\n/,
      );
    });

    it("gives environment, secret environment, working directory, host name and limits", async () => {
      const secretEnv = new Map([["TOKEN", "s3cret"]]);
      const limits = {
        ulimits: [
          { name: "nofile", soft: 100, hard: 200 },
          { name: "core", soft: 0, hard: -1 },
        ],
      };
      const env = ["PATH=/bin", "A=1 2", "B=ü'\"$x"];
      const { output } = await shell(
        'env | grep -E "^(A|B|TOKEN|LC_ALL|LIBMOUNT.*)="; pwd; hostname; ulimit -n -c; ulimit -Hn; umask',
        {
          process: { env, secretEnv, cwd: "/mnt", hostname: "box", limits },
        },
      );
      expect(output.replace(/^.*?\t?(\S+)$/gm, "$1")).toContain("TOKEN=s3cret");
      expect(output).toContain("B=ü'\"$x");
      expect(output).not.toContain("LC_ALL");
      expect(output).toMatch(/\n\/mnt\nbox\n/);
      expect(output).toMatch(/100\b[\s\S]*\b0\b[\s\S]*\n200\n0022\n$/);
    });

    it("lets only descriptors 0 to 2 through", async () => {
      const { output } = await shell("sleep 0.3 & sleep 0.1; ls /proc/$!/fd");
      expect(output).toBe("0\n1\n2\n");
    });

    it("has loopback alone without network, and the host's with it", async () => {
      const hosts = fs.readFileSync("/proc/net/dev", "latin1");
      expect((await shell("cat /proc/net/dev | grep -c :", { process: { network: "none" } })).output).toBe("1\n");
      expect((await shell("ip link show lo", { process: { network: "none" } })).output).toMatch(/<LOOPBACK,UP/);
      expect((await shell("cat /proc/net/dev | grep -c :")).output).toBe(
        `${hosts.split("\n").filter((l) => l.includes(":")).length}\n`,
      );
    });

    it("hides and protects parts of /proc and /sys, and has Docker's devices", async () => {
      const { output } = await shell(
        "test ! -s /proc/kcore || cat /proc/kcore; ls /sys/firmware | wc -l; (echo 1 >/proc/sys/vm/swappiness) 2>&1; (touch /sys/x) 2>&1; cd /dev; echo *; test -c null && echo > null; ls -ld /dev/shm",
      );
      expect(output).toMatch(/^0\n/);
      expect(output.match(/Read-only file system/g)).toHaveLength(2);
      const names = /^(core )?fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero$/m;
      expect(output).toMatch(names);
      expect(output).toMatch(/^drwxrwxrwt.*\/dev\/shm$/m);
    });

    it("shows the control groups that the host has, read-only", async () => {
      const { output } = await shell("echo /sys/fs/cgroup/*");
      const facts = fs.readFileSync("/proc/self/mountinfo", "latin1");
      for (const name of ["memory", "pids"]) {
        if (facts.includes(` /sys/fs/cgroup/${name} `)) expect(output).toContain(`/sys/fs/cgroup/${name}`);
      }
    });

    it("refuses what Docker's filter refuses, and nothing of it where the step is insecure", async () => {
      const script = "unshare -U true 2>&1; grep Seccomp: /proc/self/status";
      const filtered = await shell(script);
      expect(filtered.output).toMatch(/Operation not permitted[\s\S]*Seccomp:\t2/);
      const free = await shell(`${script}; grep CapEff /proc/self/status`, { process: { insecure: true } });
      expect(free.output).toMatch(/Seccomp:\t0/);
      const own = /CapEff:\s*(\S+)/.exec(fs.readFileSync("/proc/self/status", "latin1"))![1];
      expect(free.output).toContain(own);
    });

    it("puts secrets into files that are on no disk, with their owners and modes", async () => {
      const content = Buffer.from([0, 10, 255, 10]);
      const secretFiles = [
        { target: "run/secrets/one", content, mode: 0o440, uid: 5, gid: 6 },
        { target: "run/secrets/empty", content: Buffer.alloc(0), mode: 0o400, uid: 0, gid: 0 },
        { target: "run/secrets/two", content: Buffer.from("two\n"), mode: 0o400, uid: 0, gid: 0 },
      ];
      for (const { target } of secretFiles) {
        const stub = join(root.dir, "../stubs", target);
        fs.mkdirSync(join(stub, ".."), { recursive: true });
        fs.writeFileSync(stub, "");
      }
      const script = "cd /run/secrets; stat -c '%a %u %g %s' *; cat two; (echo x >two) 2>&1";
      const { output } = await shell(script, { secretFiles });
      expect(output).toMatch(/^400 0 0 0\n440 5 6 4\n400 0 0 4\ntwo\n.*Read-only/);
      expect(fs.readdirSync(join(root.dir, "upper"))).toEqual([]);
      expect(fs.readdirSync(join(root.dir, "oci/private"))).toEqual([]);
    });

    it("binds, with submounts or not, and mounts helpers beside the root", async () => {
      const source = join(root.dir, "../source, with blank");
      fs.mkdirSync(source);
      fs.mkdirSync(join(root.dir, "copy"));
      fs.mkdirSync(join(root.dir, "copy.upper"));
      fs.mkdirSync(join(root.dir, "copy.work"));
      fs.writeFileSync(join(source, "file"), "content\n");
      for (const name of ["a", "b"]) fs.mkdirSync(join(root.dir, "../stubs/mnt", name));
      const overlay = { lower: [source], upper: join(root.dir, "copy.upper"), work: join(root.dir, "copy.work") };
      const { output } = await shell("cat /mnt/a/file; (touch /mnt/a/x) 2>&1; echo new >/mnt/b/file; cat /mnt/b/file", {
        mounts: [
          { source: "overlay", target: "copy", base: "step", type: "overlay", options: [], overlay },
          { source, target: "mnt/a", type: "bind", options: ["ro"] },
          { source: join(root.dir, "copy"), target: "mnt/b", type: "bind", options: [] },
        ],
      });
      expect(output).toMatch(/^content\n.*Read-only file system\nnew\n$/);
      expect(fs.readFileSync(join(source, "file"), "utf8")).toBe("content\n");
    });

    it("leaves what was changed in the upper directory, and nothing else", async () => {
      await shell("echo hi >/etc; mkdir /d; mknod /null c 1 3; chmod 4755 /etc");
      expect(fs.readdirSync(join(root.dir, "upper")).sort()).toEqual(["d", "etc", "null"]);
      expect(fs.statSync(join(root.dir, "upper/etc")).mode & 0o7777).toBe(0o4755);
    });

    it("takes other arguments for a second process in the same root", async () => {
      const plan = root.plan({ process: { args: ["/bin/sh", "-c", "echo one >/file; exit 3"] } });
      expect((await run(plan)).exit).toEqual({ kind: "code", code: 3 });
      expect((await run(plan, { args: ["/bin/cat", "/file"] })).output).toBe("one\n");
    });

    it("ends all processes of a step that is stopped, even those that ignore signals", async () => {
      const abort = new AbortController();
      const mark = `${process.pid}${Date.now() % 100_000}`;
      const plan = root.plan({
        process: { args: ["/bin/sh", "-c", `trap '' TERM INT; sleep ${mark} & echo up; sleep ${mark}; sleep ${mark}`] },
      });
      const executor = ociExecutor({ path: findTool(name)! });
      const io = { kind: "log", onOutput: () => abort.abort() } as const;
      const running = executor.execute(plan, io, { hand: ROOT_HAND, warn: () => {}, signal: abort.signal });
      await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
      expect(processesWith(mark)).toEqual([]);
    });

    it("ends a step whose time is over", async () => {
      const { exit } = await shell("sleep 1000", { process: { limits: { ulimits: [], timeout: 300 } } });
      expect(exit).toEqual({ kind: "timeout" });
    });

    it("kills what takes more memory than the limit, and says so, or refuses where there are no control groups", async () => {
      const limits = { ulimits: [], memory: 32 << 20, pids: 40 };
      const script = "dd if=/dev/zero of=/dev/null bs=200M count=1";
      const outcome = await shell(script, { process: { limits } }).catch((error) => error);
      const refused = { code: "ISOLATION", facts: { limit: expect.any(String) } };
      expect(outcome).toMatchObject(outcome instanceof Error ? refused : { exit: { kind: "memory" } });
    });

    it("is not held up by processes that a command leaves behind, nor by one that closes its output", async () => {
      const left = await shell("sleep 1000 & echo done");
      expect(left).toMatchObject({ exit: { kind: "code", code: 0 }, output: "done\n" });
      expect((await shell("exec >&- 2>&-; sleep 0.2; exit 5")).exit).toEqual({ kind: "code", code: 5 });
    });

    it("has room for more layers than an option line holds long names", async () => {
      const many = makeOciRoot({ lower: 150 });
      try {
        const plan = many.plan({ process: { args: ["/bin/cat", "/file0", "/file149"] } });
        expect((await run(plan)).output).toBe("0149");
      } finally {
        many.remove();
      }
    });

    it("enters no directory of the host through its own descriptors", async () => {
      for (const cwd of ["/proc/self/fd/7", "/proc/self/fd/3"]) {
        const { output } = await shell("ls -a ../../../../.. 2>/dev/null", { process: { cwd } }).catch(() => ({
          output: "",
        }));
        expect(output).not.toContain("lost+found");
      }
    });

    it("refuses bytes that a runtime's configuration cannot hold", async () => {
      const failing = run({ process: { args: ["/bin/echo", "\udcff"] } });
      await expect(failing).rejects.toMatchObject({ code: "ISOLATION", hint: expect.stringContaining("namespaces") });
    });
  });
});

describe.each(["crun", "runc"])("a process that works through %s", (name) => {
  describe.skipIf(unable || toolMissing(name))("in a world of its own", () => {
    let worker: { script: string; directory: string };
    beforeAll(() => {
      worker = compileWorkerOf("ociWorker");
    });
    afterAll(() => {
      fs.rmSync(worker.directory, { recursive: true, force: true });
    });

    it("leaves neither processes nor mounts nor control groups when it is killed", async () => {
      const before = mountsNow();
      const mark = `3${process.pid}${Date.now() % 10_000}`;
      const script = `(trap '' TERM; sleep ${mark}; sleep ${mark}) & echo up; sleep ${mark}`;
      const child = spawn(process.execPath, [worker.script, findTool(name)!, "root", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const dir = await outputUntil(child, "\nup\n");
      child.kill("SIGKILL");
      await once(child, "exit");
      await expect.poll(() => processesWith(mark), { timeout: 10_000 }).toEqual([]);
      await expect.poll(() => processesWith(dir), { timeout: 10_000 }).toEqual([]);
      fs.rmSync(join(dir, ".."), { recursive: true });
      expect(mountsNow()).toEqual(before);
      expect(groupsNamed("step")).toBe("");
    });

    it("runs a step as an ordinary user with a single id", async () => {
      const asNobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
      const inside = ["unshare", "--user", "--map-root-user", "--", process.execPath, worker.script];
      const script = "id -u; echo a >/file; (mknod /n c 1 3) 2>&1; echo >/dev/null; ls -ln /file; exit 3";
      const { output } = await runProgram([...asNobody, ...inside, findTool(name)!, "single", script]);
      expect(output).toMatch(/^[^\n]*\n0\nmknod: .*Operation not permitted\n-rw-r--r-- +1 0 +0 +2 /);
      expect(output).toContain('{"kind":"code","code":3}');
      const probe = await runProgram([...asNobody, ...inside, "probe", "single"]);
      expect(probe.output).toContain('"ok":true');
    });
  });
});

/** @returns the first line */
async function outputUntil(child: ChildProcess, words: string): Promise<string> {
  let text = "";
  for await (const chunk of child.stdout!) {
    text += chunk;
    if (text.includes(words)) break;
  }
  return text.split("\n")[0]!;
}

function unstartable(code: 126 | 127, words: string): RunExit {
  return { kind: "unstartable", code, message: `exec: ${words}` };
}
