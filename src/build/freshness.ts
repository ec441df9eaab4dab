/** Which steps must not come from the cache. */
import type { Plan, StepId } from "../plan/graph.js";
import { inputsOf } from "./stepInputs.js";

/** The steps of a plan that `--no-cache` and `--no-cache-filter` reach, directly or through what they are built on. */
export class Freshness {
  readonly #plan: Plan;
  readonly #fresh = new Map<StepId, boolean>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /**
   * True for steps that must not come from the cache, and for all that stand on one or copy from one: what they were made
   * of before is not what they will be made of (as in BuildKit).
   */
  isFresh(id: StepId): boolean {
    let fresh = this.#fresh.get(id);
    if (fresh === undefined) {
      const step = this.#plan.steps[id]!;
      fresh = step.ignoreCache || inputsOf(step).some((input) => this.isFresh(input));
      this.#fresh.set(id, fresh);
    }
    return fresh;
  }
}
