/**
 * Reads Dockerfiles. In comes the text of a file (decoded by support/bytes.ts, so that every byte survives); out comes
 * a {@link Dockerfile}: directives, global ARGs and stages of typed instructions, nothing expanded yet, every
 * instruction and word with its exact place. Promises: what BuildKit's frontend accepts is accepted and read as it reads
 * it; what is refused is refused with a NacreError that points at the word at fault; time and memory grow linearly with
 * the text; no I/O.
 */
import { isNacreError, NacreError } from "../support/errors.js";
import type { SourcePlace, SourceRange } from "../support/source.js";
import type {
  ArgInstruction,
  Dockerfile,
  EscapeToken,
  FromInstruction,
  Instruction,
  SourceWarning,
  StageSource,
} from "./ast.js";
import { parseInstruction } from "./instruction.js";
import { checkTrigger } from "./instructions/onbuild.js";
import { Scanner } from "./scan.js";
import { SourceText } from "./sourceText.js";

const START: SourceRange = { start: { line: 1, column: 0 }, end: { line: 1, column: 0 } };

/**
 * Parses a Dockerfile.
 * @param file its name as the user gave it, for errors
 * @throws NacreError DOCKERFILE_SYNTAX, or LIMIT_EXCEEDED for a line over 65,535 bytes or a hostile file
 */
export function parseDockerfile(text: string, file: string): Dockerfile {
  const source = new SourceText(file, text);
  if (text === "") throw source.error("the Dockerfile cannot be empty", START, "begin it with FROM");
  const scanner = new Scanner(source, { escape: "\\", directives: true, tolerant: false });
  const warnings: SourceWarning[] = [];
  const stages = new Stages(source);
  for (let statement = scanner.next(); statement; statement = scanner.next()) {
    stages.add(parseInstruction(statement, (warning) => warnings.push(warning), scanner.missedHeredoc));
  }
  const result = stages.finish();
  const all = [...scanner.warnings, ...warnings].sort((a, b) => a.range.start.line - b.range.start.line);
  return { file, text, escape: scanner.escape, directives: scanner.directives, ...result, warnings: all };
}

/**
 * Parses one trigger of a base image or parent stage: a single instruction, heredoc bodies following in the text.
 * @param place the FROM line: range and errors of the trigger are those of it
 * @throws NacreError DOCKERFILE_SYNTAX, also for ONBUILD, FROM and MAINTAINER
 */
export function parseTrigger(text: string, escapeToken: EscapeToken, place: SourcePlace): Instruction {
  try {
    return { ...readTrigger(new SourceText(place.file, text, place), escapeToken), onbuild: true };
  } catch (error) {
    if (!isNacreError(error)) throw error;
    const line = text.split("\n", 1)[0] ?? "";
    const shown = line.length > 80 ? `${line.slice(0, 79)}…` : line;
    const message = `ONBUILD trigger ${JSON.stringify(shown)} of the base: ${error.message}`;
    throw new NacreError(error.code, message, { hint: error.hint, place, cause: error });
  }
}

function readTrigger(source: SourceText, escapeToken: EscapeToken): Instruction {
  const scanner = new Scanner(source, { escape: escapeToken, directives: false, tolerant: false });
  const start = { line: 1, column: 0 };
  const nowhere = { start, end: start };
  const hint = "use a base without this trigger, or correct the ONBUILD that made it";
  const statement = scanner.next();
  if (!statement) throw source.error("file with no instructions", nowhere, hint);
  if (scanner.next()) throw source.error("onbuild trigger should be a single expression", nowhere, hint);
  checkTrigger(statement);
  return parseInstruction(statement, () => {});
}

/** Sorts instructions into global ARGs and stages. */
class Stages {
  readonly #source: SourceText;
  readonly #globalArgs: ArgInstruction[] = [];
  readonly #stages: { from: FromInstruction; instructions: Exclude<Instruction, FromInstruction>[] }[] = [];

  constructor(source: SourceText) {
    this.#source = source;
  }

  add(instruction: Instruction): void {
    const stage = this.#stages.at(-1);
    if (instruction.keyword === "FROM") this.#stages.push({ from: instruction, instructions: [] });
    else if (stage) stage.instructions.push(instruction);
    else if (instruction.keyword === "ARG") this.#globalArgs.push(instruction);
    else throw this.#outside(instruction);
  }

  finish(): { globalArgs: readonly ArgInstruction[]; stages: readonly StageSource[] } {
    if (this.#stages.length === 0) throw this.#nothing();
    const stages = this.#stages.map(({ from, instructions }, index) => ({
      index,
      name: from.name,
      from,
      instructions,
    }));
    return { globalArgs: this.#globalArgs, stages };
  }

  #outside({ keyword, range: { start } }: Instruction): NacreError {
    const hint = `only ARG may stand before the first FROM; put FROM before this ${keyword}`;
    // A keyword may be broken by a continuation.
    const line = this.#source.text.split("\n", start.line).at(-1) ?? "";
    const end = { line: start.line, column: Math.min(start.column + keyword.length, line.length) };
    const word = { start, end };
    return this.#source.error("no build stage in current context", word, hint);
  }

  #nothing(): NacreError {
    const last = this.#globalArgs.at(-1);
    const hint = "add FROM with the image to start from, or FROM scratch";
    if (last) return this.#source.error("dockerfile contains no stages to build", last.range, hint);
    return this.#source.error("file with no instructions", START, hint);
  }
}
