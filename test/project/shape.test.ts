/** What every module and the package as a whole look like. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readSources, root } from "./sources.js";

const MAX_LINES = 450;
const sources = readSources();

describe("the modules of src/", () => {
  it("are short enough to have one subject", () => {
    const long = sources.map((file) => ({ path: file.path, lines: file.text.split("\n").length - 1 }));
    expect(long.filter((file) => file.lines > MAX_LINES)).toEqual([]);
  });

  it("say what each exported function means", () => {
    expect(sources.flatMap((file) => undocumented(file.path, file.text))).toEqual([]);
  });

  it("have no default exports and switch off no checks", () => {
    const offences = sources.filter((file) => /^export default|@ts-(?:ignore|nocheck)/m.test(file.text));
    expect(offences.map((file) => file.path)).toEqual([]);
  });
});

describe("package.json", () => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

  it("runs nothing on a consumer's machine", () => {
    const scripts = Object.keys(manifest.scripts);
    expect(scripts.filter((name) => ["preinstall", "install", "postinstall"].includes(name))).toEqual([]);
    expect(existsSync(join(root, "binding.gyp"))).toBe(false);
  });

  it("is ready to publish", () => {
    expect(manifest).toMatchObject({ name: "nacre", type: "module", license: "Apache-2.0" });
    expect(manifest.private).toBeUndefined();
    expect(manifest.engines.node).toBe(">=20.19");
    expect(manifest.files).toEqual(expect.arrayContaining(["bin", "dist", "README.md", "LICENSE"]));
  });

  it("points to files that are there after a build", () => {
    const pointed = [manifest.bin.nacre, manifest.types, ...Object.values(manifest.exports["."] as object)] as string[];
    const missing = pointed.filter((path) => !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });

  it("pins its dependencies to one version each", () => {
    const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies }) as string[];
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});

/** Exported functions without a doc comment right above, as `path:line name`. Of overloads, the first needs one. */
function undocumented(path: string, text: string): string[] {
  const lines = text.split("\n");
  const found: string[] = [];
  let previous = "";
  lines.forEach((line, index) => {
    const match =
      /^export (?:async )?function\*? (\w+)/.exec(line) ??
      /^export const (\w+)[^=]*= (?:async )?(?:\(|<|function)/.exec(line);
    if (!match) return;
    const name = match[1]!;
    const commented = /\*\/\s*$/.test(lines[index - 1] ?? "");
    if (!commented && name !== previous) found.push(`${path}:${index + 1} ${name}`);
    previous = name;
  });
  return found;
}
