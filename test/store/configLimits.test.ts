import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { configPath, readConfig } from "../../src/store/configFile.js";
import { configuredLimits, parseFree, valuesOf } from "../../src/store/configLimits.js";
import { defaultLimit, thresholdsOf } from "../../src/store/limits.js";
import { NacreError } from "../../src/support/errors.js";
import { tempDirectory } from "./helpers.js";

function world(text?: string) {
  const home = tempDirectory();
  const file = join(home, "nacre", "config.toml");
  if (text !== undefined) {
    fs.mkdirSync(join(home, "nacre"));
    fs.writeFileSync(file, text);
  }
  return { file, store: join(home, "store"), env: { XDG_CONFIG_HOME: home, HOME: "/nowhere" } };
}

function failure(work: () => unknown): NacreError {
  try {
    work();
  } catch (error) {
    if (error instanceof NacreError) return error;
  }
  throw new Error("there was no NacreError");
}

describe("the configuration file", () => {
  test("is NACRE_CONFIG, else in XDG_CONFIG_HOME if that is absolute, else in ~/.config", () => {
    expect(configPath({ NACRE_CONFIG: "x.toml", XDG_CONFIG_HOME: "/c", HOME: "/h" })).toBe("x.toml");
    expect(configPath({ XDG_CONFIG_HOME: "/c", HOME: "/h" })).toBe("/c/nacre/config.toml");
    expect(configPath({ XDG_CONFIG_HOME: "c", HOME: "/h" })).toBe("/h/.config/nacre/config.toml");
    expect(configPath({ NACRE_CONFIG: "", HOME: "/h" })).toBe("/h/.config/nacre/config.toml");
  });

  test("need not be there, unless it is named", () => {
    const { env, file } = world();
    expect(readConfig(env)).toBeUndefined();
    expect(failure(() => readConfig({ NACRE_CONFIG: file }))).toMatchObject({
      code: "USAGE",
      message: `${file}: there is no such file`,
      hint: "NACRE_CONFIG names it",
    });
  });

  test.each([
    ['[cache]\nmax-sice = "1GB"\n', 2, 'unknown key "max-sice" in [cache]', "did you mean max-size?"],
    ['# x\n[cache]\nkeep-duration="1d"\nwhatever = 1', 4, 'unknown key "whatever" in [cache]', /may have max-size/],
    ["[cahce]\nmax-size = 1\n", 1, 'unknown key "cahce"', "did you mean cache?"],
    ["\nmax-size = 1\n", 2, 'unknown key "max-size"', /may have cache/],
    ["cache = 1", 1, '"cache" must be a table', "write [cache]"],
    ["[[cache]]\nmax-size = 1\n", undefined, '"cache" must be a table', "write [cache]"],
    ["[cache]\n\nmax-size = true\n", 3, '"max-size" must be a size, e.g. "20GB"', undefined],
    ["[cache]\nmax-size = -5\n", 2, '"max-size" must be a size, e.g. "20GB"', undefined],
    ["[cache]\nkeep-duration = 30\n", 2, '"keep-duration" must be a duration, e.g. "30d"', undefined],
    ["cache.min-fre = 1", 1, 'unknown key "min-fre" in [cache]', "did you mean min-free?"],
    ["[cache\n", 1, /it is not TOML/, undefined],
    ["[cache]\nmax-size = 1\nmax-size = 2\n", 3, /it is not TOML/, undefined],
  ])("%j is refused with line %s", (text, line, why, hint) => {
    const { env, file } = world(text);
    const error = failure(() => readConfig(env));
    expect(error.code).toBe("USAGE");
    expect(error.facts).toEqual({ file, line });
    const place = line === undefined ? file : `${file}:${line}`;
    expect(error.message.startsWith(`${place}: `)).toBe(true);
    expect(error.message.slice(place.length + 2)).toEqual(typeof why === "string" ? why : expect.stringMatching(why));
    expect(error.hint).toEqual(hint instanceof RegExp ? expect.stringMatching(hint) : hint);
  });
});

describe("the limits", () => {
  test("are the default's where nothing is said", () => {
    const { env, store } = world();
    const limits = configuredLimits(store, env);
    expect(limits).toEqual({
      maxSize: { value: defaultLimit(store), text: String(defaultLimit(store)), source: "default" },
      keepDuration: { value: undefined, text: "none", source: "default" },
      minFree: { value: undefined, text: "none", source: "default" },
    });
  });

  test("come from flags before the environment before the file, each by itself, and tell from where", () => {
    const { env, store, file } = world('[cache]\nmax-size = "20GB"\nkeep-duration = "30d"\n\nmin-free = "10%"\n');
    const limits = configuredLimits(
      store,
      { ...env, NACRE_CACHE_MAX_SIZE: "5GB", NACRE_CACHE_KEEP_DURATION: "7d" },
      { "max-size": "1GB" },
    );
    expect(limits).toEqual({
      maxSize: { value: 1e9, text: "1GB", source: "--max-size" },
      keepDuration: { value: 7 * 86_400_000, text: "7d", source: "NACRE_CACHE_KEEP_DURATION" },
      minFree: { value: { percent: 10 }, text: "10%", source: `${file}:5` },
    });
    expect(valuesOf(limits)).toEqual({ maxBytes: 1e9, keepDuration: 7 * 86_400_000, minFree: { percent: 10 } });
  });

  test("may be numbers of bytes, and none", () => {
    const { env, store } = world("[cache]\nmax-size = 1000\nmin-free = 0\n");
    expect(valuesOf(configuredLimits(store, env))).toEqual({ maxBytes: 1000, keepDuration: undefined, minFree: 0 });
    const none = configuredLimits(store, { ...env, NACRE_CACHE_MAX_SIZE: "none" });
    expect(valuesOf(none).maxBytes).toBe(Number.POSITIVE_INFINITY);
  });

  test.each([
    ['[cache]\nmax-size = "big"', {}, {}, ':2: "max-size": not a size: "big"'],
    ['[cache]\nmin-free = "120%"', {}, {}, ':2: "min-free": not a part of a disk: "120%"'],
    [undefined, { NACRE_CACHE_MIN_FREE: "lots" }, {}, 'NACRE_CACHE_MIN_FREE: not a size: "lots"'],
    [undefined, {}, { "keep-duration": "long" }, '--keep-duration: not a duration: "long"'],
  ])("that are wrong name where they stand (%#)", (text, more, flags, message) => {
    const { env, store } = world(text);
    const error = failure(() => configuredLimits(store, { ...env, ...more }, flags));
    expect(error.code).toBe("USAGE");
    expect(error.message).toContain(message);
    expect(error.hint).toBeDefined();
  });

  test("of free space are a size or a part of the disk", () => {
    expect([parseFree("10%"), parseFree("0.5 %"), parseFree("2GiB")]).toEqual([
      { percent: 10 },
      { percent: 0.5 },
      2 ** 31,
    ]);
    const { free, minFree, maxBytes, usedBefore } = thresholdsOf({ minFree: { percent: 50 } }, tempDirectory(), 1000);
    const { bsize, blocks } = fs.statfsSync("/tmp");
    expect(minFree).toBe(Math.floor((bsize * blocks) / 2));
    expect(free).toBeGreaterThan(0);
    expect([maxBytes, usedBefore]).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });
});
