/**
 * Expansion of variables, quotes and escapes in words, as BuildKit's shell lexer does it (frontend/dockerfile/shell):
 * POSIX-like, with fewer forms. Nothing here knows where variables come from.
 */
import { NacreError } from "../support/errors.js";
import type { EscapeToken } from "./ast.js";
import { missingBrace, Problem, syntax, tooLong, unsupported } from "./expandProblem.js";
import { Joined, type Sink, Split } from "./expandSink.js";
import { replaceMatches, trimPrefix, trimSuffix } from "./pattern.js";

/** Where variables come from. */
export interface Lookup {
  /** The value, which may be empty, or undefined if the variable is not set. */
  get(name: string): string | undefined;
  /** Told the name of each variable that is used but not set, modifiers or not. */
  readonly unset?: ((name: string) => void) | undefined;
  /** What this and other words may cost together; without it only each word has its limits. */
  readonly allowance?: Allowance | undefined;
}

/** What the words of one file may cost together. Expansion takes off what it uses. */
export interface Allowance {
  /** UTF-16 units that variables put in. */
  growth: number;
  /** Comparisons of patterns with values. */
  work: number;
}

/** A fresh allowance: 64 MiB of text, and about a second of comparing. */
export function newAllowance(): Allowance {
  return { growth: 64 * 1024 * 1024, work: 1 << 26 };
}

/** How deep `${a:-${b:-…}}` may nest. */
export const MAX_NESTING = 100;
/** How much longer than itself a word may become: 1 MiB, eight times what Linux takes as one argument. */
export const MAX_GROWTH = 1024 * 1024;

/**
 * Expands one word: variables replaced, quotes and escapes removed, nothing split.
 * @throws NacreError DOCKERFILE_SYNTAX for a malformed word, PLAN_INVALID for `${name?}` without a value,
 *   LIMIT_EXCEEDED for a word that nests or grows too much
 */
export function expandWord(raw: string, env: Lookup, escapeToken: EscapeToken): string {
  if (isPlain(raw, escapeToken)) return raw;
  const joined = new Joined();
  run(raw, new Expander(raw, env, escapeToken, true), joined);
  return joined.text();
}

/** Expands a word and splits it: at blanks that came from variables, too, but not at quoted ones (EXPOSE only). */
export function expandWords(raw: string, env: Lookup, escapeToken: EscapeToken): string[] {
  const split = new Split();
  run(raw, new Expander(raw, env, escapeToken, true), split);
  return split.words();
}

/**
 * Expands the body of a here-document of COPY or ADD: the escape is always a backslash, quotes are ordinary characters.
 * The fact `line` of an error is the line of the body, counted from 0.
 * @throws NacreError as {@link expandWord} does
 */
export function expandHeredoc(body: string, env: Lookup): string {
  const joined = new Joined();
  const expander = new Expander(body, env, "\\", false);
  try {
    expander.until(undefined, joined);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const line = body.slice(0, expander.variable).split("\n").length - 1;
    throw failed(body.split("\n", line + 1)[line] ?? "", error, { line });
  }
  return joined.text();
}

function isPlain(raw: string, escapeToken: EscapeToken): boolean {
  return !(raw.includes("$") || raw.includes("'") || raw.includes('"') || raw.includes(escapeToken));
}

function run(raw: string, expander: Expander, sink: Sink): void {
  try {
    expander.until(undefined, sink);
  } catch (error) {
    throw error instanceof Problem ? failed(raw, error) : error;
  }
}

function failed(raw: string, { code, message, hint }: Problem, facts: Readonly<Record<string, unknown>> = {}) {
  const shown = raw.length > 80 ? `${raw.slice(0, 79)}…` : raw;
  return new NacreError(code, `failed to process ${JSON.stringify(shown)}: ${message}`, { hint, facts });
}

const CLOSE_QUOTE =
  'close the quote; in COPY, ADD and VOLUME a path with blanks needs the JSON form: COPY ["a b", "/c"]';

const NAME = /\p{Nd}+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*/uy;

/** Walks through one word. */
class Expander {
  readonly #text: string;
  readonly #env: Lookup;
  readonly #escape: EscapeToken;
  readonly #quotes: boolean;
  /** In patterns and replacements escapes stay, for the pattern to read them. */
  #rawEscapes = false;
  #at = 0;
  #depth = 0;
  #budget: number;
  readonly #allowance: Allowance;
  /** Where the last outermost variable begins. */
  variable = 0;

