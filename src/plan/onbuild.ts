/**
 * ONBUILD triggers: what a base left for the stages that are built on it. They run before the stage's own instructions
 * and are then used up (BuildKit: dispatchOnBuildTriggers).
 */
import type { FromInstruction, Instruction } from "../dockerfile/ast.js";
import { parseTrigger } from "../dockerfile/dockerfile.js";
import type { KnownBase } from "./graph.js";
import type { Notes } from "./notes.js";
import type { StageNode } from "./stageGraph.js";

/** An instruction inside a stage: anything but FROM. */
export type StageInstruction = Exclude<Instruction, FromInstruction>;

/** Trigger texts that a stage leaves behind: those it declares itself, for the ones it got are used up. */
export function declaredTriggers(node: StageNode): readonly string[] {
  return node.source.instructions.flatMap((one) => (one.keyword === "ONBUILD" ? [one.trigger] : []));
}

/** Trigger texts of an image. */
export function imageTriggers(base: KnownBase): readonly string[] {
  return base.kind === "image" ? (base.config.config?.OnBuild ?? []) : [];
}

/**
 * The triggers as instructions of the stage; their place is its FROM line. They are always read with the backslash as
 * escape, whatever the file's directive says, because they come from another file.
 * @throws NacreError if a trigger is no instruction that may be one
 */
export function parseTriggers(texts: readonly string[], node: StageNode, notes: Notes): readonly StageInstruction[] {
  const { file, text: whole } = notes.file;
  return texts.flatMap((text) => {
    const range = notes.remark(node.source.from.range, `ONBUILD ${text.split("\n", 1)[0]} (from the base)`);
    const instruction = parseTrigger(text, "\\", { file, text: whole, range });
    return instruction.keyword === "FROM" ? [] : [instruction];
  });
}
