/** The builders that are compared: how each makes its base image, forgets everything, and builds a context. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { attempt, command, run, versionOf } from "./commands.js";

/**
 * @typedef {object} Builder
 * @property {string} name
 * @property {string} version
 * @property {(base: string | undefined) => void} forget empties cache and store; afterwards the base image is there again
 * @property {(dir: string, base: string | undefined) => Measure} build builds a context into the builder's own store
 * @property {() => void} cleanUp removes what the measuring left
 *
 * @typedef {object} Measure
 * @property {number} seconds
 * @property {number} [peak] MiB, where it is known
 */

const BASE = "nacre-bench-base:1";
const RESULT = "nacre-bench-result:1";
const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * nacre of this checkout, and those of docker and buildah that answer. Each is a command on PATH, or what NACRE_BENCH_NACRE,
 * NACRE_BENCH_DOCKER or NACRE_BENCH_BUILDAH say: a program and its first arguments, separated by blanks.
 * @param {string} work scratch folder
 * @returns {Builder[]}
 */
export function findBuilders(work) {
  mkdirSync(join(work, "base"), { recursive: true });
  makeBase(join(work, "base"));
  const found = [nacre(work)];
  const engine = command("DOCKER", ["docker"]);
  const engineVersion = versionOf([...engine, "version", "--format", "{{.Server.Version}}"], work);
  if (engineVersion) found.push(docker(engine, engineVersion, work));
  const tool = command("BUILDAH", ["buildah"]);
  const toolVersion = versionOf([...tool, "--version"], work);
  if (toolVersion) found.push(buildah(tool, toolVersion.replace(/^buildah version (\S+).*/s, "$1"), work));
  return found;
}

/**
 * A base image that is as small as can be: one file, and a shell for RUN where there is a busybox to take it from.
 * @param {string} dir
 */
function makeBase(dir) {
  const shells = ["/bin/busybox", "/usr/bin/busybox"].filter((path) => existsSync(path));
  mkdirSync(join(dir, "bin"), { recursive: true });
  writeFileSync(join(dir, "file"), "base\n");
  for (const name of shells[0] ? ["sh", "touch"] : []) {
    writeFileSync(join(dir, "bin", name), readFileSync(shells[0] ?? ""), { mode: 0o755 });
  }
  writeFileSync(join(dir, "Dockerfile"), "FROM scratch\nCOPY file /etc/bench\nCOPY bin /bin\n");
}

/**
 * @param {string} work
 * @returns {Builder}
 */
function nacre(work) {
  const argv = command("NACRE", [process.execPath, here("../bin/nacre.js")]);
  const home = join(work, "nacre-store");
  const peakFile = join(work, "nacre-peak");
  const env = { ...process.env, NACRE_HOME: home };
  const measured = {
    ...env,
    NACRE_BENCH_PEAK: peakFile,
    NODE_OPTIONS: `--import=${new URL("peak.mjs", import.meta.url)}`,
  };
  const options = ["build", "--progress=plain"];
  return {
    name: "nacre",
    version: JSON.parse(readFileSync(here("../package.json"), "utf8")).version,
    forget(base) {
      rmSync(home, { recursive: true, force: true });
      if (!base) run([...argv, ...options, "-t", BASE, join(work, "base")], work, env);
    },
    build(dir, base = BASE) {
      rmSync(peakFile, { force: true });
      const seconds = run([...argv, ...options, "--build-arg", `BASE=${base}`, "-t", RESULT, dir], work, measured);
      if (!existsSync(peakFile)) return { seconds };
      const peaks = readFileSync(peakFile, "utf8").trim().split("\n").map(Number);
      return { seconds, peak: Math.max(...peaks) / 1024 };
    },
    cleanUp: () => rmSync(home, { recursive: true, force: true }),
  };
}

/**
 * @param {string[]} argv
 * @param {string} version
 * @param {string} work
 * @returns {Builder}
 */
function docker(argv, version, work) {
  // A daemon without a bridge builds too.
  const options = ["build", "-q", "--provenance=false", "--network=host"];
  const removeResult = () => attempt([...argv, "rmi", "-f", RESULT], work);
  return {
    name: "docker",
    version,
    forget(base) {
      removeResult();
      run([...argv, "builder", "prune", "-af"], work);
      if (!base) run([...argv, ...options, "-t", BASE, join(work, "base")], work);
    },
    build: (dir, base = BASE) => ({
      seconds: run([...argv, ...options, "--build-arg", `BASE=${base}`, "-t", RESULT, dir], work),
    }),
    cleanUp() {
      attempt([...argv, "rmi", "-f", RESULT, BASE], work);
      attempt([...argv, "builder", "prune", "-af"], work);
    },
  };
}

/**
 * @param {string[]} argv
 * @param {string} version
 * @param {string} work
 * @returns {Builder}
 */
function buildah(argv, version, work) {
  const options = ["build", "-q", "--layers", "--pull=never", "--isolation=chroot"];
  const remove = () => {
    attempt([...argv, "rmi", "-f", RESULT, BASE], work);
    attempt([...argv, "rmi", "--prune", "-f"], work);
  };
  return {
    name: "buildah",
    version,
    forget(base) {
      remove();
      if (!base) run([...argv, ...options, "-t", BASE, join(work, "base")], work);
    },
    build: (dir, base = `localhost/${BASE}`) => ({
      seconds: run([...argv, ...options, "--build-arg", `BASE=${base}`, "-t", RESULT, dir], work),
    }),
    cleanUp: remove,
  };
}
