/** The remotes of git: URLs and `user@host:path`, with what is secret in them kept apart from what may be shown. */
import { encodeText } from "./bytes.js";

/** The protocols that git is allowed to speak. Never `file`: a repository must not reach the files of this machine. */
export type GitScheme = "http" | "https" | "ssh" | "git";

/** A remote, taken apart. */
export interface GitRemote {
  readonly scheme: GitScheme;
  /** `url`, or `scp` for `host:path`, which is ssh. */
  readonly form: "url" | "scp";
  /** As given, credentials included: never shown, never handed to a program. */
  readonly url: string;
  /** Without the password, and without the user name unless it is one of ssh, which is no secret. */
  readonly shown: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** With the port, if there is one. */
  readonly host: string;
  readonly path: string;
  /** Why it must not be used: a part of it looks like an option. */
  readonly danger: string | undefined;
}

/** An address cut at its fragment and its query. */
export interface SplitRemote {
  readonly base: string;
  /** Without the question mark. */
  readonly query: string;
  /** Without the number sign. */
  readonly fragment: string;
}

/** Cuts an address at the first `#`, and what is before it at the first `?`. */
export function splitRemote(text: string): SplitRemote {
  const hash = text.indexOf("#");
  const front = hash === -1 ? text : text.slice(0, hash);
  const mark = front.indexOf("?");
  return {
    base: mark === -1 ? front : front.slice(0, mark),
    query: mark === -1 ? "" : front.slice(mark + 1),
    fragment: hash === -1 ? "" : text.slice(hash + 1),
  };
}

/** Reads a remote without query and fragment; undefined for local paths and other protocols. */
export function parseRemote(text: string): GitRemote | undefined {
  if (/[\x00-\x1f\x7f]/.test(text)) return undefined;
  return /^[a-zA-Z0-9+.-]+:\/\//.test(text) ? parseUrl(text) : parseScp(text);
}

/**
 * The remote of a submodule: an address of its own, or one relative to the remote of the repository that has it.
 * @returns undefined for local paths and other protocols
 */
export function submoduleRemote(url: string, parent: GitRemote): GitRemote | undefined {
  return parseRemote(/^\.\.?\//.test(url) ? relativeTo(url, parent.url) : url);
}

/** As `git submodule` does it: each `../` takes off what follows the last slash, else what follows the last colon. */
function relativeTo(url: string, parent: string): string {
  let base = parent.replace(/\/+$/, "");
  let rest = url;
  let joint = "/";
  for (;;) {
    if (rest.startsWith("./")) rest = rest.slice(2);
    else if (rest.startsWith("../")) {
      rest = rest.slice(3);
      const slash = base.lastIndexOf("/");
      const at = slash === -1 ? base.lastIndexOf(":") : slash;
      if (at === -1) return rest;
      joint = slash === -1 ? ":" : "/";
      base = base.slice(0, at);
    } else break;
  }
  return `${base}${joint}${rest}`.replace(/\/+$/, "");
}

function parseUrl(text: string): GitRemote | undefined {
  const [, given = "", authority = "", path = ""] = /^([^:]+):\/\/([^/?#]*)(.*)$/s.exec(text)!;
  const scheme = given.toLowerCase();
  if (scheme !== "http" && scheme !== "https" && scheme !== "ssh" && scheme !== "git") return undefined;
  const at = authority.lastIndexOf("@");
  const host = authority.slice(at + 1);
  if (!/^(?:\[[0-9a-fA-F:.%]+\]|[^\s\\"'<>^`{|}[\]:]+)(?::[0-9]*)?$/.test(host)) return undefined;
  const userinfo = at === -1 ? "" : authority.slice(0, at);
  const [, user = "", , password] = /^([^:]*)(:(.*))?$/s.exec(userinfo)!;
  const keeps = scheme === "ssh" && user !== "" ? `${user}@` : "";
  const rest = `${host}${escaped(path)}`;
  return {
    scheme,
    form: "url",
    url: `${scheme}://${userinfo === "" ? "" : `${userinfo}@`}${rest}`,
    shown: `${scheme}://${keeps}${rest}`,
    user: user === "" ? undefined : decoded(user),
    password: password === undefined ? undefined : decoded(password),
    host,
    path: escaped(path),
    danger: dangerOf(user, host, ""),
  };
}

function parseScp(text: string): GitRemote | undefined {
  // Two colons would make git run a helper program of that name.
  const found = /^(?:([a-zA-Z0-9_-]+)@)?([a-zA-Z0-9.-]+):(?!\/\/|:)(.+)$/s.exec(text);
  if (found === null) return undefined;
  const [, user, host = "", path = ""] = found;
  const danger = dangerOf(user ?? "", host, path);
  return { scheme: "ssh", form: "scp", url: text, shown: text, user, password: undefined, host, path, danger };
}

/** A dash in front could make ssh or a server take it for an option. */
function dangerOf(user: string, host: string, path: string): string | undefined {
  for (const [what, text] of Object.entries({ user, host, path })) {
    if (text.startsWith("-")) return `the ${what} begins with a dash`;
  }
  return undefined;
}

/** Blanks and letters outside ASCII as URLs write them. */
function escaped(path: string): string {
  return path.replace(/[^\x21-\x7e]+/g, (part) =>
    [...encodeText(part)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
