import { isNacreError } from "../../support/errors.js";
import type { Instruction, OnbuildInstruction, SourceWarning, Word } from "../ast.js";
import type { Statement } from "../scan.js";
import { splitStatement } from "../split.js";
import { argumentError, base, checkFlags, jsonArguments, NO_FLAGS } from "../statement.js";
import { readPairs } from "./keyValue.js";

/** Instructions that cannot be triggers, with what BuildKit says. */
const FORBIDDEN: ReadonlyMap<string, string> = new Map([
  ["ONBUILD", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
  ["MAINTAINER", "MAINTAINER isn't allowed as an ONBUILD trigger"],
  ["FROM", "FROM isn't allowed as an ONBUILD trigger"],
]);

/** Instructions whose arguments may be a JSON array, which BuildKit checks in triggers too. */
const JSON_FORM = new Set(["RUN", "CMD", "ENTRYPOINT", "SHELL", "COPY", "ADD", "VOLUME"]);

/**
 * Refuses what cannot be a trigger, in a Dockerfile as in the config of a base image.
 * @throws NacreError for ONBUILD, FROM and MAINTAINER
 */
export function checkTrigger(inner: Statement): void {
  const message = FORBIDDEN.get(inner.keyword);
  if (message === undefined) return;
  const { start, end } = inner.keywordSpan;
  throw inner.source.error(message, inner.joined.range(start, end), "trigger another instruction, such as RUN or COPY");
}

/**
 * `ONBUILD INSTRUCTION`. Like BuildKit it stores any trigger whose line can be split; one that would fail in a child
 * image is reported as a warning here.
 * @param parse parses the inner instruction
 */
export function parseOnbuild(
  statement: Statement,
  parse: (inner: Statement) => Instruction,
  warn: (warning: SourceWarning) => void,
): OnbuildInstruction {
  const { rest } = statement;
  if (rest.start === rest.end) {
    throw argumentError(
      statement,
      "ONBUILD requires at least one argument",
      "write ONBUILD INSTRUCTION, for example ONBUILD COPY . /app",
    );
  }
  const inner = innerStatement(statement);
  checkLine(inner);
  const flags = checkFlags(statement, NO_FLAGS);
  checkTrigger(inner);
  const words = [inner.joined.word(inner.keywordSpan), ...innerWords(inner, parse, warn)];
  return { ...base(statement, words, flags.list), keyword: "ONBUILD", trigger: triggerText(statement) };
}

function innerStatement(statement: Statement): Statement {
  const inner = splitStatement(statement.joined.text, statement.escape, statement.rest.start);
  return { ...statement, ...inner, comments: [] };
}

/** What BuildKit checks of a trigger already when it is stored. */
function checkLine(inner: Statement): void {
  if (inner.keyword === "ENV" || inner.keyword === "LABEL") readPairs(inner);
  else if (JSON_FORM.has(inner.keyword)) jsonArguments(inner);
}

function innerWords(
  inner: Statement,
  parse: (inner: Statement) => Instruction,
  warn: (warning: SourceWarning) => void,
): readonly Word[] {
  try {
    return parse(inner).words;
  } catch (error) {
    if (!isNacreError(error)) throw error;
    const range = error.place?.range ?? inner.range;
    warn({
      rule: "OnbuildTriggerInvalid",
      message: `This trigger will fail in images built from this one: ${error.message}`,
      range,
    });
    const { joined, flags, rest } = inner;
    return [...flags.map(({ span }) => span), rest]
      .filter(({ start, end }) => end > start)
      .map((span) => joined.word(span));
  }
}

/** The line without the word ONBUILD, trailing blanks kept, and each heredoc body with its closing name. */
function triggerText({ joined, keywordSpan, heredocs }: Statement): string {
  const line = joined.text.slice(keywordSpan.end).replace(/^[\t\n\f\r ]+/, "");
  return line + heredocs.map(({ rawBody, name }) => `\n${rawBody}${name}`).join("");
}
