import { expect, test } from "vitest";
import { killAtRandom } from "./killing.js";

test("a store survives many minutes of 12 processes being killed at random", async () => {
  const minutes = Number(process.env.NACRE_SOAK_MINUTES ?? 10);
  const { kills, acknowledged } = await killAtRandom(12, minutes * 60_000, Date.now() % 1_000_000);
  expect(kills).toBeGreaterThan(100);
  expect(acknowledged).toBeGreaterThan(100);
});
