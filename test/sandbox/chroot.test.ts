import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ImageLayer } from "../../src/image/image.js";
import { CacheMounts } from "../../src/sandbox/cacheMounts.js";
import { closeChrootRoots, prepareChrootRun } from "../../src/sandbox/chroot.js";
import { LocalSandbox } from "../../src/sandbox/localSandbox.js";
import type {
  IsolationLevel,
  PreparedRun,
  RunMount,
  RunRequest,
  SandboxEvents,
  TreeSource,
} from "../../src/sandbox/types.js";
import { unpackSeed } from "../../src/sandbox/unpackSeed.js";
import { Store } from "../../src/store/store.js";
import { tarOf } from "../layer/helpers.js";
import { run } from "../setup/nacre.js";
import { findTool, toolMissing } from "../setup/tools.js";
import { busyboxMembers } from "./chrootImage.js";
import { compileWorkerOf, processesWith } from "./ociWorld.js";
import { putLayers, ROOT, snapshotsOf, temporary } from "./overlay.js";
import { cache, requestOf, secret, tmpfs } from "./planInput.js";

const unable = process.getuid?.() !== 0 || toolMissing("unshare") || toolMissing("setpriv") || toolMissing("busybox");

let store: Store;
let storePath: string;
let base: ImageLayer[];

beforeAll(async () => {
  if (unable) return;
  storePath = join(temporary(), "store");
  store = await Store.open(storePath);
  base = await putLayers(store, [
    tarOf([
      ...busyboxMembers(),
      { path: "etc/", mode: 0o755, mtime: 1_000_000 },
      { path: "etc/passwd", content: "root:x:0:0::/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n", mtime: 5 },
      ...["dev/", "proc/", "sys/"].map((path) => ({ path })),
      { path: "tmp/", mode: 0o1777 },
      { path: "data/", mode: 0o750, uid: 5, gid: 6, mtime: 2_000_000 },
      { path: "data/one", content: "one", mtime: 7 },
      { path: "data/two", type: "hardlink", link: "data/one" },
      { path: "data/three", content: "three", mode: 0o4755, uid: 3, mtime: 7 },
      { path: "data/link", type: "symlink", link: "/data/dir" },
      { path: "data/dir/", mtime: 3_000_000 },
      { path: "data/dir/file", content: "file" },
    ]),
    tarOf([
      { path: "data/.wh.nothing", content: "" },
      { path: "data/dir/more", content: "more" },
    ]),
  ]);
}, 30_000);
afterAll(() => store?.close());

/** What must be closed when a test is over, the last first. */
const open: (() => Promise<void>)[] = [];

async function closeAll(): Promise<void> {
  for (const close of open.reverse()) await close();
  open.length = 0;
}

function sandboxOf(level: IsolationLevel): Pick<LocalSandbox, "prepare" | "close"> {
  const sandbox =
    level === "chroot" ? chrootSandbox() : new LocalSandbox({ store, level, hand: ROOT, runtime: findTool("crun") });
  open.push(() => sandbox.close());
  return sandbox;
}

function chrootSandbox(): Pick<LocalSandbox, "prepare" | "close"> {
  const opened = snapshotsOf(store);
  const { lease, open: layers } = opened;
  const seed = (source: TreeSource, into: string) => unpackSeed({ store, layers, hand: ROOT }, source, into);
  const caches = new CacheMounts(store, lease, ROOT, seed);
  return {
    prepare: (request, events) => prepareChrootRun(request, { store, lease, layers, hand: ROOT, events, caches }),
    close: async () => {
      await closeChrootRoots({ store, layers });
      opened.close();
    },
  };
}

function shell(command: string, changes: Partial<RunRequest> = {}): RunRequest {
  return requestOf({ root: base, args: ["/bin/sh", "-c", command], env: ["PATH=/bin"], ...changes });
}

const warn = (rule: string, message: string) => expect.unreachable(`${rule}: ${message}`);

async function start(sandbox: Pick<LocalSandbox, "prepare">, request: RunRequest, told: SandboxEvents["warn"] = warn) {
  const prepared = await sandbox.prepare(request, { warn: told });
  open.push(() => prepared.release());
  const chunks: Buffer[] = [];
  const exit = await prepared.execute({ kind: "log", onOutput: (chunk) => chunks.push(chunk) });
  return { prepared, exit, output: Buffer.concat(chunks).toString("utf8") };
}

