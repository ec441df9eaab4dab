/** `nacre advise`: what past builds say about a Dockerfile. */
import type { Advice, AdvisedStep, Suggestion } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatSeconds } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, note, print, readStdin, stdinChunks } from "../invocation.js";
import { type Paint, paintFor } from "../style.js";
import { renderTable } from "../table.js";
import { printable, printableJson, truncate } from "../terminalText.js";
import { type BuildOptions, makeBuildRequest } from "./buildRequest.js";
import { shownInstruction } from "./buildsText.js";
import { collect, examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { addRunOptions } from "./runOptions.js";

interface AdviseOptions extends BuildOptions {
  readonly last?: string;
  readonly prove?: boolean;
  readonly all?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre advise", "what the builds of this directory say"],
  ["nacre advise --all", "also changes that may make another image"],
  ["nacre advise --prove", "build with and without each change, and keep those that give the same image"],
  ["nacre advise --last 20 --target app", "the last 20 builds of one stage"],
  ["nacre advise --prove --format diff | patch -p0", "apply what is proven; changes to the same lines one by one"],
  ["nacre advise --format json | jq '.steps[] | {line, misses, spent}'", "for programs"],
);

/** Steps that the table shows. */
const SHOWN_STEPS = 10;
/** Names that stand for the causes of a step. */
const SHOWN_NAMES = 3;

/** Declares the command. */
export function adviseCommand(invocation: Invocation): Command {
  const command = new Command("advise")
    .summary("which steps cost most, and what would have saved that")
    .description(
      "Look at the builds that are remembered of a Dockerfile: which steps missed the cache most and cost most, which files caused it, and which change would have saved how much. Without --all only such changes are shown as keep the image as it is: by what they change, or proven.",
    )
    .usage("[OPTIONS] [PATH]")
    .argument("[path]", "context of the builds", ".")
    .option("-f, --file <path>", "the Dockerfile (default: PATH/Dockerfile)")
    .option("--target <stage>", "only builds of this stage (default: of any)")
    .option("--platform <os/arch>", "only builds for this platform", collect)
    .option("--build-arg <name=value>", "set an ARG, as in the builds", collect)
    .option("--build-context <name=source>", "a further context, as in the builds", collect)
    .option("--ignorefile <path>", "the ignore file (default: DOCKERFILE.dockerignore, else PATH/.dockerignore)")
    .option("--lock-file <path>", "the lock file (default: PATH/nacre.lock)")
    .option("--last <number>", "only so many builds, the newest (default: all that are kept)")
    .option("--all", "also show changes that may make another image, marked so")
    .option("--prove", "build with and without each change, and compare files and settings")
    .addOption(formatOption("table", "json", "diff"));
  addRunOptions(command);
  return command
    .addHelpText("after", EXAMPLES)
    .action((path: string, _options: unknown, self: Command) =>
      runAdvise(invocation, path, optionsOf<AdviseOptions>(self)),
    );
}

async function runAdvise(invocation: Invocation, path: string, options: AdviseOptions & GlobalOptions): Promise<void> {
  const request = await makeBuildRequest(path, options, {
    env: invocation.env,
    stdout: { stream: invocation.stdout, isTTY: invocation.stdout.isTTY === true },
    readStdin: () => readStdin(invocation),
    stdin: () => stdinChunks(invocation),
  });
  const last = lastOf(options.last);
  const { adviseProject, defaultStorePath } = await import("../../index.js");
  const store = options.store ?? defaultStorePath(invocation.env);
  const { prove, all, format } = options;
  if (prove) note(invocation, "building with and without each change; this takes as long as these builds take");
  const advice = await adviseProject({ ...request, store, signal: invocation.signal, last, prove, all });
  if (format === "json") print(invocation.stdout, [printableJson(advice)]);
  else if (format === "diff") printDiffs(invocation, advice);
  else print(invocation.stdout, renderAdvice(advice, { paint: paintFor(invocation.stdout, invocation.env), prove }));
}

function lastOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const last = /^\d+$/.test(text) ? Number(text) : 0;
  if (last >= 1) return last;
  throw new NacreError("USAGE", `--last is not a number of 1 or more: ${JSON.stringify(text)}`, {
    hint: "e.g. --last 20",
  });
}

/** The bare diffs, for `patch`; what has none is told beside them. */
function printDiffs(invocation: Invocation, { suggestions }: Advice): void {
  for (const { file, command, title } of suggestions) {
    if (file) invocation.stdout.write(file.diff);
    else if (command !== undefined) note(invocation, `no diff: ${printable(title)}: ${printable(command)}`);
  }
}

interface Look {
  readonly paint: Paint;
  readonly prove?: boolean | undefined;
}

/** The advice for people. */
export function renderAdvice(advice: Advice, look: Look): string[] {
  if (advice.builds.seen === 0) return nothingKnown(advice);
  return [...header(advice), "", ...stepTable(advice), ...suggestionLines(advice, look), ...endLines(advice, look)];
}

function nothingKnown({ dockerfile, builds }: Advice): string[] {
  const older =
    builds.unusable > 0 ? [`${count(builds.unusable, "build")} of it tell too little: they are older.`] : [];
  return [
    `No build of ${printable(dockerfile)} with this context is remembered here.`,
    ...older,
    "Build it a few times as you work (nacre build), then ask again. What is remembered: nacre builds ls",
  ];
}

