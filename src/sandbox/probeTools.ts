/** The programs that isolation needs: where they are, and which version. */
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { NacreError } from "../support/errors.js";

/** Programs of which one or the other level is made, with the Debian package that has them. */
export const PROGRAMS = {
  unshare: "util-linux",
  setpriv: "util-linux",
  mount: "mount",
  sh: "dash",
  tar: "tar",
  getfattr: "attr",
  newuidmap: "uidmap",
  newgidmap: "uidmap",
  crun: "crun",
  runc: "runc",
} as const;

/** A name in {@link PROGRAMS}. */
export type ProgramName = keyof typeof PROGRAMS;

/** Where distributions keep what ordinary users do not have on their PATH. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** PATH for programs of the system: the given one, then the system's own folders. Relative folders are left out. */
export function searchPath(given: string | undefined): string {
  const folders = (given ?? "").split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  return [...new Set([...folders, ...SYSTEM_FOLDERS])].join(path.delimiter);
}

/** A program that was found. */
export interface FoundProgram {
  readonly path: string;
  /** Changes when the program does: time of the last change in milliseconds, and size. */
  readonly stamp: string;
}

/** Where programs lie, by name; those that are not there are missing. @param given the value of PATH, used as it is */
export function findPrograms(given: string): ReadonlyMap<ProgramName, FoundProgram> {
  const found = new Map<ProgramName, FoundProgram>();
  for (const name of Object.keys(PROGRAMS) as ProgramName[]) {
    const program = findProgram(name, given);
    if (program) found.set(name, program);
  }
  return found;
}

function findProgram(name: string, given: string): FoundProgram | undefined {
  for (const folder of given.split(path.delimiter)) {
    const file = path.join(folder, name);
    try {
      const stat = fs.statSync(file);
      if (!stat.isFile()) continue;
      fs.accessSync(file, fs.constants.X_OK);
      return { path: file, stamp: `${stat.mtimeMs}/${stat.size}` };
    } catch {
      // Not there, or not for us.
    }
  }
  return undefined;
}

/** The path of a program that must be there. @throws NacreError ISOLATION */
export function needProgram(programs: ReadonlyMap<ProgramName, FoundProgram>, name: ProgramName): string {
  const program = programs.get(name);
  if (program) return program.path;
  throw new NacreError("ISOLATION", missingProgram(name), { hint: installHint(name) });
}

/** The sentence that says so. */
export function missingProgram(name: ProgramName): string {
  return `${name} is not installed`;
}

/** What to install. */
export function installHint(name: ProgramName): string {
  return `install ${name} (Debian: ${PROGRAMS[name]})`;
}

/** What a program says of itself when asked for its version: a number, or undefined if it says none. */
export function programVersionOf(program: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: 5_000, env: { LC_ALL: "C", PATH: searchPath(undefined) } };
    execFile(program, ["--version"], options, (_error, stdout) => {
      resolve(/\b[0-9]+(?:\.[0-9]+)+[^\s,)]*/.exec(stdout.slice(0, 1000))?.[0]);
    });
  });
}
