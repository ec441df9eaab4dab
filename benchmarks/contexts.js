/**
 * Build contexts to measure with, the same bytes on every machine:
 *
 *   many   80,000 files in 8,000 directories, 0.9 GB, sizes spread like those of a node_modules folder
 *   big    4 files of 256 MiB that do not compress
 *   small  300 files in 30 directories
 *   runs   one file, and 20 small RUN steps after it
 *   run-on-many  the files of many, and a RUN that touches one file over them
 */
import { createCipheriv } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Raise it when what is generated changes, so that contexts of an earlier version are made anew. */
const VERSION = 2;

/**
 * @typedef {object} Context
 * @property {string} name
 * @property {string} dir the build context; its Dockerfile lies in it
 * @property {string} changing path of the file that the one-file-changed build changes
 * @property {number} files
 * @property {number} bytes
 */

/** @type {Readonly<Record<string, (dir: string) => Omit<Context, "name" | "dir">>>} */
const makers = {
  many: (dir) => spread(dir, { packages: 1000, dirsPerPackage: 8, filesPerDir: 10, bytes: 900_000_000 }),
  big: blocks,
  small: (dir) => spread(dir, { packages: 6, dirsPerPackage: 5, filesPerDir: 10, bytes: 3_000_000 }),
  runs: (dir) => steps(dir, 20),
  "run-on-many": (dir) => {
    const context = spread(dir, { packages: 1000, dirsPerPackage: 8, filesPerDir: 10, bytes: 900_000_000 });
    writeFileSync(join(dir, "Dockerfile"), `${COPY_ALL}RUN touch /app/touched\n`);
    return context;
  },
};
const COPY_ALL = "ARG BASE\nFROM $BASE\nCOPY . /app\n";

/** Names of all contexts, in the order in which they are measured. */
export const contextNames = Object.keys(makers);

/**
 * Makes a context below `parent`, unless it is there already.
 * @param {string} name
 * @param {string} parent
 * @returns {Context}
 */
export function makeContext(name, parent) {
  const dir = join(parent, name);
  const stamp = join(parent, `${name}.json`);
  if (existsSync(stamp)) {
    const { version, ...context } = JSON.parse(readFileSync(stamp, "utf8"));
    if (version === VERSION && existsSync(dir)) return context;
  }
  rmSync(dir, { recursive: true, force: true });
  rmSync(stamp, { force: true });
  mkdirSync(dir, { recursive: true });
  const maker = makers[name];
  if (!maker) throw new Error(`no context ${name}: there are ${contextNames.join(", ")}`);
  writeFileSync(join(dir, "Dockerfile"), COPY_ALL);
  const context = { name, dir, ...maker(dir) };
  writeFileSync(stamp, JSON.stringify({ version: VERSION, ...context }));
  return context;
}

/**
 * Packages as npm lays them out, some nested deeper than others. File sizes follow a log-normal distribution with a median
 * of about a sixth of the mean: most are small, few are large.
 * @param {string} dir
 * @param {{ packages: number, dirsPerPackage: number, filesPerDir: number, bytes: number }} shape
 */
function spread(dir, { packages, dirsPerPackage, filesPerDir, bytes }) {
  const random = randomNumbers(1);
  const count = packages * dirsPerPackage * filesPerDir;
  const weights = Array.from({ length: count }, () => Math.min(Math.exp(1.86 * normal(random)), 600));
  const scale = bytes / weights.reduce((sum, weight) => sum + weight, 0);
  const text = sourceText(random);
  let next = 0;
  let total = 0;
  let changing = "";
  for (let p = 0; p < packages; p++) {
    const top = join("node_modules", p % 7 === 0 ? `@scope-${p % 50}/package-${p}` : `package-${p}`);
    const folders = [top];
    while (folders.length < dirsPerPackage) {
      const parent = folders[Math.floor(random() * folders.length)] ?? top;
      folders.push(
        join(parent, `${["lib", "dist", "src", "test", "node_modules"][folders.length % 5]}-${folders.length}`),
      );
    }
    for (const folder of folders) {
      mkdirSync(join(dir, folder), { recursive: true });
      for (let f = 0; f < filesPerDir; f++, next++) {
        const size = Math.max(1, Math.round((weights[next] ?? 1) * scale));
        const path = join(
          folder,
          `${["index", "util", "parse", "types", "README"][f % 5]}-${f}.${f % 3 ? "js" : "json"}`,
        );
        writeFileSync(join(dir, path), fileBytes(text, path, size, random));
        total += size;
        if (next === Math.floor(count / 2)) changing = join(dir, path);
      }
    }
  }
  return { changing, files: count, bytes: total };
}

/**
 * Four large files of random bytes, and a small one that changes.
 * @param {string} dir
 */
function blocks(dir) {
  const size = 256 << 20;
  for (let i = 0; i < 4; i++) {
    // The key stream of a cipher: as random as can be, and quick to make.
    const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, i + 1), Buffer.alloc(16));
    writeFileSync(join(dir, `block-${i}.bin`), cipher.update(Buffer.alloc(size)));
  }
  const changing = join(dir, "notes.txt");
  writeFileSync(changing, "notes\n");
  return { changing, files: 5, bytes: 4 * size + 6 };
}

/**
 * A file that all steps come after, so that a change executes every one of them.
 * @param {string} dir
 * @param {number} count
 */
function steps(dir, count) {
  const lines = Array.from({ length: count }, (_, i) => `RUN echo step ${i} > /step-${i}\n`);
  writeFileSync(join(dir, "Dockerfile"), COPY_ALL + lines.join(""));
  const changing = join(dir, "seed.txt");
  writeFileSync(changing, "seed\n");
  return { changing, files: 1, bytes: 5 };
}

/**
 * A file's content: its own path first, so that no two files are equal, then a piece of the common text.
 * @param {Buffer} text
 * @param {string} path
 * @param {number} size
 * @param {() => number} random
 */
function fileBytes(text, path, size, random) {
  const out = Buffer.alloc(size);
  for (let at = out.write(`// ${path}\n`); at < size; ) {
    const from = Math.floor(random() * text.length);
    at += text.copy(out, at, from, Math.min(text.length, from + size - at));
  }
  return out;
}

/**
 * Four MiB that compress about as well as source code does.
 * @param {() => number} random
 */
function sourceText(random) {
  const letters = "etaoinshrdlucmfw";
  const words = Array.from({ length: 3000 }, () =>
    Array.from({ length: 2 + Math.floor(random() * 9) }, () => letters[Math.floor(random() ** 2 * 16)]).join(""),
  );
  const marks = [" ", " ", " ", ".", "(", ")", ";\n", " = ", ", ", "\n  "];
  const out = Buffer.alloc(4 << 20);
  for (let at = 0; at < out.length; ) {
    at += out.write((words[Math.floor(random() ** 2 * words.length)] ?? "") + marks[Math.floor(random() * 10)], at);
    if (out.length - at < 16) at += out.fill(10, at).length;
  }
  return out;
}

/**
 * Evenly spread numbers in [0, 1): mulberry32.
 * @param {number} seed
 */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * A number of the standard normal distribution (Box and Muller).
 * @param {() => number} random
 */
function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
