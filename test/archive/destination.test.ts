import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fillDirectory, writeDestination } from "../../src/archive/destination.js";
import { packTar } from "../../src/archive/packTar.js";
import { tempDir } from "./images.js";

const to = (path: string, text = "new"): Promise<void> =>
  writeDestination({ kind: "path", path }, async (sink) => void (await sink(Buffer.from(text))));

describe("writeDestination", () => {
  test("replaces a file only when the new one is whole", async () => {
    const dir = tempDir();
    const path = join(dir, "f");
    writeFileSync(path, "old");
    const failing = writeDestination({ kind: "path", path }, async (sink) => {
      await sink(Buffer.from("half"));
      expect(readFileSync(path, "utf8")).toBe("old");
      throw new Error("no more");
    });
    await expect(failing).rejects.toThrow("no more");
    expect(readdirSync(dir)).toEqual(["f"]);
    await to(path);
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(readdirSync(dir)).toEqual(["f"]);
  });

  test("writes where a symlink leads, and into devices", async () => {
    const dir = tempDir();
    mkdirSync(join(dir, "real"));
    writeFileSync(join(dir, "real/f"), "old");
    symlinkSync("real/f", join(dir, "link"));
    await to(join(dir, "link"));
    expect(lstatSync(join(dir, "link")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(dir, "real/f"), "utf8")).toBe("new");
    await to("/dev/null");
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  test("reports a full disk as such", async () => {
    await expect(to("/dev/full")).rejects.toMatchObject({ code: "DISK_FULL" });
  });
});

describe("fillDirectory", () => {
  test("leaves nothing where nothing was, if it fails", async () => {
    const dir = tempDir();
    const failing = fillDirectory(join(dir, "a/b"), async () => {
      writeFileSync(join(dir, "a/b/half"), "x");
      throw new Error("no more");
    });
    await expect(failing).rejects.toThrow("no more");
    expect(readdirSync(dir)).toEqual([]);
  });

  test("leaves what was there, if it fails", async () => {
    const dir = tempDir();
    writeFileSync(join(dir, "mine"), "x");
    await expect(fillDirectory(dir, () => Promise.reject(new Error("no more")))).rejects.toThrow("no more");
    expect(readdirSync(dir)).toEqual(["mine"]);
  });
});

describe("packTar", () => {
  test("tells of the full disk, not of the stream that was closed because of it", async () => {
    const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    const open = () => Array.from({ length: 40 }, () => Buffer.alloc(1 << 16));
    for (const room of [0, 512, 1 << 18]) {
      let written = 0;
      const packing = packTar([{ path: "d/" }, { path: "f", mode: 0o644, size: 40 << 16, open }], (chunk) => {
        written += chunk.length;
        if (written > room) throw full;
      });
      await expect(packing).rejects.toBe(full);
    }
  });

  test("holds one chunk at a time, however slow the sink is", async () => {
    const chunks = 40;
    let ahead = 0;
    let most = 0;
    const open = function* (): Iterable<Uint8Array> {
      for (let i = 0; i < chunks; i++) {
        most = Math.max(most, ++ahead);
        yield Buffer.alloc(1 << 18);
      }
    };
    await packTar([{ path: "f", mode: 0o644, size: chunks << 18, open }], async (chunk) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (chunk.length > 4096) ahead--;
    });
    expect(most).toBeLessThan(6);
  });

  test("fails if a file is shorter than it should be, or its source or the sink fails", async () => {
    const file = (size: number, open: () => Iterable<Uint8Array>) => [{ path: "f", mode: 0o644, size, open }];
    const ignore = (): void => {};
    await expect(
      packTar(
        file(10, () => [Buffer.alloc(9)]),
        ignore,
      ),
    ).rejects.toMatchObject({ code: "INTERNAL" });
    const broken = function* (): Iterable<Uint8Array> {
      yield Buffer.alloc(5);
      throw new Error("source broke");
    };
    await expect(packTar(file(10, broken), ignore)).rejects.toThrow("source broke");
    const refusing = (): void => {
      throw new Error("sink broke");
    };
    await expect(
      packTar(
        file(1 << 20, () => [Buffer.alloc(1 << 20)]),
        refusing,
      ),
    ).rejects.toThrow("sink broke");
  });
});
