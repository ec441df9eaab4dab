/** A tree made of path names, filtered as a context is. */
import type { IgnoreMatcher, IgnoreState } from "../../src/context/ignoreMatcher.js";
import { toByteString } from "../../src/support/bytes.js";

interface Dir {
  readonly [name: string]: Dir | null;
}

/**
 * The paths that are kept, directories with a slash at the end, sorted.
 * @param prune leave ignored directories alone below which nothing can be included again
 */
export function keptPaths(files: readonly string[], matcher: IgnoreMatcher, prune: boolean): string[] {
  const kept: string[] = [];
  walk(treeOf(files), "", matcher.root);
  return kept.sort();

  function walk(dir: Dir, above: string, state: IgnoreState): boolean {
    let any = false;
    for (const [name, below] of Object.entries(dir)) {
      const path = above + name;
      if (below === null) {
        if (matcher.decide(toByteString(name), state).ignored) continue;
        kept.push(path);
        any = true;
        continue;
      }
      const inner = matcher.enter(toByteString(name), state);
      const walked = inner.ignored && prune && !matcher.mayReinclude(inner) ? false : walk(below, `${path}/`, inner);
      if (inner.ignored && !walked) continue;
      kept.push(`${path}/`);
      any = true;
    }
    return any;
  }
}

function treeOf(files: readonly string[]): Dir {
  const root: Record<string, Dir | null> = Object.create(null);
  for (const file of files) {
    let at = root;
    const parts = file.split("/");
    for (const part of parts.slice(0, -1)) {
      at[part] ??= Object.create(null) as Record<string, Dir | null>;
      at = at[part] as Record<string, Dir | null>;
    }
    at[parts.at(-1)!] = null;
  }
  return root;
}
