/** Stores in temporary directories, and images to put into them. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach } from "vitest";
import { type Digest, digestOfHex, hexOf } from "../../src/oci/digest.js";
import type { Descriptor } from "../../src/oci/documents.js";
import { encodeConfig, encodeManifest } from "../../src/oci/encode.js";
import { OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../src/oci/mediaTypes.js";
import { Store, type StoreOptions } from "../../src/store/store.js";
import { sha256Hex } from "../../src/support/hash.js";

const directories: string[] = [];
const opened: Store[] = [];

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

/** An empty directory that is removed after the test. */
export function tempDirectory(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-store-"));
  directories.push(directory);
  return directory;
}

/** A store that is closed after the test. */
export async function openStore(
  location = path.join(tempDirectory(), "store"),
  options: StoreOptions = {},
): Promise<Store> {
  const store = await Store.open(location, options);
  opened.push(store);
  return store;
}

/** A store as another process sees it: closed at once, so that nothing of it is leased. */
export async function withStore<T>(
  location: string,
  work: (store: Store) => T | Promise<T>,
  options: StoreOptions = {},
): Promise<T> {
  const store = await Store.open(location, options);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** An image of one layer with that content. */
export function putImage(store: Store, content: string): { descriptor: Descriptor; layer: Digest; config: Digest } {
  const layer = store.putBlob(Buffer.from(content));
  return putImageOf(store, { ...layer, mediaType: OCI_LAYER }, layer.digest);
}

/** An image whose layer is compressed: the blob's bytes are just `content` here, the diffID that of `plain`. */
export function putCompressedImage(store: Store, content: string, plain: string) {
  const layer = store.putBlob(Buffer.from(content));
  const diffId = digestOfHex(sha256Hex(plain));
  return { ...putImageOf(store, { ...layer, mediaType: OCI_LAYER_GZIP }, diffId), diffId };
}

function putImageOf(store: Store, layer: Descriptor, diffId: Digest) {
  const config = store.putBlob(
    encodeConfig({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [diffId] }, history: [] }),
  );
  const manifest = store.putBlob(
    encodeManifest({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { ...config, mediaType: OCI_CONFIG },
      layers: [layer],
    }),
  );
  return { descriptor: { ...manifest, mediaType: OCI_MANIFEST }, layer: layer.digest, config: config.digest };
}

/** The digest of a text. */
export function digestOf(text: string): Digest {
  return digestOfHex(sha256Hex(text));
}

/** 64 hex digits made from a text. */
export function keyOf(text: string): string {
  return hexOf(digestOf(text));
}

/** Changes one byte of a file, whatever its mode. */
export function flipByte(file: string, offset: number): void {
  const mode = fs.statSync(file).mode;
  fs.chmodSync(file, 0o600);
  const bytes = fs.readFileSync(file);
  bytes[offset] = bytes[offset]! ^ 0x20;
  fs.writeFileSync(file, bytes);
  fs.chmodSync(file, mode & 0o777);
}

/** Sets a file's times back. */
export function age(file: string, milliseconds: number): void {
  const time = Date.now() / 1000 - milliseconds / 1000;
  fs.utimesSync(file, time, time);
}

/** Permission bits of a file. */
export function modeOf(file: string): number {
  return fs.statSync(file).mode & 0o7777;
}

/** All files below a directory with their content, to see that nothing was touched. */
export function contentsOf(directory: string): Record<string, string> {
  const result: Record<string, string> = {};
  for (const entry of fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    result[path.relative(directory, file)] = entry.isFile() ? fs.readFileSync(file, "latin1") : "";
  }
  return result;
}

/** True if a program can be run. */
export function hasTool(name: string, args = ["--version"]): boolean {
  return spawnSync(name, args, { stdio: "ignore" }).status === 0;
}

/** True if this test may mount file systems. */
export function canMount(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-mount-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", directory]).status === 0;
  if (mounted) spawnSync("umount", [directory]);
  fs.rmdirSync(directory);
  return mounted;
}
