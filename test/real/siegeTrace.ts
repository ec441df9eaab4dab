/** What happened in a siege, so that a failure can be understood: commands with their ends, kills, and who holds which lock. */
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Lines of the trace that a failure shows; all of it stands in a file. */
const SHOWN = 60;

/** The log of one siege, one line for each event. */
export class Trace {
  readonly #started = Date.now();
  readonly #lines: string[] = [];
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  add(who: string, what: string): void {
    this.#lines.push(`${String(Date.now() - this.#started).padStart(7)} ${who.padEnd(4)} ${what}`);
  }

  /** Writes the whole trace to a file. @returns its end, and where the rest is */
  tell(): string {
    const path = join(tmpdir(), `nacre-siege-${this.#seed}.log`);
    writeFileSync(path, `${this.#lines.join("\n")}\n`);
    return [`seed ${this.#seed}; the whole trace is in ${path}; it ends:`, ...this.#lines.slice(-SHOWN)].join("\n");
  }
}

/** Who holds or awaits the locks of a store, as the kernel and the owner links tell. */
export function lockHolders(store: string): string[] {
  const directory = join(store, "locks");
  const names = namesIn(directory);
  const files = new Map(names.flatMap((name) => inodeOf(join(directory, name)).map((inode) => [inode, name])));
  const owners = names
    .filter((name) => name.includes(".owner"))
    .map((name) => `${name}: ${linkOf(join(directory, name))}`);
  const held = read("/proc/locks")
    .split("\n")
    .flatMap((line) => {
      const match = /^\d+: (->)? *FLOCK +ADVISORY +(\S+) +(-?\d+) +\S+:(\d+) /.exec(line);
      const name = match && files.get(match[4]!);
      if (!match || name === undefined) return [];
      return [`${name}: ${match[1] ? "awaited" : "held"} (${match[2]}) by ${describe(match[3]!)}`];
    });
  return [...owners, ...held];
}

/** A process and those from whom it descends. */
export function describe(pid: string): string {
  const line: string[] = [];
  for (let at = pid; /^[1-9]\d*$/.test(at) && at !== "1" && line.length < 5; at = parentOf(at)) {
    const command = read(`/proc/${at}/cmdline`).replaceAll("\0", " ").trim().slice(0, 160);
    line.push(`${at} [${command}] ${read(`/proc/${at}/wchan`)}`);
  }
  return line.join(" < ") || pid;
}

function parentOf(pid: string): string {
  return /^\d+ \(.*\) \S (\d+)/s.exec(read(`/proc/${pid}/stat`))?.[1] ?? "";
}

function inodeOf(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? [String(stat.ino)] : [];
}

function linkOf(path: string): string {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : "";
  } catch {
    return "gone";
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
