/** `nacre prune`. */

import type { PruneReport, Removal } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatBytes, parseDuration, parseSize } from "../../support/human.js";
import { Command } from "../commander.js";
import { canAsk, confirm } from "../confirm.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { storeThere, withStore } from "./storeAccess.js";

interface PruneCommandOptions {
  readonly all?: boolean;
  readonly maxSize?: string;
  readonly keepDuration?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly verbose?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre prune", "shrink the cache to its default limit"],
  ["nacre prune --max-size 10GB --keep-duration 24h", "to 10 GB, but keep what was used today"],
  ["nacre prune --all --force", "everything that no image needs"],
  ["nacre prune --all --dry-run", "what would go"],
);

/** Declares the command. */
export function pruneCommand(invocation: Invocation): Command {
  return new Command("prune")
    .summary("free disk space: the cache, and what no image needs")
    .description(
      "Shrink the build cache, least recently used first. Images that have a name, and what they need, always stay.",
    )
    .usage("[OPTIONS]")
    .option("-a, --all", "remove everything that no image needs")
    .option("--max-size <size>", "shrink the cache to this size (default: 10GiB or a fifth of the disk)")
    .option("--keep-duration <duration>", "keep what was used within this time, e.g. 24h")
    .option("--dry-run", "only show what would go")
    .option("--verbose", "list every single thing that goes")
    .option("-f, --force", "do not ask")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((_options: unknown, self: Command) => runPrune(invocation, optionsOf<PruneCommandOptions>(self)));
}

async function runPrune(invocation: Invocation, options: PruneCommandOptions & GlobalOptions): Promise<void> {
  const wanted = {
    all: options.all === true,
    maxBytes: options.maxSize === undefined ? undefined : parseSize(options.maxSize),
    keepDuration: options.keepDuration === undefined ? undefined : parseDuration(options.keepDuration),
  };
  if (wanted.all && (wanted.maxBytes !== undefined || wanted.keepDuration !== undefined)) {
    throw new NacreError("USAGE", "--all leaves nothing for --max-size or --keep-duration to keep", {
      hint: "give either of them",
    });
  }
  if (!(await storeThere(invocation, options))) {
    print(invocation.stderr, ["there is no store yet: nothing to remove"]);
    return;
  }
  const mayGo = options.dryRun || options.force || !canAsk(invocation) || (await ask(invocation, options, wanted.all));
  if (!mayGo) return;
  const report = await withStore(invocation, options, options.dryRun ? "read" : "write", (store, library) =>
    library.pruneStore(store, { ...wanted, dryRun: options.dryRun === true }),
  );
  const lines = options.format === "json" ? [JSON.stringify(report)] : renderReport(report, options.verbose === true);
  print(invocation.stdout, lines);
}

function ask(invocation: Invocation, options: PruneCommandOptions, all: boolean): Promise<boolean> {
  const what = all ? "everything that no image needs" : "the least recently used parts of the cache";
  const limit = options.maxSize ? `, down to ${options.maxSize}` : "";
  return confirm(invocation, `This removes ${what}${limit}. Continue?`);
}

/** The lines that say what went, or would go, and why. */
export function renderReport(report: PruneReport, verbose: boolean): string[] {
  const verb = report.dryRun ? "Would free" : "Freed";
  const total = `${verb} ${formatBytes(report.freed)}; the cache ${report.dryRun ? "would have" : "has"} ${formatBytes(report.cacheAfter)}`;
  if (report.removed.length === 0) {
    return [`Nothing to remove: the cache has ${formatBytes(report.cacheAfter)} of ${formatBytes(report.maxBytes)}`];
  }
  const rows = verbose
    ? report.removed.map((one) => [one.kind, one.name, formatBytes(one.bytes), one.reason])
    : groups(report.removed).map(({ kind, reason, count, bytes }) => [kind, String(count), formatBytes(bytes), reason]);
  return [...renderTable(["KIND", verbose ? "NAME" : "NUMBER", "SIZE", "WHY"], rows), "", total];
}

interface Group {
  readonly kind: string;
  readonly reason: string;
  count: number;
  bytes: number;
}

function groups(removals: readonly Removal[]): Group[] {
  const found = new Map<string, Group>();
  for (const { kind, reason, bytes } of removals) {
    const key = `${kind} ${reason}`;
    const group = found.get(key) ?? { kind, reason, count: 0, bytes: 0 };
    group.count++;
    group.bytes += bytes;
    found.set(key, group);
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes);
}
