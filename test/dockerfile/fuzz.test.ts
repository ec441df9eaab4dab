import { expect, test } from "vitest";
import { fuzz, fuzzSeed } from "./fuzzRun.js";

/** The soak test of this name has fifty times as many. Both take their seed from NACRE_FUZZ_SEED if it is set. */
const COUNT = 20_000;

test("whatever is written in a Dockerfile, an ignore file or an address is read or refused with an error of its own", () => {
  const { accepted, refused } = fuzz(fuzzSeed(), COUNT);
  // Were one of the two missing, the inputs would show nothing.
  expect(accepted).toBeGreaterThan(COUNT);
  expect(refused).toBeGreaterThan(COUNT);
});
