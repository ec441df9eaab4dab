/**
 * Looks at a saved image without any of nacre's own code: every digest, every size, every diffID, and the files that say
 * what the image was built with.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { bytesOf, CONTENTS, LABEL } from "./siegeWorld.js";

interface Described {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
}

/**
 * Verifies an OCI layout directory that holds one image.
 * @returns the content that the image was built with
 * @throws Error naming the first thing that is wrong
 */
export function verifyArchive(directory: string): string {
  const index = JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as { manifests: Described[] };
  if (index.manifests.length !== 1) throw new Error(`${index.manifests.length} images instead of one`);
  const manifest = json(blob(directory, index.manifests[0]!)) as { config: Described; layers: Described[] };
  const config = json(blob(directory, manifest.config)) as {
    config?: { Labels?: Record<string, string> };
    rootfs: { diff_ids: string[] };
  };
  const layers = manifest.layers.map((layer) => uncompressed(blob(directory, layer)));
  const diffIds = layers.map(digestOf);
  if (String(diffIds) !== String(config.rootfs.diff_ids)) throw new Error("the diffIDs are not those of the config");
  const content = config.config?.Labels?.[LABEL];
  if (content === undefined) throw new Error("the label is missing");
  if ((CONTENTS as readonly string[]).includes(content)) verifyFiles(layers, content);
  return content;
}

function verifyFiles(layers: readonly Buffer[], content: string): void {
  const expected = bytesOf(content);
  const found = layers.flatMap((tar) => filesOf(tar)).filter(({ name }) => name === "content" || name === "copied");
  if (!found.some(({ name }) => name === "content")) throw new Error("the file content is missing");
  for (const { name, bytes } of found) {
    if (!bytes.equals(expected)) throw new Error(`the file ${name} is not ${content}: ${bytes.subarray(0, 20)}`);
  }
}

function blob(directory: string, { digest, size }: Described): Buffer {
  const bytes = readFileSync(join(directory, "blobs", "sha256", digest.slice(7)));
  if (bytes.length !== size) throw new Error(`${digest} has ${bytes.length} bytes instead of ${size}`);
  if (digestOf(bytes) !== digest) throw new Error(`${digest} has other bytes`);
  return bytes;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function uncompressed(bytes: Buffer): Buffer {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
}

/** The regular files of a plain tar. */
function filesOf(tar: Buffer): { readonly name: string; readonly bytes: Buffer }[] {
  const files = [];
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const text = (from: number, length: number): string =>
      tar.toString("latin1", at + from, at + from + length).split("\0")[0]!;
    const size = Number.parseInt(text(124, 12), 8);
    const bytes = tar.subarray(at + 512, at + 512 + size);
    if (text(156, 1) === "0") files.push({ name: text(0, 100).replace(/^\.?\//, ""), bytes });
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

function json(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString("utf8"));
}
