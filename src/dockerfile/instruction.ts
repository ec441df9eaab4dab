/** From a statement to a typed instruction. */
import { nearest } from "../support/suggest.js";
import { type Instruction, KEYWORDS, type Keyword, type SourceWarning } from "./ast.js";
import { parseCopy } from "./instructions/copy.js";
import { parseFrom } from "./instructions/from.js";
import { parseHealthcheck } from "./instructions/healthcheck.js";
import { parseArg, parseEnv, parseLabel } from "./instructions/keyValue.js";
import { parseOnbuild } from "./instructions/onbuild.js";
import { parseCmd, parseEntrypoint, parseRun, parseShell } from "./instructions/run.js";
import {
  parseExpose,
  parseMaintainer,
  parseStopSignal,
  parseUser,
  parseVolume,
  parseWorkdir,
} from "./instructions/single.js";
import type { MissedHeredoc, Statement } from "./scan.js";

/** Where warnings go. */
export type Warn = (warning: SourceWarning) => void;

type Parser = (statement: Statement, warn: Warn) => Instruction;

const PARSERS: Readonly<Record<Keyword, Parser>> = {
  ADD: parseCopy,
  ARG: parseArg,
  CMD: parseCmd,
  COPY: parseCopy,
  ENTRYPOINT: parseEntrypoint,
  ENV: parseEnv,
  EXPOSE: parseExpose,
  FROM: parseFrom,
  HEALTHCHECK: parseHealthcheck,
  LABEL: parseLabel,
  MAINTAINER: parseMaintainer,
  ONBUILD: (statement, warn) => parseOnbuild(statement, (inner) => parseInstruction(inner, warn), warn),
  RUN: parseRun,
  SHELL: parseShell,
  STOPSIGNAL: parseStopSignal,
  USER: parseUser,
  VOLUME: parseVolume,
  WORKDIR: parseWorkdir,
};

/**
 * Types one statement.
 * @param missed the heredoc of the instruction before that was not recognised: it explains an unknown instruction
 * @throws NacreError DOCKERFILE_SYNTAX
 */
export function parseInstruction(statement: Statement, warn: Warn, missed?: MissedHeredoc): Instruction {
  const { keyword } = statement;
  if (!Object.hasOwn(PARSERS, keyword)) throw unknownInstruction(statement, missed);
  return PARSERS[keyword as Keyword](statement, warn);
}

function unknownInstruction({ source, joined, keywordSpan }: Statement, missed: MissedHeredoc | undefined): Error {
  const { start, end } = keywordSpan;
  const word = joined.text.slice(start, end);
  const near = nearest(word, KEYWORDS);
  const suggestion = near === undefined ? "" : ` (did you mean ${near}?)`;
  return source.error(
    `unknown instruction: ${shorten(word)}${suggestion}`,
    joined.range(start, end),
    hint(near, missed),
  );
}

function hint(near: string | undefined, missed: MissedHeredoc | undefined): string {
  if (missed) return `line ${missed.line} has << but opens no heredoc, because ${missed.reason}`;
  if (near !== undefined) return `write ${near}, or end the line before with a backslash if this continues it`;
  return "a line starts with one of the 18 keywords; end the line before with a backslash if this continues it";
}

function shorten(word: string): string {
  return word.length > 80 ? `${word.slice(0, 79)}…` : word;
}
