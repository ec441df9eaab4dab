/**
 * docs/conformance.md says of each rule of the Dockerfile language which test holds it, docs/distribution.md of each behaviour
 * with registries. What they name has to exist:
 *
 *   `conformance/NAME` `plan/NAME` `dockerfile/NAME` `lint/NAME`   a recorded case in testdata
 *   `errors/FILE › TITLE`   an error that is recorded in testdata/errors/FILE.txt
 *   `ignore/NAME`           a case of testdata/context/ignore.json
 *   `test/FILE › TITLE`     a test, by its title or a part of it; a row of its table counts too
 *   `docs/differences.md › TEXT`   a row with an intended difference
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { root } from "./sources.js";

const pages = readdirSync(join(root, "docs")).filter((name) => /^(?:conformance.*|distribution)\.md$/.test(name));

interface Row {
  readonly line: number;
  /** The heading that the table stands under. */
  readonly heading: string;
  readonly rule: string;
  readonly heldBy: string;
}

/** The rows of all tables, headings and rulers left out. */
function rowsOf(page: string): readonly Row[] {
  let heading = "";
  return read(join("docs", page))
    .split("\n")
    .map((text, index) => {
      if (text.startsWith("#")) heading = text;
      return { text, line: index + 1, heading };
    })
    .filter(({ text }) => text.startsWith("|") && !/^\|(?:\s*:?-+:?\s*\|)+$/.test(text))
    .map(({ text, line, heading }) => {
      const cells = text.split(/(?<!\\)\|/).slice(1, -1);
      expect(cells.length, `${page}:${line} has two cells`).toBe(2);
      const [rule, heldBy] = cells.map((cell) => cell.trim().replaceAll("\\|", "|")) as [string, string];
      return { line, heading, rule, heldBy };
    })
    .filter(({ rule }) => rule !== "rule" && rule !== "behaviour");
}

const texts = new Map<string, string>();
function read(path: string): string {
  const text = texts.get(path) ?? readFileSync(join(root, path), "utf8");
  texts.set(path, text);
  return text;
}

function referencesIn(cell: string): readonly string[] {
  return [...cell.matchAll(/`` (.+?) ``|`([^`]+)`/g)].map((match) => match[1] ?? match[2] ?? "");
}

/** What is wrong with a reference, if something is. */
function fault(reference: string): string | undefined {
  const [path = "", title] = reference.split(" › ");
  const [kind = "", name = ""] = [path.slice(0, path.indexOf("/")), path.slice(path.indexOf("/") + 1)];
  if (kind === "conformance" || kind === "lint")
    return missing(`testdata/${kind}/${name}.txtar`, `testdata/${kind}/${name}.json`);
  if (kind === "plan" || kind === "dockerfile") return missing(`testdata/${kind}/${name}/Dockerfile`);
  if (kind === "ignore") return cases().has(name) ? undefined : "no such case";
  if (!title || title.length < 4) return "no title";
  const file = kind === "errors" ? `testdata/errors/${name}.txt` : path;
  if (!/^(?:testdata\/errors|test|docs)\//.test(file)) return "unknown form";
  if (missing(file)) return missing(file);
  return holds(file, title) ? undefined : "no such title";
}

function missing(...files: readonly string[]): string | undefined {
  const gone = files.filter((file) => !existsSync(join(root, file)));
  return gone.length > 0 ? `${gone.join(", ")}: not there` : undefined;
}

/** Only whole titles of errors count, and only rows of the tables of a page. */
function holds(file: string, title: string): boolean {
  const text = read(file);
  if (file.startsWith("testdata/errors/")) return text.split("\n").includes(`=== ${title}`);
  if (file.startsWith("docs/")) return text.split("\n").some((line) => line.startsWith("|") && line.includes(title));
  return text.includes(title) || text.includes(title.replaceAll('"', '\\"'));
}

function cases(): ReadonlySet<string> {
  const recorded: { readonly cases: readonly { readonly name: string }[] } = JSON.parse(
    read("testdata/context/ignore.json"),
  );
  return new Set(recorded.cases.map(({ name }) => name));
}

test("there is a page that says what holds each rule", () => {
  expect(pages).toEqual(expect.arrayContaining(["conformance.md", "distribution.md"]));
});

describe.each(pages)("docs/%s", (page) => {
  it("names for each rule at least one test, case or intended difference", () => {
    const rows = rowsOf(page);
    expect(rows.length).toBeGreaterThan(50);
    const bare = rows.filter(({ heldBy }) => referencesIn(heldBy).length === 0);
    expect(bare.map(({ line, rule }) => `${page}:${line}: ${rule}`)).toEqual([]);
  });

  it("names only what exists", () => {
    const faults = rowsOf(page).flatMap(({ line, heldBy }) =>
      referencesIn(heldBy).flatMap((reference) => {
        const found = fault(reference);
        return found === undefined ? [] : [`${page}:${line}: ${reference}: ${found}`];
      }),
    );
    expect(faults).toEqual([]);
  });

  it("tells every rule once under its heading", () => {
    const rules = rowsOf(page).map(({ heading, rule }) => `${heading}: ${rule}`);
    expect(rules.filter((rule, index) => rules.indexOf(rule) < index)).toEqual([]);
  });
});
