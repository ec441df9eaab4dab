/** `nacre cache`: what is kept from build to build. */
import { Command } from "../commander.js";
import type { Invocation } from "../invocation.js";
import { cacheClearCommand } from "./cacheClear.js";
import { cacheDuCommand } from "./cacheDu.js";
import { cacheLsCommand } from "./cacheLs.js";
import { cacheWhyCommand } from "./cacheWhy.js";
import { pruneCommand } from "./prune.js";

/** Declares the group of commands. */
export function cacheCommand(invocation: Invocation): Command {
  const group = new Command("cache")
    .summary("what is kept from build to build (ls, du, why, prune, clear)")
    .description(
      "Look at what is kept from build to build, and remove it: records of steps with their layers, caches of RUN mounts, downloads, snapshots.",
    )
    .usage("COMMAND [OPTIONS]");
  for (const declare of [cacheLsCommand, cacheDuCommand, cacheWhyCommand, pruneCommand, cacheClearCommand]) {
    group.addCommand(declare(invocation));
  }
  return group;
}
