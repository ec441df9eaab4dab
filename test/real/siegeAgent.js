/**
 * Starts programs for a siege (siege.ts), and stops and kills them, in whatever pid namespace this process itself runs.
 * Requests come as lines of JSON on standard input: `{id, argv, env}` starts a program, `{id, to, signal, pick}` sends a
 * signal to one of the processes of the program `to`. Answers go as lines to standard output. Plain JavaScript, because
 * Node 20 runs no TypeScript.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** Most characters of a program's output that are kept: its end, where errors stand. */
const KEPT = 16_000;
/** Of a hundred signals so many hit the program itself; the others hit one of its descendants. */
const MAIN_SHARE = 70;

/** @type {Map<number, import("node:child_process").ChildProcess>} */
const running = new Map();

createInterface({ input: process.stdin }).on("line", (line) => {
  const request = JSON.parse(line);
  if (request.argv) start(request);
  else answer({ id: request.id, hit: send(request.to, request.signal, request.pick) });
});

/** @param {{ id: number, argv: string[], env: Record<string, string> }} request */
function start({ id, argv, env }) {
  const child = spawn(argv[0] ?? "", argv.slice(1), { env, stdio: ["ignore", "pipe", "pipe"] });
  running.set(id, child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => {
      output = (output + chunk).slice(-KEPT);
    });
  }
  child.on("error", (error) => {
    output += String(error);
  });
  // Whoever outlives the program may keep its pipes: its own end is what counts.
  child.on("exit", (code, signal) => setTimeout(() => end(id, code, signal, output), 20));
}

/**
 * @param {number} id
 * @param {number | null} code
 * @param {string | null} signal
 * @param {string} output
 */
function end(id, code, signal, output) {
  running.delete(id);
  answer({ id, code, signal, output });
}

/**
 * Sends a signal to one of a program's processes.
 * @param {number} to
 * @param {NodeJS.Signals} signal
 * @param {number} pick a random number below 2^32; 0 is the program itself
 * @returns {string} what was hit; empty if nothing of it runs any more
 */
function send(to, signal, pick) {
  const pid = running.get(to)?.pid;
  if (pid === undefined) return "";
  const below = descendants(pid);
  const victim =
    below.length === 0 || pick % 100 < MAIN_SHARE ? undefined : below[Math.floor(pick / 100) % below.length];
  try {
    process.kill(victim?.pid ?? pid, signal);
    return victim?.name ?? "main";
  } catch {
    return "";
  }
}

/**
 * The processes that descend from one.
 * @param {number} top
 * @returns {{ pid: number, name: string }[]}
 */
function descendants(top) {
  /** @type {Map<number, { pid: number, name: string }[]>} */
  const children = new Map();
  for (const name of readdirSync("/proc")) {
    const parsed = /^\d+$/.test(name) && /^(\d+) \((.*)\) \S (\d+) /s.exec(statOf(name));
    if (!parsed) continue;
    const parent = Number(parsed[3]);
    children.set(parent, [...(children.get(parent) ?? []), { pid: Number(parsed[1]), name: parsed[2] ?? "" }]);
  }
  const found = [...(children.get(top) ?? [])];
  for (const { pid } of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** @param {string} pid */
function statOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return "";
  }
}

/** @param {object} value */
function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
