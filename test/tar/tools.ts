/** How the tests ask programs that we did not write what is in an archive. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TarEntry } from "../../src/tar/entry.js";
import { TarScanner } from "../../src/tar/scan.js";

/** A member as all readers report it; content as a digest. */
export type Listed = TarEntry & { readonly sha256?: string };

/** What GNU tar and bsdtar show of a member. */
export interface Shown {
  readonly path: string;
  readonly mode: string;
  readonly owner: string;
  readonly size: number;
  readonly link?: string | undefined;
  /** Seconds since 1970; bsdtar shows none to the second. */
  readonly mtime?: number;
}

/** Runs with a fresh directory, which is gone afterwards. */
export function inTemporary<T>(work: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "nacre-tar-"));
  try {
    return work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What our scanner finds, in pieces of the given size. */
export function scan(archive: Buffer, piece = archive.length || 1): Listed[] {
  const found: Listed[] = [];
  let hash = createHash("sha256");
  let entry: TarEntry | undefined;
  const scanner = new TarScanner({
    entry(next) {
      entry = next;
      hash = createHash("sha256");
    },
    content: (chunk) => void hash.update(chunk),
    endEntry() {
      found.push(entry!.type === "file" ? { ...entry!, sha256: hash.digest("hex") } : entry!);
    },
  });
  for (let at = 0; at < archive.length; at += piece) scanner.write(archive.subarray(at, at + piece));
  scanner.end();
  return found;
}

const SCRIPT = fileURLToPath(new URL("members.py", import.meta.url));

/** What Python's tarfile finds in each archive. */
export function pythonLists(archives: readonly Buffer[]): (Listed[] | { error: string })[] {
  return inTemporary((directory) => {
    const files = archives.map((archive, i) => {
      const file = join(directory, `${i}.tar`);
      writeFileSync(file, archive);
      return file;
    });
    const out = execFileSync("python3", [SCRIPT, ...files], { encoding: "utf8", maxBuffer: 1 << 28 });
    return out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  });
}

/** What GNU tar lists, or undefined if it fails. */
export function gnuList(archive: Buffer): Shown[] | undefined {
  const args = ["-tv", "--numeric-owner", "--full-time", "--quoting-style=c"];
  const env = { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" };
  const result = spawnSync("tar", args, { input: archive, encoding: "latin1", env, maxBuffer: 1 << 28 });
  if (result.status !== 0) return undefined;
  return result.stdout.split("\n").filter(Boolean).map(parseGnuLine);
}

const GNU_LINE =
  /^(\S{10})\S? +(\d+)\/(\d+) +(\S+) (\S+ \S+) +"((?:[^"\\]|\\.|"")*)"(?: (?:->|link to) "((?:[^"\\]|\\.|"")*)")?$/;

function parseGnuLine(line: string): Shown {
  const match = GNU_LINE.exec(line);
  if (!match) throw new Error(`cannot read GNU tar's line ${line}`);
  const [, mode, uid, gid, size, time, path, link] = match;
  return {
    path: unquoted(path!.replaceAll('""', "")).replace(/(.)\/+$/s, "$1"),
    mode: mode!.replace(/^h/, "-"),
    owner: `${uid}:${gid}`,
    size: size!.includes(",") || !/^[-C]/.test(mode!) ? 0 : Number(size),
    link: link === undefined ? undefined : unquoted(link.replaceAll('""', "")),
    mtime: Date.parse(`${time!.replace(" ", "T")}Z`) / 1000,
  };
}

/** What bsdtar lists, or undefined if it fails. Names must be free of ` -> ` and ` link to `. */
export function bsdList(archive: Buffer): Shown[] | undefined {
  const env = { PATH: process.env.PATH, LC_ALL: "C.UTF-8", TZ: "UTC" };
  const result = spawnSync("bsdtar", ["-tvf", "-", "--numeric-owner"], { input: archive, env, maxBuffer: 1 << 28 });
  if (result.status !== 0) return undefined;
  return result.stdout.toString("latin1").split("\n").filter(Boolean).map(parseBsdLine);
}

const BSD_LINE =
  /^(\S{10})\S? +\d+ (\d+) +(\d+) +(\S+) \w{3} [ \d]\d (?:\d\d:\d\d| \d{4}) (.*?)(?: (?:->|link to) (.*))?$/s;

function parseBsdLine(line: string): Shown {
  const match = BSD_LINE.exec(line);
  if (!match) throw new Error(`cannot read bsdtar's line ${line}`);
  const [, mode, uid, gid, size, path, link] = match;
  return {
    path: unquoted(path!).replace(/(.)\/+$/s, "$1"),
    mode: mode!.replace(/^h/, "-"),
    owner: `${uid}:${gid}`,
    size: size!.includes(",") ? 0 : Number(size),
    link: link === undefined ? undefined : unquoted(link),
  };
}

const ESCAPES: Readonly<Record<string, string>> = { a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

/** Undoes C's escapes, octal ones included. (GNU tar also breaks trigraphs with `""`.) */
function unquoted(quoted: string): string {
  return quoted.replace(/\\([0-7]{3}|.)/gs, (_, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (ESCAPES[code] ?? code),
  );
}

const LETTERS: Readonly<Record<TarEntry["type"], string>> = {
  file: "-",
  hardlink: "-",
  symlink: "l",
  char: "c",
  block: "b",
  dir: "d",
  fifo: "p",
};

/** How a listing must show a member of ours. */
export function shown(entry: TarEntry): Shown {
  const bits = [...(entry.mode & 0o777).toString(2).padStart(9, "0")].map((bit, i) =>
    bit === "1" ? "rwx"[i % 3]! : "-",
  );
  for (const [mask, at, lower] of [
    [0o4000, 2, "s"],
    [0o2000, 5, "s"],
    [0o1000, 8, "t"],
  ] as const) {
    if (entry.mode & mask) bits[at] = bits[at] === "x" ? lower : lower.toUpperCase();
  }
  return {
    path: entry.path,
    mode: LETTERS[entry.type] + bits.join(""),
    owner: `${entry.uid}:${entry.gid}`,
    size: entry.type === "file" ? entry.size : 0,
    link: entry.link,
    mtime: entry.mtime,
  };
}
