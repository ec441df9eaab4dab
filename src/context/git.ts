/**
 * Files of git repositories: an address comes in, a directory with the files of one commit goes out. A ref is looked up
 * each time; a commit is fetched once, alone, into the bare repository that is kept of each remote, and laid out once for
 * each way of laying it out. Both are kept in `sources/git/` of the store, by name of what they are.
 */
import * as fs from "node:fs";
import * as v from "valibot";
import { type Digest, digestOfHex } from "../oci/digest.js";
import { readIfThere } from "../store/files.js";
import { sealOf, unseal } from "../store/sealed.js";
import { holdSource, sourcePath, touchSource, useSource } from "../store/sources.js";
import type { Store } from "../store/store.js";
import { toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { type GitAddress, isCommitId } from "../support/gitAddress.js";
import { type GitRemote, parseRemote } from "../support/gitRemote.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson } from "../support/json.js";
import { credentialsOf, type GitSecrets, secretTexts } from "./gitCredentials.js";
import { looksDamaged } from "./gitErrors.js";
import { Git } from "./gitProgram.js";
import { checkChecksum, type ResolvedRef, resolveRef } from "./gitRefs.js";
import { damaged, GitRepository, type TreeSource, type Wanted } from "./gitRepository.js";
import { setTimes } from "./gitTimes.js";
import { layOut, subdirectory, type WithCommit } from "./gitTree.js";

const MAX_FACTS = 4096;

/** What is wanted of a repository, and what may be used to get it. */
export interface GitRequest {
  readonly address: GitAddress;
  /** Counts; what the address says of it does not. */
  readonly keepGitDir: boolean;
  readonly secrets?: GitSecrets | undefined;
  /** Socket of an ssh agent: without it no key is tried. */
  readonly sshSocket?: string | undefined;
  /** Use what is in the store: a ref stands for what it stood for when it was last fetched. */
  readonly offline?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Lines of git's progress, without credentials. */
  readonly onProgress?: ((line: string) => void) | undefined;
  /** PATH, proxies and certificates are taken from it. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** An address that was looked up. */
export interface GitResolved {
  /** 40 or 64 hex digits. */
  readonly commit: string;
  /** Stands for the files in the key of a step: a digest over the commit and all that decides what is laid out of it. */
  readonly identity: Digest;
}

/** Files of a commit on disk. Nobody changes them. */
export interface GitCheckout extends GitResolved {
  /** Absolute path, the subdir applied. */
  readonly directory: string;
  /** When the commit was made, in seconds since 1970. */
  readonly committed: number;
  /** Lets garbage collection have the files. Calling it again does nothing. */
  release(): Promise<void>;
}

/**
 * Looks up what an address stands for now. Asks the remote unless the address names a whole commit.
 * @throws NacreError NETWORK, SOURCE_NOT_FOUND (no such ref), CONTENT_INVALID (another checksum), TOOL_MISSING, CANCELLED
 */
export async function resolveGit(store: Store, request: GitRequest): Promise<GitResolved> {
  const { resolved, identity } = await new Checkout(store, request).resolve();
  return { commit: resolved.commit, identity };
}

/**
 * The files that an address stands for now: modes 0644 and 0755, links as links, no `.git` unless it is to be kept.
 * @throws NacreError as {@link resolveGit}; SOURCE_NOT_FOUND also for a subdir, CONTENT_INVALID for submodules that cannot
 *   be had; STORE, DISK_FULL
 */
export function checkoutGit(store: Store, request: GitRequest): Promise<GitCheckout> {
  return new Checkout(store, request).run();
}

const Facts = v.strictObject({
  version: v.literal(1),
  commit: v.pipe(v.string(), v.check(isCommitId)),
  committed: v.pipe(v.number(), v.safeInteger()),
  boot: v.string(),
});
type Facts = v.InferOutput<typeof Facts>;

interface Resolution {
  readonly resolved: ResolvedRef;
  readonly identity: Digest;
}

/** One request on its way. */
class Checkout {
  readonly #store: Store;
  readonly #request: GitRequest;
  readonly #remote: GitRemote;
  readonly #keeps: boolean;
  #git: Promise<Git> | undefined;

  constructor(store: Store, request: GitRequest) {
    const remote = parseRemote(request.address.remote);
    if (remote === undefined || remote.danger !== undefined) {
      throw new NacreError("INTERNAL", `not a git remote: ${request.address.shown}`);
    }
    this.#store = store;
    this.#request = request;
    this.#remote = remote;
    // As in BuildKit, a subdir is files alone.
    this.#keeps = request.keepGitDir && request.address.subdir === undefined;
  }

  async resolve(): Promise<Resolution> {
    const { address, offline } = this.#request;
    const checksum = address.checksum?.toLowerCase();
    const named =
      checksum !== undefined && isCommitId(checksum) && (address.ref === undefined || address.fetchByCommit);
    const ref = named ? checksum : address.ref;
    const isKnown = ref !== undefined && isCommitId(ref);
    const resolved = isKnown ? { commit: ref } : offline ? await this.#lastSeen(ref) : await this.#lookUp(ref);
    checkChecksum(checksum, resolved, this.#remote);
    const { subdir } = address;
    const identity = digestOfHex(sha256Hex(canonicalJson({ ...this.#layout(resolved), subdir })));
    return { resolved, identity };
  }

  async run(): Promise<GitCheckout> {
    const { address } = this.#request;
    const { resolved, identity } = await this.resolve();
    const { commit } = resolved;
    const name = sha256Hex(canonicalJson({ tree: this.#layout(resolved), remote: this.#remote.shown }));
    const held = await holdSource(this.#store, "git", name);
    try {
      const { path, committed } = await this.#tree(name, resolved);
      const { subdir } = address;
      const directory = subdir === undefined ? path : subdirectory(path, toByteString(subdir), this.#remote.shown);
      return { directory, commit, committed, identity, release: async () => held.release() };
    } catch (error) {
      held.release();
      throw error;
    }
  }

  /** All that decides which bytes are laid out. */
  #layout({ commit, name, tag }: ResolvedRef) {
    const { submodules = true, mtime = "checkout" } = this.#request.address;
    const kept = this.#keeps ? { remote: this.#remote.shown, ref: name, tag } : undefined;
    return { version: 1, commit, submodules, mtime, kept };
  }

  async #lookUp(ref: string | undefined): Promise<ResolvedRef> {
    return resolveRef(await this.#program(), this.#remote, ref);
  }

  async #lastSeen(ref: string | undefined): Promise<ResolvedRef> {
    for (const length of [40, 64]) {
      const name = repositoryName(this.#remote, length);
      if (!fs.existsSync(sourcePath(this.#store, "git", name))) continue;
      const git = await this.#program();
      const commit = await this.#use(name, this.#remote.shown, (directory) =>
        new GitRepository(git, `${directory}/repository`).lastSeen(ref),
      );
      if (commit !== undefined) return { commit };
    }
    throw this.#unknownOffline(`what ${ref ?? "its default branch"} stands for`);
  }

  /** The tree in the store; laid out now, if it is not there whole. */
  async #tree(name: string, resolved: ResolvedRef): Promise<{ readonly path: string; readonly committed: number }> {
    const entry = sourcePath(this.#store, "git", name);
    const there = this.#read(entry, name);
    if (there !== undefined) {
      touchSource(this.#store, "git", name);
      return { path: `${entry}/tree`, committed: there.committed };
    }
    const label = `${this.#remote.shown}#${resolved.commit.slice(0, 12)}`;
    const facts = await this.#use(
      name,
      label,
      async () => this.#read(entry, name) ?? this.#make(entry, name, resolved),
    );
    return { path: `${entry}/tree`, committed: facts.committed };
  }

  /** What is known of a tree, if it is whole: its files are not synchronised, so it is trusted until the next boot. */
  #read(entry: string, name: string): Facts | undefined {
    const text = unseal(`git:${name}`, readIfThere(`${entry}/facts`, MAX_FACTS));
    if (text === undefined || !fs.existsSync(`${entry}/tree`)) return undefined;
    try {
      const facts = v.safeParse(Facts, JSON.parse(text.toString()));
      return facts.success && facts.output.boot === this.#store.directory.owner.boot ? facts.output : undefined;
    } catch {
      return undefined;
    }
  }

  async #make(entry: string, name: string, resolved: ResolvedRef): Promise<Facts> {
    const store = this.#store;
    const { address } = this.#request;
    const temp = store.directory.tempTree();
    const tree = `${temp}/tree`;
    try {
      fs.mkdirSync(tree);
      fs.chmodSync(tree, 0o755);
      const committed = await this.#layOut(tree, `${temp}/index`, resolved);
      if (address.mtime === "commit") await setTimes(tree, committed, this.#request.signal);
      fs.rmSync(`${entry}/facts`, { force: true });
      await store.removeTree(`${entry}/tree`);
      fs.renameSync(tree, `${entry}/tree`);
      const facts: Facts = { version: 1, commit: resolved.commit, committed, boot: store.directory.owner.boot };
      const text = Buffer.from(canonicalJson(facts));
      store.directory.publish(`${entry}/facts`, [sealOf(`git:${name}`, text), text]);
      return facts;
    } finally {
      await store.removeTree(temp);
    }
  }

  async #layOut(tree: string, index: string, resolved: ResolvedRef): Promise<number> {
    const { address } = this.#request;
    const git = await this.#program();
    const { commit, name: ref, tag } = resolved;
    const source: TreeSource = { remote: this.#remote, commit, ref, tag };
    let committed = 0;
    const withCommit: WithCommit = (remote, wanted, work) =>
      this.#withCommit(git, remote, wanted, async (repository) => {
        if (wanted === source) {
          committed = await repository.committed(commit);
          if (!isCommitId(address.ref ?? "")) await repository.see(address.ref, commit);
        }
        return work(repository);
      });
    const submodules = address.submodules ?? true;
    await layOut(git, source, { tree, index, withCommit, submodules, keepGitDir: this.#keeps });
    return committed;
  }

  /** Fetches a commit into the repository of its remote; one that turns out to be damaged is fetched anew. */
  #withCommit<T>(
    git: Git,
    remote: GitRemote,
    wanted: Wanted,
    work: (repository: GitRepository) => Promise<T>,
  ): Promise<T> {
    const length = wanted.commit.length;
    return this.#use(repositoryName(remote, length), remote.shown, async (directory) => {
      const repository = new GitRepository(git, `${directory}/repository`);
      for (let isSecond = false; ; isSecond = true) {
        try {
          await repository.prepare(length);
          await this.#fetch(repository, remote, wanted);
          return await work(repository);
        } catch (error) {
          if (!looksDamaged(error)) throw error;
          if (isSecond || this.#request.offline) throw damaged(repository.gitDir, String(error));
          await this.#store.removeTree(repository.gitDir);
        }
      }
    });
  }

  async #fetch(repository: GitRepository, remote: GitRemote, { commit, ref }: Wanted): Promise<void> {
    const { address, offline } = this.#request;
    if (offline && !(await repository.has(commit))) throw this.#unknownOffline(`commit ${commit}`);
    await repository.fetch(remote, address.fetchByCommit ? { commit } : { commit, ref });
  }

  #use<T>(name: string, label: string, work: (directory: string) => Promise<T>): Promise<T> {
    return useSource(this.#store, "git", name, label, work, this.#request.signal);
  }

  /** The git program, looked for when it is first needed. */
  #program(): Promise<Git> {
    const { env, sshSocket, signal, onProgress, secrets } = this.#request;
    this.#git ??= Git.find({
      env,
      credentials: credentialsOf(this.#remote, secrets),
      secrets: secretTexts(this.#remote, secrets),
      sshSocket,
      signal,
      onProgress,
    });
    return this.#git;
  }

  #unknownOffline(what: string): NacreError {
    return new NacreError("NETWORK", `the build is offline, and ${what} of ${this.#remote.shown} is not in the store`, {
      hint: "build once without --offline",
      facts: { remote: this.#remote.shown },
    });
  }
}

/** The entry of a remote's repository: never by what opens it. @param length of its commit ids */
function repositoryName(remote: GitRemote, length: number): string {
  return sha256Hex(canonicalJson({ repository: remote.shown, length }));
}
