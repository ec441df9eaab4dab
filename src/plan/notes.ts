/** What the planner has to say about a Dockerfile: places, errors with places, warnings collected on the way. */
import type { Dockerfile, InstructionBase } from "../dockerfile/ast.js";
import { newAllowance } from "../dockerfile/expand.js";
import { type ErrorDetails, isNacreError, NacreError } from "../support/errors.js";
import type { SourcePlace, SourceRange } from "../support/source.js";
import type { PlanWarning } from "./graph.js";

/** Entries of environments and histories that stages built on each other may copy; a file that builds has a few thousand. */
const MAX_INHERITED = 1_000_000;
/** All ports three times. */
const MAX_EXPOSED = 3 * 65_536;

/** The file that is being planned, and its warnings so far. */
export class Notes {
  readonly file: Dockerfile;
  readonly #warnings = new Map<string, PlanWarning>();
  readonly #remarks = new WeakMap<SourceRange, string>();
  /** What expanding the words of the file may cost yet. */
  readonly allowance = newAllowance();
  #inherited = 0;
  #exposed = 0;

  constructor(file: Dockerfile) {
    this.file = file;
  }

  /** Each warning once per place, in order of appearance. */
  get warnings(): readonly PlanWarning[] {
    return [...this.#warnings.values()];
  }

  place(range: SourceRange): SourcePlace {
    const note = this.#remarks.get(range);
    return { file: this.file.file, text: this.file.text, range, ...(note === undefined ? {} : { note }) };
  }

  /** A copy of the range, the places of which say what it stands in for. */
  remark(range: SourceRange, note: string): SourceRange {
    const copy = { ...range };
    this.#remarks.set(copy, note);
    return copy;
  }

  /** One whole line of a longer range, counted from its first; the range itself where it stands in for something else. */
  lineRange(range: SourceRange, line: number): SourceRange {
    if (this.#remarks.has(range)) return range;
    const number = range.start.line + line;
    const text = this.file.text.split("\n", number)[number - 1] ?? "";
    const column = text.length - text.trimStart().length;
    return { start: { line: number, column }, end: { line: number, column: text.trimEnd().length } };
  }

  /** @param range absent for remarks about the command line */
  warn(rule: string, message: string, range?: SourceRange, more: Pick<PlanWarning, "hint" | "edit"> = {}): void {
    const key = `${rule} ${range?.start.line ?? 0}:${range?.start.column ?? 0} ${message}`;
    if (this.#warnings.has(key)) return;
    this.#warnings.set(key, { rule, message, ...more, ...(range ? { place: this.place(range) } : {}) });
  }

  /** A PLAN_INVALID error at a place of this file. */
  invalid(message: string, range: SourceRange, details: Omit<ErrorDetails, "place"> = {}): NacreError {
    return new NacreError("PLAN_INVALID", message, { ...details, place: this.place(range) });
  }

  /** Counts what a stage takes over from its parent. @throws NacreError LIMIT_EXCEEDED once it would fill the memory */
  inherit(entries: number, range: SourceRange): void {
    this.#inherited += entries;
    if (this.#inherited <= MAX_INHERITED) return;
    throw this.#limit("the stages take over too many variables and history lines from each other", range);
  }

  /** Counts ports. @throws NacreError LIMIT_EXCEEDED once there are more than all ports of all protocols */
  expose(ports: number, range: SourceRange): void {
    this.#exposed += ports;
    if (this.#exposed <= MAX_EXPOSED) return;
    throw this.#limit(`more than ${MAX_EXPOSED} ports are exposed`, range);
  }

  #limit(message: string, range: SourceRange): NacreError {
    return new NacreError("LIMIT_EXCEEDED", message, { hint: "split the file", place: this.place(range) });
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
