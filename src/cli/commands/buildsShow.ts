/** `nacre builds show`. */
import type { BuildDescription, NamedBuild, PlacedStep } from "../../index.js";
import { shortenName } from "../../oci/reference.js";
import { formatAge, formatBytes, formatSeconds } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderPairs, renderTable } from "../table.js";
import { printable, printableJson } from "../terminalText.js";
import { withHistory } from "./buildsStore.js";
import { shownInstruction, shownReason, shownStatus, shownTime, shownTimeOfDay } from "./buildsText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";

interface ShowOptions {
  /** False for `--no-trunc`. */
  readonly trunc?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre builds show", "the last build"],
  ["nacre builds show ^1", "the one before"],
  ["nacre builds show mg1x3k2a --no-trunc", "one by the beginning of its name, long lines whole"],
  ["nacre builds show --format json | jq '.steps[].reason'", "the reasons of misses in full"],
);

/** Declares the command. */
export function showBuildCommand(invocation: Invocation): Command {
  return new Command("show")
    .aliases(["inspect"])
    .summary("show all that is known of a build")
    .description(
      "Show a build: what went in, what came out, and its steps with their times, whether the cache answered, and why not. TIME in parentheses: what the cache has saved.",
    )
    .usage("[OPTIONS] [BUILD]")
    .argument("[build]", "name of a build, the beginning of one, or ^N (default: the last)")
    .option("--no-trunc", "print long instructions and reasons whole")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((build: string | undefined, _options: unknown, self: Command) =>
      showBuild(invocation, build, optionsOf<ShowOptions>(self)),
    );
}

async function showBuild(
  invocation: Invocation,
  wanted: string | undefined,
  options: ShowOptions & GlobalOptions,
): Promise<void> {
  await withHistory(invocation, options, "read", async (store, library) => {
    const build = library.findBuild(store, wanted);
    const described = await library.describeBuild(build);
    const lines =
      options.format === "json"
        ? [printableJson({ ...build, ...described })]
        : renderBuild(build, described, invocation.now(), options.trunc === false);
    print(invocation.stdout, lines);
  });
}

function renderBuild(build: NamedBuild, described: BuildDescription, now: number, whole: boolean): string[] {
  const sections = [
    renderPairs(factsOf(build, described.saved, now)),
    section("Error", (build.error ?? "").split("\n").filter(Boolean).map(printable)),
    section("Arguments", table(["NAME", "VALUE"], argumentRows(build))),
    section("Inputs", table(["KIND", "NAME", "DIGEST", "PLATFORM"], inputRows(build))),
    section("Outputs", table(["TYPE", "DESTINATION", "DIGEST"], outputRows(build))),
    section("Steps", stepTable(described.steps, whole)),
  ];
  return sections.filter((lines) => lines.length > 0).flatMap((lines, at) => (at === 0 ? lines : ["", ...lines]));
}

function factsOf(build: NamedBuild, saved: number, now: number): (readonly [string, string])[] {
  const { steps, started, ended } = build;
  const cached = steps.filter(({ outcome }) => outcome === "cached").length;
  const share = steps.length === 0 ? "" : `, ${cached} of ${steps.length} steps cached`;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["Build", build.id],
    ["Title", build.title],
    ["Status", build.outcome],
    ["Created", `${shownTimeOfDay(started)} (${formatAge(now - started)} ago)`],
    [
      "Duration",
      `${formatSeconds(ended - started)}${share}${saved > 0 ? `, which saved ${formatSeconds(saved)}` : ""}`,
    ],
    ["Dockerfile", build.dockerfile],
    ["Context", build.context],
    ["Target", build.target],
    ["Platform", build.platform],
    ["Isolation", build.isolation],
    ["Names", build.names.length > 0 ? build.names.map(shortenName).join(", ") : undefined],
    ["Digest", build.digest],
    ["Project", build.project],
    ["nacre", build.nacre],
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];
}

function table(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : renderTable(headers, rows);
}

function argumentRows({ args = [] }: NamedBuild): string[][] {
  return args.map(({ name, value, hidden }) => [name, hidden ? "(hidden)" : (value ?? "(not set)")]);
}

function inputRows({ inputs: { bases = [], contexts = [], remotes = [] } = {} }: NamedBuild): string[][] {
  return [
    ...bases.map((base) => ["base", base.reference, base.digest ?? "", base.platform ?? ""]),
    ...contexts.map(({ name, description, digest }) => [
      "context",
      description === undefined || description === name ? name : `${name} (${description})`,
      digest ?? "",
    ]),
    ...remotes.map(({ kind, address, digest, commit }) => [kind, address, commit ?? digest ?? ""]),
  ];
}

function outputRows({ outputs = [] }: NamedBuild): string[][] {
  return outputs.map(({ type, destination, digest }) => [type, destination ?? "", digest ?? ""]);
}

function stepTable(steps: readonly PlacedStep[], whole: boolean): string[] {
  const rows = steps.map((step) => [
    String(step.number),
    step.stage,
    shownInstruction(step.instruction, whole),
    shownStatus(step),
    step.started === undefined ? "" : `+${formatSeconds(step.started)}`,
    shownTime(step),
    step.size === undefined ? "" : formatBytes(step.size),
    shownReason(step.why ?? "", whole),
  ]);
  return table(["STEP", "STAGE", "INSTRUCTION", "CACHE", "START", "TIME", "SIZE", "WHY"], rows);
}
