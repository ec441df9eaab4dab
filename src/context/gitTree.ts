/**
 * Laying out the files of a commit: from its repository, and those of its submodules from theirs. `git submodule` is not
 * used: each submodule is fetched like a repository of its own, so that its address goes through the same rules, and
 * nothing that a repository says is a setting of git.
 */
import * as fs from "node:fs";
import { type ByteString, decodeText, fsPath } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { type GitRemote, submoduleRemote } from "../support/gitRemote.js";
import { keepGitDirectory, linkGitDirectory, noteSubmodule } from "./gitDirectory.js";
import { checkoutError } from "./gitErrors.js";
import { type Git, GitFailure } from "./gitProgram.js";
import type { GitRepository, TreeSource, Wanted } from "./gitRepository.js";

/** Most submodules of one tree, those of submodules included. */
const MAX_SUBMODULES = 1000;
/** Most bytes of a `.gitmodules`. */
const MAX_GITMODULES = 1 << 20;
/** Most bytes of the list of a tree's entries. */
const MAX_LIST = 1 << 30;

/** Fetches a commit of a remote, and works with its repository while nobody else does. */
export type WithCommit = <T>(
  remote: GitRemote,
  wanted: Wanted,
  work: (repository: GitRepository) => Promise<T>,
) => Promise<T>;

/** How a tree is laid out. */
export interface LayoutOptions {
  /** Absolute path of the empty directory. */
  readonly tree: string;
  /** Absolute path of a file that may be written meanwhile. */
  readonly index: string;
  readonly withCommit: WithCommit;
  readonly submodules: boolean;
  /** Keep a `.git` that git can work with. */
  readonly keepGitDir: boolean;
}

/** A submodule that is to be laid out. */
interface Submodule {
  readonly name: string;
  /** Relative to the tree that has it. */
  readonly path: string;
  readonly source: TreeSource;
}

/**
 * Lays the files of a commit out in an empty directory: modes 0644 and 0755, whatever the umask.
 * @throws NacreError NETWORK, SOURCE_NOT_FOUND, CONTENT_INVALID for submodules that cannot be had, LIMIT_EXCEEDED
 */
export async function layOut(git: Git, source: TreeSource, options: LayoutOptions): Promise<void> {
  const { tree, withCommit } = options;
  let laidOut = 0;
  const lay = async (from: TreeSource, at: string, gitDir: string): Promise<void> => {
    const found = await withCommit(from.remote, from, async (repository) => {
      if (options.keepGitDir) await keepGitDirectory(git, repository, from, gitDir);
      await checkOut(git, options.keepGitDir ? gitDir : repository.gitDir, from, at, options);
      return options.submodules ? submodulesOf(git, repository.gitDir, from) : [];
    });
    laidOut += found.length;
    if (laidOut > MAX_SUBMODULES) {
      throw new NacreError("LIMIT_EXCEEDED", `${source.remote.shown} has more than ${MAX_SUBMODULES} submodules`, {
        hint: "leave them out with submodules=0 in the address",
      });
    }
    for (const { name, path, source: inner } of found) {
      const place = childDirectory(at, path);
      const innerGitDir = `${gitDir}/modules/${name}`;
      await lay(inner, place, innerGitDir);
      if (!options.keepGitDir) continue;
      linkGitDirectory(place, innerGitDir);
      await noteSubmodule(git, gitDir, innerGitDir, { name, url: inner.remote.shown, workTree: place });
    }
  };
  await lay(source, tree, `${tree}/.git`);
}

/**
 * The directory at a path of a tree, none of whose parts is a symlink.
 * @throws NacreError SOURCE_NOT_FOUND, in BuildKit's words
 */
export function subdirectory(tree: string, subdir: ByteString, shown: string): string {
  const parts = subdir.split("/");
  const text = decodeText(Buffer.from(subdir, "latin1"));
  for (let i = 1; i <= parts.length; i++) {
    const part = parts.slice(0, i).join("/");
    const stat = fs.lstatSync(fsPath(`${Buffer.from(tree).toString("latin1")}/${part}`), { throwIfNoEntry: false });
    if (stat?.isDirectory() && parts[i - 1] !== "..") continue;
    const named = JSON.stringify(decodeText(Buffer.from(part, "latin1")));
    const why = stat === undefined ? `there is no ${named}` : `git subpath "/${text}" contains non-directory ${named}`;
    throw new NacreError("SOURCE_NOT_FOUND", `invalid subdir /${text} of ${shown}: ${why}`, {
      hint: "give a directory of the repository; symlinks are not followed",
      facts: { remote: shown, subdir: text },
    });
  }
  return `${tree}/${text}`;
}

async function checkOut(
  git: Git,
  gitDir: string,
  { commit, remote }: TreeSource,
  tree: string,
  { keepGitDir, index }: LayoutOptions,
): Promise<void> {
  const args = ["read-tree", "--reset", "-u", "--no-recurse-submodules", commit];
  try {
    await git.run({ args, gitDir, workTree: tree, index: keepGitDir ? undefined : index });
  } catch (error) {
    throw checkoutError(error, remote);
  } finally {
    for (const file of [index, `${index}.lock`]) fs.rmSync(file, { force: true });
  }
}

