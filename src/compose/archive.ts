/** ADD of archives: laying one over the destination (Docker's pkg/archive for what replaces what). */
import { cleanPath } from "../layer/fileTree.js";
import type { LayerTree, MergedNode } from "../layer/layerTree.js";
import { toByteString } from "../support/bytes.js";
import { type CopyRules, directoryDefaults, type InodeGroup, leafMeta } from "./copy.js";
import { metaOf, type OutNode, type OutTree } from "./outTree.js";

/** Lays an archive over the destination directory. `--chmod` does not reach what an archive holds. */
export function extractInto(out: OutTree, archive: LayerTree, flags: CopyRules): void {
  const rules = { ...flags, chmod: undefined };
  const target = out.makeDirectories(cleanPath(toByteString(rules.destination)), directoryDefaults(rules));
  // An entry for the folder that was packed (`./`) says nothing about the destination.
  extractChildren(out, target, archive, archive.root, rules, new Map());
}

function extractChildren(
  out: OutTree,
  target: OutNode,
  archive: LayerTree,
  source: MergedNode,
  rules: CopyRules,
  group: InodeGroup,
): void {
  for (const child of archive.children(source)) {
    if (child.type !== "dir") {
      out.put(target, child.name, leafMeta(archive, child, rules, group));
      continue;
    }
    // A directory that the archive only implies is looked up like any path: an existing symlink leads on.
    const node =
      child.layer < 0
        ? out.makeDirectories(child.name, { mode: 0o755, uid: 0, gid: 0, mtime: rules.now }, target)
        : out.putDirectory(target, child.name, { ...metaOf(child), ...rules.owner });
    extractChildren(out, node, archive, child, rules, group);
  }
}
