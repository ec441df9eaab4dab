import type { ArgInstruction, EnvInstruction, KeyValue, LabelInstruction, Word } from "../ast.js";
import { isBlank, type Span } from "../chars.js";
import type { Statement } from "../scan.js";
import { quotedWords } from "../split.js";
import { argumentError, base, checkFlags, NO_FLAGS, rawFlags, restText, shellWords } from "../statement.js";

/** `ENV k=v …` or `ENV k v`. */
export function parseEnv(statement: Statement): EnvInstruction {
  return { ...keyValues(statement), keyword: "ENV" };
}

/** `LABEL k=v …` or `LABEL k v`. */
export function parseLabel(statement: Statement): LabelInstruction {
  return { ...keyValues(statement), keyword: "LABEL" };
}

/**
 * `ARG name[=default] …`. Flags are not looked at: a leading `--x` is dropped, as BuildKit does.
 */
export function parseArg(statement: Statement): ArgInstruction {
  const { joined, rest } = statement;
  const spans = quotedWords(joined.text, rest, statement.escape);
  if (spans.length === 0) {
    throw argumentError(statement, "ARG requires at least one argument", "write ARG NAME or ARG NAME=default");
  }
  const args = spans.map((span) => {
    const pair = splitPair(statement, span);
    if (!pair) return { name: joined.text.slice(span.start, span.end) };
    if (pair.key.raw === "") throw blankName(statement, joined.word(span));
    return { name: pair.key.raw, value: pair.value };
  });
  return { ...base(statement, shellWords(statement), rawFlags(statement)), keyword: "ARG", args };
}

/** What ENV and LABEL have in common. */
function keyValues(statement: Statement) {
  const { pairs, legacy } = readPairs(statement);
  const flags = checkFlags(statement, NO_FLAGS);
  if (pairs.length === 0) {
    const { keyword } = statement;
    throw argumentError(statement, `${keyword} requires at least one argument`, `write ${keyword} name=value`);
  }
  for (const { key } of pairs) if (key.raw === "") throw blankName(statement, key);
  return { ...base(statement, shellWords(statement), flags.list), pairs, legacy };
}

/**
 * Reads the pairs of ENV and LABEL. If the first word has no `=`, the old form is meant: a name, blanks, and all the
 * rest of the line as value (BuildKit: parseNameVal).
 */
export function readPairs(statement: Statement): { pairs: readonly KeyValue[]; legacy: boolean } {
  const { joined, rest } = statement;
  const spans = quotedWords(joined.text, rest, statement.escape);
  const first = spans[0];
  if (!first) return { pairs: [], legacy: false };
  if (!joined.text.slice(first.start, first.end).includes("=")) return { pairs: [legacyPair(statement)], legacy: true };
  const pairs = spans.map((span) => splitPair(statement, span) ?? missingEquals(statement, span));
  return { pairs, legacy: false };
}

function legacyPair(statement: Statement): KeyValue {
  const { joined, rest, keyword } = statement;
  let end = rest.start;
  while (end < rest.end && !isBlank(joined.text.charCodeAt(end))) end++;
  let value = end;
  while (value < rest.end && isBlank(joined.text.charCodeAt(value))) value++;
  const key = joined.word({ start: rest.start, end });
  if (value === end) {
    throw argumentError(
      statement,
      `${keyword} must have two arguments`,
      `write ${keyword} ${restText(statement)}=value`,
      key,
    );
  }
  return { key, value: joined.word({ start: value, end: rest.end }) };
}

function splitPair({ joined }: Statement, { start, end }: Span): KeyValue | undefined {
  const within = joined.text.slice(start, end).indexOf("=");
  if (within === -1) return undefined;
  const equals = start + within;
  return { key: joined.word({ start, end: equals }), value: joined.word({ start: equals + 1, end }) };
}

function missingEquals(statement: Statement, span: Span): never {
  const { joined, rest } = statement;
  const word = joined.word(span);
  const [, value] = /^\s+=\s*(\S*)/.exec(joined.text.slice(span.end, rest.end)) ?? [];
  throw argumentError(
    statement,
    `Syntax error - can't find = in ${JSON.stringify(word.raw)}. Must be of the form: name=value`,
    value === undefined
      ? "put a value that has blanks into double quotes"
      : `write ${word.raw}=${value}, without blanks around the equals sign`,
    word,
  );
}

function blankName(statement: Statement, word: Word) {
  return argumentError(statement, `${statement.keyword} names can not be blank`, "put a name before the =", word);
}
