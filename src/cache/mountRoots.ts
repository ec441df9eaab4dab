/** Where the lists of what a RUN binds from contexts begin. */
import type { FileTree } from "../layer/fileTree.js";
import type { Json } from "../support/json.js";
import { type ListRoot, rootOf, type StepRoots } from "./listRoots.js";
import { contextMountNode, type PlannedRunMount, type PlannedSource } from "./runMounts.js";

/**
 * The roots of a RUN's mounts.
 * @param planned as they were keyed
 * @param ingredients what `runMountIngredients` made of them
 * @param contextOf the opened context of a name
 */
export function mountRoots(
  planned: readonly PlannedRunMount[],
  ingredients: readonly Json[],
  contextOf: (name: string) => FileTree,
): StepRoots {
  const roots = planned.flatMap((mount, i): readonly ListRoot[] => {
    const source = sourceOf(mount);
    const digest = digestOf(ingredients[i]);
    if (source?.from.kind !== "context" || digest === undefined) return [];
    const context = contextOf(source.from.name);
    return [rootOf({ kind: "mount", mount: i }, context, contextMountNode(context, source.path), digest)];
  });
  return { words: [], roots };
}

/** Names of the contexts that mounts show something of. */
export function mountedContexts(planned: readonly PlannedRunMount[]): readonly string[] {
  return planned.flatMap((mount) => {
    const source = sourceOf(mount);
    return source?.from.kind === "context" ? [source.from.name] : [];
  });
}

function sourceOf(mount: PlannedRunMount): PlannedSource | undefined {
  if (mount.kind === "bind") return mount.source;
  return mount.kind === "cache" ? mount.seed : undefined;
}

function digestOf(ingredient: Json | undefined): string | undefined {
  const { source, seed } = (ingredient ?? {}) as { readonly source?: Json; readonly seed?: Json };
  const { kind, digest } = (source ?? seed ?? {}) as { readonly kind?: Json; readonly digest?: Json };
  return kind === "context" && typeof digest === "string" ? digest : undefined;
}
