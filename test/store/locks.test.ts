import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { hasTool, openStore } from "./helpers.js";

const MISSING_HELPER = "/no/such/flock";
const started: number[] = [];

afterEach(() => {
  for (const pid of started.splice(0)) process.kill(pid, "SIGKILL");
});

/** A process that lives for a while, and how its owner name reads. */
function otherProcess(): { pid: number; owner: string; kill(): Promise<void> } {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  const pid = child.pid!;
  started.push(pid);
  const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().replaceAll("-", "");
  const namespace = /[0-9]+/.exec(fs.readlinkSync("/proc/self/ns/pid"))![0];
  const start = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[19];
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    pid,
    owner: `${boot}-${namespace}-${pid}-${start}`,
    kill: () => {
      started.splice(started.indexOf(pid), 1);
      process.kill(pid, "SIGKILL");
      return ended;
    },
  };
}

for (const lockHelper of hasTool("flock") ? ["flock", MISSING_HELPER] : [MISSING_HELPER]) {
  describe(`locks with ${lockHelper}`, () => {
    test("let one in at a time, whatever store object asks, and pass on results and errors", async () => {
      const a = await openStore(undefined, { lockHelper });
      const b = await openStore(a.path, { lockHelper });
      let inside = 0;
      let most = 0;
      const work = async () => {
        most = Math.max(most, ++inside);
        await sleep(3);
        inside--;
        return "result";
      };
      const results = await Promise.all([a, b, a, b, a, b].map((store) => store.withLock("x", work)));
      expect(results).toEqual(Array(6).fill("result"));
      expect(most).toBe(1);
      await expect(a.withLock("x", () => Promise.reject(new Error("mine")))).rejects.toThrow("mine");
      expect(await b.withLock("x", work)).toBe("result");
    });

    test("of different names do not hinder each other; trying gives up at once", async () => {
      const a = await openStore(undefined, { lockHelper });
      const b = await openStore(a.path, { lockHelper });
      await a.withLock("x", async () => {
        expect(await b.withLock("y", async () => 1)).toBe(1);
        expect(await b.locks.tryWithLock("x", async () => 1)).toBeUndefined();
      });
      expect(await b.locks.tryWithLock("x", async () => 1)).toEqual({ result: 1 });
    });

    test.runIf(process.platform === "linux")("of a dead process are free", async () => {
      const store = await openStore(undefined, { lockHelper });
      const other = otherProcess();
      fs.symlinkSync(`link.${other.owner}.aa`, `${store.path}/locks/x.owner`);
      expect(await store.locks.tryWithLock("x", async () => 1)).toBeUndefined();
      await other.kill();
      expect(await store.withLock("x", async () => 1)).toBe(1);
      expect(fs.existsSync(`${store.path}/locks/x.owner`)).toBe(false);
    });

    test("of an owner that cannot be looked up are free once its heartbeat is old", async () => {
      const store = await openStore(undefined, { lockHelper });
      const link = `${store.path}/locks/x.owner`;
      fs.symlinkSync(`link.${"1".repeat(32)}-5-6-7.aa`, link);
      expect(await store.locks.tryWithLock("x", async () => 1)).toBeUndefined();
      const old = Date.now() / 1000 - 3600;
      fs.lutimesSync(link, old, old);
      expect(await store.locks.tryWithLock("x", async () => 1)).toEqual({ result: 1 });
    });
  });
}

test.runIf(process.platform === "linux")(
  "what dead owners left of locks is swept, what the living hold is not",
  async () => {
    const store = await openStore();
    const [dead, alive] = [otherProcess(), otherProcess()];
    await dead.kill();
    const at = (name: string) => `${store.path}/locks/${name}`;
    fs.symlinkSync(`kernel.${dead.owner}.aa`, at("snapshot-1.owner"));
    fs.symlinkSync(`kernel.${dead.owner}.aa`, at("snapshot-2.owner.0badc0de"));
    fs.symlinkSync(`kernel.${alive.owner}.aa`, at("snapshot-3.owner"));
    store.locks.sweep();
    expect(fs.readdirSync(at(""))).toEqual(["snapshot-3.owner"]);
  },
);

describe.runIf(hasTool("flock"))("locks of the kernel", () => {
  test("show that their last owner is gone even if it cannot be looked up", async () => {
    const store = await openStore();
    fs.symlinkSync(`kernel.${"1".repeat(32)}-5-6-7.aa`, `${store.path}/locks/x.owner`);
    expect(await store.locks.tryWithLock("x", async () => 1)).toEqual({ result: 1 });
  });

  test("are not taken while their last owner works on, though its helper was killed", async () => {
    const store = await openStore();
    const other = otherProcess();
    fs.symlinkSync(`kernel.${other.owner}.aa`, `${store.path}/locks/x.owner`);
    expect(await store.locks.tryWithLock("x", async () => 1)).toBeUndefined();
    await other.kill();
    expect(await store.locks.tryWithLock("x", async () => 1)).toEqual({ result: 1 });
  });

  test("keep out processes without the helper, and the other way round", async () => {
    const kernel = await openStore();
    const link = await openStore(kernel.path, { lockHelper: MISSING_HELPER });
    await kernel.withLock("x", async () => expect(await link.locks.tryWithLock("x", async () => 1)).toBeUndefined());
    await link.withLock("x", async () => expect(await kernel.locks.tryWithLock("x", async () => 1)).toBeUndefined());
  });

  test("leave no process behind", async () => {
    const store = await openStore();
    await store.withLock("leaves-nothing", async () => {});
    const file = `${store.path}/locks/leaves-nothing`;
    for (let tries = 0; tries < 100 && spawnSync("flock", ["-n", file, "true"]).status !== 0; tries++) await sleep(10);
    expect(spawnSync("pgrep", ["-f", file]).stdout?.toString() ?? "").toBe("");
  });
});
