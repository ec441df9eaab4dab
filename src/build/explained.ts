/** The way from a failed look-up to its explanation, which is loaded only then. */
import type { FileTree } from "../layer/fileTree.js";
import type { CopyStep, Plan, RunStep } from "../plan/graph.js";
import { isNacreError } from "../support/errors.js";
import type { Contexts } from "./contexts.js";

/**
 * The error with an explanation, if it is that of a source which is not there; any other error as it is.
 * @param tree where the step's sources are looked up
 */
export async function explained(
  error: unknown,
  step: CopyStep,
  plan: Plan,
  tree: FileTree,
  contexts: Contexts,
): Promise<unknown> {
  if (!isNacreError(error) || error.code !== "SOURCE_NOT_FOUND" || error.facts.causes !== undefined) return error;
  const { explainCopySource } = await import("./explainSource.js");
  const context = step.from.kind === "context" ? undefined : await contexts.lookAtMain();
  return explainCopySource(error, step, plan, tree, context);
}

/** The same for a bind mount of a context. */
export async function explainedMount(error: unknown, step: RunStep, name: string, tree: FileTree): Promise<unknown> {
  if (!isNacreError(error) || error.code !== "MOUNT" || error.facts.resolved === undefined) return error;
  const { explainMountSource } = await import("./explainSource.js");
  return explainMountSource(error, step, name, tree);
}
