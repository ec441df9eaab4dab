/** Reading the few files of a context whose content advice depends on. */
import type { LocalContext } from "../context/local.js";
import type { TreeNode } from "../layer/fileTree.js";

/** Larger files, in bytes, are not read. */
export const SMALL_TEXT = 64 << 10;

/** The text of a small file; undefined for one that is large or cannot be read, which a build would tell of better. */
export function readSmallText(context: LocalContext, node: TreeNode): string | undefined {
  if (node.type !== "file" || node.size > SMALL_TEXT) return undefined;
  try {
    const reader = context.open(node);
    try {
      const buffer = Buffer.alloc(node.size);
      let at = 0;
      for (let got = 1; got > 0 && at < node.size; at += got) got = reader.read(buffer, at, node.size - at);
      return buffer.toString("utf8", 0, at);
    } finally {
      reader.close();
    }
  } catch {
    return undefined;
  }
}
