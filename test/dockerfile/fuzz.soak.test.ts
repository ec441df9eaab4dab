import { expect, test } from "vitest";
import { type FuzzReport, fuzz, fuzzSeed } from "./fuzzRun.js";

const ROUND = 50_000;
const ROUNDS = 20;

test("a million inputs are read or refused with an error of their own", () => {
  const seed = fuzzSeed();
  console.log(`NACRE_FUZZ_SEED=${seed}`);
  let worst: FuzzReport | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const report = fuzz(seed + round, ROUND);
    expect(report.accepted).toBeGreaterThan(ROUND);
    if (!worst || report.slowest.milliseconds > worst.slowest.milliseconds) worst = report;
  }
  const { target, milliseconds, text } = worst!.slowest;
  console.log(`slowest: ${target}, ${milliseconds.toFixed(1)} ms for ${text.length} characters`);
});
