/** Telling sources of COPY and ADD that are not files of a context (BuildKit: isHTTPSource, gitutil.ParseGitRef). */

/** True for `http://…` and `https://…`. Git addresses over http are both: ask {@link isGit} first. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}

/**
 * True for `user@host:path`, `ssh://…`, `git://…`, and http(s) URLs whose path ends in `.git`. A bare
 * `github.com/owner/name` is a local path here, as in BuildKit.
 */
export function isGit(source: string): boolean {
  if (/^(?:git|ssh):\/\//.test(source)) return true;
  if (/^[a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:/.test(source)) return true;
  return isUrl(source) && /^[^?#]*\.git(?:[?#]|$)/.test(source);
}
