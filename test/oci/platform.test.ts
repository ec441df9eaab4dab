import { describe, expect, test } from "vitest";
import {
  compatiblePlatforms,
  formatPlatform,
  localPlatform,
  parsePlatform,
  samePlatform,
} from "../../src/oci/platform.js";

describe("the spelling of a platform", () => {
  test.each([
    ["linux/amd64", "linux/amd64"],
    ["x86_64", "linux/amd64"],
    ["linux/x86-64", "linux/amd64"],
    ["linux/amd64/v1", "linux/amd64"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/arm64/v9", "linux/arm64/v9"],
    ["arm", "linux/arm/v7"],
    ["linux/arm/6", "linux/arm/v6"],
    ["armhf", "linux/arm/v7"],
    ["armel", "linux/arm/v6"],
    ["i386", "linux/386"],
    ["Linux/ARM64", "linux/arm64"],
    ["macos/arm64", "darwin/arm64"],
    ["windows(10.0.17763)/amd64", "windows/amd64"],
    ["local", formatPlatform(localPlatform())],
    ["linux", formatPlatform(localPlatform())],
  ])("%s is %s", (text, platform) => {
    expect(formatPlatform(parsePlatform(text))).toBe(platform);
  });

  test("keeps the version of Windows", () => {
    expect(parsePlatform("windows(10.0.17763)/amd64").osVersion).toBe("10.0.17763");
  });

  test.each(["", "linux/", "a/b/c/d", "nothing-known", "linux/amd64 ", "li nux/amd64", "linux(1/amd64"])(
    "%j is none",
    (text) => {
      expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: "USAGE" }));
    },
  );

  test("two spellings are the same platform", () => {
    expect(
      samePlatform({ os: "linux", architecture: "aarch64" }, { os: "linux", architecture: "arm64", variant: "v8" }),
    ).toBe(true);
    expect(
      samePlatform({ os: "linux", architecture: "arm" }, { os: "linux", architecture: "arm", variant: "v6" }),
    ).toBe(false);
  });
});

test.each([
  ["linux/arm/v7", "arm/v7 arm/v6 arm/v5"],
  ["linux/arm/v6", "arm/v6 arm/v5"],
  ["linux/amd64/v3", "amd64/v3 amd64/v2 amd64 386"],
  ["linux/amd64", "amd64 386"],
  ["linux/arm64", "arm64 arm/v8 arm/v7 arm/v6 arm/v5"],
  ["linux/s390x", "s390x"],
])("of the images of an index, %s takes the first of: %s", (wanted, order) => {
  const names = compatiblePlatforms(parsePlatform(wanted)).map((platform) =>
    formatPlatform(platform).replace("linux/", ""),
  );
  expect(names.join(" ")).toBe(order);
});
