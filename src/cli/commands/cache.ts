/** `nacre cache`: what is kept from build to build beside layers. */
import type { CacheMountInfo } from "../../index.js";
import { formatAge, formatBytes } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { storeThere, withStore } from "./storeAccess.js";

interface LsOptions {
  readonly quiet?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre cache ls", "the caches of RUN --mount=type=cache"],
  ["nacre cache ls --format json | jq .path", "their directories"],
);

/** Declares the group of commands. */
export function cacheCommand(invocation: Invocation): Command {
  const group = new Command("cache")
    .summary("caches of RUN --mount=type=cache (ls)")
    .description("Look at the caches that RUN steps keep from build to build. They are removed by: nacre prune")
    .usage("COMMAND [OPTIONS]");
  group.addCommand(lsCommand(invocation));
  return group;
}

function lsCommand(invocation: Invocation): Command {
  return new Command("ls")
    .aliases(["list"])
    .summary("list the caches")
    .description("List the caches of RUN --mount=type=cache in the store, the last used first.")
    .usage("[OPTIONS]")
    .option("-q, --quiet", "print the ids only")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((_options: unknown, self: Command) => listCaches(invocation, optionsOf<LsOptions>(self)));
}

async function listCaches(invocation: Invocation, options: LsOptions & GlobalOptions): Promise<void> {
  const caches = (await storeThere(invocation, options))
    ? await withStore(invocation, options, "read", async (store, library) => library.listCacheMounts(store))
    : [];
  print(invocation.stdout, render(caches, options, invocation.now()));
}

function render(caches: readonly CacheMountInfo[], { quiet, format }: LsOptions, now: number): string[] {
  if (format === "json") return caches.map(printableJson);
  if (quiet) return caches.map(({ id }) => id);
  const rows = caches.map(({ id, bytes, files, created, lastUsed, inUse }) => [
    id,
    formatBytes(bytes),
    String(files),
    `${formatAge(now - created)} ago`,
    inUse ? "now" : `${formatAge(now - lastUsed)} ago`,
  ]);
  return renderTable(["ID", "SIZE", "FILES", "CREATED", "LAST USED"], rows);
}