function header({ dockerfile, builds, totals }: Advice): string[] {
  const { seen, misses, spent, replayed, avoidable } = totals;
  const hits = seen === 0 ? 0 : Math.round(((seen - misses) / seen) * 100);
  const now = Math.abs(replayed - spent) < 50 ? "" : ` (${formatSeconds(replayed)} with the Dockerfile of now)`;
  return [
    `${printable(dockerfile)}: ${count(builds.seen, "build")}, ${hits}% of ${count(seen, "step")} answered by the cache`,
    `${formatSeconds(spent)} spent on steps${now}, ${formatSeconds(avoidable)} of it avoidable by what is suggested below`,
    ...(builds.unusable > 0 ? [`${count(builds.unusable, "build")} left out: too little is known of them`] : []),
  ];
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

function stepTable({ steps, totals }: Advice): string[] {
  const cost = ({ own, followed, spent }: AdvisedStep): number => Math.max(own + followed, spent);
  const worst = steps.filter(({ misses }) => misses > 0).sort((a, b) => cost(b) - cost(a));
  const rows = worst
    .slice(0, SHOWN_STEPS)
    .map((step) => [
      String(step.line),
      shownInstruction(step.instruction, false),
      `${step.misses}/${step.seen}`,
      formatSeconds(step.spent),
      step.followed > 0 ? formatSeconds(step.followed) : "",
      truncate(causeText(step), 60),
    ]);
  const rest = worst.length - rows.length;
  const { gone } = totals;
  return [
    ...renderTable(["LINE", "INSTRUCTION", "MISSED", "SPENT", "FOLLOWED", "BECAUSE OF"], rows),
    ...(rest > 0 ? [`… and ${count(rest, "more step")}; all of them with --format json`] : []),
    ...(gone.misses > 0
      ? [
          `${formatSeconds(gone.spent)} more for ${count(gone.misses, "miss").replace(/misss$/, "misses")} of steps that are gone`,
        ]
      : []),
  ];
}

const CAUSES: Readonly<Record<AdvisedStep["causes"][number]["kind"], string>> = {
  file: "files",
  files: "files that are not known",
  variable: "variables",
  base: "base moved:",
  instruction: "edited",
  first: "new",
  evicted: "removed from the cache",
  unusable: "lost from the cache",
  disabled: "cache not asked",
  other: "other reasons",
  below: "what it is built on",
};

/** `files src/a.c (3), src/b.c (1); edited (1)`. */
function causeText({ causes }: AdvisedStep): string {
  return causes
    .map(({ kind, builds, names }) => {
      if (names.length === 0) return `${CAUSES[kind]} (${builds})`;
      const shown = names.slice(0, SHOWN_NAMES).map((one) => `${one.name} (${one.builds})`);
      const more = names.length > SHOWN_NAMES ? `, ${names.length - SHOWN_NAMES} more` : "";
      return `${CAUSES[kind]} ${shown.join(", ")}${more}`;
    })
    .join("; ");
}

function suggestionLines({ suggestions }: Advice, { paint }: Look): string[] {
  return suggestions.flatMap((suggestion, i) => {
    const { title, because, file, command, line } = suggestion;
    return [
      "",
      paint("strong", `${i + 1}. ${printable(title)}`),
      `   line ${line}: ${printable(because)}`,
      `   ${savingText(suggestion)}`,
      `   ${paint(isSafe(suggestion) ? "hint" : "warning", printable(safetyText(suggestion)))}`,
      ...(command === undefined ? [] : [`   run: ${printable(command)}`]),
      ...(file === undefined
        ? []
        : file.diff
            .split("\n")
            .slice(0, -1)
            .map((text) => `   ${diffLine(text, paint)}`)),
    ];
  });
}

function diffLine(text: string, paint: Paint): string {
  if (/^\+(?!\+\+ )/.test(text)) return paint("hint", printable(text));
  return /^-(?!-- )/.test(text) ? paint("error", printable(text)) : printable(text);
}

function savingText({ saving, confidence }: Suggestion): string {
  const { time, atMost, builds } = saving;
  const much = `${atMost ? "at stake" : "saves"} ${atMost ? "up to " : ""}${formatSeconds(time)}`;
  return `${much} in ${count(builds, "build")}, ${confidence} confidence`;
}

function isSafe({ safety }: Suggestion): boolean {
  return safety.kind === "certain" || safety.kind === "proven";
}

function safetyText({ safety }: Suggestion): string {
  switch (safety.kind) {
    case "certain":
      return `the same image: ${safety.because}`;
    case "proven":
      return safety.unstable.length === 0
        ? "the same image: proven by building both"
        : `the same image: proven by building both, but for what differs from build to build: ${safety.unstable.join(", ")}`;
    case "unproven":
      return `UNPROVEN: ${safety.doubt} (nacre advise --prove builds both)`;
    case "refuted":
      return `ANOTHER IMAGE: ${safety.differences.join(", ")}`;
    case "failed":
      return `NOT PROVEN: it could not be built: ${safety.error}`;
  }
}

function endLines({ suggestions, withheld }: Advice, { prove }: Look): string[] {
  const { unproven, time, refuted } = withheld;
  const lines: string[] = [];
  if (suggestions.length === 0) lines.push("Nothing to suggest that is certain to keep the image as it is.");
  if (unproven > 0) {
    const each = unproven === 1 ? "it" : "the best of them";
    const saved = `${each} would have saved up to ${formatSeconds(time)}`;
    lines.push(
      `${count(unproven, "more change")} may keep the image as it is; ${saved}.`,
      "Build and compare: nacre advise --prove. Look at them: nacre advise --all",
    );
  }
  if (prove && refuted > 0) {
    lines.push(
      `${count(refuted, "change")} left out: another image, or it could not be built (nacre advise --prove --all)`,
    );
  }
  return lines.length === 0 ? [] : ["", ...lines];
}
