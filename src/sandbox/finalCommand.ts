/**
 * The last programs before a step's process: they give up rights, set its variables, enter its root and become it. The
 * chain before them knows nothing of the Dockerfile's variables, which could change what programs of the host do.
 */
import * as fs from "node:fs";
import { NacreError } from "../support/errors.js";
import { needStepProgram } from "./programs.js";
import type { PlannedProcess } from "./rootPlan.js";

/** Docker's default set (moby: oci/caps). */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  ...["chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"],
  ...["net_bind_service", "net_raw", "sys_chroot", "mknod", "audit_write", "setfcap"],
];

/** Names under which programs are started, so that their words can be told from the step's. */
export interface StartNames {
  readonly prlimit: string;
  readonly setpriv: string;
  readonly unshare: string;
}

/** What the C library, the dynamic linker or util-linux on the way to the root would obey. */
const OBEYED =
  /^(LD_|GLIBC_|MALLOC_|MUSL_|LIBMOUNT_|LIBBLKID_|(GCONV_PATH|LOCPATH|NLSPATH|GETCONF_DIR|TZDIR|RES_OPTIONS|HOSTALIASES|LOCALDOMAIN|NIS_PATH|RESOLV_HOST_CONF)$)/;

/** What a shell says to the programs that it starts. */
const OF_SHELLS = ["_", "SHLVL", "PWD", "OLDPWD"];

/** The variables of a step, some of which have to be set inside the root. */
type Variables = Pick<PlannedProcess, "env" | "secretEnv">;

/** What sets variables inside the root, by the image's own means; the first one that is there is taken. */
const SETTERS: readonly ((variables: Variables) => readonly string[])[] = [
  (variables) => ["/usr/bin/env", ...inOrder(variables)],
  (variables) => ["/bin/env", ...inOrder(variables)],
  // A shell keeps what it cannot name itself only where it is left alone, so the order is lost here.
  ({ env }) => ["/bin/sh", "-c", EXPORT, "sh", ...obeyedVariables(env), "--"],
  (variables) => ["/bin/busybox", "env", ...inOrder(variables)],
];
const EXPORT = 'while test "$1" != --; do export "$1"; shift; done; shift; exec "$@"';

/** For env(1): all variables once more, so that each has its place. Secret ones, which are set already, must stay. */
function inOrder({ env, secretEnv }: Variables): string[] {
  if (secretEnv.size === 0) return ["-i", "--", ...env];
  const forgotten = env.filter((entry) => !OBEYED.test(entry)).flatMap((entry) => ["-u", nameOf(entry)]);
  return [...forgotten, "--", ...env];
}

function nameOf(entry: string): string {
  return entry.slice(0, entry.indexOf("="));
}

/** Variables that are set inside the root, because programs of the host would obey them. */
export function obeyedVariables(env: readonly string[]): string[] {
  return env.filter((entry) => OBEYED.test(entry));
}

/**
 * Begins the command inside the root that sets variables.
 * @param attempt 0 for what is likeliest, then what to take if that is not there
 * @throws NacreError ISOLATION if there is nothing more to take
 */
export function setterInside(variables: Variables, attempt: number): readonly string[] {
  const setter = SETTERS[attempt];
  if (setter) return setter(variables);
  const names = obeyedVariables(variables.env).map(nameOf);
  throw new NacreError(
    "ISOLATION",
    `the variable ${names.join(", ")} cannot be set: the image has neither env nor a shell`,
    {
      hint: "use --isolation=oci",
      facts: { variables: names },
    },
  );
}

/**
 * The names of secret variables.
 * @throws NacreError ISOLATION for one that could only be set where others can see its value
 */
export function secretNames(secretEnv: ReadonlyMap<string, string>): string[] {
  const names = [...secretEnv.keys()];
  for (const name of names) {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !/^NACRE_/i.test(name) && !OBEYED.test(name)) continue;
    throw new NacreError(
      "ISOLATION",
      `a secret cannot be the variable ${JSON.stringify(name)} at the isolation level namespaces`,
      {
        hint: "choose another name after env=, or use --isolation=oci",
        facts: { variable: name },
      },
    );
  }
  return names;
}

/**
 * The command that becomes the step's process once the root is the current directory.
 * @param command what is executed inside the root
 * @param ulimits arguments of prlimit(1)
 */
export function finalCommand(
  planned: PlannedProcess,
  command: readonly string[],
  ulimits: readonly string[],
  names: StartNames,
): string[] {
  const { cwd, uid, env, secretEnv } = planned;
  const visible = env.filter((entry) => !OBEYED.test(entry) && !secretEnv.has(nameOf(entry)));
  return [
    ...(ulimits.length > 0 ? [names.prlimit, ...ulimits, "--"] : []),
    ...[names.setpriv, ...credentials(planned), "--"],
    ...[needStepProgram("env"), ...OF_SHELLS.filter((name) => !secretEnv.has(name)).flatMap((name) => ["-u", name])],
    ...["--", ...visible],
    // It changes directory with the rights of root: as in runc, the working directory may be closed to the user.
    ...[names.unshare, "--root=.", `--wd=${cwd}`, ...(uid === 0 ? [] : [`--setuid=${uid}`])],
    ...["--", ...command],
  ];
}

/** The user id changes last, in unshare: capabilities to enter the root would be gone before. */
function credentials({ gid, groups, insecure }: PlannedProcess): string[] {
  const kept = DEFAULT_CAPABILITIES.map((name) => `+${name}`).join(",");
  return [
    `--regid=${gid}`,
    setgroupsIsDenied() ? "--keep-groups" : groups.length > 0 ? `--groups=${groups.join(",")}` : "--clear-groups",
    "--inh-caps=-all",
    ...(insecure ? [] : [`--bounding-set=-all,${kept}`]),
  ];
}

/** In a user namespace made without newgidmap, user_namespaces(7). */
function setgroupsIsDenied(): boolean {
  try {
    return fs.readFileSync("/proc/self/setgroups", "latin1").trim() === "deny";
  } catch {
    return false;
  }
}
