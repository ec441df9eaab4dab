/** `nacre builds`: the history of builds. */
import { Command } from "../commander.js";
import type { Invocation } from "../invocation.js";
import { compareBuildsCommand } from "./buildsCompare.js";
import { exportBuildCommand } from "./buildsExport.js";
import { listBuildsCommand } from "./buildsLs.js";
import { removeBuildsCommand } from "./buildsRm.js";
import { showBuildCommand } from "./buildsShow.js";
import { logsCommand } from "./logs.js";

/** Declares the group of commands. */
export function buildsCommand(invocation: Invocation): Command {
  const group = new Command("builds")
    .summary("the history of builds (ls, show, logs, compare, export, rm)")
    .description(
      "Look at the builds that are remembered: their steps, what the cache answered and why not, what went in and came out. BUILD is a name, the beginning of one, or ^N: the N-th before the last (^0: the last).",
    )
    .usage("COMMAND [OPTIONS]");
  const commands = [listBuildsCommand, showBuildCommand, logsCommand, compareBuildsCommand, exportBuildCommand];
  for (const declare of [...commands, removeBuildsCommand]) group.addCommand(declare(invocation));
  return group;
}
