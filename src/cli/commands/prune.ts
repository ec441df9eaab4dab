/** `nacre prune`, which is `nacre cache prune` too. */

import type { CacheLimits, ConfiguredLimits, PruneOptions, PruneReport, Removal } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatAge, formatBytes } from "../../support/human.js";
import { Command, Option } from "../commander.js";
import { canAsk, confirm } from "../confirm.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { printableJson } from "../terminalText.js";
import { limitWords } from "./limitWords.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { storePath, storeThere, withStore } from "./storeAccess.js";

interface PruneCommandOptions {
  readonly all?: boolean;
  readonly maxSize?: string;
  readonly keepDuration?: string;
  readonly minFree?: string;
  readonly dryRun?: boolean;
  readonly background?: boolean;
  readonly force?: boolean;
  readonly verbose?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre prune", "shrink the cache to its limits (nacre info shows them)"],
  ["nacre prune --dry-run", "what would go, and why"],
  ["nacre prune --max-size 10GB", "to 10 GB, least recently used first"],
  ["nacre prune --keep-duration 24h", "and remove what was not used since yesterday"],
  ["nacre prune --min-free 20%", "until a fifth of the disk is free"],
  ["nacre prune --all --force", "everything that no image needs"],
);

/** Declares the command. */
export function pruneCommand(invocation: Invocation): Command {
  return new Command("prune")
    .summary("free disk space: the cache, and what no image needs")
    .description(
      "Shrink the build cache to its limits, least recently used first. Images that have a name, and what they and running builds need, always stay.",
    )
    .usage("[OPTIONS]")
    .option("-a, --all", "remove everything that no image needs")
    .option("--max-size <size>", "most that the cache may take, e.g. 10GB (default: 10GiB or a fifth of the disk)")
    .option("--keep-duration <duration>", "what was not used for longer goes, e.g. 24h or 30d")
    .option("--min-free <size>", "what the disk shall have free: a size, or a part of it, e.g. 10%")
    .option("--dry-run", "only show what would go")
    .option("--verbose", "list every single thing that goes")
    .option("-f, --force", "do not ask")
    .addOption(formatOption("table", "json"))
    .addOption(new Option("--background", "as builds do it: say nothing, and leave it to others at work").hideHelp())
    .addHelpText("after", EXAMPLES)
    .action((_options: unknown, self: Command) => runPrune(invocation, optionsOf<PruneCommandOptions>(self)));
}

async function runPrune(invocation: Invocation, options: PruneCommandOptions & GlobalOptions): Promise<void> {
  const { all = false, maxSize, keepDuration, minFree } = options;
  if (all && [maxSize, keepDuration, minFree].some((limit) => limit !== undefined)) {
    throw new NacreError("USAGE", "--all leaves nothing for --max-size, --keep-duration or --min-free to keep", {
      hint: "give either of them",
    });
  }
  const limits = await limitsFor(invocation, options);
  if (!(await storeThere(invocation, options))) {
    print(invocation.stderr, ["there is no store yet: nothing to remove"]);
    return;
  }
  const wanted: PruneOptions = all ? { all } : limits.values;
  if (options.background) return pruneInBackground(invocation, options, wanted);
  const question = all
    ? "This removes everything that no image needs."
    : `This removes the least recently used parts of the cache, down to its limits (${limits.words}).`;
  const report = await pruneWith(invocation, options, wanted, question);
  if (report) print(invocation.stdout, reportLines(report, options, invocation.now()));
}

/**
 * Prunes, or only looks, as the flags say.
 * @param question asked on a terminal, unless `--force` was given
 * @returns undefined if the answer was no
 */
export async function pruneWith(
  invocation: Invocation,
  options: Pick<PruneCommandOptions, "dryRun" | "force"> & GlobalOptions,
  wanted: PruneOptions,
  question: string,
): Promise<PruneReport | undefined> {
  const { dryRun = false, force } = options;
  const mayGo = dryRun || force || !canAsk(invocation) || (await confirm(invocation, `${question} Continue?`));
  if (!mayGo) return undefined;
  return withStore(invocation, options, dryRun ? "read" : "write", (store, library) =>
    library.pruneStore(store, { ...wanted, dryRun }),
  );
}

