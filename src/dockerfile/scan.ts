/**
 * From text to instructions as they stand: physical lines are joined, comments and directives taken out, heredoc bodies
 * attached. The rules, quirks included, are those of BuildKit's parser package (Parse).
 */
import type { SourceRange } from "../support/source.js";
import type { Directive, EscapeToken, Heredoc, SourceWarning } from "./ast.js";
import { isSpace, type Span, trimSpace } from "./chars.js";
import { readDirective } from "./directives.js";
import { type FoundOpener, findOpeners } from "./heredocWords.js";
import { JoinedLine, type Piece } from "./joined.js";
import { LineReader, type PhysicalLine } from "./lines.js";
import type { SourceText } from "./sourceText.js";
import { acceptsHeredocs, HEREDOC_KEYWORDS, splitStatement } from "./split.js";

/** An instruction before its arguments are looked at. */
export interface Statement {
  readonly source: SourceText;
  readonly escape: EscapeToken;
  readonly joined: JoinedLine;
  /** The word that should be a keyword, upper-cased. */
  readonly keyword: string;
  readonly keywordSpan: Span;
  readonly flags: readonly FlagText[];
  /** What follows the flags, trimmed. */
  readonly rest: Span;
  readonly comments: readonly string[];
  readonly heredocs: readonly Heredoc[];
  /** From the keyword to the end of the last line, bodies included. */
  readonly range: SourceRange;
}

/** A leading word that starts with `--`. */
export interface FlagText {
  /** Quotes and escapes removed, e.g. `--chown=a b`. */
  readonly text: string;
  readonly span: Span;
}

/** A line with `<<` in which no heredoc was recognised. */
export interface MissedHeredoc {
  readonly line: number;
  readonly reason: string;
}

/** How a text is scanned. */
export interface ScanOptions {
  /** The escape token to start with; a directive may change it. */
  readonly escape: EscapeToken;
  /** Whether directives at the top count. */
  readonly directives: boolean;
  /** Never throw: for highlighting, where a file may be half written. */
  readonly tolerant: boolean;
}

/** A comment line, for highlighting. */
export type CommentListener = (line: PhysicalLine) => void;

/** Many times what any real Dockerfile has; beyond it time and memory would suffer. */
export const MAX_INSTRUCTIONS = 10_000;
/** Length of all instructions together, line ends counted; comments and heredoc bodies are not. */
export const MAX_INSTRUCTION_TEXT = 2 * 1024 * 1024;

/** Hands out the instructions of a text one by one. */
export class Scanner {
  readonly directives: Directive[] = [];
  readonly warnings: SourceWarning[] = [];
  /** Called for every comment line, those inside instructions included. */
  onComment: CommentListener = () => {};
  /** Set if the instruction before the last one has `<<` but BuildKit's rules see no heredoc in it. */
  missedHeredoc: MissedHeredoc | undefined;
  readonly #source: SourceText;
  readonly #lines: LineReader;
  readonly #tolerant: boolean;
  #escape: EscapeToken;
  #directiveMode: boolean;
  #comments: string[] = [];
  #missed: MissedHeredoc | undefined;
  #instructions = 0;
  #length = 0;

  constructor(source: SourceText, options: ScanOptions) {
    this.#source = source;
    this.#lines = new LineReader(source, !options.tolerant);
    this.#escape = options.escape;
    this.#directiveMode = options.directives;
    this.#tolerant = options.tolerant;
  }

  /** The escape token in force. */
  get escape(): EscapeToken {
    return this.#escape;
  }

