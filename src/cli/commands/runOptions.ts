/** Flags of `nacre build` that concern RUN: how they are declared, and what their values mean. */
import type { BuildRequest } from "../../index.js";
import { isNacreError, NacreError } from "../../support/errors.js";
import { parseDuration, parseMemory } from "../../support/human.js";
import { nearest } from "../../support/suggest.js";
import type { Command } from "../commander.js";
import type { Environment } from "../invocation.js";
import { collect } from "./options.js";

/** The flags by commander's attribute names. */
export interface RunOptions {
  readonly isolation?: string;
  readonly allow?: readonly string[];
  readonly addHost?: readonly string[];
  readonly ulimit?: readonly string[];
  readonly shmSize?: string;
  readonly memory?: string;
  readonly memorySwap?: string;
  readonly cpus?: string;
  readonly cpuShares?: string;
  readonly cpuPeriod?: string;
  readonly cpuQuota?: string;
  readonly cpusetCpus?: string;
  readonly pidsLimit?: string;
  readonly stepTimeout?: string;
  readonly secret?: readonly string[];
  readonly ssh?: readonly string[];
  readonly debugShell?: boolean;
  readonly onFailure?: string;
}

/** Declares the flags. */
export function addRunOptions(command: Command): void {
  command
    .optionsGroup("RUN:")
    .option(
      "--isolation <level>",
      "auto, oci, namespaces or chroot (default: $NACRE_ISOLATION, else auto; see nacre info)",
    )
    .option("--network <mode>", "network of RUN: default and host are nacre's own, none is loopback only")
    .option("--allow <entitlement>", "network.host or security.insecure", collect)
    .option("--secret <spec>", "a secret: id=ID,src=PATH or id=ID,env=NAME", collect)
    .option("--ssh <spec>", "an agent or keys: default, ID=SOCKET, ID=KEYFILE", collect)
    .option("--add-host <name:ip>", "a line of /etc/hosts", collect)
    .option("--ulimit <name=soft[:hard]>", "a limit of each process, e.g. nofile=1024:2048", collect)
    .option("--shm-size <bytes>", "size of /dev/shm (default: 64m)")
    .option("-m, --memory <bytes>", "most memory of a step")
    .option("--memory-swap <bytes>", "most memory and swap of a step; -1 for no limit")
    .option("--cpus <number>", "most processors of a step, e.g. 1.5")
    .option("-c, --cpu-shares <weight>", "relative weight of a step")
    .option("--cpu-period <microseconds>", "period that --cpu-quota counts in (default: 100000)")
    .option("--cpu-quota <microseconds>", "processor time of a step in each period")
    .option("--cpuset-cpus <list>", "processors that a step may use, e.g. 0-2,4")
    .option("--pids-limit <number>", "most processes of a step")
    .option("--step-timeout <time>", "end a step that takes longer, e.g. 90s, 10m")
    .option("--debug-shell", "when a RUN fails, open a shell in its root")
    .option("--on-failure <action>", "when a RUN fails: stop, ask whether to open a shell, or shell (default: stop)");
}

/** The part of a build request that the flags make. */
type RunRequestPart = Pick<BuildRequest, "isolation" | "allow" | "hosts" | "shmSize" | "limits" | "secrets" | "ssh">;

const LEVELS = ["auto", "oci", "namespaces", "chroot"] as const;
const ENTITLEMENTS = ["network.host", "security.insecure"] as const;

/**
 * Reads the flags; `$NACRE_ISOLATION` stands for `--isolation`.
 * @throws NacreError USAGE
 */
export function runRequestOf(options: RunOptions, env: Environment): RunRequestPart {
  return {
    isolation: isolationOf(options.isolation, env),
    allow: (options.allow ?? []).flatMap((text) => text.split(",")).map((text) => oneOf("--allow", text, ENTITLEMENTS)),
    hosts: (options.addHost ?? []).map(parseHost),
    shmSize: options.shmSize === undefined ? undefined : sizeOf("--shm-size", options.shmSize),
    limits: {
      ulimits: (options.ulimit ?? []).map(parseUlimit),
      memory: options.memory === undefined ? undefined : memoryOf("--memory", options.memory),
      memorySwap: swapOf(options.memorySwap),
      cpus: cpusOf(options),
      cpuShares: numberOf("--cpu-shares", options.cpuShares, 2, 262_144),
      cpusetCpus: cpusetOf(options.cpusetCpus),
      pids: numberOf("--pids-limit", options.pidsLimit, 1, 2 ** 22),
      timeout: timeoutOf(options.stepTimeout),
    },
    secrets: options.secret,
    ssh: options.ssh,
  };
}

function isolationOf(given: string | undefined, env: Environment): RunRequestPart["isolation"] {
  // What docker build calls its only choice on Linux.
  if (given === "default") return "auto";
  if (given !== undefined) return oneOf("--isolation", given, LEVELS);
  return env.NACRE_ISOLATION ? oneOf("NACRE_ISOLATION", env.NACRE_ISOLATION, LEVELS) : undefined;
}

