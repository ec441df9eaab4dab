/**
 * The rules of a gate: their names, what values they take, and how values are read, be they typed as flags or written in
 * a file. Pure.
 */
import { NacreError } from "../support/errors.js";
import { parseDuration, parseSize } from "../support/human.js";
import { nearest } from "../support/suggest.js";

/** What a rule takes. */
export type GateValueKind =
  /** A size: 500MB. */
  | "bytes"
  /** A size, or a share of the baseline: 5%. */
  | "growth"
  /** A whole number. */
  | "count"
  /** 0 to 100: 5 or 5%. */
  | "percent"
  /** How long: 90d, 12h. */
  | "duration"
  /** True or false. */
  | "switch"
  /** One text or several. */
  | "list"
  /** Names, each with the pattern that its value has to fit: a table, or NAME=REGEX. */
  | "labels"
  /** As dive takes it: 0 to 1, or off. */
  | "dive-ratio"
  /** As dive takes it: a size, or off. */
  | "dive-bytes";

/** A rule as it is documented. */
export interface GateRuleKind {
  readonly kind: GateValueKind;
  /** What has to hold, for help and reports. */
  readonly title: string;
}

/** All rules. The last three have dive's names, numbers and limits. */
export const GATE_RULES = {
  "max-size": {
    kind: "bytes",
    title: "the image's files take at most so many bytes (unpacked, as docker images shows it)",
  },
  "max-content-size": {
    kind: "bytes",
    title: "the image's blobs take at most so many bytes (compressed: what is transferred)",
  },
  "max-growth": { kind: "growth", title: "the image's files have grown by at most so much since the baseline" },
  "max-content-growth": { kind: "growth", title: "the image's blobs have grown by at most so much since the baseline" },
  "max-layer-size": { kind: "bytes", title: "no layer of the image's own has more bytes of files" },
  "max-layers": { kind: "count", title: "the image has at most so many layers" },
  "max-waste": { kind: "bytes", title: "at most so many bytes are stored in vain" },
  "max-waste-percent": { kind: "percent", title: "at most so many percent of all stored bytes are stored in vain" },
  "required-paths": { kind: "list", title: "these paths are in the image" },
  "forbidden-paths": { kind: "list", title: "none of these paths is in the image" },
  "forbidden-paths-anywhere": { kind: "list", title: "no layer holds any of these paths, not even a hidden one" },
  "only-paths": { kind: "list", title: "all files of the image's own layers are at these paths" },
  "non-root": { kind: "switch", title: "the image does not run as root" },
  "required-labels": { kind: "labels", title: "the image has these labels" },
  "allowed-bases": { kind: "list", title: "the image is based on one of these" },
  "allowed-ports": { kind: "list", title: "the image exposes no other ports" },
  "forbidden-ports": { kind: "list", title: "the image exposes none of these ports" },
  platforms: { kind: "list", title: "the image is for one of these platforms" },
  "max-age": { kind: "duration", title: "the image was created at most so long ago" },
  "no-secret-env": { kind: "switch", title: "no variable looks like a secret" },
  "forbidden-env": { kind: "list", title: "the image sets none of these variables" },
  lowestEfficiency: { kind: "dive-ratio", title: "dive's efficiency is at least so high" },
  highestWastedBytes: { kind: "dive-bytes", title: "dive's wasted bytes are at most so many" },
  highestUserWastedPercent: {
    kind: "dive-ratio",
    title: "dive's wasted bytes are at most this part of what is above the lowest layer",
  },
} as const satisfies Readonly<Record<string, GateRuleKind>>;

export type GateRuleName = keyof typeof GATE_RULES;

/** What is no rule but steers some. */
export const GATE_OPTIONS = {
  "ignore-paths": { kind: "list", title: "paths that the rules about waste leave out" },
  "allowed-paths": { kind: "list", title: "exceptions of the rules about forbidden paths" },
  "waste-floor": { kind: "bytes", title: "max-waste-percent never fails below so many bytes (default: 1MB)" },
} as const satisfies Readonly<Record<string, GateRuleKind>>;

type GateOptionName = keyof typeof GATE_OPTIONS;

/** Growth that is allowed. */
export interface GrowthLimit {
  readonly amount: number;
  /** The amount is a percentage of the baseline, else bytes. */
  readonly isPercent: boolean;
}

/** A value, read: by kind a number (bytes, milliseconds, …), a list, names with patterns; `off` for rules that dive calls disabled. */
export type GateValue =
  | number
  | boolean
  | GrowthLimit
  | readonly string[]
  | ReadonlyMap<string, RegExp | undefined>
  | "off";