  constructor(text: string, env: Lookup, escapeToken: EscapeToken, quotes: boolean) {
    this.#text = text;
    this.#env = env;
    this.#escape = escapeToken;
    this.#quotes = quotes;
    this.#budget = text.length + MAX_GROWTH;
    this.#allowance = env.allowance ?? newAllowance();
  }

  /** Expands up to `stop`, which is consumed, or to the end. */
  until(stop: string | undefined, sink: Sink): void {
    let from = this.#at;
    while (this.#at < this.#text.length) {
      const c = this.#text[this.#at]!;
      if (!this.#isSpecial(c) && c !== stop) {
        this.#at++;
        continue;
      }
      if (this.#at > from) sink.open(this.#text.slice(from, this.#at));
      if (c === stop) {
        this.#at++;
        return;
      }
      this.#special(c, sink);
      from = this.#at;
    }
    if (stop !== undefined)
      throw syntax(`unexpected end of statement while looking for matching ${stop}`, `close it with ${stop}`);
    if (this.#at > from) sink.open(this.#text.slice(from));
  }

  #isSpecial(c: string): boolean {
    return c === "$" || c === this.#escape || (this.#quotes && (c === "'" || c === '"'));
  }

  #special(c: string, sink: Sink): void {
    if (c === "$") sink.open(this.#dollar());
    else if (c === this.#escape) this.#escaped(sink);
    else if (c === "'") sink.closed(this.#singleQuoted());
    else sink.closed(this.#doubleQuoted());
  }

  #escaped(sink: Sink): void {
    const c = this.#text[this.#at + 1];
    this.#at += 2;
    const kept = this.#rawEscapes ? this.#escape : "";
    if (c !== undefined || kept !== "") sink.closed(kept + (c ?? ""));
  }

  #singleQuoted(): string {
    const start = this.#at + 1;
    const end = this.#text.indexOf("'", start);
    if (end === -1) {
      this.#at = this.#text.length;
      throw syntax("unexpected end of statement while looking for matching single-quote", CLOSE_QUOTE);
    }
    this.#at = end + 1;
    return this.#text.slice(start, end);
  }

  #doubleQuoted(): string {
    const parts: string[] = [];
    let from = ++this.#at;
    const take = () => void parts.push(this.#text.slice(from, this.#at));
    while (this.#at < this.#text.length) {
      const c = this.#text[this.#at]!;
      if (c === '"') {
        take();
        this.#at++;
        return parts.join("");
      }
      if (c === "$") {
        take();
        parts.push(this.#dollar());
        from = this.#at;
      } else if (c === this.#escape) {
        take();
        parts.push(this.#escapedInQuotes());
        from = this.#at;
      } else {
        this.#at++;
      }
    }
    throw syntax("unexpected end of statement while looking for matching double-quote", CLOSE_QUOTE);
  }

  /** Only a quote, a dollar and the escape itself can be escaped within double quotes. */
  #escapedInQuotes(): string {
    const c = this.#text[this.#at + 1];
    const kept = this.#rawEscapes ? this.#escape : "";
    if (c === '"' || c === "$" || c === this.#escape) {
      this.#at += 2;
      return kept + c;
    }
    this.#at++;
    return kept + (c === undefined ? "" : this.#escape);
  }

  #dollar(): string {
    if (this.#depth === 0) this.variable = this.#at;
    this.#at++;
    if (this.#text[this.#at] !== "{") {
      const name = this.#name();
      return name === "" ? "$" : this.#spend(this.#value(name) ?? "");
    }
    this.#at++;
    const first = this.#text[this.#at];
    if (first === undefined) throw missingBrace();
    if (first === "{" || first === "}" || first === ":") {
      throw syntax("syntax error: bad substitution", `write \${NAME}, or ${this.#escape}$ for a dollar sign`);
    }
    return this.#spend(this.#braced(this.#name()));
  }

  #name(): string {
    NAME.lastIndex = this.#at;
    const match = NAME.exec(this.#text);
    if (!match) return "";
    this.#at += match[0].length;
    return match[0];
  }

  #value(name: string): string | undefined {
    const value = this.#env.get(name);
    if (value === undefined) this.#env.unset?.(name);
    return value;
  }

  /** What follows the name in `${name…}`. */
  #braced(name: string): string {
    const operator = this.#next();
    if (operator === undefined) throw missingBrace();
    switch (operator) {
      case "}":
        return this.#value(name) ?? "";
      case "/":
        return this.#replace(name);
      case "#":
      case "%":
        return this.#trim(name, operator);
      case "-":
      case "+":
      case "?":
        return this.#conditional(name, operator, false);
      case ":": {
        const modifier = this.#next();
        if (modifier === "-" || modifier === "+" || modifier === "?") return this.#conditional(name, modifier, true);
        if (modifier === undefined) throw missingBrace();
        throw unsupported(`:${modifier}`);
      }
      default:
        throw unsupported(operator);
    }
  }

  #next(): string | undefined {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) return undefined;
    const c = String.fromCodePoint(code);
    this.#at += c.length;
    return c;
  }

  #conditional(name: string, operator: "-" | "+" | "?", emptyIsUnset: boolean): string {
    // The word is expanded whether it is needed or not, so errors in it always show (as in BuildKit).
    const word = this.#nested("}", false);
    const value = this.#value(name);
    const missing = value === undefined || (emptyIsUnset && value === "");
    if (operator === "+") return missing ? "" : word;
    if (!missing) return value;
    if (operator === "-") return word;
    const what = value === undefined ? "unset" : "empty";
    const message = `${name}: ${word || `is not allowed to be ${what}`}`;
    throw new Problem(
      "PLAN_INVALID",
      message,
      `give ${name} a value: with ARG or ENV before this line, or with --build-arg ${name}=…`,
    );
  }

