/**
 * Flags of `docker build` that this version does not execute. None is silently ignored: a flag is refused with the reason,
 * or accepted with a note where the result is right without it.
 */
import { NacreError } from "../../support/errors.js";

/** A flag of `docker build` and what nacre says to it. */
export interface ForeignFlag {
  /** As commander declares it: `--secret <spec>`. */
  readonly flags: string;
  /** Attribute name of the parsed option. */
  readonly attribute: string;
  /** Refused, or accepted with a note. A function decides by the value; undefined: it asks for what is done anyway. */
  readonly answer: Answer | ((value: string) => Answer | undefined);
}

type Answer = { readonly refuse: string; readonly hint?: string } | { readonly note: string };

const NO_ATTESTATIONS = "this version writes no attestations";
const BUILDKIT_DOES_NOT = "it has no effect, as with BuildKit";

/** All of them, in the order of `docker build --help`. */
export const FOREIGN_FLAGS: readonly ForeignFlag[] = [
  { flags: "--attest <spec>", attribute: "attest", answer: (value) => attestation("--attest", isDisabled(value)) },
  noted("--builder <name>", "nacre has no builder instances: it builds in its own process"),
  noted("--cache-from <source>", "remote caches are not read: the cache is the store's own"),
  refused("--cache-to <destination>", "the cache is written to the store only", "share the store's directory instead"),
  refused(
    "--cgroup-parent <group>",
    "the control group of a step is made below that of nacre itself",
    "start nacre in the group that its steps shall be in",
  ),
  noted("--compress", BUILDKIT_DOES_NOT),
  noted("--cpuset-mems <nodes>", BUILDKIT_DOES_NOT),
  noted("--force-rm", "nacre leaves no intermediate containers"),
  refused("--policy <policy>", "source policies are not checked"),
  {
    flags: "--provenance <value>",
    attribute: "provenance",
    answer: (value) => attestation("--provenance", /^(false|0|f)$/i.test(value) || isDisabled(value)),
  },
  refused("--resource <limit>", "it is spelled otherwise here", "use --memory, --cpus, --cpu-shares or --pids-limit"),
  noted("--rm", "nacre leaves no intermediate containers"),
  {
    flags: "--sbom <value>",
    attribute: "sbom",
    answer: (value) => attestation("--sbom", /^(false|0|f)$/i.test(value) || isDisabled(value)),
  },
  refused(
    "--security-opt <option>",
    "RUN has the default capabilities; there are no profiles to choose from",
    "RUN --security=insecure with --allow security.insecure has all",
  ),
  refused("--squash", "layers are not squashed", "copy from one stage into another, as BuildKit advises"),
];

/**
 * What to say to the foreign flags that were given.
 * @param options parsed options by attribute name
 * @returns notes to print
 * @throws NacreError USAGE for the first one that is refused
 */
export function answerForeignFlags(options: Readonly<Record<string, unknown>>): string[] {
  const notes: string[] = [];
  for (const flag of FOREIGN_FLAGS) {
    const given = options[flag.attribute];
    if (given === undefined || given === false) continue;
    const values = Array.isArray(given) ? given.map(String) : [String(given)];
    const answers = typeof flag.answer === "function" ? values.map(flag.answer) : [flag.answer];
    for (const answer of answers) {
      if (!answer) continue;
      const name = nameOf(flag.flags);
      if ("note" in answer) notes.push(`${name}: ${answer.note}`);
      else throw new NacreError("USAGE", `${name} is not available: ${answer.refuse}`, { hint: answer.hint });
    }
  }
  return notes;
}

function refused(flags: string, refuse: string, hint?: string): ForeignFlag {
  return { flags, attribute: attributeOf(flags), answer: hint === undefined ? { refuse } : { refuse, hint } };
}

function noted(flags: string, text: string): ForeignFlag {
  return { flags, attribute: attributeOf(flags), answer: { note: text } };
}

function attestation(name: string, disabled: boolean): Answer | undefined {
  return disabled ? undefined : { refuse: NO_ATTESTATIONS, hint: `leave ${name} away, or switch it off` };
}

/** buildx: `type=provenance,disabled=true`. */
function isDisabled(value: string): boolean {
  return value.split(",").some((field) => /^disabled=(true|1|t)$/i.test(field.trim()));
}

function nameOf(flags: string): string {
  return /--[a-z-]+/.exec(flags)?.[0] ?? flags;
}

function attributeOf(flags: string): string {
  return nameOf(flags)
    .slice(2)
    .replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