async function layerOf(sandbox: Pick<LocalSandbox, "prepare">, request: RunRequest): Promise<ImageLayer> {
  const { prepared, exit, output } = await start(sandbox, request);
  expect({ exit, output }).toMatchObject({ exit: { kind: "code", code: 0 } });
  return collected(prepared);
}

async function collected(prepared: PreparedRun): Promise<ImageLayer> {
  const { diffId, size } = await prepared.collect();
  await prepared.release();
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  return { diffId, descriptor: { mediaType, digest: diffId, size } };
}

/** Names in a layer, as GNU tar lists them. */
async function listOf(layer: ImageLayer): Promise<string[]> {
  const { execFileSync } = await import("node:child_process");
  const blob = join(storePath, "blobs/sha256", layer.diffId.slice("sha256:".length));
  return execFileSync("tar", ["-tf", blob], { encoding: "utf8" }).split("\n").filter(Boolean);
}

describe.skipIf(unable)("a step in a copied root", () => {
  afterEach(async () => {
    await closeAll();
    expect(fs.readdirSync(join(storePath, "tmp")).filter((name) => /^[ct]\./.test(name))).toEqual([]);
  });

  const STEPS = [
    [
      "new files, of all kinds",
      "mkdir /new; echo a >/new/a; ln -s a /new/l; mkfifo /new/p; mknod /new/n c 5 6; chown 7:8 /new/a",
    ],
    [
      "a file that is changed, removed, replaced",
      "echo x >>/data/three; rm /data/link; rm /data/dir/file; mkdir /data/dir/file",
    ],
    ["one of two names of an inode", "echo more >>/data/one"],
    ["a new name of an old file", "ln /data/three /data/four"],
    ["new names of a new file", "echo a >/z; ln /z /a; ln /z /data/m"],
    ["a directory that is removed and made again", "rm -r /data/dir; mkdir /data/dir; echo a >/data/dir/new"],
    ["a directory that is moved", "mv /data/dir /moved"],
    ["two names that are exchanged", "mv /data/one /t; mv /data/three /data/one; mv /t /data/three"],
    ["what only looks touched", "touch -d @7 /data/three; touch /data/dir; chmod 700 /data; chmod 750 /data"],
    ["nothing", "true"],
    ["what lies in /dev, /proc, /tmp and in mounts", "echo a >/dev/shm/x; echo b >/tmp/x; cat /etc/hosts >/dev/null"],
    ["a socket and a file of another user", "su_() { :; }; echo a >/tmp/f; chown 1000:100 /tmp/f; chmod 4711 /tmp/f"],
  ] as const;

  it.each(STEPS)("gives the same layer as the other levels: %s", async (_, command) => {
    const levels: IsolationLevel[] = ["chroot", "namespaces", ...(toolMissing("crun") ? [] : (["oci"] as const))];
    const ids: string[] = [];
    for (const level of levels) {
      const sandbox = sandboxOf(level);
      ids.push((await layerOf(sandbox, shell(command, { mtime: 0 }))).diffId);
    }
    expect(ids).toEqual(ids.map(() => ids[0]));
  });

  it("goes on from the root of the step before, and from it with further layers, as other levels do", async () => {
    const [extra] = await putLayers(store, [
      tarOf([
        { path: "data/.wh.three", content: "" },
        { path: "data/dir", type: "symlink", link: "/tmp" },
        { path: "opt/", mode: 0o711 },
        { path: "opt/tool", content: "tool", uid: 9 },
      ]),
    ]);
    const steps = [
      "echo a >/z; ln /z /a; touch /data",
      "echo b >>/z; rm /data/one",
      "ls -ln / /data /opt; cat /z /a; echo c >/a",
    ];
    const results: unknown[] = [];
    for (const level of ["chroot", "namespaces"] as const) {
      const sandbox = sandboxOf(level);
      const stack = [...base];
      const outcome: string[] = [];
      for (const [at, step] of steps.entries()) {
        if (at === 2) stack.push(extra!);
        const layer = await layerOf(sandbox, shell(step, { mtime: 0, root: stack }));
        outcome.push(layer.diffId);
        stack.push(layer);
      }
      results.push(outcome);
    }
    expect(results[0]).toEqual(results[1]);
  });

  it("forks: two steps on the same root do not see each other", async () => {
    const sandbox = sandboxOf("chroot");
    const [one, two] = await Promise.all([
      layerOf(sandbox, shell("echo 1 >/one; sleep 0.2; test ! -e /two")),
      layerOf(sandbox, shell("echo 2 >/two; sleep 0.2; test ! -e /one")),
    ]);
    expect(await listOf(one!)).toEqual(["one"]);
    expect(await listOf(two!)).toEqual(["two"]);
  });

  it("has the user, the environment, the directory and the output that were asked for", async () => {
    const sandbox = sandboxOf("chroot");
    const { output, exit } = await start(
      sandbox,
      shell("id -u; id -G; echo $HOME $A $LD_LIBRARY_PATH $S; pwd; echo e >&2; echo o; env | grep -c NACRE; exit 3", {
        user: "ann",
        cwd: "/made/here",
        env: ["PATH=/bin", "A=1 2", "LD_LIBRARY_PATH=/x"],
        secretEnv: new Map([["S", "a\\b'\"ü"]]),
      }),
    );
    expect(output).toBe("1000\n100\n/home/ann 1 2 /x a\\b'\"ü\n/made/here\ne\no\n0\n");
    expect(exit).toEqual({ kind: "code", code: 3 });
  });

  it("tells that a command cannot be started", async () => {
    const sandbox = sandboxOf("chroot");
    const { exit } = await start(sandbox, shell("", { args: ["/nope"] }));
    expect(exit).toEqual({ kind: "unstartable", code: 127, message: 'exec: "/nope": no such file or directory' });
  });

  it("has mounts for the time of the step, and no trace of them", async () => {
    const sandbox = sandboxOf("chroot");
    const mounts: RunMount[] = [
      tmpfs("/scratch/deep"),
      cache("/data/dir", "shared"),
      { ...(secret("/run/secrets/s") as Extract<RunMount, { type: "secret" }>), content: Buffer.from("top\n") },
      { type: "bind", target: "/src", source: { layers: base, path: "/data/link" }, writable: false },
    ];
    const request = (command: string) => shell(command, { mounts });
    const first = await start(
      sandbox,
      request(
        "cat /run/secrets/s /src/more; ls /data/dir; echo kept >/data/dir/k; echo a >/scratch/deep/x; echo b >/src/y; echo new >/real",
      ),
    );
    expect(first).toMatchObject({ output: "top\nmore", exit: { code: 0 } });
    expect(await listOf(await collected(first.prepared))).toEqual(["real"]);
    const second = await start(
      sandbox,
      request("cat /data/dir/k; rm -r /run; rm /etc/resolv.conf; ln -s /etc/passwd /etc/resolv.conf"),
    );
    expect(second.output).toBe("kept\n");
    expect(await listOf(await collected(second.prepared))).toEqual([]);
    const { output } = await start(sandbox, shell("cat /data/dir/file"));
    expect(output).toBe("file");
  });

  it("touches nothing outside where a step puts symlinks on the way to its mounts", async () => {
    const outside = temporary();
    fs.mkdirSync(join(outside, "s"));
    fs.writeFileSync(join(outside, "s/keep"), "keep");
    const sandbox = sandboxOf("chroot");
    const mounts: RunMount[] = [tmpfs("/way/s"), cache("/other/c")];
    const warnings: string[] = [];
    const { prepared, exit } = await start(
      sandbox,
      shell(`mv /way /gone; ln -s ${outside} /way; mv /other /elsewhere; ln -s ${outside} /other`, { mounts }),
      (rule) => warnings.push(rule),
    );
    expect(exit).toMatchObject({ code: 0 });
    await expect(prepared.collect()).rejects.toMatchObject({ code: "MOUNT" });
    await prepared.release();
    expect(warnings).toEqual(["CacheLost"]);
    expect(fs.readdirSync(join(outside, "s"))).toEqual(["keep"]);
  });

  it("ends everything that a step has started, whoever it belongs to", async () => {
    const mark = `4${process.pid}${Date.now() % 10_000}`;
    const sandbox = sandboxOf("chroot");
    const leave = `(setsid sleep ${mark} &) ; (trap '' TERM HUP; sleep ${mark} & sleep ${mark}) & echo done`;
    const { output } = await start(sandbox, shell(leave, { user: "1000:100" }));
    expect(output).toBe("done\n");
    expect(processesWith(mark)).toEqual([]);
    const abort = new AbortController();
    const prepared = await sandbox.prepare(shell(`sleep ${mark} & sleep ${mark}`), { warn });
    const running = prepared.execute({ kind: "log", onOutput: () => {} }, { signal: abort.signal });
    setTimeout(() => abort.abort(), 200);
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    expect(processesWith(mark)).toEqual([]);
    const limits = { ulimits: [], timeout: 200 };
    expect((await start(sandbox, shell(`sleep ${mark}`, { limits }))).exit).toEqual({ kind: "timeout" });
    expect(processesWith(mark)).toEqual([]);
    await prepared.release();
  });

  it("refuses what it cannot give", async () => {
    const sandbox = sandboxOf("chroot");
    await expect(sandbox.prepare(shell("true", { network: "none" }), { warn })).rejects.toMatchObject({
      code: "ISOLATION",
      hint: expect.stringContaining("network"),
    });
    await expect(sandbox.prepare(shell("true", { mounts: [tmpfs("/data/one")] }), { warn })).rejects.toMatchObject({
      code: "MOUNT",
    });
  });
});

