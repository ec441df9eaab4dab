import * as fs from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hexOf } from "../../src/oci/digest.js";
import { OCI_LAYER, OCI_LAYER_GZIP } from "../../src/oci/mediaTypes.js";
import { digestOf, flipByte, keyOf, openStore } from "./helpers.js";

const LAYER = digestOf("a layer");

describe("indexes", () => {
  test("come back byte for byte, aligned so that numbers in them can be used in place", async () => {
    const store = await openStore();
    for (const length of [0, 1, 8, 200_000]) {
      const bytes = Buffer.alloc(length, "index");
      store.writeIndex(LAYER, bytes);
      const read = store.readIndex(LAYER)!;
      expect(read.equals(bytes)).toBe(true);
      expect(read.byteOffset % 8).toBe(0);
    }
    expect(store.hasIndex(LAYER)).toBe(true);
    expect(store.hasIndex(digestOf("another"))).toBe(false);
    expect(store.readIndex(digestOf("another"))).toBeUndefined();
  });

  test("that are damaged, cut or copied from another layer are absent", async () => {
    const store = await openStore();
    store.writeIndex(LAYER, Buffer.from("the index of a layer"));
    const file = `${store.path}/indexes/${hexOf(LAYER)}`;
    const bytes = fs.readFileSync(file);
    const other = digestOf("another");
    fs.copyFileSync(file, `${store.path}/indexes/${hexOf(other)}`);
    expect(store.readIndex(other)).toBeUndefined();
    for (let offset = 0; offset < bytes.length; offset++) {
      flipByte(file, offset);
      expect(store.readIndex(LAYER), `byte ${offset}`).toBeUndefined();
      fs.writeFileSync(file, bytes);
    }
    for (let length = 0; length < bytes.length; length++) {
      fs.writeFileSync(file, bytes.subarray(0, length));
      expect(store.readIndex(LAYER)).toBeUndefined();
    }
  });
});

describe("blobs of a layer", () => {
  test("are the uncompressed one first, then all others that were noted and exist", async () => {
    const store = await openStore();
    const plain = store.putBlob(Buffer.from("a layer"));
    const zipped = { ...store.putBlob(Buffer.from("zipped")), mediaType: OCI_LAYER_GZIP };
    const gone = { digest: digestOf("gone"), size: 4, mediaType: OCI_LAYER_GZIP };
    for (const blob of [zipped, zipped, gone, { ...plain, mediaType: OCI_LAYER }]) store.addLayerBlob(LAYER, blob);
    expect(store.layerBlobs(LAYER)).toEqual([{ ...plain, mediaType: OCI_LAYER }, zipped]);
    expect(fs.readFileSync(`${store.path}/indexes/${hexOf(LAYER)}.blobs`, "utf8").match(/sha256/g)).toHaveLength(2);
    fs.rmSync(store.blobPath(plain.digest));
    expect(store.layerBlobs(LAYER)).toEqual([zipped]);
    expect(store.layerBlobs(digestOf("another"))).toEqual([]);
  });

  test("whose notes were cut short by a crash are read as far as they are whole", async () => {
    const store = await openStore();
    const [a, b] = ["a", "b"].map((text) => ({ ...store.putBlob(Buffer.from(text)), mediaType: OCI_LAYER_GZIP }));
    store.addLayerBlob(LAYER, a!);
    fs.appendFileSync(`${store.path}/indexes/${hexOf(LAYER)}.blobs`, `sha256:${"0".repeat(30)}`);
    store.addLayerBlob(LAYER, b!);
    expect(store.layerBlobs(LAYER)).toEqual([a, b]);
  });

  test("refuse a media type that would break the notes", async () => {
    const store = await openStore();
    const blob = store.putBlob(Buffer.from("a"));
    expect(() => store.addLayerBlob(LAYER, { ...blob, mediaType: "a\nb" })).toThrow(/not a layer's blob/);
  });
});

describe("lists", () => {
  test("are named by content and children, and come back whole", async () => {
    const store = await openStore();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(5), { maxLength: 4 }), (bytes, picks) => {
        const children = picks.map((pick) => digestOf(`child ${pick}`));
        const digest = store.putList(bytes, children);
        expect(store.putList(bytes, children)).toBe(digest);
        expect(store.readList(digest)?.equals(bytes)).toBe(true);
        expect(store.readListNode(digest)?.children).toEqual(children);
      }),
    );
    expect(store.putList(Buffer.from("x"), [LAYER])).not.toBe(store.putList(Buffer.from("x")));
    expect(store.readList(LAYER)).toBeUndefined();
  });

  test("that are damaged are absent", async () => {
    const store = await openStore();
    const digest = store.putList(Buffer.from("names"));
    flipByte(`${store.path}/lists/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}`, 5);
    expect(store.readList(digest)).toBeUndefined();
  });
});

describe("blocks and stat caches", () => {
  test("a block comes back by its key; damaged or under another key it is absent", async () => {
    const store = await openStore();
    const [key, other] = [keyOf("block"), keyOf("other")];
    store.writeBlock(key, Buffer.from("compressed"));
    expect(store.readBlock(key)?.toString()).toBe("compressed");
    const file = `${store.path}/blocks/${key.slice(0, 2)}/${key}`;
    fs.mkdirSync(`${store.path}/blocks/${other.slice(0, 2)}`, { recursive: true });
    fs.copyFileSync(file, `${store.path}/blocks/${other.slice(0, 2)}/${other}`);
    expect(store.readBlock(other)).toBeUndefined();
    flipByte(file, 85);
    expect(store.readBlock(key)).toBeUndefined();
    store.writeBlock(key, Buffer.from("again"));
    expect(store.readBlock(key)?.toString()).toBe("again");
  });

  test("names that could lead elsewhere are refused", async () => {
    const store = await openStore();
    expect(fs.existsSync(`${store.statPath(keyOf("context"))}/..`)).toBe(false);
    expect(fs.statSync(`${store.path}/stat`).isDirectory()).toBe(true);
    for (const name of ["../x", "", "ABCDEF0123456789", "a/b"]) {
      expect(() => store.statPath(name)).toThrow(/not a name/);
      expect(() => store.readBlock(name)).toThrow(/not a block key/);
    }
  });
});
