#!/usr/bin/env node
import { mkdirSync } from "node:fs";
import * as module from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

if (module.enableCompileCache) keepCompiledModules();
const { main } = await import("../dist/bundle/main.js");
process.exitCode = await main(process.argv.slice(2));

/**
 * Where Node can keep compiled modules (22 and later), the next start is quicker. The directory must be the user's own,
 * because what lies in it is run; where there is no place for it, nothing is kept.
 */
function keepCompiledModules() {
  const directory = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "nacre");
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (error.code !== "EEXIST") return;
  }
  module.enableCompileCache(join(directory, "modules"));
}
