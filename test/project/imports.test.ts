/** The borders inside src/: which stage may use which, and where the outside world may be touched. */
import { describe, expect, it } from "vitest";
import { folderOf, readSources, resolveImport, type SourceFile } from "./sources.js";

/** Stage → stages it may import, besides itself and the two that are free to all. Keep it as ARCHITECTURE.md tells it. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  oci: [],
  support: [],
  dockerfile: [],
  plan: ["dockerfile"],
  tar: [],
  layer: ["tar"],
  store: ["layer"],
  image: ["layer", "store"],
  archive: ["tar", "layer", "image", "store"],
  registry: ["layer", "image", "store"],
  context: ["tar", "layer", "image", "store", "archive", "registry"],
  cache: ["plan", "layer", "image", "store", "registry", "context"],
  compose: ["plan", "tar", "layer", "image", "store", "context"],
  sandbox: ["layer", "image", "store"],
  output: ["tar", "layer", "image", "store", "archive", "registry"],
  build: [
    ...["dockerfile", "plan", "tar", "layer", "store", "image", "archive", "registry", "context", "cache", "compose"],
    ...["sandbox", "output"],
  ],
  analysis: ["tar", "layer", "image", "store", "archive", "registry", "cache"],
  advice: [
    ...["dockerfile", "plan", "tar", "layer", "store", "image", "archive", "registry", "context", "cache", "compose"],
    ...["sandbox", "output", "build", "analysis"],
  ],
  ui: ["index"],
  cli: ["index", "ui"],
};
const freeToAll = ["oci", "support"];

/** Pure stages: they compute, and are handed what they need to know of the world. */
const pure = ["oci", "support", "dockerfile", "plan", "tar"];
/** Modules of pure stages that import such a module all the same, each for what it says. */
const exceptions: readonly string[] = [
  "src/dockerfile/ports.ts", // isIP of node:net only looks at a text.
];
const world =
  /^(?:node:(?:fs|fs\/promises|child_process|net|http|https|http2|tls|dgram|dns|worker_threads|cluster)|undici)$/;

const sources = readSources();
const paths = new Set(sources.map((file) => file.path));
const targets = (file: SourceFile) =>
  file.imports.map((name) => resolveImport(file.path, name, paths)).filter((path) => path !== undefined);

describe("the modules of src/", () => {
  it("import only what exists", () => {
    const broken = sources.flatMap((file) =>
      targets(file)
        .filter((target) => !paths.has(target) && !target.startsWith("package.json"))
        .map((target) => `${file.path} imports ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it("name what they import with `import()`, so that the rules here see it", () => {
    expect(sources.filter((file) => /\bimport\((?!\s*")/.test(file.text)).map((file) => file.path)).toEqual([]);
  });

  it("import only the stages that their own stage may use", () => {
    const offences = sources.flatMap((file) => {
      const may = [file.folder, ...freeToAll, ...(allowed[file.folder] ?? [])];
      return targets(file)
        .filter((target) => target.startsWith("src/") && file.folder !== "index" && !may.includes(folderOf(target)))
        .map((target) => `${file.path} imports ${target}`);
    });
    expect(offences).toEqual([]);
  });

  it("belong to a stage of the table", () => {
    expect(sources.filter((file) => file.folder !== "index" && !(file.folder in allowed)).map((f) => f.path)).toEqual(
      [],
    );
  });

  it("leave the command line to itself", () => {
    const offences = sources.filter(
      (file) => file.folder !== "cli" && targets(file).some((target) => folderOf(target) === "cli"),
    );
    expect(offences.map((file) => file.path)).toEqual([]);
  });

  it("do not import each other in circles", () => {
    const graph = new Map(sources.map((file) => [file.path, targets(file)]));
    expect(circles(graph)).toEqual([]);
  });

  it("keep their stages free of circles", () => {
    const graph = new Map<string, string[]>();
    for (const file of sources) {
      const to = targets(file).map(folderOf);
      graph.set(file.folder, [...(graph.get(file.folder) ?? []), ...to.filter((folder) => folder !== file.folder)]);
    }
    expect(circles(graph)).toEqual([]);
  });

  it("touch files, processes and the network only in stages that do so for a living", () => {
    const offences = sources.filter(
      (file) =>
        pure.includes(file.folder) && !exceptions.includes(file.path) && file.imports.some((n) => world.test(n)),
    );
    expect(offences.map((file) => file.path)).toEqual([]);
  });
});

/** The circles of a graph, each as `a → b → a`. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (node: string, trail: readonly string[]): void => {
    const at = trail.indexOf(node);
    if (at >= 0) found.push([...trail.slice(at), node].join(" → "));
    if (at >= 0 || done.has(node)) return;
    for (const next of new Set(graph.get(node) ?? [])) visit(next, [...trail, node]);
    done.add(node);
  };
  for (const node of graph.keys()) visit(node, []);
  return found;
}