/** What a `.gitmodules` says of one submodule. */
type Settings = Map<string, string>;

async function submodulesOf(git: Git, gitDir: string, source: TreeSource): Promise<Submodule[]> {
  const { links, described } = await gitLinks(git, gitDir, source.commit);
  if (links.length === 0) return [];
  const settings = described ? await submoduleSettings(git, gitDir, source) : new Map<string, Settings>();
  const found: Submodule[] = [];
  for (const { path, commit } of links) {
    const [name, own] = [...settings].find(([, values]) => values.get("path") === path) ?? [];
    if (own?.get("update") === "none") continue;
    const url = own?.get("url");
    if (name === undefined || url === undefined) {
      throw invalid(source, path, "no url found for it in .gitmodules");
    }
    const remote = submoduleRemote(url, source.remote);
    if (remote === undefined || remote.danger !== undefined) {
      const why = remote?.danger ?? "only https, http, ssh and git addresses are allowed";
      throw invalid(source, path, `its address ${JSON.stringify(git.redact(url))} cannot be used: ${why}`);
    }
    found.push({ name, path, source: { remote, commit } });
  }
  return found;
}

interface GitLink {
  readonly path: string;
  readonly commit: string;
}

/** The submodules of a commit's tree, and whether it has a file that describes them. */
async function gitLinks(
  git: Git,
  gitDir: string,
  commit: string,
): Promise<{ readonly links: readonly GitLink[]; readonly described: boolean }> {
  const args = ["ls-tree", "-r", "-z", "--full-tree", commit];
  const output = await git.run({ args, gitDir, maxOutput: MAX_LIST });
  const links: GitLink[] = [];
  let described = false;
  for (let start = 0; start < output.length; ) {
    const end = output.indexOf(0, start);
    // Lines `MODE TYPE ID TAB PATH`; the mode of a submodule is the only one that begins with 16.
    if (output[start + 1] === 0x36) {
      const [, id = "", path = ""] =
        /^160000 commit ([0-9a-f]+)\t(.*)$/s.exec(decodeText(output.subarray(start, end))) ?? [];
      links.push({ path, commit: id });
    } else if (isGitmodules(output, start, end)) described = true;
    start = end + 1;
  }
  return { links, described };
}

const GITMODULES = Buffer.from("\t.gitmodules");

/** A regular file: through a symlink of that name files of others could be read. */
function isGitmodules(output: Buffer, start: number, end: number): boolean {
  const at = end - GITMODULES.length;
  return (
    output.indexOf(0x09, start) === at &&
    output.compare(GITMODULES, 0, undefined, at, end) === 0 &&
    output[start] === 0x31 &&
    output[start + 1] === 0x30
  );
}

async function readGitmodules(git: Git, gitDir: string, source: TreeSource): Promise<string> {
  const args = ["config", "--no-includes", "-z", "--list", `--blob=${source.commit}:.gitmodules`];
  try {
    return decodeText(await git.run({ args, gitDir, maxOutput: MAX_GITMODULES }));
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    throw new NacreError(
      "CONTENT_INVALID",
      `.gitmodules of ${source.remote.shown} cannot be read: ${error.lines.at(-1)}`,
      {
        hint: "leave submodules out with submodules=0 in the address",
        facts: { remote: source.remote.shown, commit: source.commit, lines: error.lines },
      },
    );
  }
}

async function submoduleSettings(git: Git, gitDir: string, source: TreeSource): Promise<Map<string, Settings>> {
  const found = new Map<string, Settings>();
  for (const entry of (await readGitmodules(git, gitDir, source)).split("\0")) {
    const [, name, key, value = ""] = /^submodule\.(.*)\.([^.\n]+)\n(.*)$/s.exec(entry) ?? [];
    if (name === undefined || key === undefined || !isSubmoduleName(name)) continue;
    const settings = found.get(name) ?? new Map<string, string>();
    settings.set(key.toLowerCase(), key.toLowerCase() === "path" ? value.replace(/\/+$/, "") : value);
    found.set(name, settings);
  }
  return found;
}

/** A name is part of a path in `.git/modules`. */
function isSubmoduleName(name: string): boolean {
  if (/[\x00-\x1f\x7f]/.test(name) || name.startsWith("-")) return false;
  return name.split("/").every((part) => part !== "" && part !== "." && part !== ".." && part.toLowerCase() !== ".git");
}

/** The directory that git has made for a submodule, or makes none of. */
function childDirectory(tree: string, path: string): string {
  if (/[\ud800-\udfff]/.test(path) && !path.isWellFormed()) {
    throw new NacreError("CONTENT_INVALID", "a submodule has a name that is not UTF-8");
  }
  return subdirectory(tree, Buffer.from(path).toString("latin1"), "a submodule");
}

function invalid(source: TreeSource, path: string, why: string): NacreError {
  return new NacreError("CONTENT_INVALID", `submodule ${JSON.stringify(path)} of ${source.remote.shown}: ${why}`, {
    hint: "leave submodules out with submodules=0 in the address",
    facts: { remote: source.remote.shown, commit: source.commit, path },
  });
}
