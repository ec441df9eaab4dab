/**
 * What is different between two builds: their steps side by side, what went in and what came out. In: two entries of the
 * history. Out: plain values. Nothing is read besides.
 */
import type { BuildArgument, BuildInputs, NamedBuild } from "../store/builds.js";
import { type PlacedStep, savedBy, stepsOf } from "./buildSteps.js";

/** One of the two builds. Times in milliseconds. */
export interface ComparedBuild {
  readonly id: string;
  readonly outcome: NamedBuild["outcome"];
  readonly started: number;
  readonly duration: number;
  readonly steps: number;
  readonly cached: number;
  /** What the cached steps took when they were made. */
  readonly saved: number;
}

/** A text that is not the same in both; absent where a build has none. */
export interface Difference {
  readonly name: string;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
  /** Which of the two is there but not kept, because it looks like a secret. */
  readonly hidden?: "before" | "after" | undefined;
}

/** What a pair of steps has in common. `edited`: the instruction is another one in its place. */
export type StepMatch = "same" | "edited" | "moved" | "added" | "removed";

/** A step of the one build beside that of the other. */
export interface ComparedStep {
  readonly match: StepMatch;
  readonly before?: PlacedStep | undefined;
  readonly after?: PlacedStep | undefined;
  /** The same key: it was asked for the very same thing. Undefined where a key is not known. */
  readonly sameKey?: boolean | undefined;
  /** The same layer came of it. Undefined where one is not known. */
  readonly sameLayer?: boolean | undefined;
}

/** Two builds compared. */
export interface BuildComparison {
  readonly before: ComparedBuild;
  readonly after: ComparedBuild;
  /** Entries of which one is too old to have arguments and inputs: about these nothing is said then. */
  readonly inputsKnown: boolean;
  /** Dockerfile, context, target, platform, isolation, version of the program. */
  readonly facts: readonly Difference[];
  readonly args: readonly Difference[];
  /** Images by reference: their digests. */
  readonly bases: readonly Difference[];
  readonly contexts: readonly Difference[];
  /** What was fetched: digests or commits. */
  readonly remotes: readonly Difference[];
  /** Outputs by type and destination, the names and the image itself: digests. */
  readonly outputs: readonly Difference[];
  /** In the order of the later build, removed ones where they stood. */
  readonly steps: readonly ComparedStep[];
}

const FACTS = ["dockerfile", "context", "target", "title", "platform", "isolation", "nacre"] as const;

/** Compares two builds. */
export function compareBuilds(before: NamedBuild, after: NamedBuild): BuildComparison {
  const facts = FACTS.flatMap((name) => difference(name, before[name], after[name]));
  return {
    before: sideOf(before),
    after: sideOf(after),
    inputsKnown: before.version >= 2 && after.version >= 2,
    facts,
    ...inputDifferences(before, after),
    outputs: byName(outputsOf(before), outputsOf(after)),
    steps: alignSteps(stepsOf(before), stepsOf(after)).map(compareStep),
  };
}

function sideOf(build: NamedBuild): ComparedBuild {
  const { id, outcome, started, ended, steps } = build;
  const cached = steps.filter((step) => step.outcome === "cached").length;
  return { id, outcome, started, duration: ended - started, steps: steps.length, cached, saved: savedBy(build) };
}

function inputDifferences(
  before: NamedBuild,
  after: NamedBuild,
): Pick<BuildComparison, "args" | "bases" | "contexts" | "remotes"> {
  if (before.version < 2 || after.version < 2) return { args: [], bases: [], contexts: [], remotes: [] };
  const [old, fresh] = [before.inputs ?? {}, after.inputs ?? {}];
  return {
    args: argumentDifferences(before, after),
    bases: byName(basesOf(old), basesOf(fresh)),
    contexts: byName(contextsOf(old), contextsOf(fresh)),
    remotes: byName(remotesOf(old), remotesOf(fresh)),
  };
}

/** Of two hidden values nobody knows whether they are the same: nothing is said of them. */
function argumentDifferences(before: NamedBuild, after: NamedBuild): Difference[] {
  const [old, fresh] = [argumentsOf(before), argumentsOf(after)];
  return [...new Set([...old.keys(), ...fresh.keys()])].flatMap((name) => {
    const [was, is] = [old.get(name), fresh.get(name)];
    const found = { name, before: was?.value, after: is?.value };
    if (was?.hidden && is?.hidden) return [];
    if (was?.hidden) return { ...found, hidden: "before" as const };
    if (is?.hidden) return { ...found, hidden: "after" as const };
    return was && is && was.value === is.value ? [] : found;
  });
}

function argumentsOf({ args = [] }: NamedBuild): ReadonlyMap<string, BuildArgument> {
  return new Map(args.map((argument) => [argument.name, argument]));
}

type Texts = ReadonlyMap<string, string | undefined>;

function basesOf({ bases = [] }: BuildInputs): Texts {
  const several = new Set(bases.map(({ platform }) => platform)).size > 1;
  return new Map(
    bases.map(({ reference, digest, platform }) => [
      several && platform !== undefined ? `${reference} (${platform})` : reference,
      digest ?? "",
    ]),
  );
}

