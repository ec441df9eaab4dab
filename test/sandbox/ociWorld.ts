/** What is to be seen of a step from outside, and compiling processes that run one. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Compiles a script of this folder, because Node 20 runs no TypeScript. Every user can read it. */
export function compileWorkerOf(name: string): { readonly script: string; readonly directory: string } {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "nacre-worker-"));
  const config = {
    extends: path.join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      // Types are checked elsewhere.
      noCheck: true,
      rootDir: root,
      outDir: directory,
      typeRoots: [path.join(root, "node_modules/@types")],
    },
    include: [],
    files: [path.join(root, `test/sandbox/${name}.ts`)],
  };
  fs.writeFileSync(path.join(directory, "tsconfig.json"), JSON.stringify(config));
  fs.writeFileSync(path.join(directory, "package.json"), '{"type":"module"}');
  fs.symlinkSync(path.join(root, "node_modules"), path.join(directory, "node_modules"));
  execFileSync(path.join(root, "node_modules/.bin/tsc"), ["-p", directory], { stdio: ["ignore", "pipe", "pipe"] });
  fs.chmodSync(directory, 0o755);
  return { script: path.join(directory, `test/sandbox/${name}.js`), directory };
}

/** Lines of the mount table about what tests of this level make; other tests mount, too. */
export function mountsNow(): string[] {
  const lines = fs.readFileSync("/proc/self/mounts", "latin1").split("\n");
  return lines.filter((line) => /nacre(\\040|-)oci/.test(line));
}

/** Command lines of all processes that have the words in them. */
export function processesWith(words: string): string[] {
  return fs.readdirSync("/proc").flatMap((pid) => {
    if (!/^[0-9]+$/.test(pid)) return [];
    try {
      const line = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1");
      return line.includes(words) ? [line] : [];
    } catch {
      return [];
    }
  });
}

/** Directories of control groups of that name. */
export function groupsNamed(name: string): string {
  const top = "/sys/fs/cgroup";
  if (!fs.existsSync(top)) return "";
  return execFileSync("find", [top, "-name", name], { encoding: "utf8" });
}
