import { isNacreError } from "../../support/errors.js";
import type { Flag, HealthcheckInstruction } from "../ast.js";
import { isBlank, type Span } from "../chars.js";
import { parseDuration } from "../duration.js";
import type { Statement } from "../scan.js";
import {
  argumentError,
  base,
  checkFlags,
  command,
  type Flags,
  type FlagTable,
  rawFlags,
  restText,
} from "../statement.js";

const FLAGS: FlagTable = {
  interval: "string",
  timeout: "string",
  "start-period": "string",
  "start-interval": "string",
  retries: "string",
};

const NOTHING = { interval: 0, timeout: 0, startPeriod: 0, startInterval: 0, retries: 0 };
const MILLISECOND = 1_000_000;
const MAX_INT32 = 2_147_483_647;

/** `HEALTHCHECK [flags] CMD COMMAND` or `HEALTHCHECK NONE`. */
export function parseHealthcheck(statement: Statement): HealthcheckInstruction {
  const { joined } = statement;
  const { type, rest } = splitType(statement);
  const word = joined.word(type);
  if (word.raw === "") {
    throw argumentError(
      statement,
      "HEALTHCHECK requires at least one argument",
      "write HEALTHCHECK CMD COMMAND, or HEALTHCHECK NONE",
    );
  }
  const kind = word.raw.toUpperCase();
  const { command: line, words } = command(statement, rest);
  const empty = line.form === "exec" ? line.args.length === 0 : line.text === "";
  if (kind === "NONE") {
    if (!empty)
      throw argumentError(statement, "HEALTHCHECK NONE takes no arguments", "remove what follows NONE", words[0]);
    // With NONE, BuildKit does not look at the flags at all.
    return { ...base(statement, [word], rawFlags(statement)), keyword: "HEALTHCHECK", ...NOTHING };
  }
  const flags = checkFlags(statement, FLAGS);
  if (kind !== "CMD") {
    const message = `Unknown type ${JSON.stringify(kind)} in HEALTHCHECK (try CMD)`;
    const text = restText(statement);
    const hint = `write HEALTHCHECK CMD ${text.length < 60 ? text : "COMMAND"}, or HEALTHCHECK NONE`;
    throw argumentError(statement, message, hint, word);
  }
  if (empty) {
    throw argumentError(statement, "Missing command after HEALTHCHECK CMD", "write the command after CMD", word);
  }
  return {
    ...base(statement, [word, ...words], flags.list),
    keyword: "HEALTHCHECK",
    command: line,
    ...durations(statement, flags),
    retries: retries(statement, flags.get("retries")),
  };
}

function splitType({ joined: { text }, rest }: Statement): { type: Span; rest: Span } {
  let end = rest.start;
  while (end < rest.end && !isBlank(text.charCodeAt(end))) end++;
  let next = end;
  while (next < rest.end && isBlank(text.charCodeAt(next))) next++;
  return { type: { start: rest.start, end }, rest: { start: next, end: rest.end } };
}

function durations(statement: Statement, flags: Flags) {
  const read = (name: string): number => duration(statement, flags.get(name));
  return {
    interval: read("interval"),
    timeout: read("timeout"),
    startPeriod: read("start-period"),
    startInterval: read("start-interval"),
  };
}

function duration(statement: Statement, flag: Flag | undefined): number {
  if (!flag?.value) return 0;
  const value = readDuration(statement, flag, flag.value);
  if (value === 0 || value >= MILLISECOND) return value;
  const message = `Interval ${JSON.stringify(flag.name)} cannot be less than 1ms`;
  throw statement.source.error(message, flag.valueRange, "give at least 1ms, or leave the flag out for the default");
}

function readDuration(statement: Statement, flag: Flag, value: string): number {
  try {
    return parseDuration(value);
  } catch (error) {
    throw isNacreError(error) ? error.at(statement.source.place(flag.valueRange)) : error;
  }
}

function retries({ source }: Statement, flag: Flag | undefined): number {
  if (!flag?.value) return 0;
  const value = /^[+-]?\d+$/.test(flag.value) ? Number(flag.value) : Number.NaN;
  if (Number.isNaN(value) || Math.abs(value) > MAX_INT32) {
    throw source.error(
      `--retries is not a whole number: ${flag.value}`,
      flag.valueRange,
      "write for example --retries=3",
    );
  }
  if (value < 0) throw source.error(`--retries cannot be negative (${value})`, flag.valueRange, "give 0 or more");
  return value;
}
