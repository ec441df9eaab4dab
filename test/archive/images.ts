/** Images and stores for tests of archives and outputs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { storeLayer } from "../../src/image/layers.js";
import type { Descriptor, ImageConfig } from "../../src/oci/documents.js";
import { encodeConfig, encodeManifest } from "../../src/oci/encode.js";
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../../src/oci/mediaTypes.js";
import { Store } from "../../src/store/store.js";
import type { TarEntry } from "../../src/tar/entry.js";
import { TarWriter } from "../../src/tar/write.js";

const directories: string[] = [];
const stores: Store[] = [];

/** A directory that goes when the test file is done. */
export function tempDir(): string {
  const path = mkdtempSync(join(tmpdir(), "nacre-test-"));
  directories.push(path);
  return path;
}

/** A new store that goes when the test file is done. */
export async function newStore(): Promise<Store> {
  const store = await Store.open(join(tempDir(), "store"));
  stores.push(store);
  return store;
}

afterAll(async () => {
  for (const store of stores) await store.close();
  for (const path of directories) rmSync(path, { recursive: true, force: true });
});

/** An entry of a layer; `content` makes it a file. */
export type Member = Partial<TarEntry> & { readonly path: string; readonly content?: string | Buffer };

/** The tar of some members. */
export function tarOf(members: readonly Member[]): Buffer {
  const chunks: Buffer[] = [];
  const writer = new TarWriter((chunk) => chunks.push(chunk));
  for (const { content = "", ...entry } of members) {
    const bytes = Buffer.from(content);
    const full: TarEntry = {
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: bytes.length,
      mtime: 1_700_000_000,
      ...entry,
    };
    writer.add(full.type === "file" ? full : { ...full, size: 0 }, full.type === "file" ? bytes : undefined);
  }
  writer.end();
  return Buffer.concat(chunks);
}

/** Puts an image of some layers into a store. @returns points at its manifest */
export async function putImage(
  store: Store,
  layers: readonly (readonly Member[])[],
  config: Partial<ImageConfig> = {},
): Promise<Descriptor> {
  const stored = [];
  for (const members of layers) stored.push(await storeLayer(store, pieces(tarOf(members)), undefined, OCI_LAYER));
  const whole: ImageConfig = {
    created: "2024-01-02T03:04:05Z",
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["/bin/sh"], Labels: { a: "<b>" } },
    history: layers.map((_, i) => ({ created: "2024-01-02T03:04:05Z", created_by: `layer ${i}` })),
    ...config,
    rootfs: { type: "layers", diff_ids: stored.map(({ diffId }) => diffId) },
  };
  const configBlob = store.putBlob(encodeConfig(whole));
  const manifest = store.putBlob(
    encodeManifest({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, ...configBlob },
      layers: stored.map(({ descriptor }) => descriptor),
    }),
  );
  return { mediaType: OCI_MANIFEST, ...manifest };
}

/** Bytes as a stream of odd pieces. */
export async function* pieces(bytes: Buffer, size = 70_001): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Two layers with a bit of everything. */
export const SOME_LAYERS: readonly (readonly Member[])[] = [
  [
    { path: "bin", type: "dir", mode: 0o755 },
    { path: "bin/sh", content: "#!shell\n", mode: 0o4755 },
    { path: "bin/bash", type: "hardlink", link: "bin/sh" },
    { path: "etc", type: "dir", mode: 0o755 },
    { path: "etc/passwd", content: "root:x:0:0::/root:/bin/sh\n" },
    { path: "etc/shadow", content: "secret", mode: 0, uid: 0, gid: 42 },
    { path: "lib", type: "symlink", link: "usr/lib", mode: 0o777 },
    { path: "tmp", type: "dir", mode: 0o1777 },
  ],
  [
    { path: "etc", type: "dir", mode: 0o755 },
    { path: "etc/.wh.shadow", content: "", mode: 0, mtime: 0 },
    { path: "etc/motd", content: "welcome\n".repeat(1000), uid: 3_000_000 },
    { path: "home", type: "dir", mode: 0o700, uid: 1000, gid: 1000 },
    { path: "home/caf\xe9", content: "not UTF-8", mtime: 1_800_000_000 },
  ],
];