/** Where a rule is written. */
export interface GateSource {
  readonly file: string;
  /** From 1. */
  readonly line?: number | undefined;
}

/** A rule to be checked. */
export interface GateRule {
  readonly name: GateRuleName;
  readonly value: GateValue;
  /** As it was written. */
  readonly text: string;
  readonly source?: GateSource | undefined;
}

/** Everything that a gate asks for. */
export interface GateRules {
  readonly rules: readonly GateRule[];
  readonly ignorePaths: readonly string[];
  readonly allowedPaths: readonly string[];
  /** Bytes. */
  readonly wasteFloor?: number | undefined;
  /** Rules that only warn. */
  readonly warn: readonly GateRuleName[];
  /** The image that growth is measured against, if a file names one. */
  readonly baseline?: string | undefined;
}

/** Rules and options as they are typed or written: `{"max-size": "500MB", "forbidden-paths": ["*.pem"], warn: ["max-size"]}`. */
export type GateSettings = Readonly<Record<string, unknown>>;

const DIVE_NAMES: Readonly<Record<string, GateRuleName>> = {
  ...{ "lowest-efficiency": "lowestEfficiency", "lowest-efficiency-threshold": "lowestEfficiency" },
  ...{ "highest-wasted-bytes": "highestWastedBytes", "highest-user-wasted-percent": "highestUserWastedPercent" },
};
const OTHERS = ["warn", "baseline"];

/**
 * The name of a rule or option, from any of its spellings (`max-size`, `maxSize`).
 * @throws NacreError USAGE for a name that there is not
 */
export function gateName(name: string, where: string): string {
  const kebab = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  for (const spelling of [name, kebab, DIVE_NAMES[kebab]]) {
    if (spelling !== undefined && (isRule(spelling) || isOption(spelling) || OTHERS.includes(spelling)))
      return spelling;
  }
  const known = [...Object.keys(GATE_RULES), ...Object.keys(GATE_OPTIONS), ...OTHERS];
  const near = nearest(kebab, known, 4);
  throw new NacreError("USAGE", `${where}: there is no rule ${JSON.stringify(name)}`, {
    hint: near ? `did you mean ${near}?` : "all rules: nacre gate --help",
  });
}

/** True for names of rules. */
export function isRule(name: string): name is GateRuleName {
  return Object.hasOwn(GATE_RULES, name);
}

function isOption(name: string): name is GateOptionName {
  return Object.hasOwn(GATE_OPTIONS, name);
}

/**
 * Reads rules.
 * @param sourceOf where a name is written; for errors and reports
 * @throws NacreError USAGE for names and values that make no sense
 */
export function readGateRules(
  settings: GateSettings,
  sourceOf: (name: string) => GateSource | undefined = () => undefined,
): GateRules {
  const rules: GateRule[] = [];
  const options = new Map<string, unknown>();
  for (const [written, value] of Object.entries(settings)) {
    const source = sourceOf(written);
    const place = source ? `${source.file}${source.line === undefined ? "" : `:${source.line}`}: ` : "";
    const name = gateName(written, place === "" ? "the rules" : place.slice(0, -2));
    if (isRule(name)) {
      if (rules.some((rule) => rule.name === name)) throw usage(`${place}${written}: the rule is there twice`);
      const read = readGateValue(GATE_RULES[name].kind, value, `${place}${written}`);
      // A switch that is off asks for nothing.
      if (read !== false) rules.push({ name, value: read, text: textOf(value), ...(source ? { source } : {}) });
    } else if (isOption(name)) {
      options.set(name, readGateValue(GATE_OPTIONS[name].kind, value, `${place}${written}`));
    } else
      options.set(name, name === "warn" ? warnings(value, `${place}${written}`) : text(value, `${place}${written}`));
  }
  return {
    rules,
    ignorePaths: (options.get("ignore-paths") as readonly string[] | undefined) ?? [],
    allowedPaths: (options.get("allowed-paths") as readonly string[] | undefined) ?? [],
    wasteFloor: options.get("waste-floor") as number | undefined,
    warn: (options.get("warn") as readonly GateRuleName[] | undefined) ?? [],
    baseline: options.get("baseline") as string | undefined,
  };
}

