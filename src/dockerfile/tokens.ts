/**
 * Tokens of a Dockerfile, for highlighting and diagnostics. Our own scanner says where instructions, comments and
 * heredoc bodies are; within the slice of one instruction the package dockerfile-ast finds flags, variables, strings
 * and names. It is asked about slices only, because it misreads some boundaries (heredocs with a blank or a
 * descriptor, `\\` at the end of a line). Half-written files are fine: nothing here throws.
 */
import * as ast from "dockerfile-ast";
import type { SourceRange } from "../support/source.js";
import { KEYWORDS } from "./ast.js";
import { Scanner, type Statement } from "./scan.js";
import { SourceText } from "./sourceText.js";
import { splitStatement } from "./split.js";

/** What a stretch of text is; later kinds are painted over earlier ones. */
const KINDS = [
  "none",
  "heredocBody",
  "string",
  "name",
  "flag",
  "variable",
  "heredoc",
  "keyword",
  "comment",
  "directive",
] as const;

/**
 * - `name`: the key of ENV, LABEL and ARG, and a stage's name
 * - `flag`: `--name` without its value
 * - `heredoc`: the word that opens one, and the line that ends it
 */
export type TokenKind = Exclude<(typeof KINDS)[number], "none">;

/** A stretch within one line. Tokens never overlap and come in order; text between them has no special meaning. */
export interface Token {
  readonly kind: TokenKind;
  readonly range: SourceRange;
}

/** The package is asked about slices up to this length, */
const MAX_SLICE = 16 * 1024;
/** about so many of them, */
const MAX_SLICES = 3000;
/** and about so much text: it is quadratic in places, and a hostile file shall not cost more than a second or two. */
const MAX_SLICED = 256 * 1024;

/** What comes behind so many tokens has none: nobody reads that far, and memory would suffer. */
const MAX_TOKENS = 2_000_000;

/** The tokens of a whole file, or of the beginning of a huge one. Never throws. */
export function highlight(text: string): Token[] {
  const canvas = new Canvas(text);
  const scanner = new Scanner(new SourceText("", text), { escape: "\\", directives: true, tolerant: true });
  scanner.onComment = (line) => canvas.paint("comment", line.start, line.end);
  let slices = 0;
  let sliced = 0;
  for (let statement = scanner.next(); statement; statement = scanner.next()) {
    sliced += statement.joined.text.length;
    paintStatement(canvas, statement, slices++ < MAX_SLICES && sliced < MAX_SLICED);
  }
  for (const { range } of scanner.directives) canvas.paintRange("directive", range);
  return canvas.tokens();
}

/** A kind for every character. */
class Canvas {
  readonly text: string;
  readonly #kinds: Uint8Array;
  readonly #lineStarts: number[] = [0];

