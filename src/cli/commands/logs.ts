/** `nacre logs`: the output of executed steps, whole, after the build. */
import { pipeline } from "node:stream/promises";
import type { NamedBuild, Store } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatAge, formatSeconds } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { printable, printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { type Library, storeThere, withStore } from "./storeAccess.js";

interface LogsOptions {
  readonly list?: boolean;
  readonly step?: string;
  readonly failed?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre logs", "output of all steps of the last build"],
  ["nacre logs --failed", "of the step that failed"],
  ["nacre logs --step 'npm ci'", "of the steps whose text has these words"],
  ["nacre logs --list", "the builds that are remembered, newest first"],
  ["nacre logs mg1x3k2a-0123456789ab", "of an earlier build"],
);

/** Declares the command. */
export function logsCommand(invocation: Invocation): Command {
  return new Command("logs")
    .summary("print the output of a build's steps")
    .description(
      "Print what the RUN steps of a build wrote, whole. A step that was cached shows what it wrote when it was executed.",
    )
    .usage("[OPTIONS] [BUILD]")
    .argument("[build]", "name of a build, or the beginning of one (default: the last)")
    .option("-l, --list", "list the builds that are remembered")
    .option("--step <text>", "only steps whose label has this text, or of this number in the build")
    .option("--failed", "only the steps that failed")
    .addOption(formatOption("text", "json"))
    .addHelpText("after", EXAMPLES)
    .action((build: string | undefined, _options: unknown, self: Command) =>
      showLogs(invocation, build, optionsOf<LogsOptions>(self)),
    );
}

async function showLogs(
  invocation: Invocation,
  name: string | undefined,
  options: LogsOptions & GlobalOptions,
): Promise<void> {
  if (!(await storeThere(invocation, options))) throw noBuild(name);
  await withStore(invocation, options, "read", async (store, library) => {
    if (options.list) return listAll(invocation, library.listBuilds(store), options.format);
    const build = find(library.listBuilds(store), name);
    const steps = chosenSteps(build, options);
    if (options.format === "json") {
      print(invocation.stdout, [printableJson({ ...build, steps })]);
      return;
    }
    for (const step of steps) await showStep(invocation, store, library, step);
  });
}

function listAll(invocation: Invocation, builds: readonly NamedBuild[], format: string): void {
  if (format === "json") {
    print(invocation.stdout, builds.map(printableJson));
    return;
  }
  const now = invocation.now();
  const rows = builds.map((build) => [
    build.id,
    build.outcome,
    formatSeconds(build.ended - build.started),
    `${formatAge(now - build.ended)} ago`,
    build.title ?? (build.names.join(", ") || build.context),
  ]);
  print(invocation.stdout, renderTable(["BUILD", "OUTCOME", "TIME", "ENDED", "NAMES"], rows));
}

function find(builds: readonly NamedBuild[], name: string | undefined): NamedBuild {
  if (name === undefined) {
    const [last] = builds;
    if (last) return last;
    throw noBuild(name);
  }
  const found = builds.filter(({ id }) => id.startsWith(name));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw noBuild(name);
  throw new NacreError("USAGE", `${found.length} builds begin with ${JSON.stringify(name)}`, {
    hint: "write more of the name; all names: nacre logs --list",
  });
}

function noBuild(name: string | undefined): NacreError {
  return new NacreError(
    "USAGE",
    name === undefined ? "no build is remembered in this store" : `no build is called ${JSON.stringify(name)}`,
    { hint: name === undefined ? "build something first" : "the builds that are remembered: nacre logs --list" },
  );
}

type Step = NamedBuild["steps"][number];

/** A number means the step of that position; the label's own numbers (`[2/5]`) are text. */
function chosenSteps(build: NamedBuild, { step, failed }: LogsOptions): readonly Step[] {
  const chosen = build.steps.filter(
    (each, at) =>
      (step === undefined || String(at + 1) === step || each.label.includes(step)) &&
      (!failed || each.outcome === "error"),
  );
  if (chosen.length > 0 || (step === undefined && !failed)) return chosen;
  throw new NacreError(
    "USAGE",
    `no step of the build ${build.id} ${failed ? "failed" : `has ${JSON.stringify(step)}`}`,
    {
      hint:
        build.steps.length > 0 ? `its steps: ${build.steps.map(({ label }) => label).join("; ")}` : "it has no steps",
    },
  );
}

async function showStep(invocation: Invocation, store: Store, library: Library, step: Step): Promise<void> {
  if (step.log === undefined) return;
  const state = step.outcome === "done" ? "" : ` (${step.outcome})`;
  print(invocation.stdout, [`=> ${printable(step.label)}${state}  ${formatSeconds(step.duration)}`]);
  const log = library.openLog(store, step.log);
  if (!log) {
    print(invocation.stdout, ["   (its output has been removed)"]);
    return;
  }
  await copyOut(invocation, log);
}

/** On a terminal control characters are made harmless; a file or pipe gets the very bytes. */
async function copyOut({ stdout, signal }: Invocation, log: NodeJS.ReadableStream): Promise<void> {
  if (stdout.isTTY !== true) {
    await pipeline(log, stdout, { end: false, signal });
    return;
  }
  const { createInterface } = await import("node:readline");
  for await (const line of createInterface({ input: log, crlfDelay: Number.POSITIVE_INFINITY })) {
    stdout.write(`${printable(line)}\n`);
  }
}
