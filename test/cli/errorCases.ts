/**
 * The files of testdata/errors: commands that fail, with what they say. A file is a list of cases:
 *
 *     === what is wrong
 *     $ nacre build .
 *     --- Dockerfile
 *     FROM scratch
 *     FNTRYPOINT x
 *     --- exit 1
 *     Dockerfile:2
 *     …
 *
 * `$ NAME=value nacre …` sets a variable, `< stdin` gives the command the section `stdin`. Other sections are files of the
 * directory in which the command runs; `--- d/` is a directory, `--- link -> target` a symlink, `--- bin/ (busybox sh ls)` a
 * directory of programs; `--- registry KIND` starts a registry (errorRegistries.ts), whose address stands for `{registry}`
 * in the command and in all files. In a section marked `(escaped)`, `\r \t \\ \xNN \u{N}` stand for what they do in most languages
 * (`\xNN` for a byte), `\{TEXT*N}` for N times TEXT (`\\0` in it for NUL), and a backslash at the end of a line takes the line feed away.
 */
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { vi } from "vitest";
import { requireTool } from "../setup/tools.js";
import { errorRegistry } from "./errorRegistries.js";
import { nacre } from "./invocation.js";

/** A file, directory or stream that a case gives the command. */
interface Section {
  /** The header line as it stands, without its dashes. */
  readonly header: string;
  readonly body: string;
}

/** One command and what it says. */
export interface ErrorCase {
  readonly name: string;
  /** The line behind `$ `. */
  readonly command: string;
  readonly sections: readonly Section[];
  /** `exit N` and standard error, as kept in the file; empty in a case that was never run. */
  readonly kept: string;
}

/** A file of cases. */
export interface ErrorFile {
  /** Remarks before the first case. */
  readonly head: string;
  readonly cases: readonly ErrorCase[];
}

/** Reads a file of cases. Throws for a case without a command and for names that repeat. */
export function parseErrorFile(text: string): ErrorFile {
  const [head = "", ...parts] = text.split(/^=== /m);
  const cases = parts.map(parseCase);
  const twice = cases.find(({ name }, i) => cases.findIndex((other) => other.name === name) < i);
  if (twice) throw new Error(`two cases are called: ${twice.name}`);
  return { head, cases };
}

function parseCase(text: string): ErrorCase {
  const [top = "", ...parts] = text.split(/^--- /m);
  const [name = "", command = ""] = top.split("\n");
  if (!command.startsWith("$ ")) throw new Error(`no command: ${name}`);
  const sections = parts.map((part) => {
    const feed = part.indexOf("\n");
    return { header: part.slice(0, feed), body: part.slice(feed + 1) };
  });
  const last = sections.at(-1);
  const known = last?.header.startsWith("exit ");
  const kept = known ? `${last?.header}\n${last?.body.trimEnd()}\n` : "";
  // The blank line before the next case is no part of a file.
  const ended = sections.map((each) => (each === last ? { ...each, body: each.body.replace(/\n\n$/, "\n") } : each));
  return { name, command: command.slice(2), sections: known ? sections.slice(0, -1) : ended, kept };
}

/** Writes cases as {@link parseErrorFile} reads them. */
export function formatErrorFile({ head, cases }: ErrorFile): string {
  return head + cases.map(formatCase).join("\n");
}

function formatCase({ name, command, sections, kept }: ErrorCase): string {
  const parts = sections.map(({ header, body }) => `--- ${header}\n${body}`);
  return `=== ${name}\n$ ${command}\n${parts.join("")}--- ${kept}`;
}

/**
 * Runs a case in a directory, which is made the working directory.
 * @returns `exit N` and standard error, without the lines of progress; the directory's path is shown as `{dir}`, times are 0
 */
