/** A short siege of a store; the long one is siege.soak.test.ts. */
import { describe, expect, it } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { besiege } from "./siege.js";

const isRoot = process.getuid?.() === 0;
const missing = ["busybox", "unshare", "setpriv", "tar"].some(toolMissing);

describe.skipIf(!isRoot || missing)("a store under siege", () => {
  // Some 15 s on a machine that does nothing else.
  it("loses nothing while processes of two pid namespaces use it and are killed", { timeout: 240_000 }, async () => {
    const seed = Number(process.env.NACRE_SIEGE_SEED ?? Date.now() % 1_000_000);
    const { commands, kills } = await besiege({ processes: 8, seconds: 8, kills: 20, seed, stuckAfter: 60 });
    expect(commands.build).toBeGreaterThan(3);
    expect(Object.keys(kills)).toContain("main");
  });
});
