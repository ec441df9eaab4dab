/** Brings together what {@link explainMissing} needs to know of a step whose source is not there. */
import { mountSourcePath } from "../cache/runMounts.js";
import type { Context } from "../context/context.js";
import { parseMount } from "../dockerfile/mount.js";
import type { FileTree } from "../layer/fileTree.js";
import type { CopyStep, Plan, RunStep } from "../plan/graph.js";
import type { NacreError } from "../support/errors.js";
import type { SourcePlace, SourceRange } from "../support/source.js";
import { explainMissing, type SourceTree } from "./missingSource.js";

/**
 * Explains why a COPY or ADD found no source.
 * @param tree where it was looked up
 * @param context the main context, for a step with `--from`
 */
export function explainCopySource(
  error: NacreError,
  step: CopyStep,
  plan: Plan,
  tree: FileTree | Context,
  context?: FileTree,
): Promise<NacreError> {
  const at = step.sources.indexOf(String(error.facts.word));
  const range = step.sourceRanges?.[at];
  return explainMissing({
    error,
    where: step.from.kind === "context" ? contextTree(step.from.name, tree) : stageTree(step, plan, tree),
    place: range ? { ...step.place, range } : step.place,
    written: range && textAt(step.place, range),
    // A trigger's stages are those of another file.
    stage: step.sourceRanges === undefined || (step.from.kind === "context" && step.from.name) ? undefined : step.stage,
    context,
  });
}

/** Explains why a bind mount found no source in a context. */
export function explainMountSource(
  error: NacreError,
  step: RunStep,
  name: string,
  tree: FileTree | Context,
): Promise<NacreError> {
  const place = mountPlace(step, error.facts.path);
  return explainMissing({ error, where: contextTree(name, tree), place, stage: step.stage });
}

/** The `--mount` that names the path; the instruction where that cannot be told. */
function mountPlace({ mounts, mountPlaces, place }: RunStep, path: unknown): SourcePlace {
  const index = mounts.findIndex((value) => {
    const mount = parseMount(value);
    return mount.type === "bind" && mountSourcePath(mount.source) === path;
  });
  return mountPlaces?.[index] ?? place;
}

function contextTree(name: string, tree: FileTree | Context): SourceTree {
  const title = name === "" ? "the build context" : `the context ${name}`;
  if (!("ignoredBy" in tree)) return { title, kind: "context", tree };
  return { title, kind: "context", tree, ignoredBy: (path) => tree.ignoredBy(path), directory: tree.directory };
}

/** The stage or image as `--from` names it. */
function stageTree(step: CopyStep, plan: Plan, tree: FileTree): SourceTree {
  const from = /--from=["']?([^\s"']+)/.exec(textAt(step.place, step.place.range))?.[1] ?? "";
  const stage = plan.stages.find(({ name, index }) => name === from.toLowerCase() || String(index) === from);
  if (stage) return { title: `the stage ${stage.name}`, kind: "stage", tree, workdir: stage.config.WorkingDir };
  const title = from === "" ? "the source" : `the image ${from}`;
  return { title, kind: "image", tree };
}

/** The text of a range; a range of several lines up to the end of its first one. */
function textAt({ text }: SourcePlace, { start, end }: SourceRange): string {
  const lines = text.split("\n").slice(start.line - 1, end.line);
  if (lines.length === 1) return lines[0]!.slice(start.column, end.column);
  return lines.join("\n").slice(start.column);
}
