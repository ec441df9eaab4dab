/** `nacre cache ls`. */
import type { CacheItem, CacheType } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatAge, formatBytes, parseDuration } from "../../support/human.js";
import { nearest } from "../../support/suggest.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { printable, printableJson } from "../terminalText.js";
import { collectTypes, parseTypes, TYPE_HELP } from "./cacheTypes.js";
import { collect, examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { storeThere, withStore } from "./storeAccess.js";

interface LsOptions {
  readonly type?: readonly string[];
  readonly filter?: readonly string[];
  readonly sort: string;
  readonly trunc?: boolean;
  readonly quiet?: boolean;
  readonly format: string;
}

/** What is listed unless types are named: what a build reuses. Layers are parts of steps, snapshots of layers. */
const USUAL_TYPES: readonly CacheType[] = ["step", "mount", "source"];
const LABEL_WIDTH = 60;

const EXAMPLES = examples(
  ["nacre cache ls", "steps, caches of RUN mounts and downloads, the last used first"],
  ["nacre cache ls --type mounts", "the caches of RUN --mount=type=cache"],
  ["nacre cache ls --type layers --sort size", "the biggest layers first"],
  ["nacre cache ls --filter unused=30d --filter shared=false", "what could go without a loss"],
  ["nacre cache ls --type mounts --format json | jq .path", "the directories of cache mounts"],
);

/** Declares the command. */
export function cacheLsCommand(invocation: Invocation): Command {
  return new Command("ls")
    .aliases(["list"])
    .summary("list what is in the cache")
    .description("List what is in the cache, the last used first.")
    .usage("[OPTIONS]")
    .option("--type <type>", `${TYPE_HELP} (default: steps, mounts, sources)`, collectTypes)
    .option(
      "--filter <filter>",
      "label=TEXT, project=ID, shared=true, unused=DURATION, inuse=true; repeatable",
      collect,
    )
    .option("--sort <order>", "used, size, created, uses or label", "used")
    .option("--no-trunc", "do not cut names and labels")
    .option("-q, --quiet", "print the names only")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((_options: unknown, self: Command) => listCache(invocation, optionsOf<LsOptions>(self)));
}

async function listCache(invocation: Invocation, options: LsOptions & GlobalOptions): Promise<void> {
  const types = options.type?.includes("all") ? undefined : (parseTypes(options.type) ?? USUAL_TYPES);
  const now = invocation.now();
  const filters = (options.filter ?? []).map((filter) => parseFilter(filter, now));
  const order = orderOf(options.sort);
  const items = (await storeThere(invocation, options))
    ? await withStore(invocation, options, "read", async (store, library) => library.listCache(store, types))
    : [];
  const shown = items.filter((item) => filters.every((matches) => matches(item))).sort(order);
  print(invocation.stdout, render(shown, options, now));
}

type Matches = (item: CacheItem) => boolean;

const FILTERS: Readonly<Record<string, (value: string, now: number) => Matches>> = {
  label: (value) => (item) => item.label.includes(value),
  project: (value) => (item) => "project" in item && item.project?.startsWith(value) === true,
  shared: (value) => {
    const wanted = isTrue(value);
    return (item) => item.shared === wanted;
  },
  inuse: (value) => {
    const wanted = isTrue(value);
    return (item) => item.inUse === wanted;
  },
  unused: (value, now) => {
    const span = parseDuration(value);
    return (item) => now - item.lastUsed >= span;
  },
};

function parseFilter(filter: string, now: number): Matches {
  const equals = filter.indexOf("=");
  const [name, value] = equals < 0 ? [filter, ""] : [filter.slice(0, equals), filter.slice(equals + 1)];
  const make = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
  if (make && value !== "") return make(value, now);
  const near = nearest(name, Object.keys(FILTERS));
  throw new NacreError("USAGE", `unknown filter ${JSON.stringify(filter)}`, {
    hint: near && near !== name ? `did you mean ${near}=…?` : `filters are ${Object.keys(FILTERS).join("=, ")}=`,
  });
}

function isTrue(value: string): boolean {
  if (value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw new NacreError("USAGE", `neither true nor false: ${JSON.stringify(value)}`);
}

type Order = (a: CacheItem, b: CacheItem) => number;

const ORDERS: Readonly<Record<string, Order>> = {
  used: (a, b) => b.lastUsed - a.lastUsed,
  size: (a, b) => b.bytes - a.bytes,
  created: (a, b) => (createdOf(b) ?? 0) - (createdOf(a) ?? 0),
  uses: (a, b) => (usesOf(b) ?? 0) - (usesOf(a) ?? 0),
  label: (a, b) => (a.label < b.label ? -1 : a.label > b.label ? 1 : 0),
};

function orderOf(name: string): Order {
  const order = Object.hasOwn(ORDERS, name) ? ORDERS[name] : undefined;
  if (order) return order;
  const near = nearest(name, Object.keys(ORDERS));
  throw new NacreError("USAGE", `unknown order ${JSON.stringify(name)}`, {
    hint: near ? `did you mean ${near}?` : `--sort is ${Object.keys(ORDERS).join(", ")}`,
  });
}

function createdOf(item: CacheItem): number | undefined {
  return "created" in item ? item.created : undefined;
}

function usesOf(item: CacheItem): number | undefined {
  return "uses" in item ? item.uses : "steps" in item ? item.steps : undefined;
}

function render(items: readonly CacheItem[], options: LsOptions, now: number): string[] {
  if (options.format === "json") return items.map((item) => printableJson(item));
  if (options.quiet) return items.map(({ name }) => printable(name));
  const cut = options.trunc !== false;
  const rows = items.map((item) => [
    item.type,
    cut ? shortName(item) : item.name,
    `${formatBytes(item.bytes)}${item.shared ? "*" : ""}`,
    ageOf(createdOf(item), now),
    item.inUse ? "now" : ageOf(item.lastUsed, now),
    String(usesOf(item) ?? ""),
    "project" in item && item.project !== undefined ? item.project.slice(0, cut ? 8 : undefined) : "",
    labelOf(item, cut),
  ]);
  const lines = renderTable(["TYPE", "NAME", "SIZE", "CREATED", "LAST USED", "USES", "PROJECT", "WHAT"], rows);
  return items.some(({ shared }) => shared) ? [...lines, "", "* a named image has it too"] : lines;
}

function shortName({ type, name }: CacheItem): string {
  const hex = name.replace(/^sha256:/, "");
  // `KIND-` and `FLAVOUR.` stay: they tell things apart.
  if (type === "source" || type === "snapshot") return hex.replace(/([0-9a-f]{12})[0-9a-f]+$/, "$1");
  return hex.slice(0, 12);
}

function labelOf(item: CacheItem, cut: boolean): string {
  const label =
    item.type === "step" && !item.usable ? `${item.label} (damaged, or its layer is gone)`.trim() : item.label;
  return cut && label.length > LABEL_WIDTH ? `${label.slice(0, LABEL_WIDTH - 1)}…` : label;
}

function ageOf(time: number | undefined, now: number): string {
  return time === undefined ? "" : `${formatAge(now - time)} ago`;
}
