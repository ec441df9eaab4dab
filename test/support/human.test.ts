import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isNacreError } from "../../src/support/errors.js";
import { formatAge, formatBytes, formatSeconds, parseDuration, parseSize } from "../../src/support/human.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe("sizes", () => {
  test.each([
    [0, "0B"],
    [999, "999B"],
    [1000, "1kB"],
    [4620, "4.62kB"],
    [29_700_000, "29.7MB"],
    [1_234_567_890, "1.23GB"],
    [5e12, "5TB"],
    [2.5e18, "2500PB"],
  ])("%d bytes are written %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test("a value that would round up to 1000 rolls over to the next unit", () => {
    expect(formatBytes(999_999)).toBe("1MB");
    expect(formatBytes(999_499)).toBe("999kB");
    expect(formatBytes(999_500)).toBe("1MB");
  });

  test.each([
    ["0", 0],
    ["1", 1],
    ["512", 512],
    ["10GB", 1e10],
    ["10gb", 1e10],
    ["10g", 1e10],
    ["1.5 GB", 1.5e9],
    ["1kB", 1000],
    ["1KiB", 1024],
    ["2GiB", 2 * 1024 ** 3],
    ["2Gi", 2 * 1024 ** 3],
    [".5m", 500_000],
    ["7b", 7],
  ])("%s is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(["", "GB", "-1", "1XB", "1e3", "1..5", "99999999PB", "i", "1 0"])("%j is not a size", (text) => {
    expect(codeOf(() => parseSize(text))).toBe("USAGE");
  });

  test("what is written is read back within half a percent", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 900_000_000_000_000 }), (bytes) => {
        expect(Math.abs(parseSize(formatBytes(bytes)) - bytes) / bytes).toBeLessThanOrEqual(0.005);
        expect(formatBytes(bytes)).toMatch(/^\d{1,3}(\.\d{1,2})?[kMGTP]?B$/);
      }),
    );
  });

  test("a larger number of bytes is never written as a smaller size", () => {
    fc.assert(
      fc.property(fc.nat(1e15), fc.nat(1e15), (a, b) => {
        const [less, more] = a < b ? [a, b] : [b, a];
        expect(parseSize(formatBytes(less))).toBeLessThanOrEqual(parseSize(formatBytes(more)));
      }),
    );
  });
});

describe("durations", () => {
  test.each([
    ["24h", DAY],
    ["1h30m", 90 * MINUTE],
    ["1.5h", 90 * MINUTE],
    ["300ms", 300],
    ["7d", 7 * DAY],
    ["2h45m10s", 2 * HOUR + 45 * MINUTE + 10 * SECOND],
    ["0", 0],
    ["0s", 0],
  ])("%s is %d milliseconds", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each(["", "5", "h", "1x", "1h 30m", "-1h", "1h30", "1hx"])("%j is not a duration", (text) => {
    expect(codeOf(() => parseDuration(text))).toBe("USAGE");
  });

  test("parts add up, whatever their number and order", () => {
    const part = fc.tuple(fc.nat(1000), fc.constantFrom("ms", "s", "m", "h", "d"));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const sum = parts.reduce((total, [value, unit]) => total + parseDuration(`${value}${unit}`), 0);
        expect(parseDuration(parts.map(([value, unit]) => `${value}${unit}`).join(""))).toBe(sum);
      }),
    );
  });

  test("steps are told in seconds with one decimal", () => {
    expect([0, 40, 60, 1234, 83_449].map(formatSeconds)).toEqual(["0.0s", "0.0s", "0.1s", "1.2s", "83.4s"]);
    expect(formatSeconds(-5)).toBe("0.0s");
  });
});

describe("ages", () => {
  test.each([
    [0, "Less than a second"],
    [SECOND, "1 second"],
    [59 * SECOND, "59 seconds"],
    [MINUTE, "About a minute"],
    [2 * MINUTE, "2 minutes"],
    [59 * MINUTE, "59 minutes"],
    [HOUR, "About an hour"],
    [89 * MINUTE, "About an hour"],
    [90 * MINUTE, "2 hours"],
    [47 * HOUR, "47 hours"],
    [2 * DAY, "2 days"],
    [13 * DAY, "13 days"],
    [14 * DAY, "2 weeks"],
    [59 * DAY, "8 weeks"],
    [60 * DAY, "2 months"],
    [729 * DAY, "24 months"],
    [730 * DAY, "2 years"],
  ])("%d ms are %s", (milliseconds, text) => {
    expect(formatAge(milliseconds)).toBe(text);
  });
});

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return isNacreError(error) ? error.code : String(error);
  }
  return undefined;
}