  /**
   * The next instruction, or undefined at the end.
   * @throws NacreError DOCKERFILE_SYNTAX for a bad directive or an unterminated heredoc, LIMIT_EXCEEDED for a long line
   *   or a hostile file
   */
  next(): Statement | undefined {
    for (let line = this.#lines.next(); line; line = this.#lines.next()) {
      const start = skipSpace(this.#source.text, line.start, line.end);
      if (this.#source.text[start] === "#" && start < line.end) this.#comment(line, start);
      else {
        this.#directiveMode = false;
        if (start < line.end) return this.#statement(line, start);
      }
    }
    return undefined;
  }

  #comment(line: PhysicalLine, start: number): void {
    if (this.#directiveMode && this.#directive(line, start)) return;
    this.onComment(line);
    const comment = trimSpace(this.#source.text.slice(start + 1, line.end));
    if (comment === "") this.#comments = [];
    else this.#comments.push(comment);
  }

  #directive(line: PhysicalLine, start: number): boolean {
    const found = readDirective(this.#source.text.slice(start, line.end));
    if (!found) {
      this.#directiveMode = false;
      return false;
    }
    const column = start - line.origin;
    const at = (from: number, length: number): SourceRange => ({
      start: { line: line.number, column: column + from },
      end: { line: line.number, column: column + from + length },
    });
    const name = found.key as Directive["name"];
    if (this.directives.some((other) => other.name === name) && !this.#tolerant) {
      throw this.#source.error(
        `only one ${name} parser directive can be used`,
        at(found.keyAt, name.length),
        "remove one of the two lines",
      );
    }
    if (name === "escape") this.#setEscape(found.value, at(found.valueAt, found.value.length));
    this.directives.push({ name, value: found.value, range: at(0, found.valueAt + found.value.length) });
    return true;
  }

  #setEscape(value: string, range: SourceRange): void {
    if (value === "\\" || value === "`") this.#escape = value;
    else if (!this.#tolerant) {
      const message = `invalid escape token '${value}' does not match \` or \\`;
      throw this.#source.error(message, range, "write # escape=` or # escape=\\");
    }
  }

  #statement(first: PhysicalLine, start: number): Statement {
    this.missedHeredoc = this.#missed;
    this.#missed = undefined;
    const { joined, last } = this.#join(first, start);
    const split = splitStatement(joined.text, this.#escape);
    const wanted = this.#openers(joined, split, first.number);
    const heredocs: Heredoc[] = [];
    let end = joined.range(split.keywordSpan.start, joined.text.length).end;
    if (last.number > end.line) end = { line: last.number, column: last.end - last.origin };
    for (const opener of wanted) {
      const { heredoc, closing } = this.#body(opener, joined);
      heredocs.push(heredoc);
      if (closing) end = { line: closing.number, column: closing.end - closing.origin };
    }
    const whole = joined.range(split.keywordSpan.start, joined.text.length);
    const range = this.#source.standIn ? whole : { start: whole.start, end };
    const comments = this.#comments;
    this.#comments = [];
    return { source: this.#source, escape: this.#escape, joined, ...split, comments, heredocs, range };
  }

  /** Refuses what no Dockerfile needs, before memory suffers. */
  #checkLimits(line: PhysicalLine): void {
    const many = this.#instructions > MAX_INSTRUCTIONS;
    if (this.#tolerant || (!many && this.#length <= MAX_INSTRUCTION_TEXT)) return;
    const message = many
      ? `more than ${MAX_INSTRUCTIONS} instructions in one Dockerfile`
      : `the instructions are longer than ${MAX_INSTRUCTION_TEXT} characters together`;
    const hint = "move long texts into files or heredocs, and split the file";
    throw this.#source.limit(message, lineRange(line), hint);
  }

  /** Joins the first line with those that continue it. */
  #join(first: PhysicalLine, start: number): { joined: JoinedLine; last: PhysicalLine } {
    const parts: string[] = [];
    const pieces: Piece[] = [];
    this.#instructions++;
    let length = 0;
    let last = first;
    let blank: PhysicalLine | undefined;
    let read = first;
    const add = (line: PhysicalLine, from: number): boolean => {
      const to = this.#continuation(from, line.end);
      const end = to ?? line.end;
      // Nothing stands before a piece at the same place, so it is found no more.
      if (pieces.at(-1)?.at === length) pieces.pop();
      pieces.push({ at: length, line: line.number, column: from - line.origin });
      if (end > from) parts.push(this.#source.text.slice(from, end));
      length += end - from;
      this.#length += end - from + 1;
      this.#checkLimits(line);
      last = line;
      return to !== undefined;
    };
    let continues = add(first, start);
    while (continues) {
      const line = this.#lines.next();
      if (!line) break;
      read = line;
      const content = skipSpace(this.#source.text, line.start, line.end);
      if (content === line.end) blank ??= line;
      else if (this.#source.text[content] === "#") this.onComment(line);
      else continues = add(line, line.start);
    }
    if (blank) {
      // BuildKit names the last line that it read.
      const [range, focus] = [lineRange(read), lineRange(blank)];
      this.warnings.push({ rule: "NoEmptyContinuation", message: "Empty continuation line", range, focus });
    }
    return { joined: new JoinedLine(parts.join(""), pieces, this.#source.standIn?.range), last };
  }

  /**
   * Where the text of a continued line ends, or undefined if it does not continue: the escape must be the last thing but
   * blanks, and the character before it another one (so `\\` does not continue, and neither does `\\\`).
   */
  #continuation(from: number, lineEnd: number): number | undefined {
    const { text } = this.#source;
    let end = lineEnd;
    while (end > from && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
    const at = end - 1;
    if (at < from || text[at] !== this.#escape) return undefined;
    return at > from && text[at - 1] === this.#escape ? undefined : at;
  }

  #openers(joined: JoinedLine, split: ReturnType<typeof splitStatement>, line: number): readonly FoundOpener[] {
    if (!joined.text.includes("<<")) return [];
    if (!acceptsHeredocs(joined.text, split, this.#escape)) {
      if (HEREDOC_KEYWORDS.has(split.keyword)) this.#missed = { line, reason: "the JSON form has none" };
      return [];
    }
    const { openers, failure } = findOpeners(joined.text);
    const reason = failure ?? (openers.length === 0 ? whyNoOpener(joined.text) : undefined);
    if (reason !== undefined) this.#missed = { line, reason };
    return openers;
  }

  #body(opener: FoundOpener, joined: JoinedLine): { heredoc: Heredoc; closing: PhysicalLine | undefined } {
    const { text } = this.#source;
    let bodyStart: PhysicalLine | undefined;
    let end = text.length;
    let lastOfBody: PhysicalLine | undefined;
    let closing: PhysicalLine | undefined;
    let alike: number | undefined;
    for (let line = this.#lines.next(); line; line = this.#lines.next()) {
      const content = opener.chomp ? skipTabs(text, line.start, line.end) : line.start;
      bodyStart ??= line;
      if (line.end - content === opener.name.length && text.startsWith(opener.name, content)) {
        closing = line;
        end = line.origin;
        break;
      }
      lastOfBody = line;
      if (line.end - line.start < MAX_CLOSING && text.slice(line.start, line.end).trim() === opener.name) {
        alike ??= line.number;
      }
    }
    if (!closing && !this.#tolerant) throw this.#unterminated(opener, joined, alike);
    const raw = bodyStart ? text.slice(bodyStart.start, end) : "";
    const { span, name, ...how } = opener;
    const body = opener.chomp ? chompTabs(raw) : raw;
    const range = this.#bodyRange(bodyStart, lastOfBody, joined, span);
    return {
      heredoc: { name, body, rawBody: raw, ...how, word: joined.word(span), range },
      closing: closing ?? lastOfBody,
    };
  }

  #bodyRange(
    first: PhysicalLine | undefined,
    last: PhysicalLine | undefined,
    joined: JoinedLine,
    span: Span,
  ): SourceRange {
    if (this.#source.standIn) return this.#source.standIn.range;
    if (!first) return joined.range(span.end, span.end);
    const start = { line: first.number, column: 0 };
    return last ? { start, end: { line: last.number, column: last.end - last.origin } } : { start, end: start };
  }

  #unterminated(opener: FoundOpener, joined: JoinedLine, alike: number | undefined): Error {
    const range = joined.range(opener.span.start, opener.span.end);
    return this.#source.error("unterminated heredoc", range, closingHint(opener, alike));
  }
}

/** Lines longer than this are not looked at as closing lines with blanks around the name. */
const MAX_CLOSING = 200;

/** @param alike number of a line that would have closed it, were it not for blanks */
function closingHint({ name, chomp }: FoundOpener, alike: number | undefined): string {
  if (alike !== undefined) {
    const allowed = chomp ? "only tabs may stand before it" : `tabs before it are allowed with <<-${name}`;
    return `line ${alike} has blanks around ${name}; it must stand alone (${allowed})`;
  }
  if (name.endsWith("))"))
    return "<< opens a heredoc even within $((…)); put the arithmetic into a script or a heredoc";
  const sign = /[|>;&)]/.test(name) ? ", or put a blank before the sign that became part of the name" : "";
  return `end the text with a line that holds only ${name}${sign}`;
}

/** Why a line with `<<` opens nothing; undefined where nobody would take it for an opener. */
function whyNoOpener(text: string): string | undefined {
  if (/<<<\S/.test(text)) return "<<< is for the words of a shell, not for lines below";
  return /[^\s\d"'<]<<-?["']?\w/.test(text) ? "a blank is missing before the <<" : undefined;
}

/** Removes the leading tabs of every line (`<<-`). */
export function chompTabs(text: string): string {
  return text.replace(/(^|\n)\t+/g, "$1");
}

function lineRange({ number, origin, end }: PhysicalLine): SourceRange {
  return { start: { line: number, column: 0 }, end: { line: number, column: end - origin } };
}

function skipSpace(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(text.charCodeAt(at))) at++;
  return at;
}

function skipTabs(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && text[at] === "\t") at++;
  return at;
}
