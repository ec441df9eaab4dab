import { expect, test } from "vitest";
import { isNacreError } from "../../src/support/errors.js";
import { fuzz, fuzzSeed } from "./fuzzRun.js";
import { TARGETS } from "./fuzzTargets.js";

/** The soak test of this name has fifty times as many. Both take their seed from NACRE_FUZZ_SEED if it is set. */
const COUNT = 20_000;

test("whatever is written in a Dockerfile, an ignore file or an address is read or refused with an error of its own", () => {
  const { accepted, refused } = fuzz(fuzzSeed(), COUNT);
  // Were one of the two missing, the inputs would show nothing.
  expect(accepted).toBeGreaterThan(COUNT);
  expect(refused).toBeGreaterThan(COUNT);
});

test.each([
  ["a keyword that a continuation breaks", "onbu\\ \nild copy --from=y . /z\n"],
  ["a wildcard as long as a line", `${"a".repeat(60_000)}*`],
])("what was found once stays mended: %s", (_what, text) => {
  for (const { run } of TARGETS) expect(outcome(() => run(text))).not.toBe("fault");
});

function outcome(work: () => unknown): string {
  try {
    work();
    return "read";
  } catch (error) {
    return isNacreError(error) ? "refused" : "fault";
  }
}
