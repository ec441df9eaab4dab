/** `nacre cache clear`. */
import type { CacheType, PruneOptions } from "../../index.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { collectTypes, parseTypes, TYPE_HELP } from "./cacheTypes.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { pruneWith, reportLines } from "./prune.js";
import { storeThere } from "./storeAccess.js";

interface ClearOptions {
  readonly type?: readonly string[];
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly verbose?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre cache clear", "everything but named images and what they need"],
  ["nacre cache clear --type mounts", "start the caches of RUN --mount=type=cache anew"],
  ["nacre cache clear --dry-run", "what would go"],
);

/** Declares the command. */
export function cacheClearCommand(invocation: Invocation): Command {
  return new Command("clear")
    .summary("remove everything that is in the cache")
    .description(
      "Remove everything that is in the cache: the next build of anything starts from nothing. Images that have a name, and what running builds use, stay.",
    )
    .usage("[OPTIONS]")
    .option("--type <type>", `only this: ${TYPE_HELP}`, collectTypes)
    .option("--dry-run", "only show what would go")
    .option("--verbose", "list every single thing that goes")
    .option("-f, --force", "do not ask")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((_options: unknown, self: Command) => clearCache(invocation, optionsOf<ClearOptions>(self)));
}

/** What goes with each type. Steps take their layers with them, where no image needs these. */
const KINDS: Readonly<Record<CacheType, NonNullable<PruneOptions["only"]>>> = {
  step: ["record"],
  mount: ["mount"],
  source: ["source"],
  snapshot: ["snapshot"],
  layer: ["record", "blob", "block"],
};

async function clearCache(invocation: Invocation, options: ClearOptions & GlobalOptions): Promise<void> {
  const types = parseTypes(options.type);
  if (!(await storeThere(invocation, options))) {
    print(invocation.stderr, ["there is no store yet: nothing to remove"]);
    return;
  }
  const wanted: PruneOptions = { all: true, only: types?.flatMap((type) => KINDS[type]) };
  const what = types ? `all ${types.map((type) => `${type}s`).join(" and ")} of the cache` : "everything in the cache";
  const report = await pruneWith(invocation, options, wanted, `This removes ${what} that is not in use.`);
  if (report) print(invocation.stdout, reportLines(report, options, invocation.now()));
}
