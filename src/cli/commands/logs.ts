/** `nacre logs`: the output of executed steps, whole, after the build. */
import { pipeline } from "node:stream/promises";
import type { NamedBuild, PlacedStep, Store } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatSeconds } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { printable, printableJson } from "../terminalText.js";
import { renderBuilds } from "./buildsLs.js";
import { withHistory } from "./buildsStore.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import type { Library } from "./storeAccess.js";

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
  ["nacre logs ^1", "of the build before the last"],
  ["nacre logs mg1x3k2a", "of an earlier one, by the beginning of its name"],
);

/** Declares the command. */
export function logsCommand(invocation: Invocation): Command {
  return new Command("logs")
    .summary("print the output of a build's steps")
    .description(
      "Print what the RUN steps of a build wrote, whole. A step that was cached shows what it wrote when it was executed.",
    )
    .usage("[OPTIONS] [BUILD]")
    .argument("[build]", "name of a build, the beginning of one, or ^N (default: the last)")
    .option("-l, --list", "list the builds that are remembered (the same as builds ls)")
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
  await withHistory(invocation, options, "read", async (store, library) => {
    if (options.list) {
      print(invocation.stdout, renderBuilds(library.listBuilds(store), options, invocation.now()));
      return;
    }
    const build = library.findBuild(store, name);
    const steps = chosenSteps(build, (await library.describeBuild(build)).steps, options);
    if (options.format === "json") {
      print(invocation.stdout, [printableJson({ ...build, steps })]);
      return;
    }
    for (const step of steps) await showStep(invocation, store, library, step);
  });
}

/** A number means the step of that number, as `builds show` has them; the label's own numbers (`[2/5]`) are text. */
function chosenSteps(
  build: NamedBuild,
  steps: readonly PlacedStep[],
  { step, failed }: LogsOptions,
): readonly PlacedStep[] {
  const chosen = steps.filter(
    ({ number, label, outcome }) =>
      (step === undefined || String(number) === step || label.includes(step)) && (!failed || outcome === "error"),
  );
  if (chosen.length > 0 || (step === undefined && !failed)) return chosen;
  throw new NacreError(
    "USAGE",
    `no step of the build ${build.id} ${failed ? "failed" : `has ${JSON.stringify(step)}`}`,
    {
      hint: steps.length > 0 ? `its steps: ${steps.map(({ label }) => label).join("; ")}` : "it has no steps",
    },
  );
}

async function showStep(invocation: Invocation, store: Store, library: Library, step: PlacedStep): Promise<void> {
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
