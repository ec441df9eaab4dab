/** What steps take files from. */
import type { CopyStep, FileState, Step, StepId } from "../plan/graph.js";
import { isGit, isUrl } from "../plan/remoteSources.js";

/** True for a copy that does not look at what it is laid over. With `--chmod`, BuildKit takes `--link` as absent. */
export function isLinked(step: Step): boolean {
  return step.kind === "copy" && step.link && step.chmod === undefined;
}

/** True for an ADD with sources that are no files of its context. */
export function hasRemoteSources({ keyword, sources }: CopyStep): boolean {
  return keyword === "ADD" && sources.some((word) => isUrl(word) || isGit(word));
}

/** The file systems that a step looks at, the one below it first. */
export function statesOf(step: Step): FileState[] {
  const states: FileState[] = isLinked(step) ? [] : [step.parent];
  if (step.kind === "copy") states.push(step.from);
  if (step.kind === "run") for (const source of step.mountSources) if (source) states.push(source);
  return states;
}

/** The steps that a step takes files from, the one below it first. */
export function inputsOf(step: Step): StepId[] {
  return [...new Set(statesOf(step).flatMap((state) => (state.kind === "step" ? [state.id] : [])))];
}
