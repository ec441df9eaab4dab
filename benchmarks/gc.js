/**
 * Garbage collection of a big store: 100,000 blobs, of which half are layers of 50,000 cached steps (with indexes and lists
 * of files), 40,000 are needed by nobody, and the rest belong to 1,000 named images.
 *
 *   npm run bench:gc -- [--work DIR] [--blobs N] [--rounds N] [--json FILE]
 *
 *   --work    where the store lies (default: below the system's temporary folder)
 *   --blobs   how many blobs (default 100000)
 *   --rounds  how often everything is measured (default 3); medians are printed
 *   --json    where the figures go (default: gc.json in DIR)
 *
 * Measured is the whole command, start included: looking only, removing what nobody needs, shrinking the cache to a half,
 * removing all of it; the same number of blobs without anything else; and, beside them, what the file system itself takes to
 * remove as many files.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { attempt, command, run } from "./commands.js";

const { values: options } = parseArgs({
  options: {
    work: { type: "string", default: join(tmpdir(), "nacre-bench-gc") },
    blobs: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const work = resolve(options.work);
const blobs = Number(options.blobs);
const nacre = command("NACRE", [process.execPath, fileURLToPath(new URL("../bin/nacre.js", import.meta.url))]);
// What is measured is what was built.
const built = (/** @type {string} */ path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const { Store } = await built("store/store.js");
const { encodeConfig, encodeManifest } = await built("oci/encode.js");

mkdirSync(work, { recursive: true });
/** @type {{ what: string, round: number, seconds: number }[]} */
const samples = [];
for (let round = 1; round <= Number(options.rounds); round++) {
  const store = join(work, "store");
  rmSync(store, { recursive: true, force: true });
  console.log(`round ${round}: making a store with ${blobs} blobs`);
  await fill(store);
  measure("look only (prune --all --dry-run)", round, ["prune", "--all", "--dry-run", "--store", store]);
  measure("what nobody needs (prune --max-size none)", round, ["prune", "--max-size", "none", "--store", store, "-f"]);
  const half = cacheOf(store) / 2;
  measure("the cache to a half (prune --max-size)", round, ["prune", `--max-size=${half}`, "--store", store, "-f"]);
  measure("all the rest (cache clear)", round, ["cache", "clear", "--store", store, "-f"]);
  rmSync(store, { recursive: true, force: true });
  await fill(store);
  measure("everything at once (cache clear)", round, ["cache", "clear", "--store", store, "-f"]);
  rmSync(store, { recursive: true, force: true });
  await fillBlobs(store);
  measure(`${blobs} blobs alone (prune --all)`, round, ["prune", "--all", "--store", store, "-f"]);
  measureBare(round);
}
printTable();
rmSync(join(work, "store"), { recursive: true, force: true });
const json = resolve(options.json ?? join(work, "gc.json"));
writeFileSync(json, `${JSON.stringify({ blobs, samples }, undefined, 1)}\n`);
console.log(`\nfigures: ${json}`);

/** @param {string} location */
async function fill(location) {
  const store = await Store.open(location);
  const folder = join(location, "blobs/sha256");
  const put = (/** @type {string | Uint8Array} */ content) => {
    const digest = createHash("sha256").update(content).digest("hex");
    writeFileSync(join(folder, digest), content, { mode: 0o444 });
    return { digest: `sha256:${digest}`, size: Buffer.byteLength(content) };
  };
  const old = Date.now() / 1000 - 100 * 3600;
  for (let i = 0; i < blobs / 2; i++) {
    const layer = put(`layer ${i} `.padEnd(600, "x"));
    const key = createHash("sha256").update(`key ${i}`).digest("hex");
    // As a pass over all of them would: the leases of what is written here are not what is measured.
    store.layers.writeIndex(layer.digest, Buffer.from(`index ${i}`));
    const list = store.lists.put(Buffer.from(`list ${i}`), []);
    const body = { step: `RUN ${i}`, filler: "y".repeat(800) };
    const made = store.records.put({ key, blobs: [layer.digest], indexes: [layer.digest], lists: [list], body });
    const name = `${key}.${String(made.created).padStart(13, "0")}.${made.id}`;
    utimesSync(join(location, "records", key.slice(0, 2), name), old + i, old + i);
  }
  for (let i = 0; i < blobs * 0.4; i++) {
    const { digest } = put(`nobody's ${i}`);
    utimesSync(join(folder, digest.slice(7)), old, old);
  }
  const images = [];
  for (let i = 0; i < blobs / 100; i++) {
    const layers = Array.from({ length: 8 }, (_, n) => put(`image ${i} layer ${n}`));
    const rootfs = { type: "layers", diff_ids: layers.map(({ digest }) => digest) };
    const config = put(encodeConfig({ architecture: "amd64", os: "linux", rootfs }));
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const typed = layers.map((layer) => ({ ...layer, mediaType: "application/vnd.oci.image.layer.v1.tar" }));
    const configDescriptor = { ...config, mediaType: "application/vnd.oci.image.config.v1+json" };
    const manifest = put(encodeManifest({ schemaVersion: 2, mediaType, config: configDescriptor, layers: typed }));
    images.push({ name: `docker.io/bench/image:${i}`, descriptor: { ...manifest, mediaType } });
  }
  await store.setReferences(images);
  await store.close();
}

/** Blobs that nobody needs, and nothing else. @param {string} location */
async function fillBlobs(location) {
  await (await Store.open(location)).close();
  for (let i = 0; i < blobs; i++) {
    const content = `blob ${i} `.padEnd(1000, "x");
    writeFileSync(join(location, "blobs/sha256", createHash("sha256").update(content).digest("hex")), content);
  }
}

/** @param {string} store */
function cacheOf(store) {
  const { stdout } = attempt([...nacre, "cache", "du", "--format", "json", "--store", store], work);
  return JSON.parse(stdout).private;
}

/** @param {string} what @param {number} round @param {readonly string[]} args */
function measure(what, round, args) {
  samples.push({ what, round, seconds: run([...nacre, ...args], work) });
}

/** What removing as many files takes at least: to list them and to unlink them. @param {number} round */
function measureBare(round) {
  const folder = join(work, "bare");
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < blobs; i++) writeFileSync(join(folder, `${i}`), "a few bytes");
  const started = performance.now();
  for (const name of readdirSync(folder)) unlinkSync(join(folder, name));
  samples.push({ what: `unlink ${blobs} files, nothing else`, round, seconds: (performance.now() - started) / 1000 });
  rmSync(folder, { recursive: true });
}

function printTable() {
  for (const what of new Set(samples.map((sample) => sample.what))) {
    const seconds = samples.filter((sample) => sample.what === what).map((sample) => sample.seconds);
    const median = seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 2)];
    console.log(`${what.padEnd(45)} ${median?.toFixed(2)} s`);
  }
}
