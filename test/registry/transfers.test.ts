/** Some pulls and pushes over connections that break at random; transfers.soak.test.ts makes a thousand. */
import { describe, expect, it } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { reusedOf, runTransfers } from "./transferRuns.js";

describe.skipIf(toolMissing("docker-registry"))("pulls and pushes over connections that break", () => {
  it("finish or fail clean, and what was there before a cut does not travel again", async () => {
    const tally = await runTransfers(20, 1);
    expect(tally.finished).toBeGreaterThan(0);
    expect([tally.pull.before, tally.push.before]).not.toContain(0);
    expect(reusedOf(tally.pull)).toBeGreaterThan(0.9);
    expect(reusedOf(tally.push)).toBeGreaterThan(0.9);
  });
});