function contextsOf({ contexts = [] }: BuildInputs): Texts {
  return new Map(
    contexts.map(({ name, description, digest }) => [name, [description, digest].filter(Boolean).join(" ")]),
  );
}

function remotesOf({ remotes = [] }: BuildInputs): Texts {
  return new Map(remotes.map(({ address, digest, commit }) => [address, commit ?? digest ?? ""]));
}

function outputsOf({ digest, names, outputs = [] }: NamedBuild): Texts {
  const written = outputs.map((output) => {
    const name = [output.type, output.destination].filter((part) => part !== undefined).join(" ");
    return [name, output.digest ?? ""] as const;
  });
  return new Map([["image", digest], ["names", names.length > 0 ? names.join(", ") : undefined], ...written]);
}

/** What is not the same in two tables, in the order of the earlier one, then of the later. */
function byName(before: Texts, after: Texts): Difference[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].flatMap((name) => {
    if (before.has(name) === after.has(name)) return difference(name, before.get(name), after.get(name));
    return { name, before: before.get(name), after: after.get(name) };
  });
}

function difference(name: string, before: string | undefined, after: string | undefined): Difference[] {
  return before === after ? [] : [{ name, before, after }];
}

interface Pair {
  readonly match: StepMatch;
  readonly before?: PlacedStep | undefined;
  readonly after?: PlacedStep | undefined;
}

/**
 * Pairs the steps of two builds, stage by stage: the n-th step of a text with the n-th of the same text, then what is left
 * over by keyword and order, as an instruction that was edited. Takes time that grows with the number of steps only.
 */
function alignSteps(before: readonly PlacedStep[], after: readonly PlacedStep[]): Pair[] {
  const partners = new Map<PlacedStep, PlacedStep>();
  pairBy(before, after, partners, ({ stage, instruction }) => `${stage}\0${instruction}`);
  const pairedByText = new Set(partners.keys());
  const taken = new Set(partners.values());
  const open = (steps: readonly PlacedStep[]): PlacedStep[] =>
    steps.filter((step) => !pairedByText.has(step) && !taken.has(step));
  pairBy(open(before), open(after), partners, ({ stage, instruction }) => `${stage}\0${keywordOf(instruction)}`);
  const places = new Map(before.map((step, at) => [step, at]));
  const inOrder = longestRising(
    after.flatMap((step) => partners.get(step) ?? []),
    places,
  );
  const pairs: Pair[] = [];
  const paired = new Set(partners.values());
  let next = 0;
  const removedUpTo = (end: number): void => {
    for (; next < end; next++) if (!paired.has(before[next]!)) pairs.push({ match: "removed", before: before[next] });
  };
  for (const step of after) {
    const partner = partners.get(step);
    if (!partner) pairs.push({ match: "added", after: step });
    else {
      if (inOrder.has(partner)) removedUpTo(places.get(partner)!);
      const match = !pairedByText.has(step) ? "edited" : inOrder.has(partner) ? "same" : "moved";
      pairs.push({ match, before: partner, after: step });
    }
  }
  removedUpTo(before.length);
  return pairs;
}

function keywordOf(instruction: string): string {
  return /^\S*/.exec(instruction)![0].toUpperCase();
}

/** Notes for steps of the later build their partners in the earlier one: those of the same name, in order. */
function pairBy(
  before: readonly PlacedStep[],
  after: readonly PlacedStep[],
  partners: Map<PlacedStep, PlacedStep>,
  name: (step: PlacedStep) => string,
): void {
  const waiting = new Map<string, PlacedStep[]>();
  for (const step of [...before].reverse()) {
    const same = waiting.get(name(step));
    if (same) same.push(step);
    else waiting.set(name(step), [step]);
  }
  for (const step of after) {
    const partner = waiting.get(name(step))?.pop();
    if (partner) partners.set(step, partner);
  }
}

/** The largest choice of steps whose places rise: all others have changed theirs. */
function longestRising(steps: readonly PlacedStep[], places: ReadonlyMap<PlacedStep, number>): Set<PlacedStep> {
  const ends: PlacedStep[] = [];
  const previous = new Map<PlacedStep, PlacedStep | undefined>();
  for (const step of steps) {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places.get(ends[middle]!)! < places.get(step)!) low = middle + 1;
      else high = middle;
    }
    previous.set(step, ends[low - 1]);
    ends[low] = step;
  }
  const chosen = new Set<PlacedStep>();
  for (let step = ends.at(-1); step; step = previous.get(step)) chosen.add(step);
  return chosen;
}

function compareStep({ match, before, after }: Pair): ComparedStep {
  return {
    match,
    before,
    after,
    sameKey: same(before?.key, after?.key),
    sameLayer: same(before?.diffId, after?.diffId),
  };
}

function same(before: string | undefined, after: string | undefined): boolean | undefined {
  return before === undefined || after === undefined ? undefined : before === after;
}
