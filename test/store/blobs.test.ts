import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { expect, test } from "vitest";
import { hexOf } from "../../src/oci/digest.js";
import { isNacreError } from "../../src/support/errors.js";
import { sha256Hex } from "../../src/support/hash.js";
import { canMount, digestOf, flipByte, openStore, tempDirectory, withStore } from "./helpers.js";

test("a blob is visible only after commit, and has the digest of what was written in any pieces", async () => {
  const store = await openStore();
  const bytes = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * 7) & 255));
  const writer = store.createBlob();
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + ((at * 31) % 150_000);
    const chunk = Buffer.from(bytes.subarray(at, at + length));
    writer.write(chunk);
    chunk.fill(0);
    at += length;
  }
  expect(fs.readdirSync(`${store.path}/blobs/sha256`)).toEqual([]);
  const { digest, size } = await writer.commit();
  expect(hexOf(digest)).toBe(sha256Hex(bytes));
  expect(size).toBe(bytes.length);
  expect(store.readBlob(digest, size).equals(bytes)).toBe(true);
  expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
});

test("a commit with another digest than expected fails and leaves nothing", async () => {
  const store = await openStore();
  const writer = store.createBlob();
  writer.write(Buffer.from("these bytes"));
  await expect(writer.commit(digestOf("others"))).rejects.toMatchObject({ code: "CONTENT_INVALID" });
  expect(fs.readdirSync(`${store.path}/blobs/sha256`)).toEqual([]);
  expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
});

test("an aborted writer leaves nothing, and aborting after commit keeps the blob", async () => {
  const store = await openStore();
  const aborted = store.createBlob();
  aborted.write(Buffer.alloc(300_000));
  aborted.abort();
  aborted.abort();
  const committed = store.createBlob();
  const { digest } = await committed.commit();
  committed.abort();
  expect(store.blobSize(digest)).toBe(0);
  expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
});

test("two writers of the same bytes both succeed, and the first blob stays", async () => {
  const store = await openStore();
  const writers = [store.createBlob(), store.createBlob()];
  for (const writer of writers) writer.write(Buffer.from("same"));
  const [first, second] = await Promise.all(writers.map((writer) => writer.commit()));
  expect(first).toEqual(second);
  const inode = fs.statSync(store.blobPath(first!.digest)).ino;
  store.putBlob(Buffer.from("same"));
  expect(fs.statSync(store.blobPath(first!.digest)).ino).toBe(inode);
});

test("an adopted file becomes the blob itself, read-only; one with another size is refused and removed", async () => {
  const store = await openStore();
  const temp = store.tempFile();
  fs.writeSync(temp.fd, "adopted");
  const inode = fs.fstatSync(temp.fd).ino;
  await store.adoptBlob(temp.path, temp.fd, digestOf("adopted"), 7);
  const stat = fs.statSync(store.blobPath(digestOf("adopted")));
  expect(stat.ino).toBe(inode);
  expect(stat.mode & 0o777).toBe(0o444);
  expect(() => fs.fstatSync(temp.fd)).toThrow(/EBADF/);

  const wrong = store.tempFile();
  await expect(store.adoptBlob(wrong.path, wrong.fd, digestOf("x"), 1)).rejects.toMatchObject({
    code: "CONTENT_INVALID",
  });
  expect(store.hasBlob(digestOf("x"))).toBe(false);
  expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
});

test("temporary files are private, new, and named after their process", async () => {
  const store = await openStore();
  const [a, b] = [store.tempFile(), store.tempFile()];
  expect(a.path).not.toBe(b.path);
  expect(fs.fstatSync(a.fd).mode & 0o777).toBe(0o600);
  expect(a.path).toContain(`-${process.pid}-`);
  for (const temp of [a, b]) fs.closeSync(temp.fd);
});

test("a blob of the wrong size is replaced when its bytes are written again", async () => {
  const store = await openStore();
  const { digest } = store.putBlob(Buffer.from("content"));
  fs.chmodSync(store.blobPath(digest), 0o600);
  fs.truncateSync(store.blobPath(digest), 3);
  store.putBlob(Buffer.from("content"));
  expect(store.readBlob(digest, 100).toString()).toBe("content");
});

test("reading verifies the hash, keeps to the limit, and says what to do", async () => {
  const store = await openStore();
  const { digest } = store.putBlob(Buffer.from("content"));
  expect(() => store.readBlob(digest, 6)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
  flipByte(store.blobPath(digest), 2);
  expect(() => store.readBlob(digest, 100)).toThrow(
    expect.objectContaining({ code: "CONTENT_INVALID", hint: expect.stringContaining("nacre check --repair") }),
  );
  expect(() => store.openBlob(digestOf("never stored"))).toThrow(expect.objectContaining({ code: "CONTENT_INVALID" }));
});

test("a blob that garbage collection has moved aside can be read, and is put back by whoever looks for it", async () => {
  const store = await openStore();
  const { digest } = store.putBlob(Buffer.from("content"));
  fs.renameSync(store.blobPath(digest), `${store.path}/tombstones/blob.${hexOf(digest)}`);
  expect(store.readBlob(digest, 100).toString()).toBe("content");
  expect(fs.existsSync(store.blobPath(digest))).toBe(false);
  expect(store.hasBlob(digest)).toBe(true);
  expect(fs.existsSync(store.blobPath(digest))).toBe(true);
});

test.runIf(canMount())(
  "a full disk is reported as such, leaves nothing behind, and the store stays usable",
  async () => {
    const directory = tempDirectory();
    spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory]);
    try {
      await withStore(directory, async (store) => {
        const kept = store.putBlob(Buffer.from("kept"));
        const writer = store.createBlob();
        const fill = () => {
          for (let i = 0; i < 100; i++) writer.write(Buffer.alloc(64 << 10, i));
        };
        expect(fill).toThrow(
          expect.objectContaining({ code: "DISK_FULL", hint: expect.stringContaining("nacre prune") }),
        );
        expect(fs.readdirSync(`${directory}/tmp`)).toEqual([]);
        for (const act of [
          () => store.putBlob(Buffer.alloc(2 << 20)),
          () => store.writeIndex(digestOf("layer"), Buffer.alloc(2 << 20)),
          () => store.putList(Buffer.alloc(2 << 20)),
        ]) {
          expect(act).toThrow(expect.objectContaining({ code: "DISK_FULL" }));
        }
        expect(fs.readdirSync(`${directory}/tmp`)).toEqual([]);
        expect(store.readBlob(kept.digest, 10).toString()).toBe("kept");
        expect(store.hasIndex(digestOf("layer"))).toBe(false);
        store.putBlob(Buffer.from("there is room for this"));
      });
    } finally {
      spawnSync("umount", [directory]);
    }
  },
);

test("errors of a closed writer are ours, not the system's", async () => {
  const store = await openStore();
  const writer = store.createBlob();
  writer.abort();
  await expect(writer.commit()).rejects.toSatisfy(isNacreError);
});
