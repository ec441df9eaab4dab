/** `nacre context`: what a build can see of a directory, and why. */
import type { ContextListing, ContextListQuery, ContextQuery, ExplainedPath } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatBytes } from "../../support/human.js";
import { Command } from "../commander.js";
import { FailureWithExit, ReportedFailure } from "../failure.js";
import { type Invocation, note, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { printable, printableJson } from "../terminalText.js";
import { sizeRows } from "./contextSizes.js";
import { explanationOf } from "./contextWhy.js";
import { collect, examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";

interface ContextOptions {
  readonly file?: string;
  readonly ignorefile?: string;
  readonly format: string;
}

interface LsOptions extends ContextOptions {
  readonly sizes?: boolean;
  readonly ignored?: boolean;
  readonly used?: boolean;
  readonly top?: string;
  readonly target?: string;
  readonly buildArg?: readonly string[];
}

interface WhyOptions extends ContextOptions {
  readonly context: string;
}

const LS_EXAMPLES = examples(
  ["nacre context ls", "every file that COPY can take from this directory"],
  ["nacre context ls --sizes", "the largest directories and files"],
  ["nacre context ls --ignored", "what the ignore file drops, and which line does"],
  ["nacre context ls --used --sizes", "only what the Dockerfile reads"],
  ["nacre context ls --format json . | jq .kept", "for programs"],
);

const WHY_EXAMPLES = examples(
  ["nacre context why src/app.js", "which rule keeps or drops it"],
  ["nacre context why --context app 'dist/index.html'", "in another directory"],
  ["nacre context why Dockerfile .git", "several at once"],
);

/** Rows of `--sizes` where `--top` does not say otherwise. */
const DEFAULT_ROWS = 25;

/** Declares the group of commands. */
export function contextCommand(invocation: Invocation): Command {
  const group = new Command("context")
    .summary("look at a build context (ls, why)")
    .description("Tell which files of a directory a build can see, how large they are, and which rule decides.")
    .usage("COMMAND [OPTIONS]");
  group.addCommand(lsCommand(invocation));
  group.addCommand(whyCommand(invocation));
  return group;
}

function withFileOptions(command: Command): Command {
  return command
    .option("-f, --file <path>", "the Dockerfile, which decides about the ignore file (default: PATH/Dockerfile)")
    .option("--ignorefile <path>", "the ignore file (default: DOCKERFILE.dockerignore, else PATH/.dockerignore)");
}

function lsCommand(invocation: Invocation): Command {
  const command = new Command("ls")
    .aliases(["list"])
    .summary("list the files that a build can see")
    .description("List the files of a directory that the ignore rules keep. No file is read, and nothing is built.")
    .usage("[OPTIONS] [PATH]")
    .argument("[path]", "directory of the context", ".")
    .option("--sizes", "the largest directories and files, as a tree with sums")
    .option("--ignored", "what the rules drop, with the line that does it")
    .option("--used", "only what COPY, ADD and bind mounts of the Dockerfile read")
    .option("--top <number>", `at most so many rows, the largest first (--sizes: ${DEFAULT_ROWS})`)
    .option("--target <stage>", "for --used: the stage to build (default: the last one)")
    .option("--build-arg <name=value>", "for --used: set an ARG", collect);
  return withFileOptions(command)
    .addOption(formatOption("table", "json"))
    .addHelpText("after", LS_EXAMPLES)
    .action((path: string, _options: unknown, self: Command) =>
      runLs(invocation, path, optionsOf<LsOptions>(self) as LsOptions & GlobalOptions),
    );
}

function whyCommand(invocation: Invocation): Command {
  const command = new Command("why")
    .summary("name the rule that keeps or drops a file")
    .description(
      "Name the rule of the ignore file that keeps or drops each path. Exit code 0: all are kept; 1: one is dropped, or not there; 2: failure.",
    )
    .usage("[OPTIONS] PATH...")
    .argument("<path...>", "as COPY writes it: from the root of the context")
    .option("--context <directory>", "directory of the context", ".");
  return withFileOptions(command)
    .addOption(formatOption("text", "json"))
    .addHelpText("after", WHY_EXAMPLES)
    .action((paths: readonly string[], _options: unknown, self: Command) =>
      runWhy(invocation, paths, optionsOf<WhyOptions>(self)),
    );
}

function queryOf(context: string, { file, ignorefile }: ContextOptions, invocation: Invocation): ContextQuery {
  const dockerfile = file === undefined ? undefined : ({ kind: "file", path: file } as const);
  return { context, dockerfile, ignoreFile: ignorefile, signal: invocation.signal };
}

async function runLs(invocation: Invocation, path: string, options: LsOptions): Promise<void> {
  const top = topOf(options.top);
  const { listContext } = await import("../../index.js");
  const query: ContextListQuery = {
    ...queryOf(path, options, invocation),
    used: options.used === true,
    target: options.target,
    buildArgs: argumentsOf(options.buildArg ?? [], invocation),
  };
  const listing = await listContext(query);
  if (options.format === "json") {
    print(invocation.stdout, [printableJson(listingToJson(listing, options, top))]);
    return;
  }
  print(invocation.stdout, renderListing(listing, options, top));
  print(invocation.stderr, summaryOf(listing));
  if (listing.remark) note(invocation, printable(listing.remark));
}

function topOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const top = /^\d+$/.test(text) ? Number(text) : 0;
  if (top >= 1) return top;
  throw new NacreError("USAGE", `--top is not a number of 1 or more: ${JSON.stringify(text)}`, {
    hint: "e.g. --top 10",
  });
}

function argumentsOf(given: readonly string[], { env }: Invocation): Record<string, string> {
  const pairs = given.flatMap((text): [string, string][] => {
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    const value = equals < 0 ? env[name] : text.slice(equals + 1);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(pairs);
}

function renderListing(listing: ContextListing, options: LsOptions, top: number | undefined): string[] {
  if (options.ignored) return renderDropped(listing, options, top);
  if (options.sizes) {
    const rows = sizeRows(listing.sizes, top ?? DEFAULT_ROWS);
    return renderTable(
      ["SIZE", "FILES", "PATH"],
      rows.map(({ bytes, files, text }) => [formatBytes(bytes), files === undefined ? "" : String(files), text]),
    );
  }
  if (top !== undefined) {
    return renderTable(
      ["SIZE", "PATH"],
      largest(listing, top).map(({ size, path }) => [formatBytes(size), path]),
    );
  }
  return listing.entries.map(({ path, type, link }) => {
    const mark = type === "dir" ? "/" : link === undefined ? "" : ` -> ${link}`;
    return printable(path + mark);
  });
}

function renderDropped(listing: ContextListing, { sizes }: LsOptions, top: number | undefined): string[] {
  const rows = droppedOf(listing, sizes === true || top !== undefined, top);
  return renderTable(
    ["SIZE", "FILES", "PATH", "RULE"],
    rows.map(({ path, type, files, bytes, line, pattern, unreadable }) => [
      unreadable ? "unreadable" : formatBytes(bytes),
      String(files),
      type === "dir" ? `${path}/` : path,
      `${listing.ignoreFile}:${line}: ${pattern}`,
    ]),
  );
}

function droppedOf(
  { droppedEntries }: ContextListing,
  bySize: boolean,
  top: number | undefined,
): ContextListing["droppedEntries"] {
  const sorted = bySize ? [...droppedEntries].sort((a, b) => b.bytes - a.bytes) : droppedEntries;
  return sorted.slice(0, top);
}

function largest({ entries }: ContextListing, top: number): ContextListing["entries"] {
  return entries
    .filter(({ type }) => type === "file")
    .sort((a, b) => b.size - a.size)
    .slice(0, top);
}

/** What is told below a listing, for people. */
function summaryOf({ kept, dropped, unused, ignoreFile }: ContextListing): string[] {
  const count = ({ files, bytes }: { files: number; bytes: number }): string =>
    `${files} file${files === 1 ? "" : "s"}, ${formatBytes(bytes)}`;
  const rules =
    ignoreFile === undefined ? "there is no ignore file" : `${count(dropped)} ignored by ${printable(ignoreFile)}`;
  const rest = unused ? [`${count(unused)} that no step reads`] : [];
  return [`${count(kept)}${unused ? " that steps read" : ""}; ${[...rest, rules].join("; ")}`];
}

function listingToJson(listing: ContextListing, options: LsOptions, top: number | undefined): object {
  const { context, ignoreFile, remark, kept, dropped, unused } = listing;
  const facts = { context, ignoreFile, remark, kept, ignored: dropped, unused };
  if (options.ignored) {
    const bySize = options.sizes === true || top !== undefined;
    return { ...facts, entries: droppedOf(listing, bySize, top) };
  }
  if (options.sizes) {
    const rows = sizeRows(listing.sizes, top ?? DEFAULT_ROWS);
    const entries = rows.flatMap(({ path, bytes, files, type }) =>
      path === undefined ? [] : [{ path, type, files, bytes }],
    );
    return { ...facts, entries };
  }
  return { ...facts, entries: top === undefined ? listing.entries : largest(listing, top) };
}

/** Exit code 1 has a meaning of its own here, so that failures get another. */
async function runWhy(invocation: Invocation, paths: readonly string[], options: WhyOptions): Promise<void> {
  const explained = await explain(invocation, paths, options);
  const lines = explained.flatMap((path) => (options.format === "json" ? [printableJson(path)] : explanationOf(path)));
  print(invocation.stdout, lines);
  const isMissing = explained.some(({ fate }) => fate !== "kept" && fate !== "parent");
  if (isMissing) throw new ReportedFailure(undefined);
}

async function explain(
  invocation: Invocation,
  paths: readonly string[],
  options: WhyOptions,
): Promise<readonly ExplainedPath[]> {
  try {
    const { explainContextPaths } = await import("../../index.js");
    return await explainContextPaths(queryOf(options.context, options, invocation), paths);
  } catch (error) {
    throw new FailureWithExit(error, 2);
  }
}