  constructor(text: string) {
    this.text = text;
    this.#kinds = new Uint8Array(text.length);
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) this.#lineStarts.push(at + 1);
  }

  /** The offset of a place; places outside the text give its end. */
  offset(line: number, column: number): number {
    return Math.min((this.#lineStarts[line - 1] ?? this.text.length) + column, this.text.length);
  }

  paint(kind: TokenKind, start: number, end: number): void {
    const rank = KINDS.indexOf(kind);
    for (let at = Math.max(start, 0); at < end && at < this.#kinds.length; at++) {
      if (this.#kinds[at]! < rank) this.#kinds[at] = rank;
    }
  }

  paintRange(kind: TokenKind, { start, end }: SourceRange): void {
    this.paint(kind, this.offset(start.line, start.column), this.offset(end.line, end.column));
  }

  tokens(): Token[] {
    const tokens: Token[] = [];
    let line = 1;
    let origin = 0;
    let start = 0;
    const end = (at: number): void => {
      const kind = KINDS[this.#kinds[start] ?? 0]!;
      if (kind === "none" || at <= start) return;
      const range = { start: { line, column: start - origin }, end: { line, column: at - origin } };
      tokens.push({ kind, range });
    };
    for (let at = 0; at < this.text.length && tokens.length < MAX_TOKENS; at++) {
      const isFeed = this.text.charCodeAt(at) === 0x0a;
      if (isFeed || this.#kinds[at] !== this.#kinds[start]) {
        end(at);
        start = at;
      }
      if (!isFeed) continue;
      line++;
      origin = start = at + 1;
    }
    if (tokens.length < MAX_TOKENS) end(this.text.length);
    return tokens;
  }
}

function paintStatement(canvas: Canvas, statement: Statement, ask: boolean): void {
  const { joined, keywordSpan, heredocs, flags, range } = statement;
  if (!isKeyword(statement.keyword)) return;
  canvas.paintRange("keyword", joined.range(keywordSpan.start, keywordSpan.end));
  if (statement.keyword === "ONBUILD") paintInner(canvas, statement);
  for (const { span } of flags) paintFlag(canvas, statement, span.start, span.end);
  for (const heredoc of heredocs) {
    canvas.paintRange("heredoc", heredoc.word.range);
    canvas.paintRange("heredocBody", heredoc.range);
  }
  if (heredocs.length > 0) paintClosingLines(canvas, statement);
  const start = canvas.offset(range.start.line, range.start.column);
  const last = joined.range(keywordSpan.start, joined.text.length).end;
  const end = canvas.offset(last.line, last.column);
  if (ask && end - start <= MAX_SLICE) paintSlice(canvas, start, end, statement.escape);
}

function isKeyword(word: string): boolean {
  return (KEYWORDS as readonly string[]).includes(word);
}

/** Keyword and flags of a trigger. */
function paintInner(canvas: Canvas, statement: Statement): void {
  const { joined, rest } = statement;
  const inner = splitStatement(joined.text, statement.escape, rest.start);
  const { start, end } = inner.keywordSpan;
  if (!isKeyword(inner.keyword)) return;
  canvas.paintRange("keyword", joined.range(start, end));
  for (const { span } of inner.flags) paintFlag(canvas, statement, span.start, span.end);
}

function paintFlag(canvas: Canvas, { joined }: Statement, start: number, end: number): void {
  const name = joined.text.slice(start, end).split("=", 1)[0]!;
  canvas.paintRange("flag", joined.range(start, start + name.length));
}

/** The line behind each body ends it. */
function paintClosingLines(canvas: Canvas, { heredocs, range }: Statement): void {
  for (const { range: body, rawBody } of heredocs) {
    const line = rawBody === "" ? body.start.line : body.end.line + 1;
    if (line > range.end.line) continue;
    const start = canvas.offset(line, 0);
    const end = canvas.offset(line + 1, 0);
    canvas.paint("heredoc", start, canvas.text.slice(start, end).trimEnd().length + start);
  }
}

/** Adds what dockerfile-ast finds in the text of one instruction. */
function paintSlice(canvas: Canvas, start: number, end: number, escapeToken: string): void {
  const head = escapeToken === "`" ? "# escape=`\n" : "";
  const slice = canvas.text.slice(start, end);
  try {
    const starts = lineStarts(head + slice);
    const paint = (kind: TokenKind, range: AstRange | null | undefined): void => {
      if (!range) return;
      const from = at(starts, range.start) - head.length;
      const to = Math.min(at(starts, range.end) - head.length, slice.length);
      if (from >= 0) canvas.paint(kind, start + from, start + to);
    };
    const [instruction] = ast.DockerfileParser.parse(head + slice).getInstructions();
    if (instruction) paintInstruction(instruction, paint);
  } catch {
    // Highlighting is a courtesy: what the package cannot read stays plain.
  }
}

interface AstPosition {
  readonly line: number;
  readonly character: number;
}
interface AstRange {
  readonly start: AstPosition;
  readonly end: AstPosition;
}
type Paint = (kind: TokenKind, range: AstRange | null | undefined) => void;

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let feed = text.indexOf("\n"); feed !== -1; feed = text.indexOf("\n", feed + 1)) starts.push(feed + 1);
  return starts;
}

function at(starts: readonly number[], { line, character }: AstPosition): number {
  return (starts[line] ?? Number.MAX_SAFE_INTEGER / 2) + character;
}

function paintInstruction(instruction: ast.Instruction, paint: Paint): void {
  for (const variable of instruction.getVariables()) paint("variable", variable.getRange());
  if (instruction instanceof ast.JSONInstruction) {
    for (const string of instruction.getJSONStrings()) paint("string", string.getRange());
  }
  if (instruction instanceof ast.PropertyInstruction) paintProperties(instruction, paint);
  else if (instruction instanceof ast.From) paint("name", instruction.getBuildStageRange());
  else for (const argument of instruction.getArguments()) paintQuoted(argument, paint);
  if (instruction instanceof ast.Onbuild) {
    const trigger = instruction.getTriggerInstruction();
    if (trigger) paintInstruction(trigger, paint);
  }
}

function paintProperties(instruction: ast.PropertyInstruction, paint: Paint): void {
  for (const property of instruction.getProperties()) {
    paint("name", property.getNameRange());
    const value = property.getUnescapedValue() ?? "";
    if (/^["']/.test(value)) paint("string", property.getValueRange());
  }
}

/** An argument that is one quoted text. The package splits at blanks within quotes, so longer ones stay plain. */
function paintQuoted(argument: ast.Argument, paint: Paint): void {
  if (/^(["']).*\1$/s.test(argument.getValue()) && argument.getValue().length > 1) paint("string", argument.getRange());
}
