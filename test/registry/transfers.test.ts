/** Some pulls and pushes over connections that break; transfers.soak.test.ts makes a thousand. */
import { describe, expect, it } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { reusedOf, runJourneys, runTransfers } from "./transferRuns.js";

describe.skipIf(toolMissing("docker-registry"))("pulls and pushes over connections that break", () => {
  it("at random finish or fail clean", async () => {
    const tally = await runTransfers(20, 1);
    expect(tally.finished + tally.failed).toBe(tally.transfers);
    expect(tally.cuts).toBeGreaterThan(0);
  });

  it("after so many bytes, each of them, carry nothing twice that was there before", async () => {
    const most = 1_500_000;
    const tally = await runJourneys(() => [
      { direction: "up", at: most, does: "cut" },
      { direction: "down", at: most, does: "cut" },
    ]);
    expect(tally.cuts).toBeGreaterThan(20);
    expect(reusedOf(tally.pull)).toBeGreaterThan(0.9);
    expect(reusedOf(tally.push)).toBeGreaterThan(0.9);
  });
});
