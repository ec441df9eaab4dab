/** What the typed parsers share: places, words, flags and forms of one statement. */
import type { NacreError } from "../support/errors.js";
import type { SourceRange } from "../support/source.js";
import { nearest } from "../support/suggest.js";
import type { Command, Flag, InstructionBase, Word } from "./ast.js";
import { type Span, trimSpace } from "./chars.js";
import { jsonArray, STRINGS_ONLY } from "./jsonForm.js";
import type { FlagText, Statement } from "./scan.js";
import { blankWords, quotedWords } from "./split.js";

/** What a flag may be: with a value, a boolean, or with a value and repeatable. */
export type FlagKind = "string" | "boolean" | "strings";
export type FlagTable = Readonly<Record<string, FlagKind>>;

/** The checked flags of a statement. */
export interface Flags {
  readonly list: readonly Flag[];
  /** The value of a string flag; an empty value is as good as none. */
  text(name: string): string | undefined;
  /** The value of a boolean flag, undefined if it is not given. */
  truth(name: string): boolean | undefined;
  /** The values of a repeatable flag, in order. */
  all(name: string): readonly Flag[];
  /** The flag itself. */
  get(name: string): Flag | undefined;
}

/** Far more than any instruction has. */
export const MAX_FLAGS = 1000;

/** The flags as data, unchecked. @throws NacreError LIMIT_EXCEEDED for more than {@link MAX_FLAGS} */
export function rawFlags(statement: Statement): Flag[] {
  const { flags, source, joined, keyword } = statement;
  const extra = flags[MAX_FLAGS];
  if (extra) {
    const range = joined.range(extra.span.start, extra.span.end);
    throw source.limit(`more than ${MAX_FLAGS} flags`, range, `spread them over several ${keyword} instructions`);
  }
  return flags.map((flag) => readFlag(statement, flag));
}

function readFlag({ joined }: Statement, { text, span }: FlagText): Flag {
  const range = joined.range(span.start, span.end);
  const equals = text.indexOf("=");
  if (equals === -1) return { name: text.slice(2), range, valueRange: range };
  const written = joined.text.indexOf("=", span.start);
  const valueRange = written !== -1 && written + 1 < span.end ? joined.range(written + 1, span.end) : range;
  return { name: text.slice(2, equals), value: text.slice(equals + 1), range, valueRange };
}

/**
 * Checks the flags of a statement against those that its instruction has.
 * @throws NacreError for unknown and doubled flags, missing values and values that are not boolean (BuildKit: BFlags)
 */
export function checkFlags(statement: Statement, table: FlagTable): Flags {
  const list = rawFlags(statement);
  const seen = new Map<string, Flag[]>();
  for (const flag of list) {
    checkFlag(statement, flag, table, seen.has(flag.name));
    const same = seen.get(flag.name);
    if (same) same.push(flag);
    else seen.set(flag.name, [flag]);
  }
  const get = (name: string): Flag | undefined => seen.get(name)?.[0];
  return {
    list,
    get,
    text: (name) => get(name)?.value || undefined,
    truth: (name) => {
      const flag = get(name);
      return flag && flag.value?.toLowerCase() !== "false";
    },
    all: (name) => seen.get(name) ?? [],
  };
}

function checkFlag(statement: Statement, flag: Flag, table: FlagTable, again: boolean): void {
  const { name, value } = flag;
  const kind = Object.hasOwn(table, name) ? table[name] : undefined;
  const fail = (message: string, range: SourceRange, hint: string): NacreError =>
    statement.source.error(message, range, hint);
  if (kind === undefined) throw unknownFlag(statement, flag, table);
  if (again && kind !== "strings") throw fail(`duplicate flag specified: --${name}`, flag.range, "give it once");
  if (kind === "boolean") {
    if (value === "")
      throw fail(`missing a value on flag: --${name}`, flag.range, `write --${name} or --${name}=false`);
    if (value !== undefined && !/^(true|false)$/i.test(value)) {
      const message = `expecting boolean value for flag --${name}, not: ${value}`;
      throw fail(message, flag.valueRange, `write --${name}=true or --${name}=false`);
    }
  } else if (value === undefined) {
    throw fail(`missing a value on flag: --${name}`, flag.range, `write --${name}=VALUE, without a blank`);
  }
}

