/**
 * Looking into images: comparing two of 80,000 files, and the files and the waste of one of 6 GB and 300,000 files and of one
 * of 1,000,000 files.
 *
 *   npm run bench:images -- [--work DIR] [--rounds N] [--only diff|large|million] [--json FILE]
 *
 *   --work    where everything lies (default: below the system's temporary folder); some 20 GB for everything
 *   --rounds  how often everything is measured (default 3); medians are printed
 *   --only    measure only this part
 *   --json    where the figures go (default: images.json in DIR)
 *
 * "First look": nacre has no index of any layer and reads them once. "Second look": its store has the indexes. Beside it stand
 * the time that `gzip -dc | sha256sum` takes for the same layers, `umoci unpack` of both with `diff -r` behind it (which
 * compares contents, and no modes or owners), and diffoscope where it is installed (NACRE_BENCH_UMOCI, NACRE_BENCH_DIFFOSCOPE:
 * other commands for them).
 */
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { attempt, command, rest, run, versionOf } from "./commands.js";
import { makeContext } from "./contexts.js";
import { writeLargeImage } from "./largeImages.js";

const REST = 1000;

const { values: options } = parseArgs({
  options: {
    work: { type: "string", default: join(tmpdir(), "nacre-bench-images") },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
    json: { type: "string" },
  },
});
const work = resolve(options.work);
const rounds = Number(options.rounds);
mkdirSync(work, { recursive: true });
const nacre = command("NACRE", [process.execPath, fileURLToPath(new URL("../bin/nacre.js", import.meta.url))]);
const umoci = command("UMOCI", ["umoci"]);
const diffoscope = command("DIFFOSCOPE", ["diffoscope"]);
const peakFile = join(work, "peak");
const home = join(work, "store");

/** @type {{ what: string, tool: string, round: number, seconds: number, peak?: number }[]} */
const samples = [];
const isWanted = (/** @type {string} */ part) => options.only === undefined || options.only === part;
if (isWanted("diff")) measureDiffs();
if (isWanted("large")) measureLarge("6 GB, 300,000 files", { layers: 12, files: 300_000, bytes: 6_000_000_000 });
if (isWanted("million")) measureLarge("1,000,000 files", { layers: 4, files: 1_000_000, bytes: 256_000_000 });
printTable();
const json = resolve(options.json ?? join(work, "images.json"));
writeFileSync(json, `${JSON.stringify({ samples }, undefined, 1)}\n`);
console.log(`\nfigures: ${json}`);

function nacreEnv() {
  const loader = `--import=${new URL("peak.mjs", import.meta.url)}`;
  return { ...process.env, NACRE_HOME: home, NACRE_BENCH_PEAK: peakFile, NODE_OPTIONS: loader };
}

/** A new store that knows nothing of the images: without one, no index would be kept. */
function forget() {
  rmSync(home, { recursive: true, force: true });
  run([...nacre, "load", "--quiet", "--tag", "empty", "--store", home, emptyArchive()], work);
}

/** Something to load, so that a store is there. */
function emptyArchive() {
  const file = join(work, "empty.tar");
  if (existsSync(file)) return file;
  const context = join(work, "empty");
  mkdirSync(context, { recursive: true });
  writeFileSync(join(context, "Dockerfile"), "FROM scratch\nLABEL a=b\n");
  run([...nacre, "build", "-q", "-o", `type=oci,dest=${file}`, context], work, {
    ...process.env,
    NACRE_HOME: `${home}-built`,
  });
  return file;
}

/** Two images of one layer each with all files of a large context: between them 300 of its files have changed, moved or gone. */
function makeImages() {
  const layouts = ["a", "b"].map((name) => join(work, `image-${name}`));
  if (layouts.every((path) => existsSync(join(path, "index.json")))) return layouts;
  const { dir } = makeContext("many", work);
  const files = attempt(["find", ".", "-type", "f", "-path", "*/*/*"], dir).stdout.trim().split("\n").sort();
  const file = join(work, "Dockerfile.images");
  writeFileSync(file, "FROM scratch\nCOPY . /app\n");
  const env = { ...process.env, NACRE_HOME: `${home}-built` };
  const build = (/** @type {string} */ to) =>
    run([...nacre, "build", "-q", "-f", file, "-o", `type=oci,tar=false,dest=${to}`, dir], work, env);
  build(layouts[0] ?? "");
  const some = Array.from({ length: 300 }, (_, at) => join(dir, files[Math.floor((at * files.length) / 300)] ?? ""));
  for (const path of some.slice(0, 100)) appendFileSync(path, "changed\n");
  for (const path of some.slice(100, 200)) renameSync(path, `${path}.moved`);
  for (const path of some.slice(200)) rmSync(path);
  build(layouts[1] ?? "");
  for (const path of [dir, `${home}-built`, join(work, "many.json")]) rmSync(path, { recursive: true, force: true });
  return layouts;
}

