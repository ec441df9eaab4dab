import { isNacreError } from "../../support/errors.js";
import type { CmdInstruction, Command, EntrypointInstruction, Flag, RunInstruction, ShellInstruction } from "../ast.js";
import { checkMountSyntax } from "../mount.js";
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
  for (const mount of mounts) checkMount(statement, mount);
  const { command: line, words } = command(statement);
  return {
    ...base(statement, words, flags.list),
    keyword: "RUN",
    command: line,
    heredocs: statement.heredocs,
    mounts: mounts.map(({ value, valueRange }) => ({ raw: value ?? "", range: valueRange })),
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
  const text = message(JSON.stringify(flag.value));
  throw statement.source.error(text, flag.valueRange, `use one of ${known.join(", ")}`);
}

function checkMount(statement: Statement, { value, valueRange }: Flag): void {
  try {
    checkMountSyntax(value ?? "");
  } catch (error) {
    throw isNacreError(error) ? error.at(statement.source.place(valueRange)) : error;
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
    const array = JSON.stringify(shellWords(statement).map(({ raw }) => raw));
    const range = joined.range(rest.start, rest.end);
    throw source.error(
      "SHELL requires the arguments to be in JSON form",
      range,
      `write SHELL ${array.replaceAll(",", ", ")}`,
    );
  }
  return { ...base(statement, json.words, flags.list), keyword: "SHELL", args: json.values.map(({ raw }) => raw) };
}
