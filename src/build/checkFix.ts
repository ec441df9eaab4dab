/**
 * Mending what checks find. In: a build request. Out: the text of its Dockerfile with all fixes made that are certain
 * to change nothing of what is built (safeFixes.ts). The one exception is a CMD or ENTRYPOINT of plain words, whose shell
 * is left out; only in stages where the other of the two is not set, for there the shell would not only be between.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { parseDockerfile } from "../dockerfile/dockerfile.js";
import { encodeText } from "../support/bytes.js";
import { ioError } from "../support/errors.js";
import { type CheckFinding, type CheckReport, checkLoaded, readSource } from "./check.js";
import type { BuildRequest } from "./request.js";
import { withFixes } from "./safeFixes.js";

/** A Dockerfile with its findings mended as far as that is mechanical. */
export interface FixedDockerfile {
  /** The file on disk; undefined for a Dockerfile that came as text or from elsewhere. */
  readonly path: string | undefined;
  /** As it was. */
  readonly before: CheckReport;
  /** What was mended, in the order in which it was. */
  readonly mended: readonly CheckFinding[];
  /** The new text, and what is left to say about it. */
  readonly after: CheckReport;
}

/** A fix may make another finding visible; more rounds than this no file needs. */
const MAX_ROUNDS = 8;

/**
 * Mends the Dockerfile of a request. Nothing is written: see {@link replaceFile}.
 * @throws NacreError as `checkSource`
 */
export async function mendSource(request: BuildRequest): Promise<FixedDockerfile> {
  const source = await readSource(request);
  if ("report" in source) return { path: undefined, before: source.report, mended: [], after: source.report };
  let { loaded } = source;
  const before = await checkLoaded(request, loaded);
  const mended: CheckFinding[] = [];
  let after = before;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const fixed = after.findings.flatMap((finding) => (finding.fix ? [{ finding, fix: finding.fix }] : []));
    const text = withFixes(after.text, fixed);
    if (text === after.text) break;
    mended.push(...fixed.map(({ finding }) => finding));
    loaded = { ...loaded, dockerfile: parseDockerfile(text, after.file) };
    after = await checkLoaded(request, loaded);
  }
  return { path: loaded.path, before, mended, after };
}

/**
 * Puts a text in place of a file: beside it first, then renamed over it. Mode and, where that is allowed, owner stay as
 * they are; a symlink stays one, and what it points at changes.
 * @throws NacreError OUTPUT, DISK_FULL
 */
export function replaceFile(path: string, text: string): void {
  let temporary: string | undefined;
  try {
    const target = realpathSync(path);
    const { mode, uid, gid } = statSync(target);
    temporary = `${target}.${randomBytes(6).toString("hex")}.tmp`;
    const fd = openSync(temporary, "wx", mode & 0o7777);
    try {
      const bytes = encodeText(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    keepOwner(temporary, mode & 0o7777, uid, gid);
    renameSync(temporary, target);
  } catch (error) {
    if (temporary !== undefined) rmSync(temporary, { force: true });
    throw ioError("OUTPUT", `writing ${path}`, error, "make the file and its directory writable");
  }
}

/** The umask may have taken bits of the mode, and the file may belong to someone else. */
function keepOwner(path: string, mode: number, uid: number, gid: number): void {
  const made = statSync(path);
  if (made.uid !== uid || made.gid !== gid) {
    try {
      chownSync(path, uid, gid);
    } catch {
      // Only root gives files away; the text is what counts.
    }
  }
  if ((statSync(path).mode & 0o7777) !== mode) chmodSync(path, mode);
}
