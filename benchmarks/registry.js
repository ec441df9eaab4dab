/**
 * Compares nacre with other tools at a registry on this machine: pulling an image of 1 GB in 12 layers, and pushing a layer of
 * 0.9 GB: for the first time, with one file grown, and (`--reproducible`) with one file grown in a fresh checkout, in which
 * all files have other times and nothing is known of them.
 *
 *   npm run bench:registry -- [--work DIR] [--rounds N] [--json FILE]
 *
 *   --work    where everything lies (default: below the system's temporary folder)
 *   --rounds  how often everything is measured (default 3); medians are printed
 *   --json    where the figures go (default: registry.json in DIR)
 *
 * Needs the program `docker-registry`; skopeo, docker and buildah are measured where they answer (NACRE_BENCH_SKOPEO,
 * NACRE_BENCH_DOCKER, NACRE_BENCH_BUILDAH: other commands for them). A pull of nacre decompresses, verifies and indexes every
 * layer. skopeo is measured with two destinations: a storage of containers, from which an image can be run, and a layout, which
 * takes the blobs as they are. Who goes first changes. The peak is that of the largest process of a command, told by
 * `/usr/bin/time` where it is there; what docker's daemon needs is not in it.
 */
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { attempt, command, rest, run, versionOf } from "./commands.js";
import { makeContext } from "./contexts.js";

const LAYERS = 12;
const REST = 2000;

const { values: options } = parseArgs({
  options: {
    work: { type: "string", default: join(tmpdir(), "nacre-bench-registry") },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const work = resolve(options.work);
mkdirSync(work, { recursive: true });
const nacre = command("NACRE", [process.execPath, fileURLToPath(new URL("../bin/nacre.js", import.meta.url))]);
const skopeo = command("SKOPEO", ["skopeo"]);
const docker = command("DOCKER", ["docker"]);
const buildah = command("BUILDAH", ["buildah"]);
const peakFile = join(work, "peak");
/** GNU time, which writes the peak of whatever it runs. */
const time = existsSync("/usr/bin/time") ? ["/usr/bin/time", "-q", "-a", "-f", "%M", "-o", peakFile] : [];

/** @type {{ what: string, tool: string, round: number, seconds: number, peak?: number }[]} */
const samples = [];
const registry = await startRegistry();
try {
  makeImage();
  for (let round = 1; round <= Number(options.rounds); round++) measurePulls(round);
  for (let round = 1; round <= Number(options.rounds); round++) measurePushes(round);
} finally {
  registry.kill();
}
printTable();
const json = resolve(options.json ?? join(work, "registry.json"));
writeFileSync(json, `${JSON.stringify({ samples }, undefined, 1)}\n`);
console.log(`\nfigures: ${json}`);

/** A registry with its storage in the scratch folder, on a port that was free a moment ago. */
async function startRegistry() {
  const port = await freePort();
  const storage = join(work, "registry");
  rmSync(storage, { recursive: true, force: true });
  const config = join(work, "registry.yml");
  const lines = [
    "version: 0.1",
    `storage: {filesystem: {rootdirectory: ${storage}}}`,
    `http: {addr: 127.0.0.1:${port}}`,
  ];
  writeFileSync(config, `${lines.join("\n")}\n`);
  const child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  const host = `127.0.0.1:${port}`;
  for (let i = 0; i < 100; i++) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok) return { host, kill: () => child.kill("SIGKILL") };
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error("docker-registry does not answer");
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => done(port));
    });
  });
}

/** @param {string} home */
function nacreEnv(home) {
  const loader = `--import=${new URL("peak.mjs", import.meta.url)}`;
  return { ...process.env, NACRE_HOME: home, NACRE_BENCH_PEAK: peakFile, NODE_OPTIONS: loader };
}

/** 12 layers of the files of a large context, a twelfth each, pushed by nacre. */
function makeImage() {
  const { dir } = makeContext("many", work);
  const packages = listPackages(dir);
  const lines = ["FROM scratch"];
  for (let i = 0; i < LAYERS; i++) {
    const own = packages.filter((_, at) => at % LAYERS === i);
    lines.push(`COPY --parents ${JSON.stringify([...own, "/l/"])}`);
  }
  const file = join(work, "Dockerfile.pull");
  writeFileSync(file, `${lines.join("\n")}\n`);
  const home = join(work, "source");
  run([...nacre, "build", "-q", "-f", file, "-t", `${registry.host}/big:1`, "--push", dir], work, nacreEnv(home));
}

/** Names of folders that spread a context's files evenly. @param {string} dir */
function listPackages(dir) {
  const done = attempt(["find", ".", "-mindepth", "2", "-maxdepth", "2", "-type", "d"], dir);
  return done.stdout
    .trim()
    .split("\n")
    .map((path) => path.slice(2))
    .sort();
}

/** @param {number} round */
function measurePulls(round) {
  const name = `${registry.host}/big:1`;
  const home = join(work, "pulled");
  const layout = join(work, "layout");
  const storage = join(work, "storage");
  const tools = [
    {
      tool: "nacre",
      forget: () => rmSync(home, { recursive: true, force: true }),
      argv: [...nacre, "pull", "-q", name],
      env: nacreEnv(home),
    },
    {
      tool: "skopeo",
      forget: () => rmSync(layout, { recursive: true, force: true }),
      argv: [...skopeo, "copy", "-q", "--src-tls-verify=false", `docker://${name}`, `oci:${layout}:x`],
      env: process.env,
    },
    {
      tool: "skopeo-storage",
      forget: () => {
        // It leaves a mount on itself behind.
        attempt(["umount", `${storage}/graph/overlay`], work);
        rmSync(storage, { recursive: true, force: true });
      },
      argv: [
        ...[...skopeo, "copy", "-q", "--src-tls-verify=false", `docker://${name}`],
        `containers-storage:[overlay@${storage}/graph+${storage}/run]${name}`,
      ],
      env: process.env,
    },
    {
      tool: "docker",
      forget: () => attempt([...docker, "rmi", "-f", name], work),
      argv: [...docker, "pull", "-q", name],
      env: process.env,
    },
  ].filter(({ tool }) => answers(tool));
  for (const { tool, forget, argv, env } of turned(tools, round)) {
    forget();
    measure("pull", tool, round, argv, env);
  }
}

