/**
 * `registries.conf`, as the tools around containers/image read it (containers-registries.conf(5), version 2): tables by
 * prefix of an image's name, each with a location and mirrors. Short names and their aliases mean nothing here: a name
 * without a host is one of Docker Hub's, as in every Dockerfile.
 */
import { join } from "node:path";
import * as v from "valibot";
import { configError, ENDPOINT_CONFIG, parseTomlConfig, readConfigDirectory, readConfigFile } from "./configFile.js";
import type { ConfigPaths } from "./configPaths.js";
import { isRegistryHost } from "./registryHost.js";
import type { Endpoint } from "./types.js";

/** A `[[registry]]` table. */
export interface RegistryRule {
  /** What names must begin with; `*.` in front stands for any subdomain. */
  readonly prefix: string;
  /** What stands in place of the prefix; undefined leaves names as they are. */
  readonly location: string | undefined;
  /** Undefined where the table does not say. */
  readonly insecure: boolean | undefined;
  readonly blocked: boolean;
  readonly mirrors: readonly MirrorRule[];
  /** Where it stands. */
  readonly file: string;
}

/** A `[[registry.mirror]]` table. */
export interface MirrorRule {
  readonly location: string;
  readonly insecure: boolean | undefined;
  readonly answers: Endpoint["answers"];
}

const PullFromMirror = v.picklist(["all", "digest-only", "tag-only", ""]);
const Mirror = v.object({
  location: v.optional(v.string(), ""),
  insecure: v.optional(v.boolean()),
  "pull-from-mirror": v.optional(PullFromMirror, ""),
});
const Registry = v.object({
  prefix: v.optional(v.string(), ""),
  location: v.optional(v.string(), ""),
  insecure: v.optional(v.boolean()),
  blocked: v.optional(v.boolean(), false),
  "mirror-by-digest-only": v.optional(v.boolean(), false),
  mirror: v.optional(v.array(Mirror), []),
});
const RegistriesConf = v.object({
  registry: v.optional(v.array(Registry), []),
  /** Version 1. */
  registries: v.optional(v.unknown()),
});

const ANSWERS = { "": "all", all: "all", "digest-only": "digest", "tag-only": "tag" } as const;
/** Path of a repository, or the beginning of one. */
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;

/** Says something about a configuration that is not as meant. */
type Warn = (message: string) => void;

/**
 * All tables that apply, of which later files replace those of the same prefix.
 * @throws NacreError USAGE for a file that cannot be read or is not as it must be
 */
export function loadRegistriesConf(paths: ConfigPaths, warn: Warn): readonly RegistryRule[] {
  const rules = new Map<string, RegistryRule>();
  for (const { file, text } of registriesConfTexts(paths)) {
    const own = new Map<string, RegistryRule>();
    for (const rule of parseRegistriesConf(file, text, warn)) if (!own.has(rule.prefix)) own.set(rule.prefix, rule);
    for (const [prefix, rule] of own) rules.set(prefix, rule);
  }
  return [...rules.values()];
}

interface NamedText {
  readonly file: string;
  readonly text: string;
}

function registriesConfTexts(paths: ConfigPaths): NamedText[] {
  const given = paths.only ?? paths.registriesConfOverride;
  if (given !== undefined) return [{ file: given, text: readGiven(given, paths.only !== undefined) }];
  const [user, machine] = paths.registriesConf.map(({ file, dropIns }) => ({
    dropIns,
    main: { file, text: readConfigFile(file, ENDPOINT_CONFIG) },
  }));
  // The user's file replaces the machine's with its drop-ins; without one, the drop-ins of both count.
  const chosen = user?.main.text === undefined ? machine : user;
  const files = chosen?.dropIns.flatMap(dropInFiles) ?? [];
  const texts = files.map((file) => ({ file, text: readConfigFile(file, ENDPOINT_CONFIG) }));
  return [...(chosen ? [chosen.main] : []), ...texts].filter((one): one is NamedText => one.text !== undefined);
}

function readGiven(file: string, ours: boolean): string {
  const text = readConfigFile(file, ENDPOINT_CONFIG);
  if (text !== undefined) return text;
  const name = ours ? "NACRE_REGISTRIES_CONF" : "CONTAINERS_REGISTRIES_CONF";
  throw configError({ ...ENDPOINT_CONFIG, hint: `mend ${name}, or unset it` }, file, "it is not there");
}

function dropInFiles(directory: string): string[] {
  const names = readConfigDirectory(directory, ENDPOINT_CONFIG);
  return names.filter((name) => name.endsWith(".conf")).map((name) => join(directory, name));
}

/**
 * Reads one file.
 * @throws NacreError USAGE
 */
