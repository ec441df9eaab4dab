/** From a statement to a typed instruction. */
import type { Instruction, Keyword, SourceWarning } from "./ast.js";
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
import { unknownInstruction } from "./unknownInstruction.js";

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
