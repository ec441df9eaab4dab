/** Where COPY and RUN name stages. */
import type { Dockerfile, Instruction } from "../ast.js";
import type { Offsets, TextEdit } from "./edits.js";
import { instructionsOf } from "./textRules.js";

/**
 * Edits that write each reference to a stage in lower case. They mean the same without: COPY and mounts find stages in
 * any case. FROM does not, so what it names in upper case is no stage, and triggers of ONBUILD belong to other builds.
 */
export function stageReferenceEdits(file: Dockerfile, offsets: Offsets, name: string): readonly TextEdit[] {
  return instructionsOf(file).flatMap((instruction) => [
    ...copyReference(instruction, offsets, name),
    ...mountReferences(instruction, offsets, name),
  ]);
}

function copyReference(instruction: Instruction, offsets: Offsets, name: string): readonly TextEdit[] {
  if (instruction.keyword !== "COPY") return [];
  const { from } = instruction;
  const flag = instruction.flags.find((one) => one.name === "from");
  if (!flag || from === undefined || from === name || from.toLowerCase() !== name) return [];
  return offsets.slice(flag.valueRange) === from ? [{ range: flag.valueRange, text: name }] : [];
}

function mountReferences(instruction: Instruction, offsets: Offsets, name: string): readonly TextEdit[] {
  if (instruction.keyword !== "RUN") return [];
  return instruction.mounts.flatMap(({ raw, range }) => {
    const text = raw.replace(/(^|,)(from=)([^,"]*)/gi, (whole, comma, key, from) =>
      from.toLowerCase() === name ? `${comma}${key}${name}` : whole,
    );
    return text !== raw && offsets.slice(range) === raw ? [{ range, text }] : [];
  });
}
