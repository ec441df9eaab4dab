/** Which files of the main context the steps of a plan read: what COPY, ADD and bind mounts take from it. */
import { contextMountNode, mountSourcePath } from "../cache/runMounts.js";
import { type ExcludeFilter, excludeFilter } from "../context/exclude.js";
import { isBelowMatch, selectSources, selectWithParents } from "../context/select.js";
import { parseMount } from "../dockerfile/mount.js";
import type { FileTree, TreeNode } from "../layer/fileTree.js";
import type { CopyStep, Plan, RunStep } from "../plan/graph.js";
import { isGit, isUrl } from "../plan/remoteSources.js";
import { isNacreError } from "../support/errors.js";

/** A part of the context that one source word takes. */
export interface UsedPart {
  /** The step that reads it. */
  readonly step: CopyStep | RunStep;
  /** The source word, or the source of a mount. */
  readonly word: string;
  /** The file or directory. */
  readonly node: TreeNode;
  /** What below `node` is not taken (`--exclude`, `--parents` with patterns); undefined if all is. */
  readonly takes?: ((below: TreeNode) => boolean) | undefined;
}

/** Everything that the steps of a plan take from the main context. Sources that are not there take nothing. */
export function usedParts(plan: Plan, context: FileTree): readonly UsedPart[] {
  return plan.steps.flatMap((step) => {
    if (step.kind === "copy") return copiedParts(step, context);
    return step.kind === "run" ? mountedParts(step, context) : [];
  });
}

/** What one COPY or ADD takes from the main context; nothing if it copies from elsewhere. */
export function copiedParts(step: CopyStep, context: FileTree): readonly UsedPart[] {
  if (step.from.kind !== "context" || step.from.name !== "") return [];
  const exclude = step.exclude.length === 0 ? undefined : excludeFilter(step.exclude);
  const local = step.sources.filter((word) => !isUrl(word) && !isGit(word));
  return local.flatMap((word) => whereThere(() => wordParts(step, word, context, exclude)));
}

function wordParts(
  step: CopyStep,
  word: string,
  context: FileTree,
  exclude: ExcludeFilter | undefined,
): readonly UsedPart[] {
  if (!step.parents) {
    return selectSources(context, word).map(({ node }) => ({
      step,
      word,
      node,
      takes: exclude && ((below: TreeNode) => exclude(node, below)),
    }));
  }
  return selectWithParents(context, word).map((selection) => {
    const { root } = selection;
    const takes = (below: TreeNode): boolean => isBelowMatch(selection, below) && (exclude?.(root, below) ?? true);
    return { step, word, node: root, takes };
  });
}

function mountedParts(step: RunStep, context: FileTree): readonly UsedPart[] {
  return step.mounts.flatMap((value, i) => {
    const from = step.mountSources[i];
    const mount = parseMount(value);
    if (mount.type !== "bind" || from?.kind !== "context" || from.name !== "") return [];
    const path = mountSourcePath(mount.source);
    return whereThere(() => [{ step, word: mount.source, node: contextMountNode(context, path) }]);
  });
}

function whereThere(work: () => readonly UsedPart[]): readonly UsedPart[] {
  try {
    return work();
  } catch (error) {
    if (isNacreError(error)) return [];
    throw error;
  }
}

/** Tells of a name in the context whether any of the parts takes it. Nodes must be of the tree that the parts are of. */
export class UsedFiles {
  readonly #parts = new Map<TreeNode, UsedPart[]>();
  readonly #above = new Set<TreeNode>();

  constructor(parts: readonly UsedPart[]) {
    for (const part of parts) {
      const { node } = part;
      this.#parts.set(node, [...(this.#parts.get(node) ?? []), part]);
      for (let at = node.parent; at !== undefined; at = at.parent) this.#above.add(at);
    }
  }

  /** True if nothing is taken at all. */
  get isEmpty(): boolean {
    return this.#parts.size === 0;
  }

  /** True if a part takes this file or directory, by itself or with a directory above it. */
  takes(node: TreeNode): boolean {
    return this.takersOf(node).length > 0;
  }

  /** The parts that take this file or directory. */
  takersOf(node: TreeNode): readonly UsedPart[] {
    const takers: UsedPart[] = [];
    for (let at: TreeNode | undefined = node; at !== undefined; at = at.parent) {
      for (const part of this.#parts.get(at) ?? []) {
        if (part.takes === undefined || (node === at && node.type !== "dir") || part.takes(node)) takers.push(part);
      }
    }
    return takers;
  }

  /** True if some part begins below this directory. */
  reachesBelow(node: TreeNode): boolean {
    return this.#above.has(node);
  }
}
