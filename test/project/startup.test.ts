/** What is loaded when a command begins: a build that finds everything in the cache waits for no code that it does not use. */
import { describe, expect, it } from "vitest";
import { folderOf, readSources, resolveImport, staticImportsOf } from "./sources.js";

const sources = new Map(readSources().map((file) => [file.path, file]));
const paths = new Set(sources.keys());

/** Every module and package that is loaded before the first line of the given modules runs. */
function loadedWith(...roots: readonly string[]): string[] {
  const loaded = new Set<string>();
  const visit = (name: string): void => {
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const specifier of staticImportsOf(sources.get(name)?.text ?? "")) {
      visit(resolveImport(name, specifier, paths) ?? specifier);
    }
  };
  for (const root of roots) visit(root);
  return [...loaded].sort();
}

describe("a build that finds everything in the cache", () => {
  const loaded = loadedWith("src/cli/main.ts", "src/cli/commands/build.ts", "src/index.ts");
  const modulesIn = (folder: string) =>
    loaded.filter((name) => name.startsWith("src/") && !name.endsWith(".json") && folderOf(name) === folder);

  it("loads what it needs", () => {
    expect(loaded).toEqual(expect.arrayContaining(["src/build/solver.ts", "src/plan/plan.ts", "src/store/store.ts"]));
  });

  it("loads nothing that writes layers, reads archives or makes outputs, except thin faces", () => {
    expect(modulesIn("compose")).toEqual([]);
    expect(modulesIn("tar")).toEqual([]);
    expect(modulesIn("archive")).toEqual([
      "src/archive/callerStreams.ts",
      "src/archive/destination.ts",
      "src/archive/loadImages.ts",
    ]);
    expect(modulesIn("output")).toEqual(["src/output/saveImages.ts", "src/output/transfers.ts"]);
  });

  it("loads nothing that looks into layers, except what the trees of contexts and layers have in common", () => {
    expect(modulesIn("layer")).toEqual(["src/layer/fileTree.ts"]);
  });

  it("loads no package and no part of Node that only other work needs", () => {
    const external = loaded.filter((name) => !name.startsWith("src/"));
    expect(external).toEqual([
      ...["node:crypto", "node:events", "node:fs", "node:module", "node:os", "node:path", "node:stream"],
      ...["node:timers/promises", "node:util", "valibot"],
    ]);
  });

  it("loads no other command, and the form of progress only when it is chosen", () => {
    const others = ["check", "imageLs", "info", "inspect", "load", "prune", "rm", "save", "tag"];
    const unused = [...others.map((name) => `commands/${name}`), "progress/tty", "progress/plain"];
    for (const name of unused) {
      expect(paths).toContain(`src/cli/${name}.ts`);
      expect(loaded).not.toContain(`src/cli/${name}.ts`);
    }
  });
});

describe("the command line", () => {
  it("loads the library, and its commands, only when one is asked for", () => {
    const modules = loadedWith("src/cli/main.ts").filter((name) => name.startsWith("src/"));
    expect([...new Set(modules.map(folderOf))].sort()).toEqual(["cli", "support"]);
    expect(modules.filter((name) => /^src\/cli\/commands\/(?!parseValues\.)/.test(name))).toEqual([]);
  });
});
