/** `nacre builds ls`. */
import type { BuildSummary } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatAge, formatSeconds } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { printableJson } from "../terminalText.js";
import { shownCached, shownName } from "./buildsText.js";
import { collect, examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { storeThere, withStore } from "./storeAccess.js";

interface LsOptions {
  readonly filter?: readonly string[];
  readonly last?: number;
  readonly quiet?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre builds ls", "the builds that are remembered"],
  ["nacre builds ls --filter status=error --filter since=24h", "what failed since yesterday"],
  ["nacre builds ls --filter project=. -n 5", "the last five of this directory"],
  ["nacre builds ls --filter name=hello", "the builds of an image"],
  ["nacre builds ls --format json | jq .digest", "for programs: one JSON object a line"],
);

/** Declares the command. */
export function listBuildsCommand(invocation: Invocation): Command {
  return new Command("ls")
    .aliases(["list"])
    .summary("list the builds that are remembered")
    .description("List the builds that are remembered, newest first. CACHED: steps that the cache answered, of all.")
    .usage("[OPTIONS]")
    .option(
      "--filter <key=value>",
      "status=done|error|cancelled, name=, project=DIR, target=, platform=, since=, until=; may be repeated",
      collect,
    )
    .option("-n, --last <number>", "only the last so many", parseCount)
    .option("-q, --quiet", "print the names of the builds only")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((_options: unknown, self: Command) => listTheBuilds(invocation, optionsOf<LsOptions>(self)));
}

function parseCount(text: string): number {
  if (/^\d{1,6}$/.test(text) && Number(text) > 0) return Number(text);
  throw new NacreError("USAGE", `not a number of builds: ${JSON.stringify(text)}`, { hint: "write e.g. --last 5" });
}

async function listTheBuilds(invocation: Invocation, options: LsOptions & GlobalOptions): Promise<void> {
  const { parseFilters } = await import("./buildsFilter.js");
  const filters = parseFilters(options.filter ?? [], invocation.now());
  const builds = (await storeThere(invocation, options))
    ? await withStore(invocation, options, "read", async (store, library) =>
        library.listBuilds(store, { filters, limit: options.last }),
      )
    : [];
  print(invocation.stdout, renderBuilds(builds, options, invocation.now()));
}

/** The lines of the listing. @param now milliseconds since 1970 */
export function renderBuilds(
  builds: readonly BuildSummary[],
  { quiet, format }: Pick<LsOptions, "quiet" | "format">,
  now: number,
): string[] {
  if (format === "json") return builds.map((build) => printableJson(build));
  if (quiet) return builds.map(({ id }) => id);
  const rows = builds.map((build) => [
    build.id,
    shownName(build),
    build.outcome,
    `${formatAge(now - build.started)} ago`,
    formatSeconds(build.ended - build.started),
    shownCached(build),
    build.target ?? "",
  ]);
  return renderTable(["BUILD", "NAME", "STATUS", "CREATED", "DURATION", "CACHED", "TARGET"], rows);
}