describe.skipIf(unable)("a process that runs steps in copied roots", () => {
  let worker: { script: string; directory: string };
  beforeAll(() => {
    worker = compileWorkerOf("chrootWorker");
  });
  afterAll(() => {
    fs.rmSync(worker.directory, { recursive: true, force: true });
  });
  const args = (nodes: string, ...script: string[]) => [
    worker.script,
    storePath,
    JSON.stringify(base),
    nodes,
    ...script,
  ];

  it("needs neither the right to mount, nor to make nodes, nor to look at processes of others", async () => {
    const without = "-sys_admin,-mknod,-sys_ptrace,-sys_resource,-perfmon,-bpf";
    const mark = `5${process.pid}${Date.now() % 10_000}`;
    const script = `echo a >/z; mkdir /z2; id -u; ls /dev; (setsid sleep ${mark} &); rm -r /data/dir`;
    const setpriv = ["setpriv", `--bounding-set=${without}`, `--inh-caps=${without}`, "--"];
    const { output } = await run([...setpriv, process.execPath, ...args("none", script)]);
    const ended = JSON.parse(output.trim().split("\n").at(-1)!);
    expect(ended).toMatchObject({ exit: { kind: "code", code: 0 } });
    expect(output).toMatch(/^0\nfd\nmqueue\nptmx\npts\nshm\nstderr\nstdin\nstdout\n/);
    expect(processesWith(mark)).toEqual([]);
    const full = await layerOf(sandboxOf("namespaces"), shell("echo a >/z; mkdir /z2; rm -r /data/dir", { mtime: 0 }));
    expect(ended.layer.diffId).toBe(full.diffId);
    const env = { ...process.env, STEP_USER: "1000:100" };
    const other = await run([...setpriv, process.execPath, ...args("none", `(setsid sleep ${mark} &)`)], { env });
    expect(other.output).toContain('"code":0');
    expect(processesWith(mark)).toEqual([]);
    await closeAll();
  });

  it("has its steps ended and its caches brought back by the next one when it is killed", async () => {
    const mark = `6${process.pid}${Date.now() % 10_000}`;
    const script = `echo precious >/cache/kept/file; echo up; sleep ${mark}`;
    const child = spawn(process.execPath, args("nodes", script), { stdio: ["ignore", "pipe", "inherit"] });
    for await (const chunk of child.stdout) if (String(chunk).includes("up\n")) break;
    child.kill("SIGKILL");
    await expect.poll(() => child.signalCode).toBe("SIGKILL");
    await run([process.execPath, ...args("nodes")]);
    expect(processesWith(mark)).toEqual([]);
    const { output } = await run([process.execPath, ...args("nodes", "cat /cache/kept/file")]);
    expect(output).toMatch(/^precious\n/);
  });
});
