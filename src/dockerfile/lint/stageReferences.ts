/** Where COPY and RUN name stages. */
import type { Dockerfile, Instruction } from "../ast.js";
import type { Offsets, TextEdit } from "./edits.js";
import { instructionsOf } from "./textRules.js";

/** An edit that writes a reference in lower case, with the name that it then has. */
type Reference = readonly [name: string, edit: TextEdit];

/**
 * Edits that write references to stages in lower case, by the stage's name. The references mean the same without: COPY and
 * mounts find stages in any case. FROM does not, so what it names in upper case is no stage, and triggers of ONBUILD
 * belong to other builds.
 */
export function stageReferenceEdits(file: Dockerfile, offsets: Offsets): ReadonlyMap<string, readonly TextEdit[]> {
  const names = new Set(file.stages.flatMap(({ name }) => name ?? []));
  const found = new Map<string, TextEdit[]>();
  for (const instruction of instructionsOf(file)) {
    const references = [...copyReference(instruction, offsets), ...mountReferences(instruction, offsets, names)];
    for (const [name, edit] of references) append(found, name, edit);
  }
  return found;
}

function copyReference(instruction: Instruction, offsets: Offsets): readonly Reference[] {
  if (instruction.keyword !== "COPY") return [];
  const { from, flags } = instruction;
  const flag = flags.find((one) => one.name === "from");
  const name = from?.toLowerCase();
  if (!flag || name === undefined || from === name || offsets.slice(flag.valueRange) !== from) return [];
  return [[name, { range: flag.valueRange, text: name }]];
}

function mountReferences(instruction: Instruction, offsets: Offsets, names: ReadonlySet<string>): readonly Reference[] {
  if (instruction.keyword !== "RUN") return [];
  return instruction.mounts.flatMap(({ raw, range }): readonly Reference[] => {
    let stage = "";
    const text = raw.replace(/(^|,)(from=)([^,"]*)/gi, (whole, comma: string, key: string, from: string) => {
      const name = from.toLowerCase();
      if (!names.has(name)) return whole;
      stage = name;
      return `${comma}${key}${name}`;
    });
    return text !== raw && offsets.slice(range) === raw ? [[stage, { range, text }]] : [];
  });
}

function append(found: Map<string, TextEdit[]>, name: string, edit: TextEdit): void {
  const edits = found.get(name);
  if (edits) edits.push(edit);
  else found.set(name, [edit]);
}
