import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { importRootfs } from "../../src/archive/rootfs.js";
import { loadImage } from "../../src/image/image.js";
import { layerIndex } from "../../src/image/layers.js";
import { newStore, pieces, tarOf, tempDir } from "./images.js";

const OPTIONS = { platform: { os: "linux", architecture: "arm64", variant: "v8" }, created: "2024-05-06T07:08:09Z" };

describe("a root file system", () => {
  const tar = tarOf([
    { path: "./etc", type: "dir", mode: 0o755 },
    { path: "./etc/passwd", content: "root:x:0:0::/:/bin/sh\n" },
    { path: "./dev/null", type: "char", devMajor: 1, devMinor: 3, mode: 0o666 },
    { path: "./home", type: "dir", mode: 0o700, uid: 1000, gid: 33 },
  ]);

  test("becomes the only layer of an image, owners and devices as they are", async () => {
    const store = await newStore();
    const image = loadImage(
      store,
      await importRootfs(store, pieces(tar), { ...OPTIONS, config: { Cmd: ["/bin/sh"] } }),
    );
    expect(image.layers.map(({ diffId }) => diffId)).toEqual([
      `sha256:${createHash("sha256").update(tar).digest("hex")}`,
    ]);
    expect(image.config).toEqual({
      architecture: "arm64",
      variant: "v8",
      os: "linux",
      created: OPTIONS.created,
      config: { Cmd: ["/bin/sh"] },
      rootfs: { type: "layers", diff_ids: image.config.rootfs.diff_ids },
      history: [{ created: OPTIONS.created, comment: "Imported from -" }],
    });
    const index = await layerIndex(store, image.layers[0]!);
    expect(index.uid(index.find("home"))).toBe(1000);
    expect(index.device(index.find("dev/null"))).toEqual([1, 3]);
    await store.setReferences([{ name: "docker.io/library/base:1", descriptor: image.descriptor }]);
  });

  test("is the same image however it was compressed", async () => {
    const dir = tempDir();
    writeFileSync(join(dir, "r.tar"), tar);
    execFileSync("sh", ["-c", `cd ${dir} && gzip -k r.tar && xz -k r.tar && zstd -q r.tar && bzip2 -k r.tar`]);
    const digests = new Set<string>();
    for (const suffix of ["", ".gz", ".xz", ".zst", ".bz2"]) {
      const store = await newStore();
      const options = { ...OPTIONS, origin: "r.tar" };
      digests.add((await importRootfs(store, join(dir, `r.tar${suffix}`), options)).digest);
    }
    expect(digests.size).toBe(1);
  });

  test("that is damaged is refused, and nothing of it stays", async () => {
    const store = await newStore();
    const importing = (bytes: Buffer) => expect(importRootfs(store, pieces(bytes), OPTIONS)).rejects;
    await importing(tar.subarray(0, 700)).toMatchObject({ code: "TAR_INVALID" });
    await importing(gzipSync(tar).subarray(0, 200)).toMatchObject({ code: "COMPRESSION" });
    await importing(Buffer.from("no tar ".repeat(200))).toMatchObject({ code: "TAR_INVALID" });
    await expect(importRootfs(store, join(tempDir(), "none"), OPTIONS)).rejects.toMatchObject({
      code: "CONTEXT_UNREADABLE",
    });
    expect(store.listReferences()).toEqual([]);
  });
});
