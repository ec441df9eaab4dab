import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { expect, test } from "vitest";
import { readProtected } from "../../src/store/leases.js";
import { currentOwner, isAlive, livenessOf, ownerName, parseOwner } from "../../src/store/owner.js";
import { age, digestOf, hasTool, openStore } from "./helpers.js";

const [A, B] = [digestOf("a"), digestOf("b")];

test("an owner's name reads back, and names that are none do not", () => {
  const owner = currentOwner();
  expect(parseOwner(ownerName(owner))).toEqual(owner);
  expect(owner.pid).toBe(process.pid);
  for (const name of ["", "x", "1-2-3", "1-2-3-4-5", "../1-2-3-4"]) expect(parseOwner(name)).toBeUndefined();
});

test.runIf(process.platform === "linux")(
  "a process id that was given to another process does not count as alive",
  () => {
    const self = currentOwner();
    expect(livenessOf(self, self)).toBe("alive");
    expect(livenessOf({ ...self, start: "1" }, self)).toBe("dead");
    expect(livenessOf({ ...self, pid: 4_194_305 }, self)).toBe("dead");
  },
);

test.runIf(process.platform === "linux")(
  "an owner of another boot, machine or pid namespace that cannot be seen is judged by its heartbeat",
  () => {
    const self = currentOwner();
    for (const [foreign, looking] of [
      [{ ...self, boot: "0" }, self],
      [{ ...self, boot: "1".repeat(32) }, self],
      [
        { ...self, pidNamespace: "1" },
        { ...self, pidNamespace: "2" },
      ],
    ] as const) {
      expect(livenessOf(foreign, looking)).toBe("unknown");
      expect(isAlive(foreign, looking, 1_000_000, 1_000_000 + 9 * 60_000)).toBe(true);
      expect(isAlive(foreign, looking, 1_000_000, 1_000_000 + 11 * 60_000)).toBe(false);
    }
  },
);

const FIRST_NAMESPACE = "4026531836";
const seesAll =
  process.platform === "linux" && process.getuid?.() === 0 && currentOwner().pidNamespace === FIRST_NAMESPACE;

test.runIf(seesAll && hasTool("unshare"))("an owner in a pid namespace below is looked up from above", async () => {
  const self = currentOwner();
  const script = "read -r stat < /proc/self/stat; echo $(readlink /proc/self/ns/pid) $stat; exec sleep 60";
  const child = spawn("unshare", ["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    // The shell itself is process 1 there; `read` and `echo` are parts of it.
    const told = String((await once(child.stdout, "data"))[0]);
    const [namespace, stat] = [/\[([0-9]+)\]/.exec(told)![1]!, told.slice(told.lastIndexOf(")") + 2).split(" ")];
    const owner = { ...self, pidNamespace: namespace, pid: 1, start: stat[19]! };
    expect(livenessOf(owner, self)).toBe("alive");
    expect(livenessOf({ ...owner, pid: 77 }, self)).toBe("dead");
    expect(livenessOf({ ...owner, start: "1" }, self)).toBe("unknown");
    expect(livenessOf({ ...owner, pidNamespace: "1" }, self)).toBe("dead");
  } finally {
    child.kill("SIGKILL");
    await once(child, "close");
  }
});

test("a lease protects what it names until it is released", async () => {
  const store = await openStore();
  const lease = store.acquireLease();
  lease.protect([A, A], ["record-1"]);
  lease.protect([A, B], [], ["snapshot:root.abc", "mount:def"]);
  const other = store.acquireLease();
  other.protect([A]);
  expect(readProtected(store.directory)).toEqual({
    digests: new Set([A, B]),
    records: new Set(["record-1"]),
    directories: new Set(["snapshot:root.abc", "mount:def"]),
  });
  lease.release();
  lease.release();
  lease.protect([B]);
  expect(readProtected(store.directory).digests).toEqual(new Set([A]));
  await store.close();
  expect(fs.readdirSync(`${store.path}/leases`)).toEqual([]);
});

test("what is written is protected in the leases that are held, or in one of the store's own", async () => {
  const store = await openStore();
  store.putBlob(Buffer.from("a"));
  expect(readProtected(store.directory).digests).toEqual(new Set([A]));
  const lease = store.acquireLease();
  store.putBlob(Buffer.from("b"));
  store.writeIndex(A, Buffer.from("index"));
  const { id } = store.putRecord({ key: "0".repeat(64), blobs: [B], indexes: [], lists: [], body: null });
  lease.release();
  expect(readProtected(store.directory)).toEqual({ digests: new Set([A]), records: new Set(), directories: new Set() });
  expect(id).toMatch(/^[0-9a-f]{16}$/);
});

test("what a long-lived process wrote outside leases is given up after a while", async () => {
  let now = Date.now();
  const store = await openStore(undefined, { now: () => now });
  store.putBlob(Buffer.from("a"));
  now += 16 * 60_000;
  store.putBlob(Buffer.from("b"));
  expect(readProtected(store.directory).digests).toEqual(new Set([A, B]));
  now += 16 * 60_000;
  store.putBlob(Buffer.from("c"));
  expect(readProtected(store.directory).digests).toEqual(new Set([B, digestOf("c")]));
});

test.runIf(process.platform === "linux")(
  "the lease of a dead process is swept by the next one that takes a lease",
  async () => {
    const store = await openStore();
    const self = currentOwner();
    const dead = `${store.path}/leases/${ownerName({ ...self, start: "1" })}.aa`;
    const foreign = `${store.path}/leases/${ownerName({ ...self, boot: "1".repeat(32) })}.aa`;
    for (const file of [dead, foreign]) fs.writeFileSync(file, `${A}\n`);
    store.acquireLease();
    expect([fs.existsSync(dead), fs.existsSync(foreign)]).toEqual([false, true]);
    expect(readProtected(store.directory).digests).toEqual(new Set([A]));
    age(foreign, 3_600_000);
    store.acquireLease();
    expect(fs.existsSync(foreign)).toBe(false);
  },
);

test("a line of a lease that was cut short does not swallow the next", async () => {
  const store = await openStore();
  const lease = store.acquireLease();
  const file = `${store.path}/leases/${fs.readdirSync(`${store.path}/leases`)[0]}`;
  fs.appendFileSync(file, A.slice(0, 20));
  lease.protect([B]);
  expect(readProtected(store.directory).digests).toEqual(new Set([B]));
});
