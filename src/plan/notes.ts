/** What the planner has to say about a Dockerfile: places, errors with places, warnings collected on the way. */
import type { Dockerfile, InstructionBase } from "../dockerfile/ast.js";
import { type ErrorDetails, isNacreError, NacreError } from "../support/errors.js";
import type { SourcePlace, SourceRange } from "../support/source.js";
import type { PlanWarning } from "./graph.js";

/** The file that is being planned, and its warnings so far. */
export class Notes {
  readonly file: Dockerfile;
  readonly #warnings = new Map<string, PlanWarning>();

  constructor(file: Dockerfile) {
    this.file = file;
  }

  /** Each warning once per place, in order of appearance. */
  get warnings(): readonly PlanWarning[] {
    return [...this.#warnings.values()];
  }

  place(range: SourceRange): SourcePlace {
    return { file: this.file.file, text: this.file.text, range };
  }

  /** @param range absent for remarks about the command line */
  warn(rule: string, message: string, range?: SourceRange): void {
    const key = `${rule} ${range?.start.line ?? 0}:${range?.start.column ?? 0} ${message}`;
    if (this.#warnings.has(key)) return;
    this.#warnings.set(key, { rule, message, ...(range ? { place: this.place(range) } : {}) });
  }

  /** A PLAN_INVALID error at a place of this file. */
  invalid(message: string, range: SourceRange, details: Omit<ErrorDetails, "place"> = {}): NacreError {
    return new NacreError("PLAN_INVALID", message, { ...details, place: this.place(range) });
  }

  /** Runs `work`; an expected failure without a place gets this one. */
  at<T>(range: SourceRange, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (isNacreError(error)) throw error.at(this.place(range));
      throw error;
    }
  }
}

/** The range of the value of the flag `--name`, else of the whole instruction. */
export function flagRange(instruction: InstructionBase, name: string): SourceRange {
  return instruction.flags.find((flag) => flag.name === name)?.valueRange ?? instruction.range;
}
