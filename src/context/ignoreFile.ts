/** Which ignore file applies to a context, and reading it. */
import * as fs from "node:fs";
import * as path from "node:path";
import { decodeText } from "../support/bytes.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import { type IgnoreRules, parseIgnoreFile } from "./ignore.js";

/** Largest ignore file; far above any that people write, small enough to be parsed at once. */
const MAX_BYTES = 1 << 20;

/** Where to look. */
export interface IgnoreFileQuery {
  /** Directory of the context. */
  readonly root: string;
  /** Path of the Dockerfile; undefined if it comes from standard input, or for a named context. */
  readonly dockerfile?: string | undefined;
  /** The file to read whatever else is there (`--ignorefile`); relative to the working directory. `/dev/null`: none. */
  readonly ignoreFile?: string | undefined;
}

/**
 * Reads the one ignore file that applies: `<Dockerfile>.dockerignore` beside the Dockerfile, else `.dockerignore` in
 * the context's root. They are never merged (BuildKit: dockerui, context.go). A file that was asked for stands for both.
 * @returns undefined where there is none
 * @throws NacreError CONTEXT_UNREADABLE, IGNORE_PATTERN
 */
export function readIgnoreFile(query: IgnoreFileQuery): IgnoreRules | undefined {
  if (query.ignoreFile !== undefined) return readGiven(query.ignoreFile, query.root);
  const candidates = [path.join(query.root, ".dockerignore")];
  if (query.dockerfile !== undefined) candidates.unshift(`${query.dockerfile}.dockerignore`);
  for (const file of candidates) {
    const text = readText(file);
    if (text !== undefined) return parseIgnoreFile(text, nameOf(file, query.root));
  }
  return undefined;
}

/** Ignore files of other builders, which neither Docker nor nacre reads. */
const FOREIGN = [".containerignore"];

/** A remark on an ignore file of another builder that lies in the context while no other applies; undefined if none does. */
export function foreignIgnoreFile(root: string): string | undefined {
  const name = FOREIGN.find((one) => fs.statSync(path.join(root, one), { throwIfNoEntry: false })?.isFile());
  if (name === undefined) return undefined;
  return `${name} is not read, as in docker build: give it with --ignorefile ${path.join(root, name)}, or name it .dockerignore`;
}

function readGiven(file: string, root: string): IgnoreRules {
  if (file === "/dev/null") return parseIgnoreFile("", file);
  const full = path.resolve(file);
  const text = readText(full);
  if (text !== undefined) return parseIgnoreFile(text, nameOf(full, path.resolve(root)));
  throw new NacreError("CONTEXT_UNREADABLE", `the ignore file ${file} is not there`, {
    hint: "--ignorefile is relative to the working directory, not to the context",
  });
}

function nameOf(file: string, root: string): string {
  const relative = path.relative(root, file);
  return relative.startsWith("..") ? file : relative;
}

function readText(file: string): string | undefined {
  let descriptor: number | undefined;
  try {
    // O_NONBLOCK: a fifo of that name must not hang the build.
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const stat = fs.fstatSync(descriptor);
    if (!stat.isFile()) throw notAFile(file);
    if (stat.size > MAX_BYTES) throw tooLarge(file);
    return decodeText(fs.readFileSync(descriptor));
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw ioError("CONTEXT_UNREADABLE", `reading ${file}`, error, "make the file readable, or remove it");
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

function notAFile(file: string): NacreError {
  return new NacreError("CONTEXT_UNREADABLE", `${file} is not a regular file`, {
    hint: "an ignore file is a text file with one pattern a line",
  });
}

function tooLarge(file: string): NacreError {
  return new NacreError("CONTEXT_UNREADABLE", `${file} is larger than ${MAX_BYTES} bytes`, {
    hint: "use wildcards such as **/*.log in place of long lists",
  });
}
