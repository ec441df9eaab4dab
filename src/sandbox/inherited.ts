/** Descriptors that this process was started with, beyond the three standard ones: what it starts must not get them. */
import * as fs from "node:fs";

/** `O_CLOEXEC` of Linux on most processors, as /proc shows it (proc(5), fdinfo). */
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Closes every descriptor above 2 that would be passed on to the programs that this process starts. Those that Node itself
 * has opened are not, so what is left is inherited. Only for a process that is nacre's own.
 */
export function closeInherited(): void {
  for (const name of namesIn("/proc/self/fd")) {
    const fd = Number(name);
    if (fd > 2 && isPassedOn(fd)) {
      try {
        fs.closeSync(fd);
      } catch {
        // Closed already: the descriptor by which the directory was listed.
      }
    }
  }
}

function isPassedOn(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    return false;
  }
}

function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    // No /proc: then there is none to look in for what comes after, either.
    return [];
  }
}