/** @param {number} round */
function measurePushes(round) {
  const { dir, changing } = makeContext("many", work);
  const original = readFileSync(changing);
  const plain = pushers("many", dir, { nacre: [], buildah: [] });
  // Equal times in both: buildah's way of saying so.
  const fresh = pushers("fresh", dir, { nacre: ["--reproducible"], buildah: ["--timestamp", "0"] });
  const tools = /** @type {const} */ (["nacre", "buildah"]).filter((tool) => answers(tool));
  for (const tool of turned([...tools], round)) {
    plain[tool].build();
    if (round === 1) plain[tool].push("push, first", round);
    if (round === 1) fresh[tool].build();
    if (round === 1) fresh[tool].push("push, reproducible", round);
  }
  appendFileSync(changing, `round ${round}\n`);
  for (const tool of turned([...tools], round)) {
    plain[tool].build();
    plain[tool].push("push, one file grown", round);
  }
  checkOutAnew(dir);
  for (const tool of turned([...tools], round)) {
    fresh[tool].build();
    fresh[tool].push("push, fresh checkout", round);
  }
  writeFileSync(changing, original);
}

/**
 * How each builder builds a context and pushes it.
 * @param {string} image
 * @param {string} dir
 * @param {{ nacre: string[], buildah: string[] }} flags
 */
function pushers(image, dir, flags) {
  const file = join(work, "Dockerfile.push");
  writeFileSync(file, "FROM scratch\nCOPY . /app\n");
  const tag = (/** @type {string} */ tool) => `${registry.host}/${image}-${tool}:1`;
  const env = nacreEnv(join(work, "pushing"));
  const build = ["build", "-q", "-f", file];
  return {
    nacre: {
      build: () => run([...nacre, ...build, ...flags.nacre, "-t", tag("nacre"), dir], work, env),
      push: (/** @type {string} */ what, /** @type {number} */ round) =>
        measure(what, "nacre", round, [...nacre, "push", "-q", tag("nacre")], env),
    },
    buildah: {
      build: () => run([...buildah, ...build, "--isolation=chroot", ...flags.buildah, "-t", tag("buildah"), dir], work),
      push: (/** @type {string} */ what, /** @type {number} */ round) =>
        measure(what, "buildah", round, [...buildah, "push", "-q", "--tls-verify=false", tag("buildah")], process.env),
    },
  };
}

/** As `git clone` on another machine: the same contents with other times, and nothing known of the files. @param {string} dir */
function checkOutAnew(dir) {
  run(["find", dir, "-exec", "touch", "{}", "+"], work);
  rmSync(join(work, "pushing", "stat"), { recursive: true, force: true });
}

/**
 * @template T
 * @param {T[]} tools
 * @param {number} round
 */
function turned(tools, round) {
  return [...tools.slice(round % tools.length), ...tools.slice(0, round % tools.length)];
}

/** @param {string} tool */
function answers(tool) {
  if (tool === "nacre") return true;
  /** @type {Record<string, string[]>} */
  const asking = {
    skopeo: [...skopeo, "--version"],
    // Only who may make file systems has such a storage.
    "skopeo-storage": process.getuid?.() === 0 ? [...skopeo, "--version"] : ["false"],
    docker: [...docker, "version"],
    buildah: [...buildah, "--version"],
  };
  const argv = asking[tool];
  return argv !== undefined && versionOf(argv, work) !== undefined;
}

/**
 * @param {string} what
 * @param {string} tool
 * @param {number} round
 * @param {string[]} argv
 * @param {NodeJS.ProcessEnv} env
 */
function measure(what, tool, round, argv, env) {
  rest(REST);
  rmSync(peakFile, { force: true });
  const seconds = run([...time, ...argv], work, env);
  const peaks = existsSync(peakFile) ? readFileSync(peakFile, "utf8").trim().split("\n").map(Number) : [];
  const peak = peaks.length > 0 ? Math.max(...peaks) / 1024 : undefined;
  samples.push({ what, tool, round, seconds, ...(peak === undefined ? {} : { peak }) });
  const memory = peak === undefined ? "" : `, peak ${peak.toFixed(0)} MiB`;
  console.log(`${what}, round ${round}: ${tool} ${seconds.toFixed(2)} s${memory}`);
}

function printTable() {
  console.log("");
  for (const what of new Set(samples.map((sample) => sample.what))) {
    for (const tool of new Set(samples.filter((sample) => sample.what === what).map((sample) => sample.tool))) {
      const own = samples.filter((sample) => sample.what === what && sample.tool === tool);
      const seconds = own.map((sample) => sample.seconds).sort((a, b) => a - b);
      const peak = Math.max(...own.map((sample) => sample.peak ?? 0));
      const memory = peak > 0 ? `${peak.toFixed(0)} MiB` : "";
      const median = (seconds[seconds.length >> 1] ?? 0).toFixed(2);
      console.log(`${what.padEnd(22)} ${tool.padEnd(15)} ${median.padStart(6)} s ${memory.padStart(9)}`);
    }
  }
}
