/** Feeds generated inputs to all readers. */
import { isNacreError } from "../../src/support/errors.js";
import { Inputs } from "./fuzzInputs.js";
import { TARGETS, type Target } from "./fuzzTargets.js";

/** Milliseconds after which a reader of a small input counts as hung; thousands of times what any takes. */
const HANG = 20_000;

/** What a run came to. */
export interface FuzzReport {
  readonly seed: number;
  readonly inputs: number;
  /** Readings that ended without an error. */
  readonly accepted: number;
  readonly refused: number;
  readonly slowest: { readonly target: string; readonly milliseconds: number; readonly text: string };
}

/** NACRE_FUZZ_SEED, or one of the moment. */
export function fuzzSeed(): number {
  return Number(process.env.NACRE_FUZZ_SEED ?? Date.now() % 2 ** 32) >>> 0;
}

/**
 * Runs them all.
 * @throws Error with seed, number and text of the first input at which a reader fails in any way but with a NacreError
 */
export function fuzz(seed: number, count: number): FuzzReport {
  const inputs = new Inputs(seed);
  let accepted = 0;
  let refused = 0;
  let slowest = { target: "", milliseconds: 0, text: "" };
  for (let number = 1; number <= count; number++) {
    const text = inputs.next();
    for (const target of TARGETS) {
      if (text.length > target.longest) continue;
      const start = performance.now();
      if (isAccepted(target, text, `seed ${seed}, input ${number}`)) accepted++;
      else refused++;
      const milliseconds = performance.now() - start;
      if (milliseconds > slowest.milliseconds) slowest = { target: target.name, milliseconds, text };
      if (milliseconds > HANG) throw new Error(`seed ${seed}, input ${number}: ${target.name} hangs at ${show(text)}`);
    }
  }
  return { seed, inputs: count, accepted, refused, slowest };
}

function isAccepted(target: Target, text: string, which: string): boolean {
  // Errors are most of the work, and their stacks most of theirs.
  const depth = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    target.run(text);
    return true;
  } catch (error) {
    if (isNacreError(error) && error.code !== "INTERNAL") return false;
    Error.stackTraceLimit = depth;
    throw new Error(`${which}: ${target.name} fails at ${show(text)}`, { cause: again(target, text) });
  } finally {
    Error.stackTraceLimit = depth;
  }
}

/** The same failure, with its stack. */
function again(target: Target, text: string): unknown {
  try {
    target.run(text);
    return undefined;
  } catch (error) {
    return error;
  }
}

function show(text: string): string {
  return JSON.stringify(text).slice(0, 4000);
}