/** Rules of two places: of one that both have, the later's value counts; lists of options are joined. */
export function mergeGateRules(file: GateRules, flags: GateRules): GateRules {
  const replaced = new Set(flags.rules.map(({ name }) => name));
  return {
    rules: [...file.rules.filter(({ name }) => !replaced.has(name)), ...flags.rules],
    ignorePaths: [...file.ignorePaths, ...flags.ignorePaths],
    allowedPaths: [...file.allowedPaths, ...flags.allowedPaths],
    wasteFloor: flags.wasteFloor ?? file.wasteFloor,
    warn: [...file.warn, ...flags.warn],
    baseline: flags.baseline ?? file.baseline,
  };
}

/**
 * Reads one value.
 * @param what the rule, for errors
 * @throws NacreError USAGE
 */
export function readGateValue(kind: GateValueKind, value: unknown, what: string): GateValue {
  switch (kind) {
    case "bytes":
      return bytes(value, what);
    case "growth":
      return growth(value, what);
    case "count":
      return number(value, what, "a whole number", (each) => Number.isSafeInteger(each) && each >= 0);
    case "percent":
      return number(stripPercent(value), what, "a percentage", (each) => each >= 0 && each <= 100);
    case "duration":
      return inContext(what, () => parseDuration(text(value, what)));
    case "switch":
      if (value === true || value === "true") return true;
      if (value === false || value === "false") return false;
      throw usage(`${what} is true or false, not ${JSON.stringify(value)}`);
    case "list":
      return list(value, what);
    case "labels":
      return labels(value, what);
    case "dive-ratio":
      return isOff(value) ? "off" : number(value, what, "a number from 0 to 1", (each) => each >= 0 && each <= 1);
    case "dive-bytes":
      return isOff(value) ? "off" : bytes(value, what);
  }
}

/** What dive takes for "do not check": nothing, disabled, off, false. */
function isOff(value: unknown): boolean {
  if (value === false || value === null) return true;
  return typeof value === "string" && ["", "disabled", "off", "false"].includes(value.trim().toLowerCase());
}

function bytes(value: unknown, what: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  return inContext(what, () => parseSize(text(value, what)));
}

function growth(value: unknown, what: string): GrowthLimit {
  if (typeof value !== "string" || !value.trim().endsWith("%")) return { amount: bytes(value, what), isPercent: false };
  const amount = number(stripPercent(value), what, "a size or a percentage", (each) => each >= 0);
  return { amount, isPercent: true };
}

function stripPercent(value: unknown): unknown {
  return typeof value === "string" ? value.trim().replace(/\s*%$/, "") : value;
}

function number(value: unknown, what: string, wanted: string, fits: (value: number) => boolean): number {
  const read = typeof value === "string" && /^\d+(?:\.\d*)?$|^\.\d+$/.test(value.trim()) ? Number(value) : value;
  if (typeof read === "number" && Number.isFinite(read) && fits(read)) return read;
  throw usage(`${what} is ${wanted}, not ${JSON.stringify(value)}`);
}

function text(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  throw usage(`${what} must be a text, not ${JSON.stringify(value)}`);
}

function list(value: unknown, what: string): readonly string[] {
  const values = Array.isArray(value) ? value : [value];
  if (values.length > 0 && values.every((each) => typeof each === "string" && each !== "")) return values as string[];
  throw usage(`${what} must be a text or a list of texts, not ${JSON.stringify(value)}`);
}

function labels(value: unknown, what: string): ReadonlyMap<string, RegExp | undefined> {
  const pairs =
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.entries(value).map(([name, pattern]): [string, string] => [name, text(pattern, `${what}.${name}`)])
      : list(value, what).map((each): [string, string] => {
          const at = each.indexOf("=");
          return at < 0 ? [each, ""] : [each.slice(0, at), each.slice(at + 1)];
        });
  return new Map(
    pairs.map(([name, pattern]) => [name, pattern === "" ? undefined : regex(pattern, `${what}.${name}`)]),
  );
}

function regex(pattern: string, what: string): RegExp {
  try {
    return new RegExp(pattern, "u");
  } catch (error) {
    throw new NacreError("USAGE", `${what}: ${JSON.stringify(pattern)} is no regular expression`, { cause: error });
  }
}

function warnings(value: unknown, what: string): readonly GateRuleName[] {
  return list(value, what).map((each) => {
    const name = gateName(each, what);
    if (isRule(name)) return name;
    throw usage(`${what}: ${name} is no rule that could warn`);
  });
}

/** Puts the rule's name before what is wrong with its value. */
function inContext<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof NacreError)) throw error;
    throw new NacreError("USAGE", `${what}: ${error.message}`, { hint: error.hint, cause: error });
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function usage(message: string): NacreError {
  return new NacreError("USAGE", message, { hint: "what rules take: nacre gate --help, docs/analysis.md" });
}
