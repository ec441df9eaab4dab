/**
 * All commands with their flags and help. The module of a command is loaded only where its words or its help are asked
 * for, and the library only when it runs.
 */
import { Command } from "./commander.js";
import { parseBoolean } from "./commands/parseValues.js";
import { type Environment, type Invocation, print } from "./invocation.js";
import { inColour, paintFor } from "./style.js";
import { displayWidth } from "./terminalText.js";
import { programVersion } from "./version.js";

/** Widest help text, in columns: longer lines are hard to read. */
const HELP_WIDTH = 110;

/** Declares a command; its module is loaded for that. */
type Declaration = (invocation: Invocation) => Command | Promise<Command>;

interface CommandEntry {
  /** The command's name, then its aliases. */
  readonly names: readonly string[];
  readonly declare: Declaration;
}

const inspect: Declaration = async (invocation) => (await import("./commands/inspect.js")).inspectCommand(invocation);
const history: Declaration = async (invocation) => (await import("./commands/history.js")).historyCommand(invocation);
const tag: Declaration = async (invocation) => (await import("./commands/tag.js")).tagCommand(invocation);
const load: Declaration = async (invocation) => (await import("./commands/load.js")).loadCommand(invocation);
const save: Declaration = async (invocation) => (await import("./commands/save.js")).saveCommand(invocation);
const pull: Declaration = async (invocation) => (await import("./commands/pull.js")).pullCommand(invocation);
const push: Declaration = async (invocation) => (await import("./commands/push.js")).pushCommand(invocation);
const ls =
  (...names: readonly [string, ...string[]]): Declaration =>
  async (invocation) =>
    (await import("./commands/imageLs.js")).imageLsCommand(invocation, ...names);
const rm =
  (...names: readonly [string, ...string[]]): Declaration =>
  async (invocation) =>
    (await import("./commands/rm.js")).rmCommand(invocation, ...names);

/** All commands in the order of the help, by its headings. */
const COMMANDS: Readonly<Record<string, readonly CommandEntry[]>> = {
  "Building:": [
    {
      names: ["build"],
      declare: async (invocation) => (await import("./commands/build.js")).buildCommand(invocation),
    },
    { names: ["plan"], declare: async (invocation) => (await import("./commands/plan.js")).planCommand(invocation) },
    {
      names: ["context"],
      declare: async (invocation) => (await import("./commands/context.js")).contextCommand(invocation),
    },
    { names: ["lock"], declare: async (invocation) => (await import("./commands/lock.js")).lockCommand(invocation) },
    {
      names: ["builds"],
      declare: async (invocation) => (await import("./commands/builds.js")).buildsCommand(invocation),
    },
    {
      names: ["advise"],
      declare: async (invocation) => (await import("./commands/advise.js")).adviseCommand(invocation),
    },
    { names: ["logs"], declare: async (invocation) => (await import("./commands/logs.js")).logsCommand(invocation) },
  ],
  "Images:": [
    { names: ["image"], declare: imageGroup },
    { names: ["images"], declare: ls("images") },
    { names: ["history"], declare: history },
    { names: ["inspect"], declare: inspect },
    { names: ["tree"], declare: async (invocation) => (await import("./commands/tree.js")).treeCommand(invocation) },
    { names: ["cat"], declare: async (invocation) => (await import("./commands/cat.js")).catCommand(invocation) },
    {
      names: ["extract"],
      declare: async (invocation) => (await import("./commands/extract.js")).extractCommand(invocation),
    },
    { names: ["which"], declare: async (invocation) => (await import("./commands/which.js")).whichCommand(invocation) },
    { names: ["diff"], declare: async (invocation) => (await import("./commands/diff.js")).diffCommand(invocation) },
    { names: ["waste"], declare: async (invocation) => (await import("./commands/waste.js")).wasteCommand(invocation) },
    { names: ["gate"], declare: async (invocation) => (await import("./commands/gate.js")).gateCommand(invocation) },
    {
      names: ["size-report"],
      declare: async (invocation) => (await import("./commands/sizeReport.js")).sizeReportCommand(invocation),
    },
    {
      names: ["verify"],
      declare: async (invocation) => (await import("./commands/verify.js")).verifyCommand(invocation),
    },
    { names: ["tag"], declare: tag },
    { names: ["rm", "rmi"], declare: rm("rm", "rmi") },
    { names: ["load"], declare: load },
    { names: ["save"], declare: save },
    { names: ["pull"], declare: pull },
    { names: ["push"], declare: push },
    { names: ["copy"], declare: async (invocation) => (await import("./commands/copy.js")).copyCommand(invocation) },
    {
      names: ["search"],
      declare: async (invocation) => (await import("./commands/search.js")).searchCommand(invocation),
    },
    { names: ["tags"], declare: async (invocation) => (await import("./commands/tags.js")).tagsCommand(invocation) },
    {
      names: ["ratelimit"],
      declare: async (invocation) => (await import("./commands/ratelimit.js")).ratelimitCommand(invocation),
    },
    { names: ["login"], declare: async (invocation) => (await import("./commands/login.js")).loginCommand(invocation) },
    {
      names: ["logout"],
      declare: async (invocation) => (await import("./commands/login.js")).logoutCommand(invocation),
    },
  ],
  "Store:": [
    { names: ["cache"], declare: async (invocation) => (await import("./commands/cache.js")).cacheCommand(invocation) },
    { names: ["info"], declare: async (invocation) => (await import("./commands/info.js")).infoCommand(invocation) },
    { names: ["check"], declare: async (invocation) => (await import("./commands/check.js")).checkCommand(invocation) },
    { names: ["prune"], declare: async (invocation) => (await import("./commands/prune.js")).pruneCommand(invocation) },
    { names: ["version"], declare: versionCommand },
  ],
};

