import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** A module of src/. */
export interface SourceFile {
  /** From the project's folder, with `/`. */
  readonly path: string;
  /** The stage it belongs to: the folder right below src/, or `index` for src/index.ts. */
  readonly folder: string;
  readonly text: string;
  /** What it imports or exports from, as written. */
  readonly imports: readonly string[];
}

/** Reads all modules of src/. */
export function readSources(): SourceFile[] {
  return readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.[jt]s$/.test(name) && !name.endsWith(".d.ts"))
    .map((name) => {
      const text = readFileSync(join(root, "src", name), "utf8");
      const path = `src/${name.split(sep).join("/")}`;
      return { path, folder: folderOf(path), text, imports: importsOf(text) };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The module that a relative import means, as a path from the project's folder; undefined for a package. */
export function resolveImport(from: string, specifier: string, paths: ReadonlySet<string>): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const target = relative(root, join(root, dirname(from), specifier))
    .split(sep)
    .join("/");
  const source = target.replace(/\.js$/, ".ts");
  return paths.has(source) ? source : target;
}

/** The folder below src/ that a module belongs to. */
export function folderOf(path: string): string {
  const parts = path.split("/");
  return parts.length === 2 ? parts[1]!.replace(/\.[jt]s$/, "") : parts[1]!;
}

/**
 * What is loaded before a module runs, as written: imports and exports of values. Types cost nothing, and `import()` waits
 * until it is called.
 */
export function staticImportsOf(text: string): string[] {
  const found = [
    ...text.matchAll(/^(?:import|export)\b(?!\s+type\b)[^"';]*?\bfrom\s+"([^"]+)"/gm),
    ...text.matchAll(/^import\s+"([^"]+)"/gm),
  ];
  return found.map((match) => match[1]!);
}

/** Imports of all kinds, `import()` among them. Statements begin a line, as the formatter writes them, so that comments and strings that speak of imports do not count. */
function importsOf(text: string): string[] {
  const found = [
    ...text.matchAll(/^(?:import|export)\b[^"';]*?\bfrom\s+"([^"]+)"/gm),
    ...text.matchAll(/^import\s+"([^"]+)"/gm),
    ...text.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g),
  ];
  return found.map((match) => match[1]!);
}
