/**
 * Which words of a line open here-documents (BuildKit: heredocsFromLine, ParseHeredoc).
 *
 * The line is cut into words with quotes and escapes kept, `<<` swallows the blanks behind it, and a word is an opener
 * if it is digits, `<<`, an optional `-` and a name without a further `<`. Here the escape is always a backslash,
 * whatever the directive says.
 */
import { isSpace, type Span } from "./chars.js";

/** The opener of a here-document, e.g. `3<<-"EOF"`. */
export interface HeredocOpener {
  /** Quotes and escapes removed. */
  readonly name: string;
  readonly expand: boolean;
  readonly chomp: boolean;
  readonly fd: number;
}

/** An opener with its place in the joined line. */
export interface FoundOpener extends HeredocOpener {
  readonly span: Span;
}

/** Either the openers of a line, or why BuildKit's lexer gives up on it, so that none are seen. */
export type OpenerSearch = { readonly openers: readonly FoundOpener[]; readonly failure?: string };

const OPENER = /^(\d*)<<(-?)[\t\n\f\r ]*([^<]*)$/;

/** Reads one whole word as an opener, or gives undefined. */
export function readOpener(word: string): HeredocOpener | undefined {
  const match = OPENER.exec(word);
  if (!match) return undefined;
  const name = unquoteName(match[3]!);
  if (name === undefined) return undefined;
  return {
    name: name.text,
    expand: !name.quoted,
    chomp: match[2] === "-",
    fd: Math.min(Number(match[1] || "0"), Number.MAX_SAFE_INTEGER),
  };
}

/** Finds the openers of a joined line, in order. */
export function findOpeners(line: string): OpenerSearch {
  const scan = new WordScan(line);
  const openers: FoundOpener[] = [];
  for (let span = scan.next(); span; span = scan.next()) {
    const opener = readOpener(line.slice(span.start, span.end));
    if (opener) openers.push({ ...opener, span });
  }
  return scan.failure === undefined ? { openers } : { openers: [], failure: scan.failure };
}

/** Quotes and escapes of a name removed; undefined if it is not exactly one word. Variables stay as written. */
function unquoteName(raw: string): { text: string; quoted: boolean } | undefined {
  let text = "";
  let quoted = false;
  for (let i = 0; i < raw.length; i++) {
    const c = raw[i]!;
    if (c === "'" || c === '"') {
      const part = c === "'" ? singleQuoted(raw, i) : doubleQuoted(raw, i);
      if (!part) return undefined;
      text += part.text;
      i = part.end;
      quoted = true;
    } else if (c === "\\") {
      i++;
      if (i < raw.length) text += raw[i];
    } else if (isSpace(raw.charCodeAt(i)) || isModified(raw, i)) {
      return undefined;
    } else {
      text += c;
    }
  }
  return text === "" ? undefined : { text, quoted };
}

const PLAIN_BRACES = /\$\{[\p{L}\p{Nd}_]+\}/uy;

/** `${name` followed by anything but `}`: BuildKit finds no name in it. */
function isModified(raw: string, at: number): boolean {
  if (!raw.startsWith("${", at)) return false;
  PLAIN_BRACES.lastIndex = at;
  return !PLAIN_BRACES.test(raw);
}

function singleQuoted(raw: string, at: number): { text: string; end: number } | undefined {
  const end = raw.indexOf("'", at + 1);
  return end === -1 ? undefined : { text: raw.slice(at + 1, end), end };
}

function doubleQuoted(raw: string, at: number): { text: string; end: number } | undefined {
  let text = "";
  for (let i = at + 1; i < raw.length; i++) {
    const c = raw[i]!;
    if (c === '"') return { text, end: i };
    if (c === "\\" && '"$\\'.includes(raw[i + 1] ?? "x")) {
      i++;
      text += raw[i];
    } else {
      text += c;
    }
  }
  return undefined;
}

