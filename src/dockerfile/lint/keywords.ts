/** The words of instructions that the casing rules look at, with their places. */
import type { SourceRange } from "../../support/source.js";
import type { FromInstruction, InstructionBase, Word } from "../ast.js";

/** The keyword as the author wrote it. */
export function writtenKeyword({ source }: InstructionBase): string {
  return /^\S*/.exec(source)?.[0] ?? "";
}

/** Where the keyword stands. Wrong for a keyword that is broken over two lines; compare the text there before use. */
export function keywordRange(instruction: InstructionBase): SourceRange {
  const { start } = instruction.range;
  const column = start.column + writtenKeyword(instruction).length;
  return { start, end: { line: start.line, column } };
}

/** The words `AS` and NAME of a FROM that has them. */
export function stageNameWords(from: FromInstruction): { readonly as: Word; readonly name: Word } | undefined {
  const [as, name] = from.words.slice(-2);
  return from.name === undefined || !as || !name ? undefined : { as, name };
}

/** `upper` or `lower` for a word in one case, undefined for a mixed one. */
export function caseOf(word: string): "upper" | "lower" | undefined {
  if (word === word.toLowerCase()) return "lower";
  return word === word.toUpperCase() ? "upper" : undefined;
}