export async function runErrorCase(errorCase: ErrorCase, dir: string): Promise<string> {
  const { command, sections, host } = await withRegistry(errorCase);
  const files = join(dir, "files");
  mkdirSync(files);
  let stdin = Buffer.alloc(0);
  for (const { header, body } of sections) {
    const escaped = header.endsWith(" (escaped)");
    const path = escaped ? header.slice(0, -" (escaped)".length) : header;
    const bytes = escaped ? decodeEscapes(body) : Buffer.from(body);
    if (path === "stdin") stdin = Buffer.from(bytes);
    else makeFile(files, path, bytes);
  }
  const { env, argv } = splitCommand(command);
  const before = process.cwd();
  process.chdir(files);
  try {
    const base = {
      PATH: process.env.PATH ?? "",
      NACRE_HOME: join(dir, "store"),
      BUILDKIT_PROGRESS: "none",
      NACRE_OFFLINE: "1",
    };
    const asked = host === "" ? {} : { HOME: dir, NACRE_REGISTRIES_CONF: "/dev/null", NACRE_OFFLINE: "" };
    // Builds find their registries by the variables of the process.
    if (host !== "") for (const [name, value] of Object.entries({ ...asked, ...env })) vi.stubEnv(name, value);
    const { code, stderr } = await nacre(argv, { env: { ...base, ...asked, ...env }, stdin: Readable.from([stdin]) });
    const text =
      host === "" ? stderr : stderr.replaceAll(host, "{registry}").replaceAll(/sha256:[0-9a-f]{64}/g, "sha256:…");
    return `exit ${code}\n${steady(text.replaceAll(files, "{dir}"))}`;
  } finally {
    process.chdir(before);
  }
}

/** The case with the address of its registry, if it has one. */
async function withRegistry({ command, sections }: ErrorCase) {
  const isRegistry = ({ header }: Section): boolean => header.startsWith("registry ");
  const kind = sections.find(isRegistry)?.header.slice("registry ".length);
  const host = kind === undefined ? "" : await errorRegistry(kind);
  const put = (text: string): string => (host === "" ? text : text.replaceAll("{registry}", host));
  const others = sections.filter((section) => !isRegistry(section));
  return { host, command: put(command), sections: others.map((each) => ({ ...each, body: put(each.body) })) };
}

/** What does not change from run to run. */
function steady(text: string): string {
  return text
    .replaceAll(/^(#\d+ .*)?\n/gm, "")
    .replaceAll(/^\d+\.\d{3} /gm, "0.000 ")
    .replaceAll(/\b\d+\.\d+s\b/g, "0.0s");
}

function makeFile(root: string, header: string, content: Buffer): void {
  const [path = "", target] = header.split(" -> ");
  const [, programs] = / \(busybox (.*)\)$/.exec(path) ?? [];
  const full = join(root, path.replace(/ \(busybox .*\)$/, ""));
  mkdirSync(header.includes("/ (") || path.endsWith("/") ? full : dirname(full), { recursive: true });
  if (target !== undefined) symlinkSync(target, full);
  else if (programs) for (const name of programs.split(" ")) copyFileSync(requireTool("busybox"), join(full, name));
  else if (!path.endsWith("/")) writeFileSync(full, content);
}

/** Words as a shell would split them: quotes of both kinds, backslashes outside of them, variables first. */
function splitCommand(line: string): { env: Record<string, string>; argv: string[] } {
  const words = [...line.replace(/ < stdin$/, "").matchAll(/(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\])+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|"([^"]*)"|\\(.)/g, (_, a = "", b = "", c = "") => a + b + c),
  );
  const start = words.indexOf("nacre");
  if (start < 0) throw new Error(`not a command of nacre: ${line}`);
  const env = words.slice(0, start).map((word) => {
    const equals = word.indexOf("=");
    return [word.slice(0, equals), word.slice(equals + 1)] as const;
  });
  return { env: Object.fromEntries(env), argv: words.slice(start + 1) };
}

const SINGLE: Readonly<Record<string, string>> = { r: "\r", t: "\t", "\\": "\\", "\n": "" };

function decodeEscapes(text: string): Buffer {
  const pieces = text.split(/(\\x[0-9a-f]{2}|\\u\{[0-9a-f]+\}|\\\{[^*]+\*\d+\}|\\[rt\\\n])/i);
  return Buffer.concat(pieces.map((piece, i) => (i % 2 === 0 ? Buffer.from(piece) : decodeEscape(piece))));
}

function decodeEscape(piece: string): Buffer {
  const kind = piece[1]!;
  if (kind === "x") return Buffer.from([Number.parseInt(piece.slice(2), 16)]);
  if (kind === "u") return Buffer.from(String.fromCodePoint(Number.parseInt(piece.slice(3, -1), 16)));
  const [, text = "", count = "0"] = /^\\\{(.*)\*(\d+)\}$/s.exec(piece) ?? [];
  return Buffer.from(kind === "{" ? text.replaceAll("\\0", "\0").repeat(Number(count)) : (SINGLE[kind] ?? kind));
}