  #trim(name: string, operator: "#" | "%"): string {
    let pattern = this.#nested("}", true);
    const value = this.#value(name) ?? "";
    this.#work(value, pattern);
    const longest = pattern.startsWith(operator);
    if (longest) pattern = pattern.slice(1);
    return matching(pattern, () =>
      operator === "#" ? trimPrefix(value, pattern, longest) : trimSuffix(value, pattern, longest),
    );
  }

  #replace(name: string): string {
    const all = this.#text[this.#at] === "/";
    if (all) this.#at++;
    const pattern = this.#nested("/", true);
    const replacement = this.#nested("}", true);
    const value = this.#value(name) ?? "";
    this.#work(value, pattern);
    return matching(pattern, () => replaceMatches(value, pattern, replacement, all, this.#budget));
  }

  /** Expands up to `stop` inside braces; whatever fails at the end of the text is a missing `stop`. */
  #nested(stop: "}" | "/", rawEscapes: boolean): string {
    if (this.#depth >= MAX_NESTING) {
      throw new Problem(
        "LIMIT_EXCEEDED",
        `\${…} is nested more than ${MAX_NESTING} levels deep`,
        "set a variable for the inner part",
      );
    }
    const outer = this.#rawEscapes;
    this.#rawEscapes = rawEscapes;
    this.#depth++;
    const sink = new Joined();
    try {
      this.until(stop, sink);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "DOCKERFILE_SYNTAX" || this.#at < this.#text.length)
        throw error;
      throw stop === "}"
        ? missingBrace()
        : syntax(`syntax error: missing '/' in \${}`, `write \${NAME/pattern/replacement}`);
    }
    this.#rawEscapes = outer;
    this.#depth--;
    return sink.text();
  }

  #work(value: string, pattern: string): void {
    this.#allowance.work -= (value.length + 1) * (pattern.length + 1);
    if (this.#allowance.work < 0) throw tooLong();
  }

  #spend(text: string): string {
    this.#budget -= text.length;
    this.#allowance.growth -= text.length;
    if (this.#budget >= 0 && this.#allowance.growth >= 0) return text;
    throw tooLong();
  }
}

/** Runs a pattern operation and names the pattern if it is malformed. */
function matching(pattern: string, work: () => string | "too long" | { readonly wrong: string } | undefined): string {
  const result = work();
  if (typeof result === "string") return result;
  if (result === undefined) throw tooLong();
  throw syntax(
    `invalid pattern (${pattern}) in substitution: ${result.wrong}`,
    "only * and ? are special in patterns; escape them, / and } with a backslash, and nothing else",
  );
}
