/** The flags of `nacre gate` that stand for rules: each rule of a file has one of the same name. */
import { type Command, Option } from "../commander.js";
import { collect } from "./options.js";

/** A rule as a flag: its name, what it takes (absent: nothing), its help. A `…` says that it may be repeated. */
type RuleFlag = readonly [name: string, value: string | undefined, help: string];

/** The rules, as gateRules.ts has them. */
export const GATE_FLAGS: readonly RuleFlag[] = [
  ["max-size", "size", "most bytes of files, unpacked"],
  ["max-content-size", "size", "most bytes of blobs, compressed"],
  ["max-growth", "size|%", "most growth of the files since the baseline"],
  ["max-content-growth", "size|%", "most growth of the blobs since the baseline"],
  ["max-layer-size", "size", "most bytes of files in a layer of its own"],
  ["max-layers", "n", "most layers"],
  ["max-waste", "size", "most bytes that are stored in vain"],
  ["max-waste-percent", "n", "most percent of all bytes that are stored in vain"],
  ["waste-floor", "size", "--max-waste-percent never fails below (default: 1MB)"],
  ["ignore-paths", "glob…", "paths that rules about waste leave out"],
  ["required-paths", "glob…", "paths that must be there"],
  ["forbidden-paths", "glob…", "paths that must not be in the image"],
  ["forbidden-paths-anywhere", "glob…", "paths that no layer may hold, not even hidden"],
  ["allowed-paths", "glob…", "exceptions of forbidden paths"],
  ["only-paths", "glob…", "all files of its own layers are here"],
  ["non-root", undefined, "it must not run as root"],
  ["required-labels", "name[=regex]…", "labels that it must have"],
  ["allowed-bases", "glob…", "images that it may be based on"],
  ["allowed-ports", "port…", "ports that it may expose: 80, 53/udp, 8000-8100"],
  ["forbidden-ports", "port…", "ports that it must not expose"],
  ["platforms", "os/arch…", "platforms that it may be for"],
  ["max-age", "duration", "how long ago it may have been created: 90d"],
  ["no-secret-env", undefined, "no variable may look like a secret"],
  ["forbidden-env", "glob…", "variables that it must not set"],
  ["lowestEfficiency", "ratio", "dive's rule of that name: least efficiency"],
  ["highestWastedBytes", "size", "dive's rule of that name: most wasted bytes"],
  ["highestUserWastedPercent", "ratio", "dive's rule of that name: most waste above the lowest layer"],
  ["warn", "rule…", "rules that only warn"],
];

/** Declares the flags. */
export function addRuleFlags(command: Command): Command {
  for (const [name, value, help] of GATE_FLAGS) {
    const option = new Option(value === undefined ? `--${name}` : `--${name} <${value.replace("…", "")}>`, help);
    command.addOption(value?.endsWith("…") ? option.argParser(collect) : option);
  }
  return command;
}

/** What was given on the command line, by the rules' names. */
export function ruleSettings(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [name] of GATE_FLAGS) {
    const attribute = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (options[attribute] !== undefined) settings[name] = options[attribute];
  }
  return settings;
}
