/**
 * A thousand pulls and pushes over connections that are cut, held back and given bytes twice. The seed is printed;
 * NACRE_SOAK_SEED repeats a run, NACRE_SOAK_TRANSFERS says how many.
 */
import { describe, expect, it } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { reusedOf, runTransfers } from "./transferRuns.js";

const COUNT = Number(process.env.NACRE_SOAK_TRANSFERS ?? 1000);
const SEED = Number(process.env.NACRE_SOAK_SEED ?? Math.floor(Math.random() * 1_000_000));

describe.skipIf(toolMissing("docker-registry"))(`${COUNT} pulls and pushes, seed ${SEED}`, () => {
  it("finish or fail clean, and what was there before a cut does not travel again", {
    timeout: 3_600_000,
  }, async () => {
    const tally = await runTransfers(COUNT, SEED);
    const [pull, push] = [reusedOf(tally.pull), reusedOf(tally.push)];
    console.log({ seed: SEED, ...tally, reused: { pull, push } });
    expect(pull).toBeGreaterThan(0.9);
    expect(push).toBeGreaterThan(0.9);
  });
});
