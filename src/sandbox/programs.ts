/**
 * The programs that carry out a step: where they are, found once. All come with every Debian; on other systems the
 * message names the package that has them there.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { NacreError } from "../support/errors.js";
import { searchPath } from "./probeTools.js";

/** Programs without which no step runs, with their Debian package. */
const NEEDED = {
  sh: "dash",
  setpriv: "util-linux",
  unshare: "util-linux",
  mount: "mount",
  prlimit: "util-linux",
  env: "coreutils",
  cat: "coreutils",
  cp: "coreutils",
  chmod: "coreutils",
  chown: "coreutils",
  dd: "coreutils",
  mkdir: "coreutils",
} as const;

/** Programs of which one or the other serves, where it is there. */
type OptionalProgram = "bash" | "busybox" | "hostname" | "ifconfig" | "ip" | "setsid";

/** What busybox has under the same name lacks what is needed. */
const NOT_OF_BUSYBOX: ReadonlySet<string> = new Set(["setpriv", "unshare", "mount", "prlimit"]);

const found = new Map<string, string | undefined>();

/** Name of a program that a step may need. */
export type StepProgram = keyof typeof NEEDED;

/** PATH for the programs around a step. */
export function stepPath(): string {
  return searchPath(process.env.PATH);
}

/** Absolute path. @throws NacreError TOOL_MISSING */
export function needStepProgram(name: StepProgram): string {
  const program = find(name);
  if (program !== undefined) return program;
  throw new NacreError("TOOL_MISSING", `RUN needs the program ${name}, which is not installed`, {
    hint: `install ${name} (Debian: ${NEEDED[name]})`,
    facts: { program: name, package: NEEDED[name] },
  });
}

/** Absolute path, or undefined where it is not installed. */
export function optionalProgram(name: OptionalProgram): string | undefined {
  return find(name);
}

function find(name: string): string | undefined {
  if (!found.has(name)) {
    const candidates = stepPath()
      .split(path.delimiter)
      .map((folder) => path.join(folder, name));
    found.set(name, candidates.find(isUsable));
  }
  return found.get(name);
}

function isUsable(file: string): boolean {
  try {
    if (!fs.statSync(file).isFile()) return false;
    fs.accessSync(file, fs.constants.X_OK);
    return !(NOT_OF_BUSYBOX.has(path.basename(file)) && /^busybox/.test(path.basename(fs.realpathSync(file))));
  } catch {
    return false;
  }
}
