import { createReadStream, createWriteStream } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadImages, loadRootfs } from "../../src/archive/loadImages.js";
import { saveImages } from "../../src/output/saveImages.js";
import { newStore, putImage, SOME_LAYERS, tempDir } from "./images.js";

test("a stream to load from that fails before it is read is an error of the call", async () => {
  const store = await newStore();
  const missing = join(tempDir(), "missing.tar");
  await expect(loadImages(store, createReadStream(missing))).rejects.toThrow(/ENOENT|no such file/);
  const options = { tags: ["some:1"], created: "2020-01-01T00:00:00Z" };
  await expect(loadRootfs(store, createReadStream(missing), options)).rejects.toThrow(/ENOENT|no such file/);
});

test("a stream to save to that fails before it is written is an error of the call", async () => {
  const store = await newStore();
  const descriptor = await putImage(store, SOME_LAYERS);
  await store.setReferences([{ name: "docker.io/library/some:1", descriptor }]);
  const stream = createWriteStream(join(tempDir(), "no", "such", "directory.tar"));
  const destination = { kind: "stream", stream } as const;
  const saving = saveImages(store, ["some:1"], { destination, format: "oci", tar: true, jobs: 1 });
  await expect(saving).rejects.toMatchObject({ code: "OUTPUT" });
});
