/**
 * The bare repository that is kept of each remote: what has been fetched once is not fetched again, and what is new comes
 * as a difference. `refs/nacre/COMMIT` says that a commit is there with all its files; `refs/nacre-seen/…` what a ref
 * stood for when it was last asked for; `refs/nacre-all/…` is what a remote has that gives no single commits.
 */
import * as fs from "node:fs";
import { NacreError } from "../support/errors.js";
import type { GitRemote } from "../support/gitRemote.js";
import { sha256Hex } from "../support/hash.js";
import { looksDamaged, remoteError } from "./gitErrors.js";
import { type Git, GitFailure } from "./gitProgram.js";

/** What to fetch. */
export interface Wanted {
  readonly commit: string;
  /** Full name of a ref that stood for it a moment ago. */
  readonly ref?: string | undefined;
}

/** A commit of a remote, whose files are to be laid out. */
export interface TreeSource extends Wanted {
  readonly remote: GitRemote;
  /** The tag object that led to the commit. */
  readonly tag?: string | undefined;
}

/** A bare repository on disk. Use it under the lock of its entry in the store. */
export class GitRepository {
  readonly gitDir: string;
  readonly #git: Git;

  constructor(git: Git, gitDir: string) {
    this.#git = git;
    this.gitDir = gitDir;
  }

  /** Makes it where it is not there. @param length of its commit ids: 40, or 64 for SHA-256 */
  async prepare(length: number): Promise<void> {
    // HEAD is the last thing that is written; without it the making was interrupted.
    if (fs.existsSync(`${this.gitDir}/HEAD`) && fs.existsSync(`${this.gitDir}/config`)) {
      removeLeftovers(this.gitDir);
      return;
    }
    fs.rmSync(this.gitDir, { recursive: true, force: true });
    const args = ["init", "--quiet", "--bare", "--template=", `--object-format=${length === 64 ? "sha256" : "sha1"}`];
    await this.#git.run({ args: [...args, "--", this.gitDir], gitDir: this.gitDir });
  }

  /** The commit is there with all its files. */
  async has(commit: string): Promise<boolean> {
    return (await this.#commitOf(ownRef(commit))) === commit;
  }

  /** What a ref stood for when it was last used; undefined if it never was. */
  lastSeen(ref: string | undefined): Promise<string | undefined> {
    return this.#commitOf(seenRef(ref));
  }

  /** Notes what a ref stands for. */
  async see(ref: string | undefined, commit: string): Promise<void> {
    await this.#run(["update-ref", seenRef(ref), commit]);
  }

  /** Seconds since 1970 at which the commit was made. */
  async committed(commit: string): Promise<number> {
    const output = await this.#run(["log", "-1", "--no-show-signature", "--format=%ct", commit, "--"]);
    const seconds = Number(output.toString().trim());
    if (!Number.isSafeInteger(seconds)) throw damaged(this.gitDir, `the time of ${commit} cannot be read`);
    return seconds;
  }

  /**
   * Fetches a commit, if it is not there: alone by its ref, alone by its id, and only where the remote gives neither, with
   * its history.
   * @throws NacreError NETWORK; SOURCE_NOT_FOUND if the remote does not have it
   */
  async fetch(remote: GitRemote, wanted: Wanted): Promise<void> {
    const { commit, ref } = wanted;
    if (await this.has(commit)) return;
    let last: unknown;
    for (const { whole, refspecs } of attempts(wanted)) {
      try {
        await this.#fetchSpecs(remote, refspecs, whole);
        if (whole) await this.#adopt(commit);
        if (await this.has(commit)) return;
      } catch (error) {
        if (!(error instanceof GitFailure) || !isRefusal(error)) {
          throw looksDamaged(error) ? error : remoteError(error, remote);
        }
        last = error;
      }
    }
    const hint = ref === undefined ? "check the commit id" : "the ref may have been moved just now: try again";
    throw new NacreError("SOURCE_NOT_FOUND", `${remote.shown} does not contain commit ${commit}`, {
      hint,
      facts: { remote: remote.shown, commit, ...(last instanceof GitFailure ? { lines: last.lines } : {}) },
    });
  }

  async #fetchSpecs(remote: GitRemote, refspecs: readonly string[], whole: boolean): Promise<void> {
    const isShallow = fs.existsSync(`${this.gitDir}/shallow`);
    const depth = whole ? (isShallow ? ["--unshallow"] : []) : ["--depth=1"];
    const plain = ["--no-tags", "--force", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance"];
    const prune = refspecs.length > 1 ? ["--prune"] : [];
    const args = ["fetch", "--progress", ...plain, ...prune, ...depth, "--", remote.shown, ...refspecs];
    await this.#git.run({ args, gitDir: this.gitDir, remote });
  }

  /** Notes that a commit is there with all its files, if it belongs to the history that was fetched. */
  async #adopt(commit: string): Promise<void> {
    const args = ["for-each-ref", "--count=1", `--contains=${commit}`, "refs/nacre-all"];
    const found = await this.#run(args).catch((error) => {
      if (error instanceof GitFailure) return "";
      throw error;
    });
    if (found.length > 0) await this.#run(["update-ref", ownRef(commit), commit]);
  }

  async #commitOf(ref: string): Promise<string | undefined> {
    try {
      return (await this.#run(["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`]))
        .toString()
        .trim();
    } catch (error) {
      if (error instanceof GitFailure) return undefined;
      throw error;
    }
  }

  #run(args: readonly string[]): Promise<Buffer> {
    return this.#git.run({ args, gitDir: this.gitDir });
  }
}

