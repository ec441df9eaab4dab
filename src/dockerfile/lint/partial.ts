/** What can be said of a Dockerfile that does not parse: its instructions up to the error. */
import { isNacreError } from "../../support/errors.js";
import type { Instruction, SourceWarning } from "../ast.js";
import { parseInstruction } from "../instruction.js";
import { Scanner } from "../scan.js";
import { SourceText } from "../sourceText.js";
import { instructionFindings } from "./textRules.js";

/** The readable beginning of a file. */
export interface Beginning {
  readonly instructions: readonly Instruction[];
  /** What was noted while reading it, and the findings of each instruction by itself. */
  readonly findings: readonly SourceWarning[];
}

/** Reads up to the first error. Never throws for what the text says. */
export function readBeginning(text: string, file: string): Beginning {
  const scanner = new Scanner(new SourceText(file, text), { escape: "\\", directives: true, tolerant: false });
  const instructions: Instruction[] = [];
  const noted: SourceWarning[] = [];
  try {
    for (let statement = scanner.next(); statement; statement = scanner.next()) {
      instructions.push(parseInstruction(statement, (warning) => noted.push(warning)));
    }
  } catch (error) {
    if (!isNacreError(error)) throw error;
  }
  return { instructions, findings: [...scanner.warnings, ...noted, ...instructions.flatMap(instructionFindings)] };
}
