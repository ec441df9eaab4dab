import * as fs from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NewRecord, Store } from "../../src/store/store.js";
import type { Json } from "../../src/support/json.js";
import { age, digestOf, flipByte, keyOf, openStore } from "./helpers.js";

function newRecord(key: string, rest: Partial<NewRecord> = {}): NewRecord {
  return { key: keyOf(key), blobs: [], indexes: [], lists: [], body: { step: key }, ...rest };
}

function fileOf(store: Store, record: { key: string; id: string }): string {
  const shard = `${store.path}/records/${record.key.slice(0, 2)}`;
  const name = fs.readdirSync(shard).find((file) => file.startsWith(record.key) && file.endsWith(record.id));
  return `${shard}/${name}`;
}

describe("records", () => {
  test("come back as they were put, in a store opened anew", async () => {
    const store = await openStore();
    const { digest } = store.putBlob(Buffer.from("layer"));
    const body: Json = { text: 'ünï\u2028 "quoted"', list: [1, 2.5, null, true], empty: {}, "10": "a", "9": "b" };
    const stored = store.putRecord(
      newRecord("a", { blobs: [digest], indexes: [digestOf("i")], lists: [digestOf("l")], body }),
    );
    const again = await openStore(store.path);
    expect(again.findRecords(keyOf("a"))).toEqual([stored]);
    expect(stored.body).toEqual(body);
    expect(again.findRecords(keyOf("b"))).toEqual([]);
  });

  test("of any JSON body survive the way to disk", async () => {
    const store = await openStore();
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (body, salt) => {
        const plain = JSON.parse(JSON.stringify(body)) as Json;
        const stored = store.putRecord(newRecord(salt, { body: plain }));
        expect(store.findRecords(stored.key)[0]?.body).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });

  test("of one key are listed newest first, even when made within one millisecond", async () => {
    const store = await openStore(undefined, { now: () => 1_700_000_000_000 });
    const ids = [1, 2, 3].map((n) => store.putRecord(newRecord("a", { body: n })).id);
    expect(store.findRecords(keyOf("a")).map((record) => record.id)).toEqual(ids.reverse());
  });

  test("need their blobs: putting one without them fails, and one that has lost them is not found", async () => {
    const store = await openStore();
    expect(() => store.putRecord(newRecord("a", { blobs: [digestOf("missing")] }))).toThrow(
      expect.objectContaining({ code: "CONTENT_INVALID" }),
    );
    const [one, two] = ["one", "two"].map((text) => store.putBlob(Buffer.from(text)).digest);
    const older = store.putRecord(newRecord("a", { blobs: [one!] }));
    store.putRecord(newRecord("a", { blobs: [one!, two!] }));
    fs.rmSync(store.blobPath(two!));
    expect(store.findRecords(keyOf("a"))).toEqual([older]);
    fs.chmodSync(store.blobPath(one!), 0o600);
    fs.appendFileSync(store.blobPath(one!), "more");
    expect(store.findRecords(keyOf("a"))).toEqual([]);
  });

  test("that are damaged at any byte, cut, foreign or copied to another key are ignored", async () => {
    const store = await openStore();
    const good = store.putRecord(newRecord("a", { body: "good" }));
    const file = fileOf(store, good);
    const bytes = fs.readFileSync(file);
    for (let offset = 0; offset < bytes.length; offset += 7) {
      flipByte(file, offset);
      expect(store.findRecords(good.key), `byte ${offset}`).toEqual([]);
      fs.writeFileSync(file, bytes);
    }
    for (const length of [0, 10, 80, bytes.length - 1]) {
      fs.writeFileSync(file, bytes.subarray(0, length));
      expect(store.findRecords(good.key)).toEqual([]);
    }
    fs.writeFileSync(file, bytes);
    const shard = `${store.path}/records/${good.key.slice(0, 2)}`;
    const otherKey = good.key.slice(0, 2) + "0".repeat(62);
    fs.copyFileSync(file, file.replace(good.key, otherKey));
    fs.copyFileSync(file, file.replace(String(good.created), String(good.created + 1)));
    fs.writeFileSync(`${shard}/${good.key}.junk`, "junk");
    fs.mkdirSync(`${shard}/${good.key}.${"1".repeat(13)}.${"a".repeat(16)}`);
    expect(store.findRecords(otherKey)).toEqual([]);
    expect(store.findRecords(good.key)).toEqual([good]);
    expect(store.findRecords("../../etc")).toEqual([]);
  });

  test("among 10,000 are found without reading any other", async () => {
    const store = await openStore();
    const wanted = store.putRecord(newRecord("wanted"));
    for (let i = 0; i < 10_000; i++) {
      const key = keyOf(`other ${i}`);
      const name = `${key}.1700000000000.${key.slice(0, 16)}`;
      fs.mkdirSync(`${store.path}/records/${key.slice(0, 2)}`, { recursive: true });
      // A record that cannot be opened at all: reading it would not go unnoticed.
      fs.symlinkSync("/dev/full/no/such/file", `${store.path}/records/${key.slice(0, 2)}/${name}`);
    }
    const original = store.records.read.bind(store.records);
    const read: string[] = [];
    store.records.read = (file) => {
      read.push(file.key);
      return original(file);
    };
    expect(store.findRecords(wanted.key)).toEqual([wanted]);
    expect(store.findRecords(keyOf("nobody"))).toEqual([]);
    expect(read).toEqual([wanted.key]);
  });

  test("note their last use beside them, not more than once a minute, and survive having been removed", async () => {
    const store = await openStore();
    const record = store.putRecord(newRecord("a"));
    const file = fileOf(store, record);
    const content = fs.readFileSync(file, "latin1");
    age(file, 3_600_000);
    store.touchRecord(record);
    expect(Date.now() - fs.statSync(file).mtimeMs).toBeLessThan(60_000);
    age(file, 30_000);
    const before = fs.statSync(file).mtimeMs;
    store.touchRecord(record);
    expect(fs.statSync(file).mtimeMs).toBe(before);
    expect(fs.readFileSync(file, "latin1")).toBe(content);
    fs.rmSync(file);
    expect(() => store.touchRecord(record)).not.toThrow();
  });

  test("are taken into use only if what they need is still there after it was protected", async () => {
    const store = await openStore();
    const { digest } = store.putBlob(Buffer.from("layer"));
    const record = store.putRecord(newRecord("a", { blobs: [digest] }));
    const lease = store.acquireLease();
    expect(store.useRecord(record, lease)).toBe(true);
    fs.rmSync(store.blobPath(digest));
    expect(store.useRecord(record, lease)).toBe(false);
  });
});
