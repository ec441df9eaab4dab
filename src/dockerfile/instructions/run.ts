import { isNacreError } from "../../support/errors.js";
import { nearest } from "../../support/suggest.js";
import type {
  CmdInstruction,
  Command,
  EntrypointInstruction,
  Flag,
  RunInstruction,
  ShellInstruction,
  Word,
} from "../ast.js";
import { jsonArray } from "../jsonForm.js";
import { checkMountSyntax } from "../mount.js";
import { mountErrorRange } from "../mountPlace.js";
import type { Statement } from "../scan.js";
import {
  argumentError,
  base,
  checkFlags,
  command,
  jsonArguments,
  NO_FLAGS,
  restText,
  shellWords,
} from "../statement.js";

const NETWORKS: readonly string[] = ["default", "none", "host"];
const SECURITY: readonly string[] = ["sandbox", "insecure"];

/** `RUN [--mount=…] [--network=…] [--security=…] [--device=…] COMMAND`. */
export function parseRun(statement: Statement): RunInstruction {
  const flags = checkFlags(statement, { mount: "strings", network: "string", security: "string", device: "strings" });
  const network = flags.get("network");
  const security = flags.get("security");
  oneOf(statement, network, NETWORKS, (value) => `invalid network mode ${value}`);
  oneOf(statement, security, SECURITY, (value) => `security ${value} is not valid`);
  const mounts = flags.all("mount");
  for (const mount of mounts) checkMount(statement, mountWord(mount));
  const { command: line, words } = command(statement);
  return {
    ...base(statement, words, flags.list),
    keyword: "RUN",
    command: line,
    heredocs: statement.heredocs,
    mounts: mounts.map(mountWord),
    network: network?.value,
    security: security?.value,
    devices: flags.all("device").map(({ value }) => value ?? ""),
  };
}

function oneOf(
  statement: Statement,
  flag: Flag | undefined,
  known: readonly string[],
  message: (quoted: string) => string,
): void {
  if (!flag || known.includes(flag.value ?? "")) return;
  const near = nearest(flag.value ?? "", known);
  const text = `${message(JSON.stringify(flag.value))}${near === undefined ? "" : ` (did you mean ${near}?)`}`;
  throw statement.source.error(text, flag.valueRange, `use one of ${known.join(", ")}`);
}

function mountWord({ value = "", valueRange }: Flag): Word {
  return { raw: value, range: valueRange };
}

function checkMount(statement: Statement, word: Word): void {
  try {
    checkMountSyntax(word.raw);
  } catch (error) {
    throw isNacreError(error) ? error.at(statement.source.place(mountErrorRange(error, word))) : error;
  }
}

/** `CMD COMMAND`. */
export function parseCmd(statement: Statement): CmdInstruction {
  return { ...commandOnly(statement), keyword: "CMD" };
}

/** `ENTRYPOINT COMMAND`. */
export function parseEntrypoint(statement: Statement): EntrypointInstruction {
  return { ...commandOnly(statement), keyword: "ENTRYPOINT" };
}

function commandOnly(statement: Statement): ReturnType<typeof base> & { command: Command } {
  const flags = checkFlags(statement, NO_FLAGS);
  const { command: line, words } = command(statement);
  return { ...base(statement, words, flags.list), command: line };
}

/** `SHELL ["exe", "arg"]`. */
export function parseShell(statement: Statement): ShellInstruction {
  const flags = checkFlags(statement, NO_FLAGS);
  const json = jsonArguments(statement);
  if (json ? json.values.length === 0 : restText(statement) === "") {
    throw argumentError(statement, "SHELL requires at least one argument", 'write SHELL ["/bin/bash", "-c"]');
  }
  if (!json) {
    const { source, joined, rest } = statement;
    const range = joined.range(rest.start, rest.end);
    throw source.error("SHELL requires the arguments to be in JSON form", range, jsonHint(statement));
  }
  return { ...base(statement, json.words, flags.list), keyword: "SHELL", args: json.values.map(({ raw }) => raw) };
}

/** The same words in JSON, for someone who has left it out or taken the wrong quotes. */
function jsonHint(statement: Statement): string {
  const text = restText(statement);
  const mended = text.replaceAll("'", '"');
  if (jsonArray(mended)) return `JSON has double quotes only: SHELL ${mended}`;
  if (text.startsWith("[")) return 'this is no valid JSON; write for example SHELL ["/bin/bash", "-c"]';
  return `write SHELL [${shellWords(statement)
    .map(({ raw }) => JSON.stringify(raw))
    .join(", ")}]`;
}
