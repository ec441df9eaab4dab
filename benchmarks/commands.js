/** Running and timing commands for benchmarks. */
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";

/** A daemon goes on working after it has answered: until the machine has been idle to this part for a second … */
const IDLE = 0.93;
/** … and no longer than this many milliseconds, the next measurement waits. */
const PATIENCE = 20_000;

/**
 * A command as NACRE_BENCH_<NAME> says it (words separated by blanks), else the usual one.
 * @param {string} name
 * @param {string[]} usual
 */
export function command(name, usual) {
  const given = process.env[`NACRE_BENCH_${name}`]?.trim();
  return given ? given.split(/\s+/) : usual;
}

/**
 * Runs a command in `cwd` and returns how many seconds it took.
 * @param {string[]} argv
 * @param {string} cwd
 * @param {NodeJS.ProcessEnv} [env]
 */
export function run(argv, cwd, env = process.env) {
  const start = process.hrtime.bigint();
  const done = attempt(argv, cwd, env);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (done.status !== 0) {
    throw new Error(`${argv.join(" ")} failed:\n${done.stdout ?? ""}${done.stderr ?? ""}${done.error?.message ?? ""}`);
  }
  return seconds;
}

/**
 * @param {string[]} argv
 * @param {string} cwd
 * @param {NodeJS.ProcessEnv} [env]
 */
export function attempt([program = "", ...args], cwd, env = process.env) {
  return spawnSync(program, args, {
    cwd,
    env,
    encoding: "utf8",
    maxBuffer: 64 << 20,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/**
 * What a command prints about its version, or undefined if it does not run.
 * @param {string[]} argv
 * @param {string} cwd
 */
export function versionOf(argv, cwd) {
  const done = attempt(argv, cwd);
  return done.status === 0 ? done.stdout.trim() : undefined;
}

/** Waits until the machine has nothing else to do. @param {number} least milliseconds */
export function rest(least) {
  sleep(Math.max(0, least - 1000));
  const end = Date.now() + PATIENCE;
  while (idleFor(1000) < IDLE && Date.now() < end);
}

/** @param {number} milliseconds */
function sleep(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Which part of all processors' time was idle. @param {number} milliseconds to look on */
function idleFor(milliseconds) {
  const before = cpus().map(({ times }) => times);
  sleep(milliseconds);
  const after = cpus().map(({ times }) => times);
  const sum = (/** @type {typeof before} */ all) =>
    all.reduce((total, { user, nice, sys, idle, irq }) => total + user + nice + sys + idle + irq, 0);
  const idle = (/** @type {typeof before} */ all) => all.reduce((total, times) => total + times.idle, 0);
  return (idle(after) - idle(before)) / (sum(after) - sum(before));
}
