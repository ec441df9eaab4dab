/**
 * Inputs for fuzzing what reads text: Dockerfiles of the corpus bent by a few grammar-aware mutations, instructions put
 * together from flags and words of the corpus, fast-check's texts, and raw bytes. All of it follows from one seed.
 */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { KEYWORDS } from "../../src/dockerfile/ast.js";
import { decodeText } from "../../src/support/bytes.js";

/** Numbers from a seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 up to, not including, `below`. */
  int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(items.length)]!;
  }
}

const PIECES: readonly string[] = [
  ..."\n\n\n\r\t \v\f\0\ufeff\u0085\u00a0\u2028=:,;/.-_~!@#$%&*?()[]{}<>'\"`\\|^+é😀\udcff\ud800",
  ...[
    "\\\n",
    "`\n",
    "\\ \n",
    "\n\n",
    "\r\n",
    "\\\n# c\n",
    "\\\n\n",
    " \\\n\t",
    "\\\\\n",
    "# escape=`\n",
    "# check=skip=all\n",
  ],
  ...[
    "<<E",
    "<<-E",
    '<<"E"',
    "<< E",
    "3<<E",
    "<<<E",
    "<<E|x",
    "<<$E",
    "\nE\n",
    "\n\tE\n",
    "E\n",
    "<<E <<F",
    "<<\\E",
    "<<''E",
  ],
  ...[
    "$A",
    "${A}",
    "${A:-b}",
    "${A:+b}",
    "${A:?}",
    "${A#*x}",
    "${A%%?}",
    "${A//[x]/y}",
    "${A/\\//}",
    "${",
    "$",
    "${A:-${B",
    "$$",
  ],
  ...['["a"]', '["a", "b"]', "['a']", '["a",]', "[1]", "[]", "[", '"]', '["\\u00e9"]', '["\\ud800"]', "{}", "null"],
  ...[
    "--from=a",
    "--from=0",
    "--link",
    "--chmod=u+x",
    "--chown=a:b",
    "--parents",
    "--exclude=*",
    "--mount=",
    "--",
    "--x",
    "--link=no",
  ],
  ...[
    "type=cache",
    "type=bind",
    "type=secret",
    "type=ssh",
    "type=tmpfs",
    "target=/x",
    "from=a",
    "ro",
    "rw=true",
    "id=a",
    "size=1g",
  ],
  ...["required", "sharing=locked", "mode=0755", "uid=1", "env=A", '"source=a,b"', '""'],
  ...[
    "80",
    "80-90/udp",
    "1:2",
    "[::1]:1:2",
    "99999",
    "5s",
    "1h30m",
    "-1ns",
    "1e9",
    "SIGTERM",
    "sigrtmin+3",
    "linux/arm64",
    "u=rwX,g=o",
  ],
  ...[
    "**",
    "**/",
    "*",
    "?",
    "[a-z]",
    "[^x]",
    "[[:alpha:]]",
    "\\d",
    "!",
    "!a",
    "a/../b",
    "/",
    "//",
    "a**b",
    "**/**/x",
    "[]",
    "[-",
  ],
  ...[
    "git@h:p",
    "https://h/p.git#r:s",
    "https://h/a.git?ref=x&subdir=y",
    "ssh://u@h/p",
    "http://u:p@h/f%20x",
    "%zz",
    "?a=1&a=2",
  ],
  ...[
    "sha256:",
    "a".repeat(64),
    "docker.io/library/x:1",
    "x@sha256:",
    "scratch",
    "AS a",
    "as",
    "# check=skip=all",
    "NONE",
    "CMD",
  ],
];

const IGNORED: readonly string[] = [
  "node_modules",
  "**/*.log",
  "!keep.log",
  "*",
  "!src/**",
  "/dist/",
  "a/b/../c",
  "[ab]*.t?t",
  "# x",
];

/** What the corpus has to offer. */
interface Corpus {
  readonly files: readonly string[];
  readonly lines: readonly string[];
  readonly words: readonly string[];
  readonly mounts: readonly string[];
}

let loaded: Corpus | undefined;

function corpus(): Corpus {
  loaded ??= readCorpus();
  return loaded;
}

function readCorpus(): Corpus {
  const root = new URL("../../testdata/dockerfile/", import.meta.url);
  const real = readdirSync(new URL("real/", root)).filter((name) => name.endsWith(".Dockerfile"));
  const small = readdirSync(root).filter((name) => name !== "real");
  const paths = [...real.map((name) => `real/${name}`), ...small.map((name) => `${name}/Dockerfile`)].sort();
  const files = paths.map((path) => decodeText(readFileSync(new URL(path, root))));
  const lines = files.flatMap((text) => text.split("\n"));
  const words = [...new Set(lines.flatMap((line) => line.split(/\s+/)))];
  const mounts = words.filter((word) => word.startsWith("--mount=")).map((word) => word.slice("--mount=".length));
  return { files, lines, words, mounts };
}

