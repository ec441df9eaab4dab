/** `nacre cache why`: why steps of a build were not answered by the cache, in full. */
import type { MissReason, NamedBuild, PlacedStep } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatAge, formatSeconds } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { printable, printableJson } from "../terminalText.js";
import { withHistory } from "./buildsStore.js";
import { shownName, shownStatus } from "./buildsText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import type { Library } from "./storeAccess.js";

interface WhyOptions {
  readonly build?: string;
  readonly limit?: string;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre cache why", "all misses of the last build"],
  ["nacre cache why 4", "its step 4"],
  ["nacre cache why 'npm ci' --build ^1", "the steps with these words, of the build before"],
  ["nacre cache why 4 --format json | jq '.reason.changes[].files[].path'", "every file that differed"],
);

/** Declares the command. */
export function cacheWhyCommand(invocation: Invocation): Command {
  return new Command("why")
    .summary("say why steps were not answered by the cache")
    .description(
      "Say why steps of a build were made instead of taken from the cache: what differed from the build before, back to where it began. Before a build, ask: nacre plan --explain",
    )
    .usage("[OPTIONS] [STEP]")
    .argument("[step]", "number of a step, or words of its instruction (default: all that were made)")
    .option("--build <build>", "name of a build, the beginning of one, or ^N (default: the last)")
    .option("--limit <number>", "most files that are listed of each source (default: 20)")
    .addOption(formatOption("text", "json"))
    .addHelpText("after", EXAMPLES)
    .action((step: string | undefined, _options: unknown, self: Command) =>
      showWhy(invocation, step, optionsOf<WhyOptions>(self)),
    );
}

async function showWhy(
  invocation: Invocation,
  wanted: string | undefined,
  options: WhyOptions & GlobalOptions,
): Promise<void> {
  const limit = limitOf(options.limit);
  await withHistory(invocation, options, "read", async (store, library) => {
    const build = library.findBuild(store, options.build);
    const { steps } = await library.describeBuild(build);
    const chosen = chosenSteps(build, steps, wanted);
    if (options.format === "json") {
      print(invocation.stdout, chosen.map(printableJson));
      return;
    }
    const head = `${printable(shownName(build))}, built ${formatAge(invocation.now() - build.started)} ago (${build.id})`;
    const lines = chosen.flatMap((step) => ["", ...renderStep(step, steps, library, limit)]);
    print(invocation.stdout, [head, ...(lines.length > 0 ? lines : ["", "every step was answered by the cache"])]);
  });
}

function limitOf(text = "20"): number {
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw new NacreError("USAGE", `--limit ${JSON.stringify(text)} is no number`, { hint: "write --limit 100" });
}

function chosenSteps({ id }: NamedBuild, steps: readonly PlacedStep[], wanted: string | undefined): PlacedStep[] {
  if (wanted === undefined) return steps.filter(({ outcome }) => outcome !== "cached");
  const words = wanted.toLowerCase();
  const found = steps.filter(
    ({ number, instruction }) => String(number) === wanted || instruction.toLowerCase().includes(words),
  );
  if (found.length > 0) return found;
  throw new NacreError("USAGE", `no step of the build ${id} has ${JSON.stringify(wanted)}`, {
    hint: steps.length > 0 ? `its steps: ${steps.map(({ label }) => label).join("; ")}` : "it has no steps",
  });
}

function renderStep(step: PlacedStep, steps: readonly PlacedStep[], library: Library, limit: number): string[] {
  const time = step.outcome === "cached" ? "" : `, ${formatSeconds(step.duration)}`;
  const head = `step ${step.number} ${step.instruction}: ${shownStatus(step)}${time}`;
  return [printable(head), ...reasonLines(step, steps, library, limit).map((line) => `  ${printable(line)}`)];
}

function reasonLines(
  step: PlacedStep,
  steps: readonly PlacedStep[],
  library: Library,
  limit: number,
): readonly string[] {
  if (step.outcome === "cached") {
    return step.by === "content" ? ["what it is built from was made again, and is the same as before"] : [];
  }
  if (!step.reason || step.id === undefined) return ["why is not known"];
  const reasons: Record<number, MissReason> = {};
  for (const { id, reason } of steps) if (id !== undefined && reason) reasons[id] = reason as MissReason;
  try {
    return library.longReason(step.reason as MissReason, { root: library.rootCause(step.id, reasons), limit });
  } catch {
    // Written by another version.
    return [step.why ?? "why is not known"];
  }
}
