/** `nacre cache du`. */
import type { CacheDisk, CacheItem } from "../../index.js";
import { formatAge, formatBytes } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderPairs, renderTable } from "../table.js";
import { printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { storeThere, withStore } from "./storeAccess.js";

interface DuOptions {
  readonly verbose?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre cache du", "how much room the cache takes, and what can be had back"],
  ["nacre cache du --verbose", "with every step, cache mount, download and snapshot"],
  ["nacre cache du --format json | jq .reclaimable", "for programs"],
);

/** Declares the command. */
export function cacheDuCommand(invocation: Invocation): Command {
  return new Command("du")
    .summary("show how much room the cache takes")
    .description(
      "Show how much room the store takes, by kinds of things: what named images share, and what can be had back.",
    )
    .usage("[OPTIONS]")
    .option("--verbose", "list every single thing too, the biggest first")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((_options: unknown, self: Command) => showDisk(invocation, optionsOf<DuOptions>(self)));
}

const NOTHING: CacheDisk = { kinds: [], shared: 0, private: 0, reclaimable: 0, other: 0, total: 0 };

async function showDisk(invocation: Invocation, options: DuOptions & GlobalOptions): Promise<void> {
  const { verbose = false, format } = options;
  const { disk, items } = (await storeThere(invocation, options))
    ? await withStore(invocation, options, "read", async (store, library) => ({
        disk: await library.cacheDisk(store),
        items: verbose ? library.listCache(store) : [],
      }))
    : { disk: NOTHING, items: [] };
  const bySize = [...items].sort((a, b) => b.bytes - a.bytes);
  if (format === "json") print(invocation.stdout, [printableJson(verbose ? { ...disk, items: bySize } : disk)]);
  else print(invocation.stdout, [...renderItems(bySize, invocation.now()), ...renderDisk(disk, invocation.now())]);
}

function renderDisk(disk: CacheDisk, now: number): string[] {
  const rows = disk.kinds.map(({ kind, count, bytes, shared, reclaimable, lastUsed }) => [
    kind,
    String(count),
    formatBytes(bytes),
    formatBytes(shared),
    formatBytes(reclaimable),
    lastUsed === undefined ? "" : `${formatAge(now - lastUsed)} ago`,
  ]);
  return [
    ...renderTable(["KIND", "NUMBER", "SIZE", "SHARED", "RECLAIMABLE", "LAST USED"], rows),
    "",
    ...renderPairs([
      ["Shared", `${formatBytes(disk.shared)}, needed by named images`],
      ["Private", formatBytes(disk.private)],
      ["Reclaimable", `${formatBytes(disk.reclaimable)}, by nacre cache clear`],
      ["Other", `${formatBytes(disk.other)}, logs and what the store needs itself`],
      ["Total", formatBytes(disk.total)],
    ]),
  ];
}

function renderItems(items: readonly CacheItem[], now: number): string[] {
  const blocks = items.flatMap((item) => [
    ...renderPairs([
      ["Name", item.name],
      ["Type", item.type],
      ...(item.label === "" ? [] : [["What", item.label] as const]),
      ["Size", formatBytes(item.bytes)],
      ["Shared", String(item.shared)],
      ["In use", String(item.inUse)],
      ...("created" in item && item.created !== undefined
        ? [["Created", `${formatAge(now - item.created)} ago`] as const]
        : []),
      ["Last used", `${formatAge(now - item.lastUsed)} ago`],
      ...("uses" in item ? [["Uses", String(item.uses)] as const] : []),
      ...("project" in item && item.project ? [["Project", item.project] as const] : []),
    ]),
    "",
  ]);
  return blocks;
}
