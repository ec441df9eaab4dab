/** `nacre builds compare`. */
import type { BuildComparison, ComparedStep, Difference } from "../../index.js";
import { formatSeconds } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { printable, printableJson } from "../terminalText.js";
import { withHistory } from "./buildsStore.js";
import { shownInstruction, shownReason, shownStatus, shownTime } from "./buildsText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";

interface CompareOptions {
  /** False for `--no-trunc`. */
  readonly trunc?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre builds compare", "the last two builds"],
  ["nacre builds compare ^3", "an earlier one with the last"],
  ["nacre builds compare mg1x3k2a mg1x9d01 --format json", "two builds, for programs"],
);

/** Declares the command. */
export function compareBuildsCommand(invocation: Invocation): Command {
  return new Command("compare")
    .aliases(["diff"])
    .summary("compare two builds: times, hits, inputs, outputs")
    .description(
      "Compare two builds: which steps were answered by the cache in each and how long they took, which arguments, bases and other inputs differ, and what came out.",
    )
    .usage("[OPTIONS] [BUILD [BUILD]]")
    .argument("[before]", "the one build (default: the last but one)")
    .argument("[after]", "the other (default: the last)")
    .option("--no-trunc", "print long instructions and reasons whole")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((before: string | undefined, after: string | undefined, _options: unknown, self: Command) =>
      compare(invocation, before ?? "^1", after ?? "^0", optionsOf<CompareOptions>(self)),
    );
}

async function compare(
  invocation: Invocation,
  before: string,
  after: string,
  options: CompareOptions & GlobalOptions,
): Promise<void> {
  await withHistory(invocation, options, "read", async (store, library) => {
    const found = await library.compareBuilds(library.findBuild(store, before), library.findBuild(store, after));
    const lines = options.format === "json" ? [printableJson(found)] : renderComparison(found, options.trunc === false);
    print(invocation.stdout, lines);
  });
}

function renderComparison(found: BuildComparison, whole: boolean): string[] {
  const { facts, args, bases, contexts, remotes, outputs } = found;
  const tables = [
    differences("Build", facts),
    differences("Arguments", args),
    differences("Bases", bases),
    differences("Contexts", contexts),
    differences("Fetched", remotes),
    found.inputsKnown ? [] : ["What went in is not known of both builds: one of them was noted by an older nacre."],
    differences("Result", outputs),
    stepLines(found.steps, whole),
  ];
  return [...summary(found), ...tables.filter((lines) => lines.length > 0).flatMap((lines) => ["", ...lines])];
}

function summary({ before, after }: BuildComparison): string[] {
  const rows = [before, after].map((build, at) => [
    at === 0 ? "before" : "after",
    build.id,
    build.outcome,
    formatSeconds(build.duration),
    `${build.cached}/${build.steps}`,
    build.saved > 0 ? formatSeconds(build.saved) : "",
  ]);
  return renderTable(["", "BUILD", "STATUS", "DURATION", "CACHED", "SAVED"], rows);
}

function differences(title: string, found: readonly Difference[]): string[] {
  if (found.length === 0) return [];
  const rows = found.map(({ name, before, after, hidden }) => [
    name,
    shown(before, hidden === "before"),
    shown(after, hidden === "after"),
  ]);
  return [`${title}:`, ...renderTable(["NAME", "BEFORE", "AFTER"], rows).map((line) => `  ${line}`)];
}

function shown(value: string | undefined, isHidden: boolean): string {
  if (value === undefined) return isHidden ? "(hidden)" : "(none)";
  return value === "" ? '""' : value;
}

const MARKS = { same: " ", edited: "~", moved: "^", added: "+", removed: "-" } as const;

function stepLines(steps: readonly ComparedStep[], whole: boolean): string[] {
  if (steps.length === 0) return [];
  const rows = steps.map((step) => {
    const { match, before, after } = step;
    const { stage, instruction } = (after ?? before)!;
    return [
      stage,
      `${MARKS[match]} ${shownInstruction(instruction, whole)}`,
      before ? `${shownStatus(before)} ${shownTime(before)}`.trimEnd() : "",
      after ? `${shownStatus(after)} ${shownTime(after)}`.trimEnd() : "",
      slower(step),
      step.sameLayer === undefined ? "" : step.sameLayer ? "same" : "differs",
      shownReason(after?.why ?? "", whole),
    ];
  });
  const headers = ["STAGE", "  INSTRUCTION", "BEFORE", "AFTER", "CHANGE", "LAYER", "WHY"];
  return [
    "Steps:",
    ...renderTable(headers, rows).map((line) => `  ${line}`),
    ...edits(steps).map((line) => `  ${line}`),
    "",
    "+ added   - removed   ~ edited   ^ moved   (time): what the cache saved",
  ];
}

/** How much longer the step took in the later build: `+1.2s`. */
function slower({ before, after }: ComparedStep): string {
  if (!before || !after) return "";
  const change = after.duration - before.duration;
  return Math.abs(change) < 50 ? "" : `${change < 0 ? "-" : "+"}${formatSeconds(Math.abs(change))}`;
}

/** The earlier text of instructions that were edited. */
function edits(steps: readonly ComparedStep[]): string[] {
  const edited = steps.filter(({ match }) => match === "edited");
  return edited.flatMap(({ before, after }) => [
    "",
    `- ${printable(shownInstruction(before!.instruction, true))}`,
    `+ ${printable(shownInstruction(after!.instruction, true))}`,
  ]);
}
