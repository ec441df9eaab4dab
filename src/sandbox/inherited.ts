/** Descriptors that this process was started with, beyond the three standard ones: what it starts must not get them. */
import * as fs from "node:fs";

/** `O_CLOEXEC` of Linux on most processors, as /proc shows it (proc(5), fdinfo). */
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Closes every descriptor above 2 that would be passed on to the programs that this process starts. Those that Node itself
 * has opened are not, so what is left is inherited. Only for a process that is nacre's own.
 */
export function closeInherited(): void {
  for (const fd of inheritableDescriptors()) fs.closeSync(fd);
}

/**
 * Descriptors of this process that its children get, from 3 on, in order: Node opens its own close-on-exec, but what nacre
 * itself was given by its parent may not be. None where there is no /proc to look in.
 */
export function inheritableDescriptors(): number[] {
  // Later on only fewer can be: what is opened here is closed on exec.
  known = (known ?? namesIn("/proc/self/fdinfo").map(Number)).filter((fd) => fd > 2 && isInheritable(fd));
  return known.sort((a, b) => a - b);
}

/** Those that were found when this was first asked. */
let known: number[] | undefined;

function isInheritable(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    // It was the descriptor of the directory just read.
    return false;
  }
}

function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}
