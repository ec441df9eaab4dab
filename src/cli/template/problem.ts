/** What is wrong with a template, in the words that Docker has for it. */
import { NacreError } from "../../support/errors.js";

/** Characters of a piece of a template that a message shows. */
const MAX_SHOWN = 80;

/** A failure of a function or of a look-up; the evaluator says where. */
export class TemplateProblem extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** A template that cannot be read. @param at offset into its text */
export function parseProblem(text: string, at: number, message: string): NacreError {
  return failure(`:${placeOf(text, at).line}: ${message}`);
}

/** A template that fails for a row. @param source the piece that fails, as it is written */
export function runProblem(text: string, at: number, source: string, problem: TemplateProblem): NacreError {
  const { line, column } = placeOf(text, at);
  const shown = source.length > MAX_SHOWN ? `${source.slice(0, MAX_SHOWN)}...` : source;
  return failure(`:${line}:${column}: executing "" at <${shown}>: ${problem.message}`, problem.hint);
}

function failure(message: string, hint?: string): NacreError {
  return new NacreError("USAGE", `template parsing error: template: ${message}`, {
    hint: hint ?? "templates are written as for Docker's --format, e.g. {{.Name}}; json prints all fields",
  });
}

/** Lines from 1 and columns (bytes) from 0, as Go counts them. */
function placeOf(text: string, at: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, at);
  const start = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: Buffer.byteLength(before.slice(start)) };
}