/** Flags that one instruction has and others are given by mistake. */
const OWNERS: Readonly<Record<string, string>> = {
  from: "COPY",
  parents: "COPY",
  checksum: "ADD",
  unpack: "ADD",
  "keep-git-dir": "ADD",
  mount: "RUN",
  network: "RUN",
  security: "RUN",
  platform: "FROM",
};

function unknownFlag(statement: Statement, flag: Flag, table: FlagTable): NacreError {
  const near = nearest(flag.name, Object.keys(table));
  const suggestion = near === undefined ? "" : ` (did you mean ${near}?)`;
  return statement.source.error(
    `unknown flag: --${flag.name}${suggestion}`,
    flag.range,
    flagHint(statement, flag, table),
  );
}

function flagHint(statement: Statement, { name, value }: Flag, table: FlagTable): string {
  const { keyword } = statement;
  const known = Object.keys(table).map((other) => `--${other}`);
  const owner = Object.hasOwn(OWNERS, name) ? OWNERS[name] : undefined;
  if (owner !== undefined)
    return `--${name} is a flag of ${owner}${known.length > 0 ? `; ${keyword} has ${known.join(", ")}` : ""}`;
  if (known.length > 0) return `${keyword} has ${known.join(", ")}`;
  if (keyword !== "CMD" && keyword !== "ENTRYPOINT") return `${keyword} has no flags`;
  const argument = JSON.stringify(value === undefined ? `--${name}` : `--${name}=${value}`);
  return `${keyword} has no flags; what is meant for the program needs the JSON form: ${keyword} [${argument}]`;
}

/** No flags at all. */
export const NO_FLAGS: FlagTable = {};

/** The members that every instruction has. */
export function base(statement: Statement, words: readonly Word[], flags: readonly Flag[]): InstructionBase {
  const { joined, keywordSpan, range, comments } = statement;
  const source = trimSpace(joined.text.slice(keywordSpan.start));
  return { range, source, words: [...flagWords(statement), ...words], flags, comments };
}

function flagWords({ flags, joined }: Statement): Word[] {
  return flags.map(({ span }) => joined.word(span));
}

/** The rest of the statement as one text. */
export function restText({ joined, rest }: Statement): string {
  return joined.text.slice(rest.start, rest.end);
}

/** The rest as words between blanks. */
export function plainWords({ joined, rest }: Statement): Word[] {
  return blankWords(joined.text, rest).map((span) => joined.word(span));
}

/** The rest as shell-like words, quotes kept. */
export function shellWords(statement: Statement, within: Span = statement.rest): Word[] {
  const { joined } = statement;
  return quotedWords(joined.text, within, statement.escape).map((span) => joined.word(span));
}

/** Arguments in JSON form: the decoded strings and the elements as written. */
export interface JsonArguments {
  readonly values: readonly Word[];
  readonly words: readonly Word[];
}

/**
 * The span as a JSON array, or undefined if it is none.
 * @throws NacreError if an element is not a string
 */
export function jsonArguments(statement: Statement, within: Span = statement.rest): JsonArguments | undefined {
  const { joined, source } = statement;
  const array = jsonArray(joined.text.slice(within.start, within.end));
  if (!array) return undefined;
  const shift = ({ start, end }: Span): Span => ({ start: within.start + start, end: within.start + end });
  if (array.wrong) {
    const { start, end } = shift(array.wrong);
    throw source.error(STRINGS_ONLY, joined.range(start, end), "put every element into double quotes");
  }
  const words = array.spans.map((span) => joined.word(shift(span)));
  return { words, values: array.values.map((raw, i) => ({ raw, range: words[i]!.range })) };
}

/** The span as a command in one of its two forms, and its words. */
export function command(statement: Statement, within: Span = statement.rest): { command: Command; words: Word[] } {
  const json = jsonArguments(statement, within);
  if (json) return { command: { form: "exec", args: json.values.map(({ raw }) => raw) }, words: [...json.words] };
  const text = statement.joined.text.slice(within.start, within.end);
  return { command: { form: "shell", text }, words: shellWords(statement, within) };
}

/** An error about missing arguments: it points at the keyword, or at what is there. */
export function argumentError(statement: Statement, message: string, hint: string, word?: Word): NacreError {
  const { source, joined, keywordSpan } = statement;
  return source.error(message, word?.range ?? joined.range(keywordSpan.start, keywordSpan.end), hint);
}
