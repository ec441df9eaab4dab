/** Telling sources of COPY and ADD that are not files of a context (BuildKit: isHTTPSource, gitutil.ParseGitRef). */
import { isGitAddress } from "../support/gitAddress.js";

/** True for `http://…` and `https://…`. Git addresses over http are both: ask {@link isGit} first. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}

/**
 * True for `user@host:path`, `ssh://…`, `git://…`, and http(s) URLs whose path ends in `.git`. A bare
 * `github.com/owner/name` is a local path here, as in BuildKit.
 */
export function isGit(source: string): boolean {
  return isGitAddress(source, "add");
}
