/**
 * A long siege of a store, without and with kills. NACRE_SIEGE_SECONDS, NACRE_SIEGE_KILLS, NACRE_SIEGE_PROCESSES and
 * NACRE_SIEGE_SEED change it; NACRE_SIEGE_KEEP leaves the store where it is.
 */
import { describe, expect, it } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { besiege } from "./siege.js";

const number = (name: string, otherwise: number): number => Number(process.env[`NACRE_SIEGE_${name}`] ?? otherwise);
const processes = number("PROCESSES", 32);
const seconds = number("SECONDS", 600);
const kills = number("KILLS", 1000);
const seed = number("SEED", Date.now() % 1_000_000);
const isRoot = process.getuid?.() === 0;
const missing = ["busybox", "unshare", "setpriv", "tar"].some(toolMissing);

describe.skipIf(!isRoot || missing)(
  `a store under siege by ${processes} processes for ${seconds} s (seed ${seed})`,
  () => {
    const options = { processes, seconds, seed, stuckAfter: 300 };
    const timeout = (2 * seconds + 900) * 1000;

    it("loses nothing", { timeout }, async () => {
      const report = await besiege({ ...options, kills: 0 });
      console.log(JSON.stringify(report));
      expect(report.commands.build).toBeGreaterThan(processes);
    });

    it(`loses nothing to ${kills} kills`, { timeout }, async () => {
      const report = await besiege({ ...options, kills });
      console.log(JSON.stringify(report));
      const killed = Object.values(report.kills).reduce((sum, count) => sum + count, 0);
      expect(killed).toBeGreaterThanOrEqual(kills);
    });
  },
);
