/** Why a step misses: its ingredients are compared with those of the same step in the last build. */
import type { Json } from "../support/json.js";
import { type AlignableStep, alignSteps, type StepAlignment } from "./alignSteps.js";
import { Comparing, type StepFacts } from "./explainFacts.js";
import { explainInput, InputsByKey } from "./explainInputs.js";
import { explainCommand, explainHeredocs, explainMounts, explainSets, explainVariables } from "./explainRun.js";
import { explainSources } from "./explainSources.js";
import type { Change, MissReason, SettingName } from "./why.js";

/** Two builds of a project, with their steps paired. */
export interface ComparedBuilds {
  readonly alignment: StepAlignment;
  /** @internal */
  readonly inputs: InputsByKey;
}

/** Pairs the steps of the last build with those of now. Once a build, then {@link explainMiss} for each step. */
export function compareSteps(before: readonly AlignableStep[], now: readonly AlignableStep[]): ComparedBuilds {
  const alignment = alignSteps(before, now);
  return { alignment, inputs: new InputsByKey(before, now, alignment) };
}

/** What is known of a step that was not answered. */
export interface MissInput {
  readonly now: StepFacts;
  /** The same step in the last build of the project; undefined if it is new in it. */
  readonly before?: StepFacts | undefined;
  /** The steps around both; undefined if the project was never built. */
  readonly builds?: ComparedBuilds | undefined;
  /** The cache was not to be asked. */
  readonly disabled?: "no-cache" | "no-cache-filter" | undefined;
  /** What became of a record with just this key. */
  readonly lost?:
    | { readonly kind: "evicted"; readonly at: number; readonly why: string }
    | { readonly kind: "unusable"; readonly why: "damaged" | "blobs" }
    | undefined;
}

const NO_BUILDS = compareSteps([], []);

/**
 * Why a step misses. May be asked of steps that hit, too: then it tells why their keys are others than last time, which
 * is what a step above them follows from.
 */
export function explainMiss({ now, before, builds, disabled, lost }: MissInput): MissReason {
  if (disabled) return { kind: "disabled", by: disabled };
  if (lost) return lost;
  if (!before) return { kind: "first", scope: builds ? "step" : "project" };
  if (before.key === now.key) return { kind: "evicted" };
  const changes = changesBetween(before, now, builds ?? NO_BUILDS);
  const instruction = { before: oneLine(before.instruction), after: oneLine(now.instruction) };
  const isEdited = instruction.before !== instruction.after;
  return { kind: "changed", ...(isEdited ? { instruction } : {}), changes };
}

/** All differences between two keys; at least one if the keys differ. */
export function changesBetween(before: StepFacts, now: StepFacts, { inputs }: ComparedBuilds): readonly Change[] {
  const comparing = new Comparing(before, now);
  const { old, fresh } = comparing;
  for (const what of ["version", "semantics"] as const) {
    if (comparing.differs(what)) comparing.add({ what, before: old[what] ?? null, after: fresh[what] ?? null });
  }
  if (old.instruction !== fresh.instruction) {
    comparing.add({ what: "kind", before: String(old.instruction), after: String(fresh.instruction) });
    return comparing.changes;
  }
  explainOwn(comparing, inputs);
  explainParent(comparing, inputs);
  for (const name of new Set([...Object.keys(old), ...Object.keys(fresh)])) {
    if (!KNOWN.has(name) && comparing.differs(name)) comparing.add({ what: "other", name });
  }
  // Never nothing: then it is something that this comparison does not understand.
  if (comparing.changes.length === 0) comparing.add({ what: "other", name: "ingredients" });
  return comparing.changes;
}

const SETTINGS: readonly SettingName[] = [
  ...(["destination", "path", "user", "cwd", "chown", "chmod", "link", "parents", "unpack", "mtime"] as const),
  ...(["network", "security", "platform", "hostname", "shmSize"] as const),
];

/** Everything that one of the functions here tells. */
const KNOWN: ReadonlySet<string> = new Set([
  ...[
    "version",
    "semantics",
    "instruction",
    "parent",
    "sources",
    "inline",
    "script",
    "args",
    "env",
    "mounts",
    "digest",
  ],
  ...["hosts", "devices", "ulimits", "losses"],
  ...SETTINGS,
]);

function explainOwn(comparing: Comparing, inputs: InputsByKey): void {
  explainCommand(comparing);
  explainSources(comparing, inputs);
  explainTree(comparing);
  explainHeredocs(comparing, "inline");
  explainHeredocs(comparing, "script");
  explainVariables(comparing);
  for (const name of SETTINGS) comparing.setting(name);
  explainSets(comparing);
  explainMounts(comparing, inputs);
}

/** The files of a directory that is a base. */
function explainTree(comparing: Comparing): void {
  if (!comparing.differs("digest")) return;
  const root = (digest: Json | undefined) => ({ at: { kind: "tree" } as const, digest: String(digest) });
  comparing.filesChange({ kind: "tree" }, root(comparing.old.digest), root(comparing.fresh.digest));
}

/** That a parent counts, or does not, follows from `--link` and from `--chmod`, which undoes it. */
function explainParent(comparing: Comparing, inputs: InputsByKey): void {
  const { parent: before } = comparing.old;
  const { parent: after } = comparing.fresh;
  const follows = comparing.differs("link") || comparing.differs("chmod");
  if ((before === undefined) !== (after === undefined) && follows) return;
  explainInput(comparing, inputs, { role: "parent" }, before, after);
}

function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, " ");
}
