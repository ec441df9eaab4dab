/**
 * The configuration (`config.json`) of an OCI runtime for a planned root: pure, so that what a step may do can be read
 * from one place. OCI runtime specification 1.0.2, `config.md` and `config-linux.md`.
 */
import { type ByteString, encodeText, fromByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { nodeBinds } from "./noDevices.js";
import { capabilitiesOf } from "./ociCapabilities.js";
import type { PlannedMount, PlannedProcess, RootPlan } from "./rootPlan.js";
import { type SeccompProfile, seccompProfile } from "./seccomp.js";
import type { DeviceNode } from "./standardMounts.js";

/** What the configuration depends on beside the plan. */
export interface OciFacts {
  /** Absolute path of the mounted root. */
  readonly root: string;
  /** Absolute directory with the secret files, named by their position in the plan. */
  readonly secrets: string;
  /** Absolute directory with the device nodes of every root, where they cannot be made in /dev; else undefined. */
  readonly nodes?: string | undefined;
  /** Absolute directory where the host's /sys is bound: at its own place the runtime is shown other control groups. */
  readonly sys: string;
  /** Device nodes of the host that `--security=insecure` gives. */
  readonly devices: readonly DeviceNode[];
  /** What remains to be done to the root when the runtime has made everything in it. */
  readonly finish?: OciFinish | undefined;
  /** Capabilities that the hand can give, as the bits of capabilities(7) (`CapEff` of proc(5)). */
  readonly capabilities: bigint;
  /** Resource limits, as far as they may be set. */
  readonly ulimits: readonly string[];
  /** `process.arch`. */
  readonly arch: string;
  /** The process gets a terminal of its own, which the runtime connects with its standard input and output. */
  readonly terminal: boolean;
  /** In place of the plan's. */
  readonly args?: readonly string[] | undefined;
}

/** See {@link OciFacts.finish}. */
export interface OciFinish {
  /** Absolute path of a shell. */
  readonly sh: string;
  /** PATH in which it finds rm(1). */
  readonly path: string;
  /** Absolute path of mount(8), where the root is to be `nodev`: crun binds it upon itself and clears its flags, runc does not. */
  readonly mount: string | undefined;
  /** Crun makes the link /dev/core even where it leads nowhere; runc, and so Docker, does not. */
  readonly removesCore: boolean;
}

/** A mount of the configuration. */
export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** A program of the host that the runtime starts among the container's mounts, before its root becomes the root. */
export interface OciHook {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
}

/** A device node of the configuration. The runtimes make those of every container (null, zero, tty …) themselves. */
export interface OciDevice {
  readonly path: string;
  readonly type: "c" | "b";
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** The part of a runtime's configuration that is used. */
export interface OciConfig {
  readonly ociVersion: "1.0.2";
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly: false };
  readonly hostname: string;
  readonly mounts: readonly OciMount[];
  readonly hooks?: { readonly createContainer: readonly OciHook[] } | undefined;
  readonly linux: {
    readonly namespaces: readonly { readonly type: string }[];
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
    readonly devices?: readonly OciDevice[] | undefined;
    readonly seccomp?: SeccompProfile | undefined;
  };
}

/** `process` of {@link OciConfig}. */
export interface OciProcess {
  readonly terminal: boolean;
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly umask: number;
    readonly additionalGids: readonly number[];
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: Readonly<
    Record<"bounding" | "effective" | "permitted" | "inheritable" | "ambient", readonly string[]>
  >;
  readonly rlimits: readonly { readonly type: string; readonly soft: bigint; readonly hard: bigint }[];
  readonly noNewPrivileges: false;
}

/** RLIM_INFINITY of getrlimit(2). */
const UNLIMITED = 2n ** 64n - 1n;

/**
 * The configuration for a plan. It holds the values of secret variables: never write it to a disk.
 * @throws NacreError ISOLATION where an argument, a variable or a path has bytes that are not UTF-8, which JSON cannot hold
 */
export function ociConfig(plan: RootPlan, facts: OciFacts): OciConfig {
  const own = plan.mounts.filter((mount) => mount.base !== "step");
  const plain = own.filter(({ purpose }) => purpose !== "masked" && purpose !== "readonly");
  const nodes = facts.nodes === undefined ? [] : nodeBinds(toByteString(facts.nodes));
  const mounts = [...plain, ...nodes].map((mount) => ociMount(mount, facts.sys));
  const { insecure } = plan.process;
  return {
    ociVersion: "1.0.2",
    process: ociProcess(plan.process, facts),
    root: { path: asText(facts.root), readonly: false },
    hostname: plan.process.hostname,
    mounts: [...mounts, ...plan.secretFiles.map((file, at) => secretMount(file.target, `${facts.secrets}/${at}`))],
    hooks: facts.finish === undefined ? undefined : { createContainer: [finishHook(facts.finish, facts.root)] },
    linux: {
      namespaces: namespacesOf(plan.process),
      maskedPaths: targetsOf(own, "masked"),
      readonlyPaths: targetsOf(own, "readonly"),
      ...(insecure ? { devices: facts.devices.map(ociDevice) } : { seccomp: seccompProfile(facts.arch) }),
    },
  };
}

/** The configuration as JSON. Integers above 2⁵³, which the limits have, are written out. */
export function encodeOciConfig(config: OciConfig): string {
  return encode(config);
}

function ociProcess(process: PlannedProcess, facts: OciFacts): OciProcess {
  const given = capabilitiesOf(facts.capabilities, process.insecure);
  return {
    terminal: facts.terminal,
    // Runtimes disagree about the umask where none is given.
    user: { uid: process.uid, gid: process.gid, umask: 0o022, additionalGids: process.groups },
    args: (facts.args ?? process.args).map(asText),
    env: environment(process).map(asText),
    cwd: asText(process.cwd),
    // Without inheritable and ambient ones a user other than root has none after exec, as with Docker.
    capabilities: { bounding: given, effective: given, permitted: given, inheritable: [], ambient: [] },
    rlimits: facts.ulimits.map(rlimit),
    noNewPrivileges: false,
  };
}

function environment({ env, secretEnv, addsHome }: PlannedProcess): string[] {
  const secrets = [...secretEnv].map(([name, value]) => `${name}=${value}`);
  const end = addsHome ? env.length - 1 : env.length;
  return [...env.slice(0, end), ...secrets, ...env.slice(end)];
}

/** From `--nofile=1024:unlimited`, as ulimitArguments (limits.ts) has it for prlimit(1). */
function rlimit(argument: string): OciProcess["rlimits"][number] {
  const [, name = "", soft = "", hard = ""] = /^--([a-z]+)=([^:]*):(.*)$/.exec(argument) ?? [];
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: limitValue(soft), hard: limitValue(hard) };
}

