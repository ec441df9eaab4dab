/** A template's text cut into pieces: plain text, and the words within `{{` and `}}` (Go's text/template). Pure. */
import { parseProblem } from "./problem.js";

/** A piece of a template. */
export interface Token {
  readonly kind:
    | "text"
    | "open"
    | "close"
    | "space"
    | "field"
    | "variable"
    | "word"
    | "number"
    | "string"
    | "sign"
    | "end";
  /** As it is written; of a string or character constant with its quotes. */
  readonly text: string;
  readonly at: number;
}

/** In the order in which they are tried, at one place within an action. */
const WORDS: readonly (readonly [Token["kind"], RegExp])[] = [
  ["space", /\s+/y],
  ["string", /"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`|'(?:[^'\\\n]|\\[^\n])+'/y],
  ["number", /[+-]?(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y],
  ["field", /\.[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ["variable", /\$(?:[\p{L}\p{Nd}_]+)?/uy],
  ["word", /[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ["sign", /:=|[=|().,]/y],
];

/** What may follow a name or a number. */
const AFTER_WORD = /[\s.,|:=()]|\}\}|$/y;

/** Cuts a template. @throws NacreError USAGE */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trims = false;
  while (at < text.length) {
    const open = text.indexOf("{{", at);
    const end = open < 0 ? text.length : open;
    const trimsBefore = open >= 0 && /-\s/y.test(text.slice(open + 2, open + 4));
    let plain = text.slice(at, end);
    if (trims) plain = plain.replace(/^[ \t\r\n]+/, "");
    if (trimsBefore) plain = plain.replace(/[ \t\r\n]+$/, "");
    if (plain !== "") tokens.push({ kind: "text", text: plain, at });
    if (open < 0) break;
    const action = open + (trimsBefore ? 4 : 2);
    [at, trims] = text.startsWith("/*", action) ? afterComment(text, action) : afterAction(text, open, action, tokens);
  }
  return [...tokens, { kind: "end", text: "", at: text.length }];
}

type AfterAction = readonly [at: number, trims: boolean];

function afterComment(text: string, at: number): AfterAction {
  const end = text.indexOf("*/", at + 2);
  if (end < 0) throw parseProblem(text, at, "unclosed comment");
  const close = /\s+-\}\}|\}\}/y;
  close.lastIndex = end + 2;
  const found = close.exec(text)?.[0];
  if (found === undefined) throw parseProblem(text, at, "comment ends before closing delimiter");
  return [end + 2 + found.length, found.length > 2];
}

function afterAction(text: string, open: number, start: number, tokens: Token[]): AfterAction {
  tokens.push({ kind: "open", text: "{{", at: open });
  let at = start;
  let depth = 0;
  for (;;) {
    const close = matchAt(/\s+-\}\}|\}\}/y, text, at);
    if (close !== undefined) {
      if (depth > 0) throw parseProblem(text, at, "unclosed left paren");
      tokens.push({ kind: "close", text: "}}", at });
      return [at + close.length, close.length > 2];
    }
    const token = wordAt(text, at);
    if (token.text === "(") depth++;
    if (token.text === ")" && --depth < 0) throw parseProblem(text, at, "unexpected right paren");
    tokens.push(token);
    at += token.text.length;
  }
}

function wordAt(text: string, at: number): Token {
  if (at >= text.length) throw parseProblem(text, at, "unclosed action");
  for (const [kind, pattern] of WORDS) {
    const found = matchAt(pattern, text, at);
    if (found === undefined) continue;
    const isName = kind === "field" || kind === "variable" || kind === "word" || kind === "number";
    if (isName) checkEnd(kind, text, at, found);
    return { kind, text: found, at };
  }
  const char = String.fromCodePoint(text.codePointAt(at)!);
  if (char === '"') throw parseProblem(text, at, "unterminated quoted string");
  if (char === "`") throw parseProblem(text, at, "unterminated raw quoted string");
  if (char === "'") throw parseProblem(text, at, "unterminated character constant");
  throw parseProblem(text, at, `unexpected ${JSON.stringify(char)} in command`);
}

function checkEnd(kind: Token["kind"], text: string, at: number, found: string): void {
  const end = at + found.length;
  if (matchAt(AFTER_WORD, text, end) !== undefined) return;
  const next = String.fromCodePoint(text.codePointAt(end)!);
  if (kind === "number") throw parseProblem(text, at, `bad number syntax: ${JSON.stringify(found + next)}`);
  const code = next.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
  throw parseProblem(text, end, `bad character U+${code} '${next}'`);
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}
