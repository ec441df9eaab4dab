import { expect, test } from "vitest";
import { killAtRandom } from "./killing.js";

test("processes that build, name, remove and prune on one store and are killed at any moment leave it sound", async () => {
  const { kills, acknowledged } = await killAtRandom(4, 6_000, Date.now() % 1_000_000);
  expect(kills).toBeGreaterThan(3);
  expect(acknowledged).toBeGreaterThan(3);
});
