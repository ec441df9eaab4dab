/**
 * Mechanical fixes of findings: edits that do away with a finding and change nothing else of what the file says. Whoever
 * applies one still compares the plans (build/checkFix.ts), because a few depend on what stands elsewhere.
 */
import type { SourceRange } from "../../support/source.js";
import type { Dockerfile, FromInstruction, Instruction, SourceWarning, Word } from "../ast.js";
import { Offsets, type TextEdit } from "./edits.js";
import { jsonCommandEdits } from "./jsonCommand.js";
import { caseOf, keywordRange, stageNameWords, writtenKeyword } from "./keywords.js";
import { legacyEdits } from "./legacyFormat.js";
import { stageReferenceEdits } from "./stageReferences.js";
import { inCase, instructionsOf, majorityCase } from "./textRules.js";

/** What would mend a finding. */
export interface LintFix {
  /** What it does, e.g. `write the keyword in upper case`. */
  readonly description: string;
  readonly edits: readonly TextEdit[];
}

/** A finding that may bring its own edit. */
export interface Mendable extends SourceWarning {
  readonly edit?: TextEdit | undefined;
}

/** Finds the fixes of one file. */
export class Fixer {
  readonly #file: Dockerfile;
  readonly #offsets: Offsets;
  readonly #instructions: ReadonlyMap<string, Instruction>;
  /** Instructions whose keyword is about to change its case. */
  readonly #recased: ReadonlySet<string>;
  readonly #majority: "upper" | "lower";
  #references: ReadonlyMap<string, readonly TextEdit[]> | undefined;

  /** @param findings all those that are to be mended together */
  constructor(file: Dockerfile, findings: readonly Mendable[]) {
    this.#file = file;
    this.#majority = majorityCase(file);
    const casing = findings.filter(({ rule }) => rule === "ConsistentInstructionCasing");
    this.#recased = new Set(casing.map(({ range }) => keyOf(range)));
    this.#offsets = new Offsets(file.text);
    this.#instructions = new Map(instructionsOf(file).map((one) => [keyOf(one.range), one]));
  }

  /** The fix of a finding; undefined where there is none that is safe. */
  fix(finding: Mendable): LintFix | undefined {
    if (finding.rule === "NoEmptyContinuation") return this.#withoutBlankLines(finding);
    const instruction = this.#instructions.get(keyOf(finding.range));
    if (!instruction) return undefined;
    const edits = this.#edits(finding, instruction);
    if (!edits || edits.length === 0) return undefined;
    return { description: DESCRIPTIONS[finding.rule] ?? "mend it", edits };
  }

  #edits(finding: Mendable, instruction: Instruction): readonly TextEdit[] | undefined {
    const { keyword } = instruction;
    switch (finding.rule) {
      case "ConsistentInstructionCasing":
        return this.#keywordCase(instruction);
      case "FromAsCasing":
        return keyword === "FROM" ? this.#asCase(instruction) : undefined;
      case "StageNameCasing":
        return keyword === "FROM" ? this.#stageName(instruction) : undefined;
      case "RedundantTargetPlatform":
        return keyword === "FROM" ? this.#withoutPlatform(instruction) : undefined;
      case "LegacyKeyValueFormat":
        return keyword === "ENV" || keyword === "LABEL"
          ? legacyEdits(instruction, this.#offsets, this.#file.escape)
          : undefined;
      case "JSONArgsRecommended":
        return keyword === "CMD" || keyword === "ENTRYPOINT" ? jsonCommandEdits(instruction, this.#offsets) : undefined;
      case "ExposeProtoCasing":
      case "ExposeInvalidFormat":
        return this.#ports(finding, instruction);
      case "WorkdirRelativePath":
        return finding.edit && keyword === "WORKDIR" && this.#isWritten(instruction.path) ? [finding.edit] : undefined;
      default:
        return undefined;
    }
  }

  /** True if the word stands in one piece in the file, so that it can be replaced. */
  #isWritten({ raw, range }: Word): boolean {
    return this.#offsets.slice(range) === raw;
  }

  #keywordCase(instruction: Instruction): readonly TextEdit[] {
    const word = { raw: writtenKeyword(instruction), range: keywordRange(instruction) };
    if (!this.#isWritten(word)) return [];
    return [{ range: word.range, text: inCase(word.raw, this.#majority) }];
  }

  #asCase(from: FromInstruction): readonly TextEdit[] {
    const words = stageNameWords(from);
    if (!words || !this.#isWritten(words.as)) return [];
    const own = caseOf(writtenKeyword(from));
    const wanted = own === undefined || this.#recased.has(keyOf(from.range)) ? this.#majority : own;
    return [{ range: words.as.range, text: inCase(words.as.raw, wanted) }];
  }

  #stageName(from: FromInstruction): readonly TextEdit[] {
    const name = stageNameWords(from)?.name;
    if (!name || !this.#isWritten(name)) return [];
    const lower = name.raw.toLowerCase();
    this.#references ??= stageReferenceEdits(this.#file, this.#offsets);
    return [{ range: name.range, text: lower }, ...(this.#references.get(lower) ?? [])];
  }

  #withoutPlatform({ flags, image }: FromInstruction): readonly TextEdit[] {
    const flag = flags.find(({ name }) => name === "platform");
    if (!flag || flag.range.start.line !== image.range.start.line) return [];
    return [{ range: { start: flag.range.start, end: image.range.start }, text: "" }];
  }

  /** Only the words that the finding names; one that variables make has no place of its own. */
  #ports({ rule, message }: SourceWarning, instruction: Instruction): readonly TextEdit[] {
    if (instruction.keyword !== "EXPOSE") return [];
    return instruction.words.flatMap((word): TextEdit[] => {
      const { raw, range } = word;
      if (raw.includes("$") || !message.includes(`'${raw}'`) || !this.#isWritten(word)) return [];
      const { line, column } = range.start;
      const part = (from: number, to: number): SourceRange => ({
        start: { line, column: column + from },
        end: { line, column: column + to },
      });
      if (rule === "ExposeInvalidFormat") return [{ range: part(0, raw.lastIndexOf(":") + 1), text: "" }];
      const slash = raw.lastIndexOf("/");
      return [{ range: part(slash, raw.length), text: raw.slice(slash).toLowerCase() }];
    });
  }

  #withoutBlankLines({ range, focus }: SourceWarning): LintFix | undefined {
    const edits: TextEdit[] = [];
    for (let line = focus?.start.line ?? range.start.line; line <= range.start.line; line++) {
      const whole = this.#offsets.lines(line, line);
      if (this.#offsets.slice(whole).trim() === "") edits.push({ range: whole, text: "" });
    }
    return edits.length > 0 ? { description: "remove the empty lines", edits } : undefined;
  }
}

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  ConsistentInstructionCasing: "write the keyword in the case of the others",
  FromAsCasing: "write AS in the case of FROM",
  StageNameCasing: "write the stage's name in lower case",
  RedundantTargetPlatform: "leave --platform out",
  LegacyKeyValueFormat: "write key=value",
  JSONArgsRecommended: "write the command as a JSON array",
  ExposeProtoCasing: "write the protocol in lower case",
  ExposeInvalidFormat: "leave address and host port out: they have no effect",
  WorkdirRelativePath: "write the absolute path",
};

function keyOf({ start }: SourceRange): string {
  return `${start.line}:${start.column}`;
}