function oneOf<const T extends string>(flag: string, text: string, choices: readonly T[]): T {
  const known = choices.find((choice) => choice === text);
  if (known !== undefined) return known;
  const near = nearest(text, choices);
  throw usage(
    `${flag} ${JSON.stringify(text)} is not known`,
    near ? `did you mean ${near}?` : `${flag} is ${choices.join(", ")}`,
  );
}

/** `name:ip` or `name=ip`, where the address may be IPv6, in brackets or not (docker). */
export function parseHost(text: string): { name: string; ip: string } {
  const match = /^([^:=\s]+)[:=](.+)$/.exec(text);
  const ip = (match?.[2] ?? "").replace(/^\[(.*)\]$/, "$1");
  if (!match || (!/^[0-9a-fA-F:.%]+$/.test(ip) && ip !== "host-gateway")) {
    throw usage(`--add-host ${JSON.stringify(text)} is not name:address`, "e.g. --add-host db:10.0.0.5");
  }
  return { name: match[1]!, ip };
}

const ULIMITS = [
  ...["as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio"],
  ...["rttime", "sigpending", "stack"],
];

/** `name=soft[:hard]`; -1 and `unlimited` are no limit. */
export function parseUlimit(text: string): { name: string; soft: number; hard: number } {
  const match = /^([a-z]+)=(-1|unlimited|\d+)(?::(-1|unlimited|\d+))?$/.exec(text);
  if (!match) throw usage(`--ulimit ${JSON.stringify(text)} is not name=soft[:hard]`, "e.g. --ulimit nofile=1024:2048");
  const name = oneOf("--ulimit", match[1]!, ULIMITS);
  const value = (word: string): number => (word === "unlimited" ? -1 : Number(word));
  const soft = value(match[2]!);
  const hard = match[3] === undefined ? soft : value(match[3]);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw usage(`--ulimit ${text}: the soft limit is above the hard one`, "write the smaller number first");
  }
  return { name, soft, hard };
}

/** Least memory of a step, as the library has it. */
const LEAST_MEMORY = 6 << 20;

function memoryOf(flag: string, text: string): number {
  const bytes = sizeOf(flag, text);
  if (bytes >= LEAST_MEMORY) return bytes;
  throw usage(`${flag} ${JSON.stringify(text)} is too little: a step needs 6 MiB`, `e.g. ${flag} 512m`);
}

/** Reads a value; what is wrong with it is told with the flag's name. */
function named<T>(flag: string, text: string, read: (text: string) => T): T {
  try {
    return read(text);
  } catch (error) {
    if (!isNacreError(error)) throw error;
    throw usage(`${flag}: ${error.message}`, error.hint ?? "");
  }
}

function sizeOf(flag: string, text: string): number {
  const bytes = named(flag, text, parseMemory);
  if (bytes > 0) return bytes;
  throw usage(`${flag} ${JSON.stringify(text)} is no room at all`, `e.g. ${flag} 512m`);
}

/** A bare number is seconds. */
function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = named("--step-timeout", /^\d+$/.test(text) ? `${text}s` : text, parseDuration);
  if (time > 0) return time;
  throw usage(`--step-timeout ${JSON.stringify(text)} leaves no time`, "e.g. --step-timeout 10m");
}

function swapOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return text === "-1" ? -1 : memoryOf("--memory-swap", text);
}

/** `--cpus`, or docker's older pair of quota and period. */
function cpusOf({ cpus, cpuQuota, cpuPeriod }: RunOptions): number | undefined {
  if (cpus !== undefined && cpuQuota !== undefined) {
    throw usage("--cpus and --cpu-quota say the same", "give one of them");
  }
  if (cpus !== undefined) {
    const number = /^\d+(\.\d+)?$/.test(cpus) ? Number(cpus) : 0;
    if (number >= 0.01) return number;
    throw usage(`--cpus ${JSON.stringify(cpus)} is not a number of processors`, "e.g. --cpus 1.5");
  }
  const quota = numberOf("--cpu-quota", cpuQuota, 1000, 2 ** 40);
  const period = numberOf("--cpu-period", cpuPeriod, 1000, 1_000_000) ?? 100_000;
  return quota === undefined ? undefined : quota / period;
}

function cpusetOf(text: string | undefined): string | undefined {
  if (text === undefined || /^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) return text;
  throw usage(`--cpuset-cpus ${JSON.stringify(text)} is not a list of processors`, "e.g. --cpuset-cpus 0-2,4");
}

function numberOf(flag: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw usage(`${flag} ${JSON.stringify(text)} is not a number from ${least} to ${most}`, `e.g. ${flag} ${least * 2}`);
}

/** What to do when a RUN has failed. */
export type FailureAction = "stop" | "ask" | "shell";

/** Reads `--debug-shell` and `--on-failure`. @throws NacreError USAGE */
export function failureActionOf({ debugShell, onFailure }: RunOptions): FailureAction {
  const action = onFailure === undefined ? undefined : oneOf("--on-failure", onFailure, ["stop", "ask", "shell"]);
  if (debugShell && action !== undefined && action !== "shell") {
    throw usage(`--debug-shell and --on-failure ${action} contradict each other`, "give one of them");
  }
  return debugShell ? "shell" : (action ?? "stop");
}

function usage(message: string, hint: string): NacreError {
  return new NacreError("USAGE", message, { hint });
}