function measureDiffs() {
  const [a = "", b = ""] = makeImages();
  const unpacked = ["a", "b"].map((name) => join(work, `unpacked-${name}`));
  for (let round = 1; round <= rounds; round++) {
    const tools = [
      () => {
        forget();
        measureNacre("diff, first look", round, ["diff", `oci:${a}`, `oci:${b}`], [1]);
        measureNacre("diff, second look", round, ["diff", `oci:${a}`, `oci:${b}`], [1]);
        measureNacre(
          "diff, second look",
          round,
          ["diff", "--format", "json", `oci:${a}`, `oci:${b}`],
          [1],
          "nacre json",
        );
      },
      () => measureShell("diff, first look", "gzip | sha256sum", round, [a, b].map(layerOf).map(hashing).join("; ")),
      () => {
        if (versionOf([...umoci, "--version"], work) === undefined) return;
        for (const path of unpacked) rmSync(path, { recursive: true, force: true });
        const unpack = [a, b].map(
          (path, at) => `${umoci.join(" ")} unpack --image ${path}:${tagOf(path)} ${unpacked[at]}`,
        );
        const compare = `diff -rq --no-dereference ${unpacked[0]}/rootfs ${unpacked[1]}/rootfs > /dev/null`;
        measureShell("diff, first look", "umoci, diff -r", round, `${unpack.join(" && ")}; ${compare}`);
        measureShell("diff, second look", "diff -r", round, compare);
      },
      () => {
        if (versionOf([...diffoscope, "--version"], work) === undefined) return;
        measureShell("diff, first look", "diffoscope", round, `${diffoscope.join(" ")} ${a} ${b} > /dev/null`);
      },
    ];
    for (const tool of [...tools.slice(round % tools.length), ...tools.slice(0, round % tools.length)]) tool();
  }
  for (const path of unpacked) rmSync(path, { recursive: true, force: true });
}

/** The blob of the only layer. @param {string} layout */
function layerOf(layout) {
  const read = (/** @type {string} */ digest) => JSON.parse(readFileSync(blob(layout, digest), "utf8"));
  const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
  return blob(layout, read(index.manifests[0].digest).layers[0].digest);
}

/** @param {string} layout */
function tagOf(layout) {
  const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
  const [manifest] = index.manifests;
  const key = "org.opencontainers.image.ref.name";
  if (manifest.annotations?.[key] === undefined) {
    manifest.annotations = { [key]: "latest" };
    writeFileSync(join(layout, "index.json"), JSON.stringify(index));
  }
  return manifest.annotations[key];
}

/** @param {string} layout @param {string} digest */
function blob(layout, digest) {
  return join(layout, "blobs", ...digest.split(":"));
}

/** @param {string} path */
function hashing(path) {
  return `gzip -dc ${path} | sha256sum > /dev/null`;
}

/**
 * Files and waste of one image: looked at for the first time, and again.
 * @param {string} what
 * @param {import("./largeImages.js").LargeImage} shape
 */
function measureLarge(what, shape) {
  const layout = join(work, `large-${shape.files}`);
  if (!existsSync(join(layout, "index.json"))) writeLargeImage(layout, shape);
  for (let round = 1; round <= rounds; round++) {
    forget();
    measureNacre(`tree, first look, ${what}`, round, ["tree", "--depth", "1", `oci:${layout}`], [0]);
    measureNacre(`tree, ${what}`, round, ["tree", "--top", "20", `oci:${layout}`], [0]);
    measureNacre(`waste, ${what}`, round, ["waste", `oci:${layout}`], [0]);
    measureNacre(`diff of two layers, ${what}`, round, ["diff", "--stat", `oci:${layout}`, "--layers", "0..1"], [0, 1]);
  }
}

/**
 * @param {string} what
 * @param {number} round
 * @param {string[]} args
 * @param {number[]} codes exit codes that are no failure
 */
function measureNacre(what, round, args, codes, tool = "nacre") {
  rest(REST);
  rmSync(peakFile, { force: true });
  const start = process.hrtime.bigint();
  const [program = "", ...words] = [...nacre, ...args];
  const done = spawnSync(program, words, { cwd: work, env: nacreEnv(), stdio: ["ignore", "ignore", "pipe"] });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (!codes.includes(done.status ?? -1)) {
    console.log(`${what}: nacre ${args.join(" ")} failed: ${done.stderr}`);
    return;
  }
  const peaks = existsSync(peakFile) ? readFileSync(peakFile, "utf8").trim().split("\n").map(Number) : [];
  const peak = peaks.length > 0 ? Math.max(...peaks) / 1024 : undefined;
  keep({ what, tool, round, seconds, ...(peak === undefined ? {} : { peak }) });
}

/** @param {string} what @param {string} tool @param {number} round @param {string} script */
function measureShell(what, tool, round, script) {
  rest(REST);
  const start = process.hrtime.bigint();
  spawnSync("bash", ["-c", script], { cwd: work, stdio: "ignore" });
  keep({ what, tool, round, seconds: Number(process.hrtime.bigint() - start) / 1e9 });
}

/** @param {(typeof samples)[number]} sample */
function keep(sample) {
  samples.push(sample);
  const memory = sample.peak === undefined ? "" : `, peak ${sample.peak.toFixed(0)} MiB`;
  console.log(`${sample.what}, round ${sample.round}: ${sample.tool} ${sample.seconds.toFixed(2)} s${memory}`);
}

function printTable() {
  console.log("");
  for (const what of new Set(samples.map((sample) => sample.what))) {
    for (const tool of new Set(samples.filter((sample) => sample.what === what).map((sample) => sample.tool))) {
      const own = samples.filter((sample) => sample.what === what && sample.tool === tool);
      const times = own.map(({ seconds }) => seconds).sort((a, b) => a - b);
      const peaks = own.flatMap(({ peak }) => (peak === undefined ? [] : [peak]));
      const memory = peaks.length === 0 ? "" : `  ${Math.max(...peaks).toFixed(0)} MiB`;
      console.log(`${what.padEnd(44)} ${tool.padEnd(18)} ${(times[times.length >> 1] ?? 0).toFixed(2)} s${memory}`);
    }
  }
}
