/** How the steps of a build are remembered, and what is remembered of the build before. */
import { readProject, type StepState } from "../cache/projectState.js";
import type { Dockerfile } from "../dockerfile/ast.js";
import { instructionsOf } from "../dockerfile/lint/textRules.js";
import type { Digest } from "../oci/digest.js";
import type { Plan, Step } from "../plan/graph.js";
import type { Store } from "../store/store.js";
import type { Json } from "../support/json.js";
import type { KeyedStep } from "./keyer.js";
import { instructionOf, type Project } from "./project.js";

/** A step as it is recognised later. */
export type NamedStep = Pick<
  StepState,
  "stage" | "instruction" | "label" | "kind" | "key" | "ingredients" | "references"
>;

/** Names the steps of one build. */
export class StepNames {
  readonly #plan: Plan;
  /** Names of base images, by digest. */
  readonly #references = new Map<string, string>();

  /** @param digestOf the manifest of a base image */
  constructor(plan: Plan, digestOf: (base: string) => Digest) {
    this.#plan = plan;
    for (const { key, reference } of plan.bases.values()) this.#references.set(digestOf(key), reference);
  }

  /** The stage of a step: its name, or `stage-N`. */
  stageOf({ stage }: Step): string {
    return this.#plan.stages.find(({ index }) => index === stage)?.name ?? `stage-${stage}`;
  }

  stateOf({ step, key, ingredients }: KeyedStep): NamedStep {
    return {
      stage: this.stageOf(step),
      instruction: instructionOf(step),
      label: step.label,
      kind: step.kind,
      key,
      ingredients,
      references: this.#referencesIn(ingredients),
    };
  }

  #referencesIn(ingredients: Json): Record<string, string> | undefined {
    if (this.#references.size === 0) return undefined;
    const text = JSON.stringify(ingredients);
    const found = [...this.#references].filter(([digest]) => text.includes(digest));
    return found.length > 0 ? Object.fromEntries(found) : undefined;
  }
}

/** The steps of the project's last build; undefined if there was none. */
export function earlierSteps(store: Store, { names }: Project): readonly StepState[] | undefined {
  for (const name of names) {
    const steps = readProject(store, name);
    if (steps) return steps;
  }
  return undefined;
}

/** The names that a Dockerfile declares with ARG, and never sets with ENV. */
export function argumentNames(dockerfile: Dockerfile): readonly string[] {
  const names = new Set(dockerfile.globalArgs.flatMap(({ args }) => args.map(({ name }) => name)));
  const instructions = instructionsOf(dockerfile);
  for (const instruction of instructions) {
    if (instruction.keyword === "ARG") for (const { name } of instruction.args) names.add(name);
  }
  for (const instruction of instructions) {
    if (instruction.keyword === "ENV") for (const { key } of instruction.pairs) names.delete(key.raw);
  }
  return [...names];
}
