/**
 * Compares nacre with the builders that are there: cold, nothing changed, one file changed.
 *
 *   npm run bench -- [--contexts DIR] [--rounds N] [--only WORD,…] [--base IMAGE] [--json FILE] [--keep]
 *
 *   --contexts  where contexts are made and nacre's store lies (default: below the system's temporary folder)
 *   --rounds    how often everything is measured (default 3); medians are printed
 *   --only      contexts (many, big, small, runs, run-on-many), builds (cold, unchanged, changed) and builders to measure
 *   --base      an image that all builders have, in place of a tiny one that the benchmark makes
 *   --json      where the figures go (default: results.json in DIR)
 *   --keep      leave contexts and store for the next time
 *
 * Everything is measured in turn within a round, so that a machine that slows down slows all. "Cold" removes the build
 * cache of docker (`docker builder prune -af`) and all images of nacre's own store here: do not run it on a machine whose
 * build cache you need. The context's files are in the page cache each time.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { arch, cpus, release, tmpdir, totalmem, type } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { findBuilders } from "./builders.js";
import { rest } from "./commands.js";
import { contextNames, makeContext } from "./contexts.js";

/** @typedef {import("./builders.js").Builder} Builder */
/** @typedef {import("./contexts.js").Context} Context */
/** @typedef {{ context: string, build: string, builder: string, round: number, seconds: number, peak?: number }} Sample */

/** Milliseconds between two measurements, at least. */
const REST = 2000;
const buildKinds = ["cold", "unchanged", "changed"];

const { values: options } = parseArgs({
  options: {
    contexts: { type: "string", default: join(tmpdir(), "nacre-bench") },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "" },
    base: { type: "string" },
    json: { type: "string" },
    keep: { type: "boolean", default: false },
  },
});
const work = resolve(options.contexts);
mkdirSync(work, { recursive: true });

const words = options.only.split(",").filter(Boolean);
const builders = chosen(findBuilders(work), (builder) => builder.name);
const contexts = chosen(contextNames, (name) => name).map((name) => makeContext(name, work));
const kinds = chosen(buildKinds, (kind) => kind);
const header = machine();
console.log(header.join("\n"));

/** @type {Sample[]} */
const samples = [];
for (const context of contexts) {
  warm(context.dir);
  const original = readFileSync(context.changing);
  for (let round = 1; round <= Number(options.rounds); round++) measureRound(context, round);
  writeFileSync(context.changing, original);
}
printTable();
const json = resolve(options.json ?? join(work, "results.json"));
writeFileSync(json, `${JSON.stringify({ header, samples }, undefined, 1)}\n`);
console.log(`\nfigures: ${json}`);
for (const builder of builders) if (!options.keep) builder.cleanUp();
if (!options.keep) {
  for (const context of contexts) {
    rmSync(context.dir, { recursive: true, force: true });
    rmSync(`${context.dir}.json`, { force: true });
  }
}

/**
 * One round: cold, then unchanged for each builder; then one change that all of them build. Who goes first changes.
 * @param {Context} context
 * @param {number} round
 */
function measureRound(context, round) {
  const order = [...builders.slice(round % builders.length), ...builders.slice(0, round % builders.length)];
  for (const builder of order) {
    const withCold = kinds.includes("cold") || round === 1;
    if (withCold) builder.forget(options.base);
    const cold = withCold && rested(builder, context);
    if (cold && kinds.includes("cold")) note(context, "cold", builder, round, cold);
    if (kinds.includes("unchanged")) {
      note(context, "unchanged", builder, round, rested(builder, context));
    }
  }
  if (!kinds.includes("changed")) return;
  appendFileSync(context.changing, `round ${round}\n`);
  for (const builder of order) note(context, "changed", builder, round, rested(builder, context));
}

/**
 * Builds after a rest: a daemon goes on working for a while after it has answered, and the next builder would pay for it.
 * @param {Builder} builder
 * @param {Context} context
 */
function rested(builder, context) {
  rest(REST);
  return builder.build(context.dir, options.base);
}

/**
 * @param {Context} context
 * @param {string} build
 * @param {Builder} builder
 * @param {number} round
 * @param {import("./builders.js").Measure} measure
 */
function note(context, build, builder, round, measure) {
  samples.push({ context: context.name, build, builder: builder.name, round, ...measure });
  const peak = measure.peak ? `, peak ${measure.peak.toFixed(0)} MiB` : "";
  console.error(`${context.name} ${build}, round ${round}: ${builder.name} ${measure.seconds.toFixed(2)} s${peak}`);
}

/** Medians, the ratio of nacre to each peer, and nacre's highest peak. */
function printTable() {
  const peers = builders.filter((builder) => builder.name !== "nacre");
  const rows = [
    ["context", "build", "nacre s", ...peers.flatMap((p) => [`${p.name} s`, `nacre/${p.name}`]), "peak MiB"],
  ];
  for (const context of contexts) {
    for (const build of kinds) {
      const own = medianOf(context.name, build, "nacre");
      const others = peers.flatMap((peer) => {
        const theirs = medianOf(context.name, build, peer.name);
        return [number(theirs, 2), number(own / theirs, 3)];
      });
      const peaks = samples.filter((s) => s.context === context.name && s.build === build).flatMap((s) => s.peak ?? []);
      rows.push([context.name, build, number(own, 2), ...others, number(Math.max(...peaks), 0)]);
    }
  }
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  console.log();
  for (const row of rows) {
    console.log(row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "));
  }
}

/**
 * @param {string} context
 * @param {string} build
 * @param {string} builder
 */
function medianOf(context, build, builder) {
  const found = samples
    .filter((sample) => sample.context === context && sample.build === build && sample.builder === builder)
    .map((sample) => sample.seconds)
    .sort((a, b) => a - b);
  const middle = found.length / 2;
  return ((found[Math.floor(middle)] ?? Number.NaN) + (found[Math.ceil(middle) - 1] ?? Number.NaN)) / 2;
}

/**
 * @param {number} value
 * @param {number} digits
 */
function number(value, digits) {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

/** Machine, versions and what is measured. */
function machine() {
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return [
    `machine: ${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${memory} GiB, ${type()} ${release()} ${arch()}, node ${process.version}`,
    `builders: ${builders.map((builder) => `${builder.name} ${builder.version}`).join(", ")}`,
    ...contexts.map(
      (c) =>
        `${c.name}: ${c.files.toLocaleString("en")} files, ${(c.bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 0 })} MB`,
    ),
    `rounds: ${options.rounds}`,
  ];
}

/**
 * Those of a list that --only names; all of them if it names none of this list.
 * @template T
 * @param {readonly T[]} all
 * @param {(item: T) => string} nameOf
 */
function chosen(all, nameOf) {
  const named = all.filter((item) => words.includes(nameOf(item)));
  return named.length > 0 ? named : [...all];
}

/**
 * Reads a context once, so that no builder has to wait for the disk on behalf of the others.
 * @param {string} dir
 */
function warm(dir) {
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) readFileSync(join(entry.parentPath, entry.name));
  }
}