/** The repository on disk is not as git needs it. */
export function damaged(gitDir: string, what: string): NacreError {
  return new NacreError("STORE", `the git repository ${gitDir} is damaged: ${what}`, {
    hint: "remove it with: nacre prune",
    facts: { path: gitDir },
  });
}

const ownRef = (commit: string): string => `refs/nacre/${commit}`;
const seenRef = (ref: string | undefined): string => `refs/nacre-seen/${sha256Hex(ref ?? "HEAD")}`;

interface Attempt {
  readonly whole: boolean;
  readonly refspecs: readonly string[];
}

function attempts({ commit, ref }: Wanted): Attempt[] {
  const byRef = ref === undefined ? [] : [{ whole: false, refspecs: [`+${ref}:${ownRef(commit)}`] }];
  const wanted = ref === undefined ? [] : [`+${ref}:refs/nacre-all/wanted`];
  return [
    ...byRef,
    { whole: false, refspecs: [`+${commit}:${ownRef(commit)}`] },
    ...(ref === undefined ? [] : [{ whole: true, refspecs: wanted }]),
    { whole: true, refspecs: ["+refs/heads/*:refs/nacre-all/heads/*", "+refs/tags/*:refs/nacre-all/tags/*"] },
  ];
}

/** True where the remote would not or could not give it this way, so that another may work. */
function isRefusal(error: GitFailure): boolean {
  return error.lines.some((line) =>
    /shallow|--depth|not our ref|unadvertised|remote ref|not allowed|did not send|bad object|missing necessary objects|Unable to find|non-commit/i.test(
      line,
    ),
  );
}

/** What a killed git has left: locks that nobody holds, since we hold that of the entry, and half a pack. */
function removeLeftovers(gitDir: string): void {
  for (const folder of ["", "/refs/nacre", "/refs/nacre-seen", "/refs/nacre-all"])
    removeMatching(gitDir + folder, /\.lock$/);
  removeMatching(`${gitDir}/objects/pack`, /^(?:\.?tmp[-_])/);
}

function removeMatching(folder: string, pattern: RegExp): void {
  if (!fs.existsSync(folder)) return;
  for (const name of fs.readdirSync(folder)) if (pattern.test(name)) fs.rmSync(`${folder}/${name}`, { force: true });
}