async function pruneInBackground(invocation: Invocation, options: GlobalOptions, wanted: PruneOptions): Promise<void> {
  await withStore(invocation, options, "write", (store, library) => library.tryPrune(store, wanted));
}

/** The limits with what flags, environment and configuration file say of them. */
async function limitsFor(
  invocation: Invocation,
  options: PruneCommandOptions & GlobalOptions,
): Promise<{ readonly values: CacheLimits; readonly words: string }> {
  const { configuredLimits, valuesOf } = await import("../../index.js");
  const { maxSize, keepDuration, minFree } = options;
  const flags = { "max-size": maxSize, "keep-duration": keepDuration, "min-free": minFree };
  const limits: ConfiguredLimits = configuredLimits(await storePath(invocation, options), invocation.env, flags);
  return { values: valuesOf(limits), words: limitWords(limits).join(", ") };
}

/** A report as `--format` wants it. */
export function reportLines(
  report: PruneReport,
  { format, verbose = false }: { readonly format: string; readonly verbose?: boolean },
  now: number,
): string[] {
  return format === "json" ? [printableJson(report)] : renderReport(report, verbose, now);
}

/** The lines that say what went, or would go, and why. */
export function renderReport(report: PruneReport, verbose: boolean, now: number): string[] {
  const limits = limitsOf(report);
  if (report.removed.length === 0) {
    return [`Nothing to remove: the cache has ${formatBytes(report.cacheAfter)}${limits && `; its limits: ${limits}`}`];
  }
  const verb = report.dryRun ? "Would free" : "Freed";
  const total = `${verb} ${formatBytes(report.freed)}; the cache ${report.dryRun ? "would have" : "has"} ${formatBytes(report.cacheAfter)}`;
  const table = verbose
    ? renderTable(["KIND", "NAME", "SIZE", "LAST USED", "WHY"], report.removed.map(rowOf(now)))
    : renderTable(
        ["KIND", "NUMBER", "SIZE", "LAST USED", "WHY"],
        groups(report.removed).map((one) => [
          one.kind,
          String(one.count),
          formatBytes(one.bytes),
          span(one, now),
          one.reason,
        ]),
      );
  return [...table, "", ...(limits ? [`Limits of the cache: ${limits}`] : []), total];
}

function rowOf(now: number): (removal: Removal) => string[] {
  return ({ kind, name, bytes, used, reason }) => [
    kind,
    name,
    formatBytes(bytes),
    `${formatAge(now - used)} ago`,
    reason,
  ];
}

function limitsOf({ maxBytes, minFree, free, keepDuration }: PruneReport): string {
  const words = [
    ...(maxBytes === undefined ? [] : [`${formatBytes(maxBytes)} at most`]),
    ...(keepDuration === undefined ? [] : [`used within ${formatAge(keepDuration)}`]),
    ...(minFree === undefined ? [] : [`${formatBytes(minFree)} of the disk free (${formatBytes(free)} are)`]),
  ];
  return words.join(", ");
}

interface Group {
  readonly kind: string;
  readonly reason: string;
  count: number;
  bytes: number;
  oldest: number;
  newest: number;
}

/** When the things of a group were used last: the oldest and the newest of them. */
function span({ oldest, newest }: Group, now: number): string {
  const [from, to] = [formatAge(now - newest), formatAge(now - oldest)];
  return from === to ? `${to} ago` : `${from} to ${to} ago`;
}

function groups(removals: readonly Removal[]): Group[] {
  const found = new Map<string, Group>();
  for (const { kind, reason, bytes, used } of removals) {
    const key = `${kind} ${reason}`;
    const group = found.get(key) ?? { kind, reason, count: 0, bytes: 0, oldest: used, newest: used };
    group.count++;
    group.bytes += bytes;
    group.oldest = Math.min(group.oldest, used);
    group.newest = Math.max(group.newest, used);
    found.set(key, group);
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes);
}