function limitValue(value: string): bigint {
  return value === "unlimited" ? UNLIMITED : BigInt(value);
}

/** A hook is told the container's state: crun takes it for a failure if no one reads that. */
const FINISH = `
while read -r state; do :; done
test -z "$2" || test ! -L "$1/dev/core" || rm "$1/dev/core" || exit 1
test -z "$3" || exec "$3" -n -o remount,bind,nodev "$1"
`;

function finishHook({ sh, path, mount, removesCore }: OciFinish, root: string): OciHook {
  const words = [asText(root), removesCore ? "core" : "", mount ?? ""];
  return { path: sh, args: ["sh", "-c", FINISH, "sh", ...words], env: [`PATH=${path}`, "LC_ALL=C"] };
}

function namespacesOf({ network }: PlannedProcess): { readonly type: string }[] {
  const types = ["pid", "ipc", "uts", "mount", ...(network === "none" ? ["network"] : [])];
  return types.map((type) => ({ type }));
}

function targetsOf(mounts: readonly PlannedMount[], purpose: PlannedMount["purpose"]): string[] {
  return mounts.filter((mount) => mount.purpose === purpose).map((mount) => asText(`/${fromByteString(mount.target)}`));
}

function ociMount(mount: PlannedMount, sys: string): OciMount {
  const bind = mount.type === "bind";
  const source = fromByteString(mount.source);
  const ofSys = bind && (source === "/sys" || source.startsWith("/sys/"));
  return {
    destination: asText(`/${fromByteString(mount.target)}`),
    type: mount.type,
    source: asText(ofSys ? `${sys}${source.slice("/sys".length)}` : source),
    options: bind && !mount.options.includes("rbind") ? ["bind", ...mount.options] : mount.options,
  };
}

function ociDevice({ name, type, major, minor, mode }: DeviceNode): OciDevice {
  return { path: `/dev/${name}`, type: type === "char" ? "c" : "b", major, minor, fileMode: mode, uid: 0, gid: 0 };
}

function secretMount(target: ByteString, source: string): OciMount {
  const options = ["bind", "ro", "nosuid", "nodev", "noexec"];
  return { destination: asText(`/${fromByteString(target)}`), type: "bind", source: asText(source), options };
}

/** Refuses what JSON would change on the way: the runtimes read UTF-8 and nothing else. */
function asText(text: string): string {
  if (text.isWellFormed()) return text;
  throw new NacreError("ISOLATION", `${JSON.stringify(encodeText(text).toString("latin1"))} is not UTF-8`, {
    hint: "an OCI runtime cannot be told such bytes; use --isolation=namespaces",
  });
}

type Encodable = string | number | bigint | boolean | undefined | object;

function encode(value: Encodable): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: Encodable) => encode(item)).join()}]`;
  const members = Object.entries(value as Readonly<Record<string, Encodable>>);
  const given = members.filter(([, member]) => member !== undefined);
  return `{${given.map(([name, member]) => `${JSON.stringify(name)}:${encode(member)}`).join()}}`;
}
