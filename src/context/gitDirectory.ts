/**
 * The `.git` of a tree that is to keep one, as BuildKit leaves it: the commit alone (a shallow clone), HEAD at it and on no
 * branch, the ref that led to it, and the remote as `origin`. Never credentials, hooks or templates.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { makeDirectory } from "../store/files.js";
import type { Git } from "./gitProgram.js";
import type { GitRepository, TreeSource } from "./gitRepository.js";

/** Most bytes of the list of a commit's objects. */
const MAX_LIST = 1 << 30;

/** Makes a repository with one commit of another. */
export async function keepGitDirectory(
  git: Git,
  from: GitRepository,
  source: TreeSource,
  gitDir: string,
): Promise<void> {
  const { commit, ref, remote, tag } = source;
  const format = `--object-format=${commit.length === 64 ? "sha256" : "sha1"}`;
  fs.rmSync(gitDir, { recursive: true, force: true });
  makeDirectory(path.dirname(gitDir));
  await git.run({ args: ["init", "--quiet", "--bare", "--template=", format, "--", gitDir], gitDir });
  const tags = tag !== undefined && (await isThere(git, from, tag)) ? `${tag}\n` : "";
  const args = ["rev-list", "--objects", "--no-walk", commit];
  const objects = await git.run({ args, gitDir: from.gitDir, maxOutput: MAX_LIST });
  const pack = ["pack-objects", "--quiet", `${gitDir}/objects/pack/pack`];
  await git.run({ args: pack, gitDir: from.gitDir, input: Buffer.concat([Buffer.from(tags), objects]) });
  if (await hasParents(git, from, commit)) write(`${gitDir}/shallow`, `${commit}\n`);
  write(`${gitDir}/HEAD`, `${commit}\n`);
  const target = tags === "" ? commit : tag!;
  if (ref?.startsWith("refs/")) await git.run({ args: ["update-ref", "--no-deref", ref, target], gitDir });
  await set(git, gitDir, "core.bare", "false");
  await set(git, gitDir, "core.logAllRefUpdates", "true");
  await set(git, gitDir, "remote.origin.url", remote.shown);
  await set(git, gitDir, "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*");
}

/** The file `.git` of a submodule's directory, which says where its repository is. */
export function linkGitDirectory(workTree: string, gitDir: string): void {
  write(`${workTree}/.git`, `gitdir: ${path.relative(workTree, gitDir)}\n`);
}

/** A submodule, as `git submodule init` notes it. */
export interface NotedSubmodule {
  readonly name: string;
  readonly url: string;
  readonly workTree: string;
}

/** Notes a submodule in the repository that has it, and in its own where its files are. */
export async function noteSubmodule(
  git: Git,
  gitDir: string,
  innerGitDir: string,
  { name, url, workTree }: NotedSubmodule,
): Promise<void> {
  await set(git, gitDir, `submodule.${name}.active`, "true");
  await set(git, gitDir, `submodule.${name}.url`, url);
  await set(git, innerGitDir, "core.worktree", path.relative(innerGitDir, workTree));
}

async function set(git: Git, gitDir: string, key: string, value: string): Promise<void> {
  await git.run({ args: ["config", "--file", `${gitDir}/config`, "--replace-all", key, value], gitDir });
}

async function isThere(git: Git, { gitDir }: GitRepository, object: string): Promise<boolean> {
  return git.run({ args: ["cat-file", "-e", object], gitDir }).then(
    () => true,
    () => false,
  );
}

async function hasParents(git: Git, { gitDir }: GitRepository, commit: string): Promise<boolean> {
  const text = (await git.run({ args: ["cat-file", "commit", commit], gitDir })).toString("latin1");
  return /^parent /m.test(text.slice(0, text.indexOf("\n\n")));
}

function write(file: string, text: string): void {
  fs.writeFileSync(file, text);
  fs.chmodSync(file, 0o644);
}
