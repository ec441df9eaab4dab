/** What a ref of a remote stands for: reading `git ls-remote`. */
import { NacreError } from "../support/errors.js";
import { isCommitId } from "../support/gitAddress.js";
import type { GitRemote } from "../support/gitRemote.js";
import { nearest } from "../support/suggest.js";
import { remoteError } from "./gitErrors.js";
import type { Git } from "./gitProgram.js";

/** A ref that was looked up. */
export interface ResolvedRef {
  /** The commit, or what else a tag has been peeled to. */
  readonly commit: string;
  /** The ref's full name; undefined where a commit was asked for. */
  readonly name?: string | undefined;
  /** The tag object, if it is an annotated tag. */
  readonly tag?: string | undefined;
}

/** Names listed in a message. */
const LISTED = 8;

/**
 * Asks a remote for a ref: a whole commit id is itself, no ref is what HEAD stands for. Of equal names, a full one
 * (`refs/…`, or what follows `refs/`) comes first, then a branch, then a tag, as in BuildKit and `git checkout`.
 * @throws NacreError SOURCE_NOT_FOUND if there is no such ref, NETWORK
 */
export async function resolveRef(git: Git, remote: GitRemote, ref: string | undefined): Promise<ResolvedRef> {
  if (ref !== undefined && isCommitId(ref)) return { commit: ref };
  const names = ref === undefined || ref === "HEAD" ? ["HEAD"] : namesOf(ref);
  const patterns = names.flatMap((name) => [name, `${name}^{}`]);
  const found = await listRefs(git, remote, ref === undefined || ref === "HEAD" ? ["--symref"] : [], patterns);
  for (const name of names) {
    const target = found.refs.get(name);
    if (target === undefined) continue;
    const peeled = found.refs.get(`${name}^{}`);
    const real = found.symbolic.get(name) ?? (name === "HEAD" ? undefined : name);
    return { commit: peeled ?? target, name: real, ...(peeled === undefined ? {} : { tag: target }) };
  }
  throw await unknownRef(git, remote, ref);
}

/**
 * Compares what a ref stands for with what was asked for.
 * @throws NacreError CONTENT_INVALID in BuildKit's words
 */
export function checkChecksum(checksum: string | undefined, { commit, tag }: ResolvedRef, remote: GitRemote): void {
  const wanted = checksum?.toLowerCase();
  if (wanted === undefined || commit.startsWith(wanted) || tag?.startsWith(wanted)) return;
  const got = tag === undefined ? commit : `${tag} or ${commit}`;
  throw new NacreError("CONTENT_INVALID", `expected checksum to match ${checksum}, got ${got}`, {
    hint: `look at what ${remote.shown} has now; if that is right, write its commit id as the checksum`,
    facts: { remote: remote.shown, expected: checksum, commit, ...(tag === undefined ? {} : { tag }) },
  });
}

function namesOf(ref: string): string[] {
  const full = ref.startsWith("refs/") ? ref : `refs/${ref}`;
  const bare = ref.replace(/^refs\/(?:heads|tags)\//, "");
  if (ref.startsWith("refs/heads/") || ref.startsWith("refs/tags/")) return [full];
  return [full, `refs/heads/${bare}`, `refs/tags/${bare}`];
}

interface RefList {
  readonly refs: ReadonlyMap<string, string>;
  /** What a symbolic ref points to. */
  readonly symbolic: ReadonlyMap<string, string>;
}

async function listRefs(
  git: Git,
  remote: GitRemote,
  options: readonly string[],
  patterns: readonly string[],
): Promise<RefList> {
  const args = ["ls-remote", ...options, "--", remote.shown, ...patterns];
  try {
    return readRefs((await git.run({ args, remote })).toString("utf8"));
  } catch (error) {
    throw remoteError(error, remote);
  }
}

/** Reads lines `ID TAB NAME` and `ref: TARGET TAB NAME`; what is neither, or has a name that no ref can have, is left out. */
function readRefs(output: string): RefList {
  const refs = new Map<string, string>();
  const symbolic = new Map<string, string>();
  for (const line of output.split("\n")) {
    const [left = "", name = ""] = line.split("\t");
    if (!isRefName(name.replace(/\^\{\}$/, ""))) continue;
    if (isCommitId(left)) refs.set(name, left);
    else if (left.startsWith("ref: ") && isRefName(left.slice(5))) symbolic.set(name, left.slice(5));
  }
  return { refs, symbolic };
}

/** As `git check-ref-format`: a remote may say what it likes, and the name becomes part of a command. */
function isRefName(name: string): boolean {
  if (name === "HEAD") return true;
  if (!name.startsWith("refs/") || /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|[/.]$/.test(name)) return false;
  return name.split("/").every((part) => !part.startsWith(".") && !part.endsWith(".lock"));
}

async function unknownRef(git: Git, remote: GitRemote, ref: string | undefined): Promise<NacreError> {
  const all = await listRefs(git, remote, ["--heads", "--tags"], []);
  const names = [...all.refs.keys()].filter((name) => !name.endsWith("^{}"));
  const short = names.map((name) => name.replace(/^refs\/(?:heads|tags)\//, ""));
  if (ref === undefined) {
    const hint = short.length === 0 ? "it is empty" : `say which: ${remote.shown}#${short[0]}`;
    return new NacreError("SOURCE_NOT_FOUND", `${remote.shown} has no default branch`, { hint });
  }
  const near = nearest(ref.replace(/^refs\/(?:heads|tags)\//, ""), short);
  const begun = isAbbreviated(ref) ? "a commit must be given by its whole id; " : "";
  const others = short.slice(0, LISTED).join(", ") + (short.length > LISTED ? ", …" : "");
  const hint = near === undefined ? (others === "" ? "it is empty" : `it has ${others}`) : `did you mean ${near}?`;
  return new NacreError("SOURCE_NOT_FOUND", `${remote.shown} does not contain ref ${ref}`, {
    hint: begun + hint,
    facts: { remote: remote.shown, ref, ...(near === undefined ? {} : { near }), refs: short.slice(0, 100) },
  });
}

function isAbbreviated(ref: string): boolean {
  return /^[0-9a-f]{4,39}$/.test(ref) && /[0-9]/.test(ref);
}
