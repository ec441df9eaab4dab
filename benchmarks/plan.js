/**
 * What `nacre plan` costs, and what explanations take on disk: a context of 80,000 files, its plan beside a bare program of
 * Node that walks and lstats the same tree, with and without 20 ignore patterns; the plan after one file has changed, with
 * and without an earlier build to compare it with; and the bytes that 100 builds leave beside their layers.
 *
 *   npm run bench:plan -- [--work DIR] [--rounds N] [--builds N] [--json FILE]
 *
 *   --work    where everything lies (default: below the system's temporary folder)
 *   --rounds  how often everything is measured (default 7); medians are printed
 *   --builds  builds with one file changed each, whose records are weighed (default 100; 0 leaves that out)
 *   --json    where the figures go (default: plan.json in DIR)
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { command, rest, run } from "./commands.js";
import { makeContext } from "./contexts.js";

const REST = 1000;

const { values: options } = parseArgs({
  options: {
    work: { type: "string", default: join(tmpdir(), "nacre-bench-plan") },
    rounds: { type: "string", default: "7" },
    builds: { type: "string", default: "100" },
    json: { type: "string" },
  },
});
const work = resolve(options.work);
const context = join(work, "many");
const store = join(work, "store");
const nacre = [...command("NACRE", [process.execPath, fileURLToPath(new URL("../bin/nacre.js", import.meta.url))])];
const walk = [process.execPath, fileURLToPath(new URL("walk.cjs", import.meta.url)), context];
const args = ["--build-arg", "BASE=scratch", context];
const files = sourceFiles();

/** @type {Record<string, number[]>} */
const samples = {};
mkdirSync(work, { recursive: true });
rmSync(store, { recursive: true, force: true });
setIgnore([]);
build();
for (let round = 0; round < Number(options.rounds); round++) measurePlain();
setIgnore(ignorePatterns());
build();
for (let round = 0; round < Number(options.rounds); round++) measure("plan, 20 patterns", plan);
setIgnore([]);
for (let round = 0; round < Number(options.rounds); round++) measureExplained(round);
const weight = Number(options.builds) > 0 ? weigh(Number(options.builds)) : undefined;
print();

function sourceFiles() {
  if (!existsSync(join(context, "Dockerfile"))) makeContext("many", work);
  const all = readdirSync(context, { recursive: true, encoding: "utf8" });
  return all.filter((name) => /\.js$/.test(name) && statSync(join(context, name)).isFile()).sort();
}

/** The walk and the plan take turns, so that both see the same machine. */
function measurePlain() {
  measure("bare walk", () => run(walk, work));
  measure("plan", plan);
}

/** One file has changed; the second look has nothing to compare it with. */
function measureExplained(/** @type {number} */ round) {
  touch(round);
  plan();
  measure("plan, one file changed, explained", plan);
  const projects = join(store, "projects");
  const aside = join(work, "projects");
  rmSync(aside, { recursive: true, force: true });
  run(["mv", projects, aside], work);
  measure("plan, one file changed, nothing known", plan);
  run(["mv", aside, projects], work);
}

function measure(/** @type {string} */ what, /** @type {() => void} */ act) {
  rest(REST);
  const started = performance.now();
  act();
  samples[what] ??= [];
  samples[what].push((performance.now() - started) / 1000);
}

function plan() {
  run([...nacre, "--store", store, "plan", ...args], work);
}

function build() {
  run([...nacre, "--store", store, "build", "-q", ...args], work);
}

function touch(/** @type {number} */ number) {
  appendFileSync(join(context, /** @type {string} */ (files[(number * 797) % files.length])), `// ${number}\n`);
}

/** Patterns as people write them; what they keep out of this context is next to nothing. */
function ignorePatterns() {
  const named = ["**/*.log", "**/.git", "**/coverage", "**/*.tmp", "**/.DS_Store", "*.md", "!README.md", "**/*.swp"];
  return [...named, ...Array.from({ length: 12 }, (_, i) => `**/cache-${i}/**/*.bin`)];
}

function setIgnore(/** @type {string[]} */ patterns) {
  writeFileSync(join(context, ".dockerignore"), patterns.map((pattern) => `${pattern}\n`).join(""));
}

/** Bytes beside the layers before and after so many builds. Old layers are thrown away on the way: they are 0.9 GB each. */
function weigh(/** @type {number} */ builds) {
  const before = besideLayers();
  for (let i = 0; i < builds; i++) {
    touch(1000 + i);
    build();
    dropOldLayers();
  }
  const after = besideLayers();
  return Object.fromEntries(Object.keys(after).map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
}

/** Of the store only: the newest big blob stays, because the next build takes contents from it. */
function dropOldLayers() {
  const blobs = join(store, "blobs/sha256");
  const big = readdirSync(blobs)
    .map((name) => ({ name, stat: statSync(join(blobs, name)) }))
    .filter(({ stat }) => stat.size > 1 << 20)
    .sort((a, b) => b.stat.mtimeMs - a.stat.mtimeMs);
  for (const { name } of big.slice(1)) {
    rmSync(join(blobs, name), { force: true });
    rmSync(join(store, "indexes", name), { force: true });
  }
}

function besideLayers() {
  /** @type {Record<string, number>} */
  const sizes = Object.fromEntries(
    ["records", "lists", "builds", "projects", "evictions"].map((name) => [name, size(name)]),
  );
  return sizes;
}

function size(/** @type {string} */ name) {
  const directory = join(store, name);
  if (!existsSync(directory)) return 0;
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return names.reduce((sum, file) => {
    const stat = statSync(join(directory, file));
    return sum + (stat.isFile() ? stat.size : 0);
  }, 0);
}

function median(/** @type {number[]} */ values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function print() {
  const of = (/** @type {string} */ what) => median(samples[what] ?? []);
  const ratio = (/** @type {string} */ a, /** @type {string} */ b) => (of(a) / of(b)).toFixed(2);
  for (const what of Object.keys(samples)) console.log(`${what.padEnd(40)} ${of(what).toFixed(3)} s`);
  console.log(`\nplan / bare walk                         ${ratio("plan", "bare walk")}`);
  console.log(`plan with 20 patterns / bare walk        ${ratio("plan, 20 patterns", "bare walk")}`);
  const explained = ratio("plan, one file changed, explained", "plan, one file changed, nothing known");
  console.log(`explained / not explained                ${explained}`);
  if (weight) {
    const sum = Object.values(weight).reduce((a, b) => a + b, 0);
    console.log(`\n${options.builds} builds beside their layers: ${(sum / 1e6).toFixed(1)} MB`);
    for (const [name, bytes] of Object.entries(weight))
      console.log(`  ${name.padEnd(12)} ${(bytes / 1e6).toFixed(2)} MB`);
  }
  const json = resolve(options.json ?? join(work, "plan.json"));
  writeFileSync(json, `${JSON.stringify({ samples, weight }, undefined, 1)}\n`);
  console.log(`\nfigures: ${json}`);
}
