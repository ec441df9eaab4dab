/**
 * Looking processes up that live in pid namespaces below ours. Only from the first namespace of the machine everything can
 * be seen; there, who is not found is dead. So what a killed container or `unshare` has left is swept at once.
 */
import * as fs from "node:fs";

/** Inode of the pid namespace that the kernel starts with (PROC_PID_INIT_INO, include/linux/proc_ns.h). */
const FIRST_NAMESPACE = "4026531836";
/** Milliseconds for which a process that was found counts as alive without another look. */
const TRUSTED = 1000;

/** A process as its own pid namespace names it. */
export interface NamespacedProcess {
  /** Inode of its pid namespace. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** Start time in clock ticks since boot. */
  readonly start: string;
}

/** What one look through /proc has found. */
interface Sight {
  readonly time: number;
  /** `NAMESPACE-PID` to start time, of all processes of other namespaces than the first. */
  readonly starts: ReadonlyMap<string, string>;
  /** Nothing was hidden. */
  readonly whole: boolean;
}

let last: Sight | undefined;

/**
 * Tells if a process of another pid namespace of this boot lives.
 * @param ours inode of our own pid namespace
 * @returns undefined where that cannot be seen from here
 */
export function livesBelow(process: NamespacedProcess, ours: string): boolean | undefined {
  if (ours !== FIRST_NAMESPACE || process.pidNamespace === "0") return undefined;
  if (last && performance.now() - last.time < TRUSTED && startOf(last, process) === process.start) return true;
  // Whoever is to be called dead is looked for anew: it may have started after the last look.
  last = look();
  const start = startOf(last, process);
  if (start === process.start) return true;
  // Another start time under that number is another process, unless clocks differ between namespaces too.
  return last.whole && start === undefined ? false : undefined;
}

function startOf(sight: Sight, { pidNamespace, pid }: NamespacedProcess): string | undefined {
  return sight.starts.get(`${pidNamespace}-${pid}`);
}

function look(): Sight {
  const time = performance.now();
  const starts = new Map<string, string>();
  // proc(5), hidepid: other users' processes may not be there at all.
  let whole = !/^\S+ \/proc proc \S*hidepid=(?!0|off)/m.test(read("/proc/mounts"));
  try {
    for (const name of fs.readdirSync("/proc")) {
      if (!/^[0-9]+$/.test(name)) continue;
      const namespace = namespaceOf(name);
      if (namespace === "hidden") whole = false;
      else if (namespace !== undefined && namespace !== FIRST_NAMESPACE) add(starts, name, namespace);
    }
  } catch {
    whole = false;
  }
  return { time, starts, whole };
}

function add(starts: Map<string, string>, name: string, namespace: string): void {
  const pid = namespacePids(name)?.at(-1);
  const stat = read(`/proc/${name}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (pid !== undefined && fields[19] !== undefined && !["Z", "X", "x"].includes(fields[0]!)) {
    starts.set(`${namespace}-${pid}`, fields[19]);
  }
}

/** Inode of a process's pid namespace; `hidden` if we may not see it, undefined if the process is gone. */
function namespaceOf(pid: string): string | undefined {
  try {
    return /\[([0-9]+)\]/.exec(fs.readlinkSync(`/proc/${pid}/ns/pid`))?.[1];
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    // Another user's, or a more powerful one: whoever has a single number is in the first namespace.
    return namespacePids(pid)?.length === 1 ? FIRST_NAMESPACE : "hidden";
  }
}

/** The numbers of a process, from the first namespace down to its own (proc_pid_status(5), NSpid). */
function namespacePids(pid: string): string[] | undefined {
  return /^NSpid:\s*([0-9\t ]+)$/m
    .exec(read(`/proc/${pid}/status`))?.[1]
    ?.trim()
    .split(/\s+/);
}

function read(path: string): string {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
