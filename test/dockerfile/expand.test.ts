import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EscapeToken } from "../../src/dockerfile/ast.js";
import { expandHeredoc, expandWord, expandWords, type Lookup, MAX_GROWTH } from "../../src/dockerfile/expand.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";

/** `A=one`, `E` set but empty, `P` a path; `U` is not set. */
const env: Lookup = lookup({ A: "one", E: "", P: "/x/y.tar.gz", B: "a b", N: "l1\nl2\nl3", Straße: "ü", C: "a.b.c" });

function lookup(values: Record<string, string>): Lookup {
  const map = new Map(Object.entries(values));
  return { get: (name) => map.get(name) };
}

function failure(work: () => unknown): NacreError {
  try {
    work();
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("did not fail");
}

const vectors: readonly (readonly [string, string])[] = [
  ["$A", "one"],
  ["${A}", "one"],
  ["x${A}y$A", "xoneyone"],
  ["${U:-d}", "d"],
  ["${E:-d}", "d"],
  ["${E-d}", ""],
  ["${U-d}", "d"],
  ["${A:+z}", "z"],
  ["${A+z}", "z"],
  ["${E:+z}", ""],
  ["${E+z}", "z"],
  ["${U+z}", ""],
  ["${P#*/}", "x/y.tar.gz"],
  ["${P##*/}", "y.tar.gz"],
  ["${P%.*}", "/x/y.tar"],
  ["${P%%.*}", "/x/y"],
  ["${P/x/q}", "/q/y.tar.gz"],
  ["${P//[x]/q}", "/x/y.tar.gz"],
  ["'$A'", "$A"],
  ['"\\$A"', "$A"],
  ["\\$A", "$A"],
  ["$A$U", "one"],
  ["a\\ b", "a b"],
  ['"a\\tb"', "a\\tb"],
  ["a\\tb", "atb"],
  ["${E?no}", ""],
  ["${A?no}", "one"],
  // Names
  ["$1x", "x"],
  ["$12x", "x"],
  ["$@$*$#$?$-$$$!$0.", "."],
  ["$.", "$."],
  ["$", "$"],
  ["a$", "a$"],
  ["$Straße!", "ü!"],
  ["${Straße}", "ü"],
  // Quotes and escapes
  ["\"$A '$A'\"", "one 'one'"],
  ["'a\\b'", "a\\b"],
  ['"a\\\\b\\"c"', 'a\\b"c'],
  ["a\\", "a"],
  ['""', ""],
  ["a\"b\"'c'd", "abcd"],
  ["\\\\", "\\"],
  ["\\é\\😀", "é😀"],
  // Nesting
  ["${U:-${U:-$A}}", "one"],
  ['${U:-"a b" $A}', "a b one"],
  ["${U:-'}'}", "}"],
  ["${U:-\\}}", "}"],
  ['"${U:-"x"}"', "x"],
  ["${A:+${P##*/}}", "y.tar.gz"],
  // Patterns
  ["${A#o}", "ne"],
  ["${A%e}", "on"],
  ["${A#*}", "one"],
  ["${A##*}", ""],
  ["${A%*}", "one"],
  ["${A%%*}", ""],
  ["${A#?}", "ne"],
  ["${A%??}", "o"],
  ["${A#x}", "one"],
  ["${A#}", "one"],
  ["${C#*.}", "b.c"],
  ["${C##*.}", "c"],
  ["${C%.*}", "a.b"],
  ["${C%%.*}", "a"],
  ["${C//./-}", "a-b-c"],
  ["${C/./-}", "a-b.c"],
  ["${C/.*/}", "a"],
  ["${C/*/x}", "x"],
  ["${C//?/x}", "xxxxx"],
  ["${C//.?/x}", "axx"],
  ["${C/b.c/}", "a."],
  ["${C///-}", "-a-.-b-.-c-"],
  ["${P/\\/x/q}", "q/y.tar.gz"],
  ["${P//\\//_}", "_x_y.tar.gz"],
  ["${P#\\/}", "x/y.tar.gz"],
  // The replacement keeps its backslashes.
  ["${A/n/\\/}", "o\\/e"],
  // An empty pattern matches in front.
  ["${A/$U/x}", "xone"],
  // Quoting does not protect wildcards in a pattern: the quotes are gone before it is read.
  ["${A#'*'e}", ""],
  ["${A/$E/$P}", "/x/y.tar.gzone"],
  // Neither wildcard crosses a line.
  ["${N#*3}", "l1\nl2\nl3"],
  ["${N%2*}", "l1\nl2\nl3"],
  ["${N/l*/x}", "x\nl2\nl3"],
  ["${N//l?/x}", "x\nx\nx"],
  ["${N##*1}", "\nl2\nl3"],
  ["${N%%?}", "l1\nl2\nl"],
  ["${U#x}${U%x}${U/x/y}", ""],
];

describe("expandWord()", () => {
  for (const [raw, expected] of vectors) {
    test(`gives ${JSON.stringify(expected)} for ${raw}`, () => {
      expect(expandWord(raw, env, "\\")).toBe(expected);
    });
  }

  const errors: readonly (readonly [string, string, string?])[] = [
    ["${U:?no}", "U: no", "PLAN_INVALID"],
    ["${U?no}", "U: no", "PLAN_INVALID"],
    ["${E:?}", "E: is not allowed to be empty", "PLAN_INVALID"],
    ["${E:?no}", "E: no", "PLAN_INVALID"],
    ["${U:?}", "U: is not allowed to be unset", "PLAN_INVALID"],
    ["${U?}", "U: is not allowed to be unset", "PLAN_INVALID"],
    ["${A:=x}", "unsupported modifier (:=) in substitution"],
    ["${A=x}", "unsupported modifier (=) in substitution"],
    ["${A:#x}", "unsupported modifier (:#) in substitution"],
    ["${A:%x}", "unsupported modifier (:%) in substitution"],
    ["${#A}", "unsupported modifier (A) in substitution"],
    ["${A^^}", "unsupported modifier (^) in substitution"],
    ["${A:0:1}", "unsupported modifier (:0) in substitution"],
    ["${A", "syntax error: missing '}'"],
    ["${A:-x", "syntax error: missing '}'"],
    ["${A/x/y", "syntax error: missing '}'"],
    ["${", "syntax error: missing '}'"],
    ["${A/x}", "syntax error: missing '/' in ${}"],
    ["${}", "syntax error: bad substitution"],
    ["${:x}", "syntax error: bad substitution"],
    ["${{A}}", "syntax error: bad substitution"],
    ["'a", "unexpected end of statement while looking for matching single-quote"],
    ['"a', "unexpected end of statement while looking for matching double-quote"],
    ["${A#\\x}", "invalid pattern (\\x) in substitution: invalid escape '\\x'"],
    ["${A//\\x/y}", "invalid pattern (\\x) in substitution: invalid escape '\\x'"],
  ];
  for (const [raw, message, code = "DOCKERFILE_SYNTAX"] of errors) {
    test(`refuses ${raw}`, () => {
      const error = failure(() => expandWord(raw, env, "\\"));
      expect(error.message).toBe(`failed to process ${JSON.stringify(raw)}: ${message}`);
      expect(error.code).toBe(code);
      expect(error.hint).toBeTruthy();
    });
  }

  test("takes the backtick as escape where the file says so", () => {
    expect(expandWord('c:\\a`$A`` "`$A`x"', env, "`")).toBe("c:\\a$A` $A`x");
  });

  test("reports each name that is used but not set, also with a default", () => {
    const seen: string[] = [];
    expandWord("$A $U ${X:-d} ${Y+z} '$Z'", { get: env.get, unset: (name) => seen.push(name) }, "\\");
    expect(seen).toEqual(["U", "X", "Y"]);
  });

  test("expands the word of a modifier even where it is not needed", () => {
    expect(failure(() => expandWord("${A:-${U:?gone}}", env, "\\")).message).toContain("U: gone");
  });

  test("gives back every text that was quoted for it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.constantFrom<EscapeToken>("\\", "`"), (text, token) => {
        expect(expandWord(quote(text), env, token)).toBe(text);
        expect(expandWord(escapeAll(text, token), env, token)).toBe(text);
      }),
    );
  });

  test("throws nothing but its own errors, whatever the text", () => {
    const texts = fc.string({ unit: fc.constantFrom(..."${}:-+?#%/\\`'\"*AUE a.\n") });
    fc.assert(
      fc.property(texts, fc.constantFrom<EscapeToken>("\\", "`"), (text, token) => {
        for (const work of [
          () => expandWord(text, env, token),
          () => expandWords(text, env, token),
          () => expandHeredoc(text, env),
        ]) {
          try {
            work();
          } catch (error) {
            expect(isNacreError(error)).toBe(true);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("refuses nesting without end", () => {
    for (const text of ["${A:-".repeat(500_000), '"${A:-'.repeat(500_000)]) {
      expect(failure(() => expandWord(text, env, "\\")).code).toBe("LIMIT_EXCEEDED");
    }
    expect(expandWord(`${"${U:-".repeat(99)}x${"}".repeat(99)}`, env, "\\")).toBe("x");
  });

  test("refuses to grow without end", () => {
    const big = lookup({ V: "v".repeat(10_000) });
    expect(expandWord("$V".repeat(100), big, "\\").length).toBe(MAX_GROWTH - 48_576);
    expect(failure(() => expandWord("$V".repeat(1000), big, "\\")).code).toBe("LIMIT_EXCEEDED");
    expect(failure(() => expandWord(`\${V//v/${"w".repeat(1000)}}`, big, "\\")).code).toBe("LIMIT_EXCEEDED");
  });

  test("is not led into backtracking by patterns", () => {
    const value = lookup({ V: "a".repeat(20_000) });
    expect(expandWord(`\${V#${"*a".repeat(50)}*b}`, value, "\\")).toBe("a".repeat(20_000));
    expect(expandWord(`\${V/${"*a".repeat(50)}*b/x}`, value, "\\")).toBe("a".repeat(20_000));
    expect(expandWord(`\${V%%${"*a".repeat(50)}*}`, value, "\\")).toBe("");
    expect(failure(() => expandWord(`\${V//${"*?".repeat(20_000)}b/x}`, value, "\\")).code).toBe("LIMIT_EXCEEDED");
  });
});

/** Any text as one word: single quotes, with single quotes themselves in double ones. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}

function escapeAll(text: string, token: EscapeToken): string {
  return [...text].map((c) => token + c).join("");
}

describe("patterns", () => {
  /** The same by regular expressions, which is how BuildKit does it. */
  function byRegExp(pattern: string, star: string): string {
    return [...pattern].map((c) => (c === "*" ? star : c === "?" ? "." : c.replace(/[.\n]/, "\\$&"))).join("");
  }
  const values = fc.string({ unit: fc.constantFrom("a", "b", ".", "\n"), maxLength: 12 });
  const patterns = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), maxLength: 6 });

  test("match what regular expressions match", () => {
    fc.assert(
      fc.property(values, patterns, (value, pattern) => {
        const all = lookup({ V: value, W: pattern });
        const expand = (raw: string): string => expandWord(raw, all, "\\");
        expect(expand("${V#$W}")).toBe(value.replace(new RegExp(`^${byRegExp(pattern, ".*?")}`, "u"), ""));
        if (!pattern.startsWith("#")) {
          expect(expand("${V##$W}")).toBe(value.replace(new RegExp(`^${byRegExp(pattern, ".*")}`, "u"), ""));
        }
        const backwards = (text: string): string => [...text].reverse().join("");
        const suffix = (star: string): string =>
          backwards(backwards(value).replace(new RegExp(`^${byRegExp(backwards(pattern), star)}`, "u"), ""));
        expect(expand("${V%$W}")).toBe(suffix(".*?"));
        expect(expand("${V%%$W}")).toBe(suffix(".*"));
        expect(expand("${V/$W/-}")).toBe(value.replace(new RegExp(byRegExp(pattern, ".*"), "u"), "-"));
      }),
      { numRuns: 3000 },
    );
  });

  test("count characters, not half ones", () => {
    const all = lookup({ V: "😀x😀", B: "\udcffx" });
    expect(expandWord("${V#?}|${V%?}|${V//?/y}|${B#?}", all, "\\")).toBe("x😀|😀x|yyy|x");
  });
});

describe("expandWords()", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["80", ["80"]],
    ["$B", ["a", "b"]],
    ['"$B"', ["a b"]],
    ["x$B.y", ["xa", "b.y"]],
    ["${U:-1 2}", ["1", "2"]],
    ["'a b' c", ["a b", "c"]],
    ["a\\ b", ["a b"]],
    ["$U", []],
    ['""', []],
    ["  ", []],
  ];
  for (const [raw, expected] of cases) {
    test(`splits ${raw} into ${JSON.stringify(expected)}`, () => {
      expect(expandWords(raw, env, "\\")).toEqual(expected);
    });
  }
});

describe("expandHeredoc()", () => {
  test("expands variables and leaves quotes alone", () => {
    const body = 'a\\$b \\\\ \\n "$A" \'$A\' ${U:-y} \\"q\\" $U`x`\n';
    expect(expandHeredoc(body, env)).toBe('a$b \\ n "one" \'one\' y "q" `x`\n');
  });

  test("drops a backslash at the end of a line and keeps the line feed", () => {
    expect(expandHeredoc("a\\\nb\n", env)).toBe("a\nb\n");
  });

  test("does not take an apostrophe for a quote, inside braces either", () => {
    expect(expandHeredoc("it's ${U:-it's}", env)).toBe("it's it's");
  });
});