/** How deep `${a:-${b:-…}}` may nest before the search gives up. */
const MAX_DEPTH = 100;
const BRACED_NAME = /\p{Nd}+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*/uy;

/** Cuts a line into words as BuildKit's shell lexer does with raw quotes and escapes. */
class WordScan {
  readonly #line: string;
  #at = 0;
  #depth = 0;
  /** Set once the lexer would have failed; then no word of the line counts. */
  failure: string | undefined;

  constructor(line: string) {
    this.#line = line;
  }

  next(): Span | undefined {
    const line = this.#line;
    while (this.#at < line.length && isSpace(line.charCodeAt(this.#at))) this.#at++;
    if (this.#at >= line.length) return undefined;
    const start = this.#at;
    while (this.#at < line.length && !isSpace(line.charCodeAt(this.#at)) && this.failure === undefined) this.#element();
    return this.failure === undefined ? { start, end: this.#at } : undefined;
  }

  /** One quoted part, escape, variable, `<<` with its blanks, or plain character. */
  #element(): void {
    const c = this.#line[this.#at]!;
    if (c === "'") this.#single();
    else if (c === '"') this.#double();
    else if (c === "\\") this.#at = Math.min(this.#at + 2, this.#line.length);
    else if (c === "$") this.#dollar();
    else if (c === "<") this.#less();
    else this.#at++;
  }

  #less(): void {
    this.#at++;
    if (this.#line[this.#at] !== "<") return;
    this.#at++;
    while (this.#at < this.#line.length && isSpace(this.#line.charCodeAt(this.#at))) this.#at++;
  }

  #single(): void {
    const end = this.#line.indexOf("'", this.#at + 1);
    if (end === -1) this.#fail("a single quote is not closed");
    else this.#at = end + 1;
  }

  #double(): void {
    for (this.#at++; this.#at < this.#line.length && this.failure === undefined; ) {
      const c = this.#line[this.#at]!;
      if (c === '"') {
        this.#at++;
        return;
      }
      if (c === "$") this.#dollar();
      else this.#at += c === "\\" && '"$\\'.includes(this.#line[this.#at + 1] ?? "x") ? 2 : 1;
    }
    this.#fail("a double quote is not closed");
  }

  /** `$name`, or `${…}` up to its brace; anything that BuildKit cannot expand is a failure. */
  #dollar(): void {
    this.#at++;
    if (this.#line[this.#at] !== "{") return;
    this.#at++;
    const name = this.#name();
    const operator = this.#line[this.#at++];
    if (name === "" || operator === undefined) this.#fail(`a \${…} in it is not one that Dockerfiles know`);
    else if (operator === "/") this.#replacement();
    else if (operator !== "}") this.#modified(name, operator);
  }

  #replacement(): void {
    if (this.#line[this.#at] === "/") this.#at++;
    this.#until("/");
    this.#until("}");
  }

  #modified(name: string, operator: string): void {
    const modifier = operator === ":" ? (this.#line[this.#at++] ?? "") : operator;
    const known = operator === ":" ? "-+?" : "-+?#%";
    if (modifier !== "" && known.includes(modifier)) this.#until("}");
    else this.#fail(`\${${name}${operator}…} is not a form that Dockerfiles know`);
  }

  #name(): string {
    BRACED_NAME.lastIndex = this.#at;
    const match = BRACED_NAME.exec(this.#line);
    if (!match) return "";
    this.#at += match[0].length;
    return match[0];
  }

  #until(stop: string): void {
    if (this.#depth >= MAX_DEPTH) {
      this.#fail(`its \${…} nest too deeply`);
      return;
    }
    this.#depth++;
    this.#through(stop);
    this.#depth--;
  }

  #through(stop: string): void {
    while (this.#at < this.#line.length && this.failure === undefined) {
      const c = this.#line[this.#at]!;
      if (c === stop) {
        this.#at++;
        return;
      }
      this.#element();
    }
    this.#fail("a variable is not closed with }");
  }

  #fail(reason: string): void {
    this.failure ??= reason;
  }
}
