/** `nacre plan`, and `nacre build --dry-run`: what the cache would answer, and what a build would cost. */
import type { BuildPreview, BuildRequest, MissReason, PreviewedStep, PreviewTotals } from "../../index.js";
import { formatBytes, formatSeconds } from "../../support/human.js";
import { Command } from "../commander.js";
import { FailureWithExit, ReportedFailure } from "../failure.js";
import { type Invocation, note, print, readStdin, stdinChunks } from "../invocation.js";
import { type Paint, paintFor } from "../style.js";
import { renderTable } from "../table.js";
import { printable, printableJson } from "../terminalText.js";
import { addFileOptions } from "./buildFileOptions.js";
import { type BuildOptions, makeBuildRequest } from "./buildRequest.js";
import { shownInstruction } from "./buildsText.js";
import { collect, examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { addRunOptions } from "./runOptions.js";
import { storePath } from "./storeAccess.js";
import { withEvents } from "./withProgress.js";

/** Steps were missed under `--exit-code`. */
const SOME_MISS = 3;

/** How a plan is shown. */
export interface PlanOptions {
  readonly format: string;
  readonly explain?: boolean;
  readonly exitCode?: boolean;
}

const EXAMPLES = examples(
  ["nacre plan .", "what a build of this directory would do"],
  ["nacre plan --explain .", "with every reason in full"],
  ["nacre plan --exit-code .", "exit code 0 if the cache has everything, 3 if not"],
  ["nacre plan --build-arg VERSION=2 --format json . | jq .totals", "sums, for programs"],
);

/** Declares the command. */
export function planCommand(invocation: Invocation): Command {
  const command = new Command("plan")
    .summary("show what the cache would answer, and why not")
    .description(
      "Show what a build would do: which steps the cache answers, which would be made and why, and how long those took last time. Nothing is executed, downloaded or written but what is known of the context's files.",
    )
    .usage("[OPTIONS] PATH | URL | -")
    .argument("[path]", "the context, as for nacre build");
  addFileOptions(command);
  addRunOptions(command);
  return command
    .optionsGroup("Cache:")
    .option("--name <name>", "compare with the builds of this name")
    .option("--no-cache", "as if every step were executed again")
    .option("--no-cache-filter <stages>", "as if the steps of these stages were executed again", collect)
    .option("--reproducible", "as for nacre build")
    .optionsGroup("Result:")
    .option("--explain", "print every reason in full")
    .option("--exit-code", "exit with 3 if any step would be made, or may have to be")
    .addOption(formatOption("table", "json"))
    .optionsGroup("Other:")
    .addHelpText("after", EXAMPLES)
    .action((path: string | undefined, _options: unknown, self: Command) =>
      runPlan(invocation, path, optionsOf<BuildOptions & PlanOptions>(self)),
    );
}

async function runPlan(
  invocation: Invocation,
  path: string | undefined,
  options: BuildOptions & PlanOptions & GlobalOptions,
): Promise<void> {
  const request = await makeBuildRequest(path, options, {
    env: invocation.env,
    stdout: { stream: invocation.stdout, isTTY: invocation.stdout.isTTY === true },
    readStdin: () => readStdin(invocation),
    stdin: () => stdinChunks(invocation),
  });
  await runPreview(invocation, { ...request, store: await storePath(invocation, options) }, options);
}

/** Previews a build and prints it. @throws ReportedFailure with exit code 3 under `--exit-code` */
export async function runPreview(invocation: Invocation, request: BuildRequest, options: PlanOptions): Promise<void> {
  const library = await import("../../index.js");
  const preview = await withEvents(invocation, (emit) =>
    library.previewBuild({ ...request, emit, signal: invocation.signal }),
  );
  for (const { rule, message } of preview.warnings) note(invocation, `${rule}: ${message}`);
  const paint = paintFor(invocation.stdout, invocation.env);
  const long = options.explain ? (step: PreviewedStep) => longReasons(preview, step, library) : undefined;
  const lines = options.format === "json" ? [printableJson(preview)] : renderPreview(preview, paint, long);
  print(invocation.stdout, lines);
  if (options.exitCode && !preview.allHit) {
    throw new ReportedFailure(new FailureWithExit(new Error("some steps would be made"), SOME_MISS));
  }
}

type Reasons = Pick<typeof import("../../index.js"), "longReason" | "rootCause">;

function longReasons({ steps }: BuildPreview, { id, reason }: PreviewedStep, library: Reasons): readonly string[] {
  if (reason === undefined) return [];
  const reasons: Record<number, MissReason> = {};
  for (const step of steps) if (step.reason) reasons[step.id] = step.reason;
  return library.longReason(reason, { root: library.rootCause(id, reasons) });
}

/** The lines of a preview. @param long the lines that explain a step */
export function renderPreview(
  preview: BuildPreview,
  paint: Paint,
  long?: (step: PreviewedStep) => readonly string[],
): string[] {
  const { steps, totals } = preview;
  if (steps.length === 0) return ["no step of this Dockerfile makes a layer: there is nothing to be cached"];
  const [header = "", ...rows] = renderTable(
    ["STEP", "STAGE", "INSTRUCTION", "CACHE", "SIZE", "TIME", "WHY"],
    steps.map((step) => [
      String(step.id + 1),
      step.stage,
      shownInstruction(step.instruction, false),
      step.outcome.kind === "undecided" || step.outcome.kind === "unknown" ? "?" : CACHE[step.outcome.kind],
      step.size === undefined ? "" : formatBytes(step.size),
      step.duration === undefined ? "" : formatSeconds(step.duration),
      step.why ?? "",
    ]),
  );
  const lines = rows.flatMap((row, i) => {
    const step = steps[i]!;
    const shown = step.outcome.kind === "hit" ? paint("cached", row) : row;
    return [shown, ...(long?.(step) ?? []).map((line) => `    ${printable(line)}`)];
  });
  return [header, ...lines, "", ...renderTotals(totals)];
}

const CACHE = { hit: "hit", miss: "miss", unneeded: "-" } as const;

function renderTotals(totals: PreviewTotals): string[] {
  const { hits, misses, undecided, unknown, steps, unneeded } = totals;
  const open = undecided + unknown;
  const parts = [
    `${hits} of ${steps} ${steps === 1 ? "step" : "steps"} from the cache`,
    ...(misses > 0 ? [`${misses} to make`] : []),
    ...(open > 0 ? [`${open} not decided yet`] : []),
    ...(unneeded > 0 ? [`${unneeded} not needed`] : []),
  ];
  return [parts.join(", "), ...costLine(totals)];
}

function costLine({ misses, undecided, unknown, cost, possibleCost, untimed, saved }: PreviewTotals): string[] {
  const open = undecided + unknown;
  const lines: string[] = [];
  if (misses + open > 0 && misses + open > untimed) {
    const more = open > 0 && possibleCost > 0 ? `, and up to ${formatSeconds(possibleCost)} more` : "";
    const unsure = untimed > 0 ? ` (${untimed} never timed)` : "";
    lines.push(`what is to make took ${formatSeconds(cost)} last time${more}${unsure}`);
  }
  if (saved > 0) lines.push(`the cache saves ${formatSeconds(saved)}`);
  return lines;
}
