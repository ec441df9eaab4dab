/**
 * Runs before the tests: sees to the programs that they use. On Debian as root it installs what is missing; elsewhere it
 * says what is missing and which tests are skipped for it. Where CI is `true`, a program that is still missing is a failure.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { findTool, tools } from "./tools.js";

const ATTEMPTS = 3;

const missing = () => tools.filter((tool) => findTool(tool.name) === undefined);

/**
 * Runs apt-get quietly; its output is shown only if it fails.
 * @param {string[]} args
 */
function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const done = spawnSync("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=120", ...args], { env, encoding: "utf8" });
  if (done.status !== 0) console.error(done.stderr || done.error?.message);
  return done.status === 0;
}

/**
 * Mirrors fail now and then, and a package list may be older than the mirror: hence both again.
 * @param {readonly string[]} packages
 */
function install(packages) {
  console.log(`installing for the tests: ${packages.join(" ")}`);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (apt("update") && apt("install", "-y", "--no-install-recommends", ...packages)) return;
  }
}

if (missing().length > 0 && process.getuid?.() === 0 && existsSync("/etc/debian_version") && findTool("apt-get")) {
  install([...new Set(missing().map((tool) => tool.package))]);
}

for (const tool of missing()) {
  console.warn(`${tool.name} is not installed (Debian: ${tool.package}); tests skipped: ${tool.tests}`);
}
if (missing().length > 0 && process.env.CI === "true") {
  console.error("CI=true: all of these must be there");
  process.exitCode = 1;
}
