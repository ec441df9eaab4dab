/**
 * Why a source of COPY, ADD or a bind mount is not there, and what may be meant instead. In come the failed look-up and the
 * tree in which it failed; out comes the same error with the place of the word and a hint for each likely cause. Loaded
 * only when a build has failed, so it may take its time: up to a second on big trees.
 */
import { lstatSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import type { IgnoredBy } from "../context/context.js";
import { openLocalContext } from "../context/local.js";
import { type FileTree, lookup, pathOf, resolvePath } from "../layer/fileTree.js";
import { type ByteString, fromByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { SourcePlace } from "../support/source.js";
import { nearNames, otherCase, reachedBy, sameNameElsewhere } from "./nearNames.js";
import { type EarlierStage, stagesThatMayHave } from "./stageFiles.js";

/** How many candidates of a kind a hint names. */
const CANDIDATES = 3;
/** How many causes a hint tells. */
const CAUSES = 3;

/** Where a source was looked for. */
export interface SourceTree {
  /** How people call it: `the build context`, `the stage build`. */
  readonly title: string;
  readonly kind: "context" | "stage" | "image";
  readonly tree: FileTree;
  /** Contexts: what keeps a path out. */
  readonly ignoredBy?: ((path: ByteString) => IgnoredBy | undefined) | undefined;
  /** Contexts on disk: the directory. */
  readonly directory?: string | undefined;
  /** Stages: WORKDIR at their end. */
  readonly workdir?: string | undefined;
}

/** A look-up that failed. */
export interface MissingSource {
  /** SOURCE_NOT_FOUND of context/select.ts, or MOUNT of cache/runMounts.ts. */
  readonly error: NacreError;
  readonly where: SourceTree;
  /** The word in the Dockerfile, if it is known, else the instruction. */
  readonly place: SourcePlace;
  /** The word as written, before expansion. */
  readonly written?: string | undefined;
  /** Index of the stage that copies; undefined for what takes no part in stages. */
  readonly stage?: number | undefined;
  /** Where a source without `--from` would be looked up; only for sources with one. */
  readonly context?: FileTree | undefined;
}

/** One reason, in the words of the hint. */
export interface MissingCause {
  readonly kind:
    | "outside"
    | "host-path"
    | "variable"
    | "backslash"
    | "ignored"
    | "no-directory"
    | "dangling"
    | "workdir"
    | "case"
    | "near"
    | "elsewhere"
    | "other-stage"
    | "context"
    | "empty";
  readonly text: string;
}

/** The error with its causes told: code and message stay those of the look-up, but the message says where it looked. */
export async function explainMissing(missing: MissingSource): Promise<NacreError> {
  const { error, where, place } = missing;
  const causes = await causesOf(missing);
  const hint = causes
    .slice(0, CAUSES)
    .map(({ text }) => text)
    .join("; ");
  return new NacreError(error.code, `${error.message} in ${where.title}`, {
    hint: hint || `paths are relative to the root of ${where.title}`,
    facts: { ...error.facts, causes: causes.map(({ kind }) => kind) },
    place,
    cause: error,
  });
}

async function causesOf(missing: MissingSource): Promise<MissingCause[]> {
  const { error, where } = missing;
  const asked = String(error.facts.path ?? "");
  const resolved = String(error.facts.resolved ?? asked);
  const word = String(error.facts.word ?? fromByteString(asked));
  const spelling = [...variableCause(missing, word), ...backslashCause(missing, where.tree)];
  const certain = [
    ...outsideCause(where, word),
    ...(await ignoredCause(where, resolved)),
    ...danglingCause(where, asked, resolved),
    ...wrongKindCause(where.tree, resolved),
  ];
  const hostPath = hostPathCause(where, word);
  const guesses = hostPath.length > 0 ? hostPath : guessesOf(missing, asked, resolved);
  // What is ignored is there: other names would only lead away from it.
  return certain.some(({ kind }) => kind === "ignored") ? certain : [...spelling, ...certain, ...guesses];
}

function guessesOf(missing: MissingSource, asked: ByteString, resolved: ByteString): MissingCause[] {
  const { where } = missing;
  const exact = [...workdirCause(where, asked), ...contextCause(missing, asked)];
  const names = exact.some(({ kind }) => kind === "workdir") ? [] : nameCauses(where, resolved);
  const stages = where.kind === "context" ? stageCause(missing, asked, names.length === 0) : [];
  return [...exact, ...names, ...stages];
}

/** `..` stops at the root: the usual surprise of who builds a part of a repository. */
function outsideCause({ kind, directory, title }: SourceTree, word: string): MissingCause[] {
  if (!leavesRoot(word)) return [];
  const said = `${JSON.stringify(word)} leads out of ${title}: .. stops at its root`;
  if (kind !== "context") return [{ kind: "outside", text: said }];
  const outside = directory === undefined ? undefined : resolve(directory, word);
  const way =
    outside !== undefined && isThere(outside)
      ? `${outside} is there: build with a context that holds both, or give --build-context NAME=${directoryOf(outside)} and copy with COPY --from=NAME`
      : "put the files below the context, or give their directory with --build-context NAME=DIR and copy with COPY --from=NAME";
  return [{ kind: "outside", text: `${said}; ${way}` }];
}

function leavesRoot(word: string): boolean {
  let depth = 0;
  for (const part of word.split("/")) {
    if (part === "..") depth -= 1;
    else if (part !== "" && part !== ".") depth += 1;
    if (depth < 0) return true;
  }
  return false;
}

/** A path of this machine in place of one of the context. */
function hostPathCause({ kind, directory, tree }: SourceTree, word: string): MissingCause[] {
  if (kind !== "context" || directory === undefined || !word.startsWith("/")) return [];
  const within = relative(directory, word);
  if (within !== "" && !within.startsWith("..") && !isAbsolute(within) && lookup(tree, toByteString(within))) {
    return [{ kind: "host-path", text: `a leading / means the root of the context: write ${shown(within)}` }];
  }
  if (!isThere(word)) return [];
  const way = `give ${directoryOf(word)} with --build-context NAME=${directoryOf(word)} to copy from it`;
  return [{ kind: "host-path", text: `a leading / means the root of the context, not of this machine; ${way}` }];
}

function variableCause({ written }: MissingSource, word: string): MissingCause[] {
  if (written === undefined || !/\$\{?\w/.test(written) || written === word) return [];
  return [{ kind: "variable", text: `${written} has become ${JSON.stringify(word)}` }];
}

/** `src\app.js`: the backslash only escapes the `a`. */
function backslashCause({ written }: MissingSource, tree: FileTree): MissingCause[] {
  if (!written?.includes("\\") || !/^[^\\/]+(?:\\[^\\/]+)+\\?$/.test(written)) return [];
  const path = written.replaceAll("\\", "/");
  if (lookup(tree, toByteString(path)) === undefined) return [];
  return [{ kind: "backslash", text: `write ${shown(path)}: directories are separated by /` }];
}

async function ignoredCause(where: SourceTree, path: ByteString): Promise<MissingCause[]> {
  const by = where.ignoredBy?.(path);
  if (by === undefined) return [];
  // Without a directory on disk nothing tells whether it would be there; the rule is the best explanation then.
  if (where.directory !== undefined && !(await isOnDisk(where.directory, path))) return [];
  const pattern = by.pattern === undefined ? "" : ` (${by.pattern})`;
  const remedy = `remove that line, or add below it: !${ignorePatternOf(path)}`;
  return [{ kind: "ignored", text: `${by.file}, line ${by.line}${pattern}, keeps it out of the context; ${remedy}` }];
}

/** A pattern of an ignore file that matches this path only. */
export function ignorePatternOf(path: ByteString): string {
  return fromByteString(path).replace(/[\\*?[\]]/g, "\\$&");
}

async function isOnDisk(directory: string, path: ByteString): Promise<boolean> {
  try {
    const all = await openLocalContext({ root: directory });
    return resolvePath(all, path, false).node !== undefined;
  } catch {
    return false;
  }
}

function danglingCause({ tree, title, kind }: SourceTree, asked: ByteString, resolved: ByteString): MissingCause[] {
  if (asked === resolved) return [];
  const link = linkOn(tree, asked);
  if (link === undefined) return [];
  const inside = kind === "context" ? `; links are followed inside ${title} only` : "";
  const text = `${shown(link.path)} is a symlink to ${shown(link.target)}, which is /${shown(resolved)} there${inside}`;
  return [{ kind: "dangling", text }];
}

/** The last symlink on the way along a path. */
function linkOn(tree: FileTree, path: ByteString): { readonly path: string; readonly target: string } | undefined {
  const parts = path.split("/");
  for (let length = parts.length; length > 0; length--) {
    const { node } = resolvePath(tree, parts.slice(0, length).join("/"), false);
    if (node?.type !== "symlink") continue;
    return { path: fromByteString(pathOf(node)), target: fromByteString(node.link ?? "") };
  }
  return undefined;
}

/** Something on the way is a file. */
function wrongKindCause(tree: FileTree, path: ByteString): MissingCause[] {
  const { node, missing } = reachedBy(tree, path);
  if (node.type === "dir" || missing === "") return [];
  return [{ kind: "no-directory", text: `${shown(fromByteString(pathOf(node)))} is not a directory` }];
}

/** Relative sources of a stage begin at its root, not at its WORKDIR. */
function workdirCause({ kind, tree, workdir }: SourceTree, asked: ByteString): MissingCause[] {
  if (kind === "context" || workdir === undefined || workdir === "/") return [];
  const path = join(workdir, fromByteString(asked));
  if (resolvePath(tree, toByteString(path), true).node === undefined) return [];
  return [{ kind: "workdir", text: `did you mean ${shown(path)}? Sources begin at /, not at the stage's WORKDIR` }];
}

/** `--from` is there, and should not be. */
function contextCause({ where, context }: MissingSource, asked: ByteString): MissingCause[] {
  if (where.kind === "context" || context === undefined || lookup(context, asked) === undefined) return [];
  const text = `the build context has ${shown(fromByteString(asked))}: leave --from out to copy that`;
  return [{ kind: "context", text }];
}

function nameCauses({ tree, kind, title }: SourceTree, resolved: ByteString): MissingCause[] {
  if (tree.children(tree.root).length === 0) return [{ kind: "empty", text: `${title} has no files` }];
  const same = otherCase(tree, resolved);
  const root = kind === "context" ? "" : "/";
  const list = (paths: readonly ByteString[]): string =>
    alternatives(paths.map((path) => shown(root + fromByteString(path))));
  if (same !== undefined) {
    return [{ kind: "case", text: `did you mean ${list([same])}? Upper and lower case are different names` }];
  }
  const { node, missing } = reachedBy(tree, resolved);
  const near = node.type === "dir" ? nearNames(tree, node, missing, CANDIDATES) : [];
  const rest = resolved.slice(resolved.lastIndexOf(missing) + missing.length);
  const whole = near.map((path) => (lookup(tree, path + rest) ? path + rest : path));
  const elsewhere = sameNameElsewhere(tree, resolved, CANDIDATES).filter((path) => !whole.includes(path));
  return [
    ...(whole.length > 0 ? [{ kind: "near" as const, text: `did you mean ${list(whole)}?` }] : []),
    ...(elsewhere.length > 0 ? [{ kind: "elsewhere" as const, text: `there is ${list(elsewhere)}` }] : []),
  ];
}

/** An earlier stage that seems to make the file; where nothing else explains it, that there are stages at all. */
function stageCause({ place, stage }: MissingSource, asked: ByteString, isOnlyClue: boolean): MissingCause[] {
  if (stage === undefined || stage === 0) return [];
  const path = `/${fromByteString(asked)}`;
  const { likely, all } = stagesThatMayHave(place, stage, path);
  const [first] = likely;
  if (first !== undefined) {
    const text = `the stage ${first.name} ${first.why}: to copy what it made, write COPY --from=${first.name} ${shown(first.path)} …`;
    return [{ kind: "other-stage", text }];
  }
  if (!isOnlyClue || all.length === 0) return [];
  const names = alternatives(all.slice(-CANDIDATES).map((each: EarlierStage) => `--from=${each.name}`));
  return [{ kind: "other-stage", text: `if another stage makes it, name that stage: ${names}` }];
}

function alternatives(names: readonly string[]): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** A path that is easily misread stands in quotes. */
function shown(path: string): string {
  return /[\s"']/.test(path) ? JSON.stringify(path) : path;
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function directoryOf(path: string): string {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path);
}
