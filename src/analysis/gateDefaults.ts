/** Where a gate's rules come from if nobody says. Pure, and light enough for the entry file. */

/** Files in which a gate's rules are looked for, in this order. */
export const GATE_FILES = [".nacre-gate.toml", ".dive-ci"] as const;

/** dive's rules as they are where nothing else is said. */
export const DIVE_DEFAULTS = {
  ...{ lowestEfficiency: "0.9", highestWastedBytes: "disabled", highestUserWastedPercent: "0.1" },
} as const;