export function parseRegistriesConf(file: string, text: string, warn: Warn): readonly RegistryRule[] {
  const config = parseTomlConfig(RegistriesConf, file, text, ENDPOINT_CONFIG);
  if (config.registries !== undefined) {
    const hint =
      "write it in version 2: a [[registry]] table with location, and insecure or blocked, for each host " +
      "(containers-registries.conf(5)); NACRE_REGISTRIES_CONF=/dev/null leaves it aside";
    throw configError(
      { ...ENDPOINT_CONFIG, hint },
      file,
      "it is in version 1 of its format, which is not read any more",
    );
  }
  return config.registry.flatMap((registry) => ruleOf(file, registry, warn));
}

function ruleOf(file: string, table: v.InferOutput<typeof Registry>, warn: Warn): RegistryRule[] {
  const location = table.location === "" ? undefined : locationOf(file, "location", table.location);
  const prefix = table.prefix === "" ? location : table.prefix.replace(/\/+$/, "");
  if (prefix === undefined) throw configError(ENDPOINT_CONFIG, file, "a [[registry]] has neither prefix nor location");
  if (/\/.*[:@]/.test(prefix)) {
    warn(`${file}: the prefix ${prefix} is left aside, since it names more than a repository`);
    return [];
  }
  if (!isPrefix(prefix)) throw configError(ENDPOINT_CONFIG, file, `${JSON.stringify(prefix)} is not a prefix`);
  const mirrors = table.mirror.map((mirror) => mirrorOf(file, mirror, table["mirror-by-digest-only"]));
  const { insecure, blocked } = table;
  return [
    { prefix, location: location ?? (prefix.startsWith("*.") ? undefined : prefix), insecure, blocked, mirrors, file },
  ];
}

function mirrorOf(file: string, mirror: v.InferOutput<typeof Mirror>, digestOnly: boolean): MirrorRule {
  const from = mirror["pull-from-mirror"];
  if (digestOnly && from !== "") {
    throw configError(ENDPOINT_CONFIG, file, "pull-from-mirror and mirror-by-digest-only exclude each other");
  }
  return {
    location: locationOf(file, "location of a mirror", mirror.location),
    insecure: mirror.insecure,
    answers: digestOnly ? "digest" : ANSWERS[from],
  };
}

/** Host, and the beginning of a path. */
function locationOf(file: string, what: string, text: string): string {
  const location = text.replace(/\/+$/, "");
  if (/^[a-z]+:\/\//i.test(location))
    throw configError(ENDPOINT_CONFIG, file, `the ${what} has a scheme: leave it out`);
  const [host = "", path] = cut(location);
  if (isRegistryHost(host) && (path === undefined || PATH.test(path))) return location;
  throw configError(ENDPOINT_CONFIG, file, `${JSON.stringify(location)} is not a ${what}`);
}

function isPrefix(prefix: string): boolean {
  const [host = "", path] = cut(prefix.replace(/^\*\./, ""));
  return isRegistryHost(host) && (path === undefined || PATH.test(path));
}

function cut(name: string): [string, string | undefined] {
  const slash = name.indexOf("/");
  return slash < 0 ? [name, undefined] : [name.slice(0, slash), name.slice(slash + 1)];
}

/** What was found for a name: the table, and how much of the name its prefix covers. */
export interface RuleMatch {
  readonly rule: RegistryRule;
  readonly length: number;
}

/** The table with the longest prefix for a repository's name with its host. */
export function findRule(rules: readonly RegistryRule[], name: string): RuleMatch | undefined {
  let found: RuleMatch | undefined;
  for (const rule of rules) {
    if (found && rule.prefix.length <= found.rule.prefix.length) continue;
    const length = matchLength(name, rule.prefix);
    if (length !== undefined) found = { rule, length };
  }
  return found;
}

/** How much of a name a prefix covers. As skopeo has it, a prefix without a port stands for the host with any port. */
function matchLength(name: string, prefix: string): number | undefined {
  const end = prefix.startsWith("*.") ? subdomainEnd(name, prefix.slice(1)) : prefix.length;
  if (end === undefined || (!prefix.startsWith("*.") && !name.startsWith(prefix))) return undefined;
  return end === name.length || name[end] === "/" || name[end] === ":" ? end : undefined;
}

function subdomainEnd(name: string, suffix: string): number | undefined {
  const at = name.indexOf(suffix);
  return at < 1 || name.slice(0, at).includes("/") ? undefined : at + suffix.length;
}

/**
 * A name with its beginning exchanged, as host and path.
 * @throws NacreError USAGE if that gives no name
 */
export function relocate(
  name: string,
  length: number,
  location: string | undefined,
  file: string,
): { readonly host: string; readonly path: string } {
  const moved = location === undefined ? name : location + name.slice(length);
  const [host = "", path = ""] = cut(moved);
  if (isRegistryHost(host) && (PATH.test(path) || (path === "" && !name.includes("/")))) return { host, path };
  throw configError(
    ENDPOINT_CONFIG,
    file,
    `${JSON.stringify(name)} would become ${JSON.stringify(moved)}, which is no name`,
  );
}
