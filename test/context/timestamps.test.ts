import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { expect, test } from "vitest";
import { granularityOf, isRacy, UNKNOWN_GRANULARITY } from "../../src/context/timestamps.js";

const NOW = 1_700_000_000_000;

test("a change shortly before a file was looked at makes it racy, an older one does not", () => {
  const fine = granularityOf("/dev/shm");
  expect(isRacy(fine, NOW - 9000.5, NOW - 10.5, NOW)).toBe(true);
  expect(isRacy(fine, NOW - 9000.5, NOW - 60.5, NOW)).toBe(false);
  expect(isRacy(fine, NOW - 9000.5, NOW + 3_600_000.5, NOW)).toBe(true);
});

test("times in whole seconds are given more than a second", () => {
  const fine = granularityOf("/dev/shm");
  expect(isRacy(fine, 0, NOW - 1000, NOW)).toBe(true);
  expect(isRacy(fine, 0, NOW - 3000, NOW)).toBe(false);
});

test("an mtime in the future that somebody set does not make a file racy for ever", () => {
  for (const granularity of [granularityOf("/dev/shm"), UNKNOWN_GRANULARITY]) {
    expect(isRacy(granularity, NOW + 10 ** 9, NOW - 10 ** 9 + 0.5, NOW)).toBe(false);
  }
});

test("other machines' clocks and unknown file systems are trusted less, and their directories are always listed", () => {
  expect(UNKNOWN_GRANULARITY.margin).toBeGreaterThan(60_000);
  expect(UNKNOWN_GRANULARITY.listings).toBe(false);
  expect(granularityOf("/proc")).toMatchObject({ listings: false, mtimeToo: true });
  expect(granularityOf("/proc").margin).toBeGreaterThanOrEqual(2000);
  expect(granularityOf("/nonexistent").margin).toBeGreaterThanOrEqual(2000);
});

test("the clock that stamps files here is not further behind than is allowed for", () => {
  const file = execFileSync("mktemp", { encoding: "utf8" }).trim();
  let worst = 0;
  for (let i = 0; i < 200; i++) {
    const before = Date.now();
    fs.writeFileSync(file, String(i));
    worst = Math.max(worst, before - fs.statSync(file).ctimeMs);
  }
  fs.rmSync(file);
  expect(worst).toBeLessThan(granularityOf("/tmp").margin);
});
