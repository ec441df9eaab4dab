/** Nacre and its worker: what crosses between them, and that none outlives the other. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { gatherFacts } from "../../src/sandbox/probeFacts.js";
import { searchPath } from "../../src/sandbox/probeTools.js";
import { RemoteSandbox } from "../../src/sandbox/remoteSandbox.js";
import type { RunRequest } from "../../src/sandbox/types.js";
import { FrameReader } from "../../src/sandbox/workerOutput.js";
import { startWorker } from "../../src/sandbox/workerStart.js";
import { toolMissing } from "../setup/tools.js";
import { openStore, tempDirectory } from "../store/helpers.js";

const stub = fileURLToPath(new URL("./stubWorker.js", import.meta.url));
const isRoot = process.getuid?.() === 0;
const hand = { flavour: "root", overlayXattrs: "trusted", singleId: false, devices: true, upper: "store" } as const;
const quiet = { warn: () => {} };

const open = new Set<RemoteSandbox>();
afterEach(async () => {
  await Promise.all([...open].map((sandbox) => sandbox.close()));
  open.clear();
});

function requestOf(args: readonly string[], more: Partial<RunRequest> = {}): RunRequest {
  return {
    ...{ root: [], args, script: undefined, env: [], secretEnv: new Map(), cwd: "/", user: "", hostname: "h" },
    ...{
      network: "host",
      insecure: false,
      hosts: [],
      shmSize: 0,
      limits: { ulimits: [] },
      mounts: [],
      mtime: undefined,
    },
    ...more,
  };
}

async function remote(program: string | undefined = stub, location?: string) {
  const store = await openStore(location);
  const facts = gatherFacts(searchPath(process.env.PATH));
  const sandbox = new RemoteSandbox({
    store,
    sandbox: { level: "namespaces", hand, runtime: undefined, tmpfs: undefined },
    losses: [],
    start: () => startWorker("own", facts, program),
  });
  open.add(sandbox);
  return { sandbox, store };
}

async function execute(sandbox: RemoteSandbox, args: readonly string[], signal?: AbortSignal) {
  const output: Buffer[] = [];
  const run = await sandbox.prepare(requestOf(args), quiet);
  const exit = await run.execute({ kind: "log", onOutput: (chunk) => output.push(Buffer.from(chunk)) }, { signal });
  return { exit, output: Buffer.concat(output) };
}

/** A process that has ended counts as gone, even if nobody has asked for its exit code yet. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<boolean> {
  for (let i = 0; i < 500; i++) {
    if (!isRunning(pid)) return true;
    await sleep(10);
  }
  return false;
}

describe("frames of output", () => {
  it("come out as they went in, however the pipe cuts them", () => {
    const frames = fc.array(fc.record({ call: fc.nat(), bytes: fc.uint8Array({ maxLength: 20 }) }));
    fc.assert(
      fc.property(frames, fc.integer({ min: 1, max: 11 }), (sent, cut) => {
        const pipe = Buffer.concat(
          sent.flatMap(({ call, bytes }) => {
            const header = Buffer.alloc(8);
            header.writeUInt32LE(call, 0);
            header.writeUInt32LE(bytes.length, 4);
            return [header, bytes];
          }),
        );
        const got: string[] = [];
        const reader = new FrameReader(
          (call, bytes) => got.push(...[...bytes].map((byte) => `${call}:${byte}`)),
          (call) => got.push(`${call}:end`),
        );
        for (let at = 0; at < pipe.length; at += cut) reader.push(pipe.subarray(at, at + cut));
        const expected = sent.flatMap(({ call, bytes }) =>
          bytes.length === 0 ? [`${call}:end`] : [...bytes].map((byte) => `${call}:${byte}`),
        );
        expect(got).toEqual(expected);
      }),
    );
  });
});

describe.skipIf(!isRoot || toolMissing("unshare") || toolMissing("setpriv"))("a worker", () => {
  it("gets requests with their buffers and maps, and tells of warnings and progress", async () => {
    const { sandbox } = await remote();
    const heard: unknown[] = [];
    const secret = { type: "secret", target: "/s", content: Buffer.from("abc"), mode: 0o400, uid: 0, gid: 0 } as const;
    const run = await sandbox.prepare(requestOf([], { secretEnv: new Map([["TOKEN", "t"]]), mounts: [secret] }), {
      warn: (rule, message) => heard.push([rule, message]),
      onProgress: (bytes, total) => heard.push([bytes, total]),
    });
    expect(heard).toEqual([
      ["SomeRule", "secret is t"],
      [1, undefined],
    ]);
    expect(await run.collect()).toEqual({ diffId: `sha256:${"5".repeat(64)}`, size: 3 });
    await run.release();
  });

  it("delivers all output before the exit, in order", async () => {
    const { sandbox } = await remote();
    const { exit, output } = await execute(sandbox, ["say", "one ", "", "two ", "three"]);
    expect(exit).toEqual({ kind: "code", code: 0 });
    expect(output.toString()).toBe("one two three");
  });

  it("waits for nacre where a process writes faster than nacre reads", async () => {
    const { sandbox } = await remote();
    const run = await sandbox.prepare(requestOf(["flood", "512"]), quiet);
    let bytes = 0;
    const onOutput = (chunk: Buffer) => {
      if (bytes === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      bytes += chunk.length;
    };
    const exit = await run.execute({ kind: "log", onOutput });
    expect(bytes).toBe(512 << 20);
    // The stub gives the most memory that it ever used, in MiB.
    expect(exit.kind === "code" && exit.code).toBeLessThan(256);
  });

  it("runs several things at once, each with its own output", async () => {
    const { sandbox } = await remote();
    const ended = await Promise.all(["a", "b", "c"].map((word) => execute(sandbox, ["say", word.repeat(100_000)])));
    expect(ended.map(({ output }) => output.toString())).toEqual(["a", "b", "c"].map((word) => word.repeat(100_000)));
  });

  it("passes errors on whole", async () => {
    const { sandbox } = await remote();
    await expect(execute(sandbox, ["fail"])).rejects.toMatchObject({
      ...{ name: "NacreError", code: "MOUNT", message: "no such thing", hint: "do this" },
      facts: { name: "x", sizes: [1, 2] },
    });
  });

  it("is told when a call is cancelled", async () => {
    const { sandbox } = await remote();
    const controller = new AbortController();
    const running = execute(sandbox, ["wait"], controller.signal);
    setTimeout(() => controller.abort(), 50);
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(execute(sandbox, ["wait"], AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("is not believed where it says what it should not", async () => {
    const { sandbox } = await remote();
    await expect(execute(sandbox, ["nonsense"])).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("hands no descriptor but the three standard ones to what it starts", async () => {
    const { sandbox } = await remote();
    const { exit } = await execute(sandbox, ["descriptors"]);
    // ls itself has the directory open as 3.
    expect(exit).toEqual({ kind: "signal", signal: "0,1,2,3" });
  });

  it("that is killed fails all that is pending, and all that comes later", async () => {
    const { sandbox } = await remote();
    const { exit } = await execute(sandbox, ["pid"]);
    const pid = exit.kind === "code" ? exit.code : 0;
    const pending = [execute(sandbox, ["wait"]), execute(sandbox, ["wait"])].map((run) => run.catch((error) => error));
    await sleep(50);
    process.kill(pid, "SIGKILL");
    for (const error of await Promise.all(pending)) {
      expect(error).toMatchObject({ code: "INTERNAL", message: expect.stringContaining("SIGKILL") });
    }
    await expect(execute(sandbox, ["say"])).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("that fails by a bug says its last words", async () => {
    const { sandbox } = await remote();
    await expect(execute(sandbox, ["crash"])).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringContaining("a bug in the worker"),
    });
  });

  it("is not started before it is needed, and is gone after closing", async () => {
    const { sandbox } = await remote("/there/is/no/such/program");
    await sandbox.close();
    await expect(sandbox.prepare(requestOf([]), quiet)).rejects.toMatchObject({ code: "INTERNAL" });

    const second = (await remote()).sandbox;
    const { exit } = await execute(second, ["pid"]);
    await second.close();
    expect(isRunning(exit.kind === "code" ? exit.code : 0)).toBe(false);
  });

  it("that ends before it is asked anything is an error", async () => {
    const { sandbox } = await remote("/dev/null");
    await expect(sandbox.prepare(requestOf([]), quiet)).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("removes trees of the store, and nothing else", async () => {
    const { sandbox, store } = await remote();
    const inside = path.join(store.directory.ensure("mounts"), "x/y");
    const elsewhere = path.join(tempDirectory(), "z");
    for (const directory of [inside, elsewhere]) fs.mkdirSync(directory, { recursive: true });
    await sandbox.prepare(requestOf([]), quiet);
    await sandbox.removeTree(path.dirname(inside));
    expect(fs.existsSync(path.dirname(inside))).toBe(false);
    const wrong = [elsewhere, store.path, `${store.path}/blobs/sha256`, `${store.path}/mounts`, "mounts/x"];
    wrong.push(`${store.path}/mounts/../blobs`, `${store.path}/mounts/../../z`);
    for (const location of wrong) {
      await expect(sandbox.removeTree(location)).rejects.toMatchObject({ code: "INTERNAL" });
    }
    expect(fs.existsSync(elsewhere)).toBe(true);
    expect(fs.existsSync(`${store.path}/blobs/sha256`)).toBe(true);
  });

  it("dies with nacre, however that ends", async () => {
    const script = `
      const { startWorker } = await import(process.argv[1] + "/sandbox/workerStart.js");
      const { gatherFacts } = await import(process.argv[1] + "/sandbox/probeFacts.js");
      const { process: worker } = await startWorker("own", gatherFacts(process.env.PATH), process.argv[2]);
      worker.once("message", () => console.log(worker.pid));
    `;
    const dist = fileURLToPath(new URL("../../dist", import.meta.url));
    const env = { ...process.env, PATH: searchPath(process.env.PATH) };
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const argv = ["--input-type=module", "-e", script, dist, stub];
      const nacre = spawn(process.execPath, argv, { env, stdio: ["ignore", "pipe", "inherit"] });
      const [line] = await once(nacre.stdout, "data");
      nacre.kill(signal);
      expect(await gone(Number(String(line)))).toBe(true);
    }
  });
});
