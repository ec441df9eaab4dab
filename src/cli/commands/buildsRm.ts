/** `nacre builds rm`. */
import type { BuildRemovalRequest } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatBytes } from "../../support/human.js";
import { Command } from "../commander.js";
import { canAsk, confirm } from "../confirm.js";
import { type Invocation, print } from "../invocation.js";
import { withHistory } from "./buildsStore.js";
import { examples, type GlobalOptions, optionsOf } from "./options.js";
import { storeThere } from "./storeAccess.js";

interface RmOptions {
  readonly all?: boolean;
  readonly olderThan?: string;
  readonly force?: boolean;
}

const EXAMPLES = examples(
  ["nacre builds rm ^0", "forget the last build"],
  ["nacre builds rm --older-than 30d", "and all that are older than a month"],
  ["nacre builds rm --all --force", "forget everything, without being asked"],
);

/** Declares the command. */
export function removeBuildsCommand(invocation: Invocation): Command {
  return new Command("rm")
    .aliases(["remove"])
    .summary("remove builds from the history")
    .description(
      "Remove builds from the history, and the outputs of steps that only they name. Images and the cache stay as they are.",
    )
    .usage("[OPTIONS] BUILD... | --all | --older-than TIME")
    .argument("[build...]", "names of builds, beginnings of such, or ^N")
    .option("-a, --all", "remove all")
    .option("--older-than <time>", "remove those begun before: how long ago (7d), or a date")
    .option("-f, --force", "do not ask")
    .addHelpText("after", EXAMPLES)
    .action((builds: string[], _options: unknown, self: Command) =>
      removeTheBuilds(invocation, builds, optionsOf<RmOptions>(self)),
    );
}

async function removeTheBuilds(
  invocation: Invocation,
  builds: readonly string[],
  options: RmOptions & GlobalOptions,
): Promise<void> {
  const request = await requestOf(invocation, builds, options);
  if (!("builds" in request) && !(await storeThere(invocation, options))) {
    print(invocation.stderr, ["there is no store yet: nothing to remove"]);
    return;
  }
  const question = "This forgets all builds and the outputs of their steps. Continue?";
  const mayAsk = "all" in request && !options.force && canAsk(invocation);
  if (mayAsk && !(await confirm(invocation, question))) return;
  await withHistory(invocation, options, "write", async (store, library) => {
    const removed = library.removeBuilds(store, request);
    print(invocation.stdout, removed.builds);
    const logs =
      removed.logs === 0 ? "" : ` and the outputs of ${removed.logs} ${removed.logs === 1 ? "step" : "steps"}`;
    const count = `${removed.builds.length} ${removed.builds.length === 1 ? "build" : "builds"}`;
    print(invocation.stderr, [`Removed ${count}${logs}: ${formatBytes(removed.freed)}`]);
  });
}

async function requestOf(
  invocation: Invocation,
  builds: readonly string[],
  { all, olderThan }: RmOptions,
): Promise<BuildRemovalRequest> {
  const ways = [builds.length > 0, all === true, olderThan !== undefined].filter(Boolean).length;
  if (ways !== 1) {
    throw new NacreError(
      "USAGE",
      ways === 0 ? "nacre builds rm needs to know which builds" : "say in one way which builds",
      {
        hint: "name builds, or give --all or --older-than",
      },
    );
  }
  if (builds.length > 0) return { builds };
  if (olderThan === undefined) return { all: true };
  const { parseTime } = await import("./buildsFilter.js");
  return { before: parseTime(olderThan, invocation.now(), "--older-than") };
}
