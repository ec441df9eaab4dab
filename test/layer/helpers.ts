/** Small layers and trees for tests, made from lists of entries. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSink } from "../../src/layer/chunkSink.js";
import type { ContentReader } from "../../src/layer/fileTree.js";
import { LayerIndexer } from "../../src/layer/indexTar.js";
import { LayerTree } from "../../src/layer/layerTree.js";
import { LayerWriter } from "../../src/layer/layerWriter.js";
import type { TarEntry } from "../../src/tar/entry.js";
import { TarWriter } from "../../src/tar/write.js";

export type Member = Partial<TarEntry> & { readonly path: string; readonly content?: string };

/** A whole entry from what a test cares for. */
export function entryOf(member: Member): TarEntry {
  const { content, ...rest } = member;
  const type = rest.type ?? (member.path.endsWith("/") ? "dir" : "file");
  return {
    mode: type === "dir" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    ...rest,
    path: member.path.replace(/\/$/, ""),
    type,
    size: type === "file" ? Buffer.byteLength(content ?? "", "latin1") : 0,
  };
}

/** An uncompressed tar of the members, in their order. */
export function tarOf(members: readonly Member[]): Buffer {
  const chunks: Buffer[] = [];
  const writer = new TarWriter((chunk) => void chunks.push(Buffer.from(chunk)));
  for (const member of members) writer.add(entryOf(member), Buffer.from(member.content ?? "", "latin1"));
  writer.end();
  return Buffer.concat(chunks);
}

/** The index of a tar. */
export function indexOf(tar: Buffer, options: { readonly whiteouts?: boolean } = {}): ReturnType<LayerIndexer["end"]> {
  const indexer = new LayerIndexer(options);
  indexer.write(tar);
  return indexer.end();
}

/** The merged tree of some layers, lowest first. */
export function treeOf(...layers: readonly (readonly Member[])[]): LayerTree {
  return new LayerTree(
    layers.map((members) => {
      const tar = tarOf(members);
      return {
        index: indexOf(tar).index,
        content: {
          prepare: async () => {},
          read: (target: Buffer, at: number, length: number, position: number) =>
            tar.copy(target, at, position, position + length),
        },
      };
    }),
  );
}

/** Everything in a tree: `path type mode uid:gid …`, one line each. */
export function listTree(tree: LayerTree): string[] {
  const lines: string[] = [];
  const visit = (node: Parameters<LayerTree["children"]>[0], path: string): void => {
    for (const child of tree.children(node)) {
      const here = path === "" ? child.name : `${path}/${child.name}`;
      const more =
        child.type === "symlink"
          ? ` -> ${child.link}`
          : child.type === "file"
            ? ` ${readContent(tree.open(child))}`
            : "";
      lines.push(`${here} ${child.type} ${child.mode.toString(8)} ${child.uid}:${child.gid}${more}`);
      visit(child, here);
    }
  };
  visit(tree.root, "");
  return lines;
}

/** A reader of bytes. */
export function readerOf(bytes: Buffer): ContentReader {
  let position = 0;
  return {
    read: (target, at, length) => {
      const taken = bytes.copy(target, at, position, position + length);
      position += taken;
      return taken;
    },
    close: () => {},
  };
}

/** What is left in a reader. */
export function readContent(reader: ContentReader): string {
  const parts: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(1000);
    const got = reader.read(chunk, 0, chunk.length);
    if (got === 0) break;
    parts.push(chunk.subarray(0, got));
  }
  reader.close();
  return Buffer.concat(parts).toString("latin1");
}

/** Runs `fill` with a layer writer and gives the tar's bytes. `expectedSize` chooses the sink. */
export async function writtenLayer(
  fill: (writer: LayerWriter) => void | Promise<void>,
  expectedSize = 0,
): Promise<{ readonly tar: Buffer; readonly layer: Awaited<ReturnType<LayerWriter["finish"]>> }> {
  const dir = mkdtempSync(join(tmpdir(), "nacre-layer-"));
  const fd = openSync(join(dir, "layer.tar"), "w");
  try {
    const writer = new LayerWriter(createSink(fd, expectedSize));
    await fill(writer);
    const layer = await writer.finish();
    return { tar: readFileSync(join(dir, "layer.tar")), layer };
  } finally {
    closeSync(fd);
    rmSync(dir, { recursive: true });
  }
}