/**
 * The program, bound to one invocation. Parsing it runs the command.
 * @param argv what will be parsed: where it begins with the name of a command, no other command is declared
 */
export async function createProgram(invocation: Invocation, argv: readonly string[]): Promise<Command> {
  const program = new Command("nacre")
    .description("Build container images from Dockerfiles without a daemon, and take images apart.")
    .usage("COMMAND [OPTIONS]")
    .version(programVersion(), "-v, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .option("-D, --debug", "print stack traces of errors (also: NACRE_DEBUG=1)")
    .option("--store <dir>", "directory of the store (default: $NACRE_HOME, else ~/.local/share/nacre)");
  const [first = ""] = argv;
  const isOne = Object.values(COMMANDS).some((entries) => entries.some(({ names }) => names.includes(first)));
  for (const [heading, entries] of Object.entries(COMMANDS)) {
    program.commandsGroup(heading);
    for (const { names, declare } of entries) {
      if (!isOne || names.includes(first)) program.addCommand(await declare(invocation));
    }
  }
  program.addHelpText("after", `\nHelp of a command: nacre COMMAND --help`);
  setUp(program, invocation);
  return program;
}

async function imageGroup(invocation: Invocation): Promise<Command> {
  const group = new Command("image")
    .summary("list and manage images (ls, history, rm, tag, inspect, load, save, pull, push)")
    .description("List and manage the images in the store.")
    .usage("COMMAND [OPTIONS]");
  for (const declare of [ls("ls", "list"), history, inspect, tag, rm("rm", "remove"), load, save, pull, push]) {
    group.addCommand(await declare(invocation));
  }
  return group;
}

function versionCommand(invocation: Invocation): Command {
  return new Command("version")
    .summary("print the version")
    .description("Print the version.")
    .action(() => print(invocation.stdout, [programVersion()]));
}

/** Errors are thrown, never printed or answered by an exit here; help goes through the invocation's streams. */
function setUp(command: Command, invocation: Invocation): void {
  command
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => void invocation.stdout.write(text),
      writeErr: (text) => void invocation.stderr.write(text),
      outputError: () => {},
      getOutHelpWidth: () => Math.min(invocation.stdout.columns || HELP_WIDTH, HELP_WIDTH),
      getErrHelpWidth: () => Math.min(invocation.stderr.columns || HELP_WIDTH, HELP_WIDTH),
      getOutHasColors: () => paintFor(invocation.stdout, invocation.env) === inColour,
      getErrHasColors: () => paintFor(invocation.stderr, invocation.env) === inColour,
    })
    .configureHelp({ displayWidth, styleTitle: (text) => inColour("strong", text), showGlobalOptions: true });
  for (const child of command.commands) {
    child.helpOption("-h, --help", "print this help");
    setUp(child, invocation);
  }
}

/**
 * Rewrites `--flag=true` and `--flag=false`, which docker's parser takes for flags without a value and commander does not.
 * False is the value of every such flag that is not given, or it has one that says so (`--no-flag`).
 */
export function normalizeBooleans(program: Command, argv: readonly string[]): string[] {
  const booleans = booleanFlags(program);
  const words: string[] = [];
  for (const [at, word] of argv.entries()) {
    if (word === "--") return [...words, ...argv.slice(at)];
    const [, flag = "", value = ""] = /^(--[a-z-]+|-[A-Za-z])=(.*)$/s.exec(word) ?? [];
    const long = booleans.get(flag);
    if (long === undefined || !isBoolean(value)) words.push(word);
    else if (parseBoolean(value, flag)) words.push(flag);
    else if (booleans.has(`--no-${long.slice(2)}`)) words.push(`--no-${long.slice(2)}`);
  }
  return words;
}

function isBoolean(text: string): boolean {
  return /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(text);
}

/** The long form of each flag without a value, by its long and its short one. */
function booleanFlags(command: Command): Map<string, string> {
  const flags = new Map<string, string>();
  for (const { required, optional, long, short } of command.options) {
    if (required || optional || !long) continue;
    for (const form of [long, short]) if (form) flags.set(form, long);
  }
  return new Map([...flags, ...command.commands.flatMap((child) => [...booleanFlags(child)])]);
}

/** `nacre build` for the command that the words name, for hints. */
export function helpCommandFor(program: Command, words: readonly string[]): string {
  const names = [program.name()];
  let command: Command = program;
  for (const word of words) {
    const child = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (!child) break;
    names.push(word);
    command = child;
  }
  return names.join(" ");
}

/** True if stack traces are wanted. */
export function wantsDebug(words: readonly string[], env: Environment): boolean {
  const end = words.indexOf("--");
  const flags = end < 0 ? words : words.slice(0, end);
  return flags.includes("--debug") || flags.includes("-D") || /^(1|true)$/i.test(env.NACRE_DEBUG ?? "");
}
