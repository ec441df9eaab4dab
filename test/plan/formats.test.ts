import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Environment, splitPair, withVariables } from "../../src/plan/environment.js";
import { goDuration, goQuote, goQuoteList, goQuoteRune } from "../../src/plan/goFormat.js";
import { destinationPath, workdirPath } from "../../src/plan/paths.js";
import { decodeText } from "../../src/support/bytes.js";

describe("Go's quoting", () => {
  test.each([
    ["plain text", '"plain text"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ["\x00\x07\b\t\n\v\f\r\x1b\x7f", '"\\x00\\a\\b\\t\\n\\v\\f\\r\\x1b\\x7f"'],
    ["ü € 😀 é", '"ü € 😀 é"'],
    ["\u00a0\u00ad\u2028\ue000", '"\\u00a0\\u00ad\\u2028\\ue000"'],
    ["\u{e0001}\u{10ffff}", '"\\U000e0001\\U0010ffff"'],
    ["<&>'`", '"<&>\'`"'],
  ])("%j", (text, quoted) => {
    expect(goQuote(text)).toBe(quoted);
  });

  test("bytes that are not UTF-8 are shown as bytes", () => {
    expect(goQuote(decodeText(Uint8Array.of(0x61, 0xff, 0x62)))).toBe('"a\\xffb"');
  });

  test("ASCII comes back from the quotes as it went in", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii" }), (text) => {
        const json = goQuote(text)
          .replace(/\\x([0-9a-f]{2})/g, "\\u00$1")
          .replace(/(?<!\\)((?:\\\\)*)\\a/g, "$1\\u0007")
          .replace(/(?<!\\)((?:\\\\)*)\\v/g, "$1\\u000b");
        expect(JSON.parse(json)).toBe(text);
      }),
    );
  });

  test("lists and characters", () => {
    expect(goQuoteList(["a", "b c"])).toBe('["a" "b c"]');
    expect(goQuoteList([])).toBe("[]");
    expect([0, 3, 9, 39, 34, 92, 65, 127, 300, 0xd800, 0x110000].map(goQuoteRune)).toEqual([
      ...["'\\x00'", "'\\x03'", "'\\t'", "'\\''", "'\"'", "'\\\\'", "'A'", "'\\x7f'", "'Ĭ'", "'�'", "'�'"],
    ]);
  });
});

test("durations as Go prints them", () => {
  const [us, ms, s, m, h] = [1e3, 1e6, 1e9, 60e9, 3600e9] as const;
  const values = [0, 1, 1500, 1001 * us, 500 * ms, 1500 * ms, 30 * s, 90 * s, 5 * m, h, 25 * h + s / 2, 61 * m];
  expect(values.map(goDuration)).toEqual([
    ...["0s", "1ns", "1.5µs", "1.001ms", "500ms", "1.5s", "30s", "1m30s", "5m0s", "1h0m0s", "25h0m0.5s", "1h1m0s"],
  ]);
});

describe("paths", () => {
  const segment = fc.constantFrom("a", "b", ".", "..", "", "c d");
  const path = fc
    .tuple(fc.boolean(), fc.array(segment, { maxLength: 5 }))
    .map(([absolute, parts]) => (absolute ? "/" : "") + parts.join("/"));
  const workdir = path.map((text) => (text.startsWith("/") ? text : `/${text}`));

  test("destinations are absolute, and end in a slash just if they mean a directory", () => {
    fc.assert(
      fc.property(workdir, path, (current, word) => {
        const absolute = destinationPath(current, word);
        expect(absolute.startsWith("/")).toBe(true);
        const directory = word === "" || word === "." || /\/\.?$/.test(word);
        const root = /^\/+$/.test(absolute);
        expect(root || absolute.endsWith("/") === directory).toBe(true);
      }),
    );
  });

  test("an absolute WORKDIR stays as it is typed, a relative one is cleaned", () => {
    fc.assert(
      fc.property(workdir, path, (current, word) => {
        const next = workdirPath(current, word);
        if (word.startsWith("/")) expect(next).toBe(word);
        else if (word !== "") expect(next).toMatch(/^\/$|^(?:\/(?!\.\.?(?:\/|$))[^/]+)+$/);
      }),
    );
  });

  test("a base's relative working directory counts from the root", () => {
    expect(workdirPath("/", "app")).toBe("/app");
    expect(workdirPath("app", "x")).toBe("/app/x");
  });
});

describe("environments", () => {
  test("setting a name again moves it to the end, and a clone is its own", () => {
    const env = new Environment([
      ["A", "1"],
      ["B", "2"],
    ]);
    const clone = env.clone();
    env.set("A", "3");
    expect(env.pairs()).toEqual(["B=2", "A=3"]);
    expect(clone.pairs()).toEqual(["A=1", "B=2"]);
  });

  test("Config.Env replaces in place, and keeps entries without a value", () => {
    expect(withVariables(["A=1", "B", "C=3"], [["B", "x=y"]])).toEqual(["A=1", "B=x=y", "C=3"]);
    const pairs = [
      ["a", "2"],
      ["A", "3"],
      ["a", "4"],
    ] as const;
    expect(withVariables(["A=1"], pairs)).toEqual(["A=3", "a=4"]);
    expect(splitPair("A")).toEqual(["A", ""]);
    expect(splitPair("A=b=c")).toEqual(["A", "b=c"]);
  });
});
