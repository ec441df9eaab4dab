/**
 * A Dockerfile with instructions moved, put in or replaced, that remembers for each line which line of the file it is or
 * stands for. Whole lines are moved, with the comments directly above an instruction; everything else stays to the byte.
 */
import type { Dockerfile, Instruction } from "../dockerfile/ast.js";

/** What a line of the changed file stands for. */
export interface LineOrigin {
  /** The line of the instruction in the file as it was; undefined for something new. */
  readonly line: number | undefined;
  /** For a part of a COPY: whether it takes this file of the context. */
  readonly takes?: ((path: string) => boolean) | undefined;
  /** Builds, by name, since which only other parts of the instruction were edited. */
  readonly unedited?: ReadonlySet<string> | undefined;
  /** A part of the instruction that costs nothing to speak of. */
  readonly cheap?: boolean | undefined;
  /** Its text is another one, or only a part of that of the origin. */
  readonly isOther?: boolean | undefined;
}

interface Line {
  readonly text: string;
  readonly origin: LineOrigin;
}

/** A line to be put in. */
export interface NewLine {
  /** Without its end. */
  readonly text: string;
  readonly origin: LineOrigin;
}

/** An edited file. */
export interface EditedDockerfile {
  readonly text: string;
  /** By line of the new text, from 1. */
  readonly originOf: (line: number) => LineOrigin;
}

/** Gathers edits of one file. Instructions are named as they stand in it. */
export class DockerfileEdit {
  readonly #file: Dockerfile;
  readonly #newline: string;
  #lines: readonly Line[];

  constructor(file: Dockerfile) {
    this.#file = file;
    const texts = file.text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
    this.#newline = texts[0]?.endsWith("\r\n") ? "\r\n" : "\n";
    this.#lines = texts.map((text, i) => ({
      text: text.endsWith("\n") ? text : text + this.#newline,
      origin: { line: i + 1 },
    }));
  }

  /** Puts an instruction, with its comments, below another one. */
  moveBelow(instruction: Instruction, other: Instruction): this {
    const moved = this.#cut(instruction);
    this.#insert(this.#indexOf(other.range.end.line) + 1, moved);
    return this;
  }

  /** Puts an instruction, with its comments, above another one and the comments of that. */
  moveAbove(instruction: Instruction, other: Instruction): this {
    const moved = this.#cut(instruction);
    this.#insert(this.#indexOf(this.#firstLine(other)), moved);
    return this;
  }

  /** Puts lines above an instruction and its comments. */
  insertAbove(instruction: Instruction, texts: readonly string[], origin: LineOrigin): this {
    this.#insert(this.#indexOf(this.#firstLine(instruction)), this.#fresh(texts, origin));
    return this;
  }

  /** Puts lines in place of an instruction; its comments stay. */
  replace(instruction: Instruction, lines: readonly NewLine[]): this {
    const at = this.#indexOf(instruction.range.start.line);
    const last = this.#indexOf(instruction.range.end.line);
    const fresh = lines.flatMap(({ text, origin }) => this.#fresh([text], origin));
    this.#lines = [...this.#lines.slice(0, at), ...fresh, ...this.#lines.slice(last + 1)];
    return this;
  }

  /** Takes an instruction out, with its comments. @returns what it was, for {@link replace} */
  remove(instruction: Instruction): readonly NewLine[] {
    return this.#cut(instruction).map(({ text, origin }) => ({
      text: text.replace(/\r?\n$/, ""),
      origin: { isOther: false, ...origin },
    }));
  }

  /** The lines of an instruction as they stand, without their ends. */
  linesOf({ range }: Instruction): readonly string[] {
    const lines = this.#file.text.split("\n").slice(range.start.line - 1, range.end.line);
    return lines.map((line) => line.replace(/\r$/, ""));
  }

  finish(): EditedDockerfile {
    const lines = this.#lines;
    const text = lines.map((line) => line.text).join("");
    // A file whose last line has no end stays one.
    const isOpen = !this.#file.text.endsWith("\n") && text.endsWith(this.#newline);
    return {
      text: isOpen ? text.slice(0, -this.#newline.length) : text,
      originOf: (line) => lines[line - 1]?.origin ?? { line: undefined },
    };
  }

  #fresh(texts: readonly string[], origin: LineOrigin): readonly Line[] {
    return texts.map((text) => ({ text: text + this.#newline, origin: { isOther: true, ...origin } }));
  }

  #insert(at: number, lines: readonly Line[]): void {
    this.#lines = [...this.#lines.slice(0, at), ...lines, ...this.#lines.slice(at)];
  }

  #cut(instruction: Instruction): readonly Line[] {
    const [first, last] = [this.#firstLine(instruction), instruction.range.end.line];
    const isOf = ({ origin: { line = 0, isOther } }: Line): boolean => !isOther && first <= line && line <= last;
    const cut = this.#lines.filter(isOf);
    this.#lines = this.#lines.filter((line) => !isOf(line));
    return cut;
  }

  /** Where a line of the file as it was stands now. */
  #indexOf(line: number): number {
    return this.#lines.findIndex(({ origin }) => origin.line === line && origin.isOther !== true);
  }

  /** The first of the comments directly above an instruction, or its own first line. */
  #firstLine({ range }: Instruction): number {
    const lines = this.#file.text.split("\n");
    const directives = Math.max(0, ...this.#file.directives.map((directive) => directive.range.end.line));
    let line = range.start.line;
    while (line - 1 > directives && /^\s*#/.test(lines[line - 2] ?? "") && !this.#isInside(line - 1)) line--;
    return line;
  }

  /** A line that begins with `#` may belong to another instruction: a heredoc, or one that goes on. */
  #isInside(line: number): boolean {
    const instructions = this.#file.stages.flatMap(({ from, instructions: rest }) => [from, ...rest]);
    const all: readonly Instruction[] = [...this.#file.globalArgs, ...instructions];
    return all.some(({ range }) => range.start.line <= line && line <= range.end.line);
  }
}