/** Texts of fast-check, as many as asked for. */
function arbitraries(seed: number, count: number): readonly string[] {
  const arbitrary = fc.oneof(
    fc.string({ unit: "binary-ascii", maxLength: 60 }),
    fc.array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 40 }).map((codes) => String.fromCodePoint(...codes)),
    fc.json({ maxDepth: 2 }),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.ipV6(),
    fc.array(fc.constantFrom(...PIECES), { maxLength: 20 }).map((pieces) => pieces.join("")),
    fc.stringMatching(/^\$\{[A-Za-z_]\w{0,3}(:?[-+?]|##?|%%?|\/\/?)[\w*?\\/}"']{0,9}\}?$/),
    fc.stringMatching(/^\d{0,3}<<-?\s?["'\\]?\w{1,4}["']?$/),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => decodeText(bytes)),
  );
  return fc.sample(arbitrary, { numRuns: count, seed });
}

/** Texts that a pool of fast-check's serves for. */
const POOL = 5000;

/** Hands out inputs, always the same ones for a seed. */
export class Inputs {
  readonly #random: Random;
  readonly #seed: number;
  #pool: readonly string[] = [];
  #made = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
  }

  next(): string {
    if (this.#made++ % (POOL * 10) === 0) this.#pool = arbitraries(this.#seed + this.#made, POOL);
    const kind = this.#random.int(20);
    if (kind < 8) return this.#mutated(this.#excerpt());
    if (kind < 12) return this.#file();
    if (kind < 14) return this.#mutated(this.#random.pick(corpus().words));
    if (kind < 15) return this.#mutated(this.#random.pick(corpus().mounts));
    if (kind < 16) return this.#mutated(this.#several([...IGNORED, ...PIECES], 6).join("\n"));
    if (kind < 17) return this.#several(PIECES, 12).join("");
    if (kind < 18) return this.#bytes();
    return this.#random.pick(this.#pool);
  }

  /** A few lines of a file, most often from its beginning, so that FROM is among them. */
  #excerpt(): string {
    const lines = this.#random.pick(corpus().files).split("\n");
    const start = this.#random.int(3) === 0 ? this.#random.int(lines.length) : 0;
    return lines.slice(start, start + 1 + this.#random.int(30)).join("\n");
  }

  /** A file of instructions that make no sense together. */
  #file(): string {
    const lines = ["FROM scratch AS a"];
    for (let left = this.#random.int(8); left >= 0; left--) {
      const own = this.#random.int(3) === 0 ? this.#random.pick(corpus().lines) : this.#instruction();
      lines.push(this.#random.int(4) === 0 ? this.#mutated(own) : own);
    }
    return lines.join("\n");
  }

  #instruction(): string {
    const trigger = this.#random.int(10) === 0 ? "ONBUILD " : "";
    const parts = [`${trigger}${this.#random.pick(KEYWORDS)}`];
    for (let left = this.#random.int(3); left > 0; left--) parts.push(this.#random.pick(PIECES));
    for (let left = this.#random.int(5); left > 0; left--) parts.push(this.#random.pick(corpus().words));
    return parts.join(this.#random.int(9) === 0 ? "" : " ");
  }

  #several(from: readonly string[], most: number): string[] {
    return Array.from({ length: this.#random.int(most + 1) }, () => this.#random.pick(from));
  }

  #bytes(): string {
    return decodeText(Uint8Array.from({ length: this.#random.int(80) }, () => this.#random.int(256)));
  }

  #mutated(text: string): string {
    let bent = text;
    for (let left = this.#random.int(5); left > 0; left--) bent = this.#mutate(bent);
    return bent;
  }

  #mutate(text: string): string {
    const random = this.#random;
    const at = random.int(text.length + 1);
    const end = Math.min(text.length, at + random.int(random.int(4) === 0 ? 60 : 6));
    const put = (piece: string, to = at): string => text.slice(0, at) + piece + text.slice(to);
    switch (random.int(9)) {
      case 0:
        return put("", end);
      case 1:
        return put(text.slice(at, end) + text.slice(at, end), end);
      case 2:
        return put(random.pick(PIECES), random.int(2) === 0 ? end : at);
      case 3:
        return put(random.pick(corpus().words));
      case 4:
        return put(`\n${random.pick(corpus().lines)}\n`);
      case 5:
        return text.slice(0, at);
      case 6:
        return put(random.pick(PIECES).repeat(1 + random.int(20)));
      case 7:
        return put(swapCase(text.slice(at, end)), end);
      default:
        return put(
          String.fromCharCode(random.int(2) === 0 ? random.int(128) : random.int(0x10000)),
          at + random.int(2),
        );
    }
  }
}

function swapCase(text: string): string {
  return text.replace(/./gsu, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()));
}
