/** The project speaks of itself alone: nothing of the machine or the circumstances in which it was written. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { root } from "./sources.js";

const self = "test/project/words.test.ts";

/** Every file that is, or would be, under version control, with its text. */
function trackedFiles(): { path: string; text: string }[] {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  return [...new Set(listed.toString().split("\0"))]
    .filter(
      (path) => path !== "" && path !== self && existsSync(join(root, path)) && statSync(join(root, path)).isFile(),
    )
    .map((path) => ({ path, text: readFileSync(join(root, path), "latin1") }));
}

const inGit = !toolMissing("git") && existsSync(join(root, ".git"));

describe.skipIf(!inGit)("the files of the project", () => {
  const files = inGit ? trackedFiles() : [];

  /** `path:line text` of every match. */
  function matches(pattern: RegExp, choose: (path: string) => boolean, part: (line: string) => string = (l) => l) {
    return files
      .filter(({ path }) => choose(path))
      .flatMap(({ path, text }) =>
        text.split("\n").flatMap((line, i) => (pattern.test(part(line)) ? [`${path}:${i + 1} ${line.trim()}`] : [])),
      );
  }
  const everywhere = (path: string) => path !== "package-lock.json";
  const code = (path: string) => /^(?:src|test|bin|benchmarks|examples)\/.*\.[jt]s$/.test(path);

  it("name no folder of the machine they were written on", () => {
    expect(matches(/\/work\/(?:main|shared)|\.\.\/shared\b|\/tmp\/(?:peers|brief)\b/, everywhere)).toEqual([]);
  });

  it("say nothing of how they came about", () => {
    expect(matches(/\b(?:this|previous|next|last|later) session\b|\bhelper agents?\b/i, everywhere)).toEqual([]);
  });

  it("refer to no numbers of issues, in comments or prose", () => {
    const comment = (line: string) => /(?:^\s*\*|\/\*|(?:^|\s)\/\/)(.*)$/.exec(line)?.[1] ?? "";
    const number = /(?:^|[\s(])#\d+\b/;
    expect(matches(number, code, comment)).toEqual([]);
    expect(matches(number, (path) => path.endsWith(".md"))).toEqual([]);
  });

  it("leave nothing unfinished", () => {
    expect(matches(/\b(?:TODO|FIXME|XXX)\b/, (path) => code(path) || path.endsWith(".md"))).toEqual([]);
  });

  it("skip no test for good and single none out", () => {
    expect(matches(/\b(?:it|test|describe)\.(?:skip|todo|only)\b/, (path) => path.endsWith(".test.ts"))).toEqual([]);
  });

  it("lock packages without naming the registry they came from", () => {
    const hosts = matches(/https?:\/\/(?!registry\.npmjs\.org\/)/, (path) => path === "package-lock.json");
    expect(hosts.filter((line) => /"resolved"/.test(line))).toEqual([]);
  });
});
