/** What git says of a remote, as errors that name the remote and say what to do. */
import { NacreError } from "../support/errors.js";
import type { GitRemote } from "../support/gitRemote.js";
import { GitFailure } from "./gitProgram.js";

interface Kind {
  /** What git's lines look like. */
  readonly pattern: RegExp;
  readonly message: (remote: GitRemote, line: string) => string;
  readonly hint: (remote: GitRemote) => string;
}

/** Tried in order; the first whose pattern any line matches is it. */
const KINDS: readonly Kind[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key .* has changed/i,
    message: (remote) => `the host key of ${remote.host} is not the one in known_hosts`,
    hint: (remote) => `if the key was changed on purpose: ssh-keygen -R ${remote.host}`,
  },
  {
    pattern: /Permission denied \(|Could not read from remote repository.*denied|sign_and_send_pubkey/i,
    message: (remote) => `${remote.shown} refuses us: no key of the ssh agent is accepted`,
    hint: () => "start an ssh agent with the right key, and give it with --ssh default",
  },
  {
    pattern: /could not read (?:Username|Password)|Authentication failed|terminal prompts disabled|error: 40[13]\b/i,
    message: (remote) => `${remote.shown} cannot be read without credentials, or not with those given`,
    hint: (remote) =>
      `give a token: --secret id=GIT_AUTH_TOKEN.${hostName(remote)},env=NAME (a private repository needs one)`,
  },
  {
    pattern: /error: 30[12378]\b|redirect/i,
    message: (remote) => `${remote.shown} redirects, and credentials are not sent after a redirect`,
    hint: () => "use the address that it redirects to",
  },
  {
    pattern:
      /repository .* not found|not appear to be a git repository|error: 404\b|access denied or repository not exported/i,
    message: (remote) => `there is no git repository at ${remote.shown}`,
    hint: () => "check the address; a private repository may need credentials to be seen",
  },
  {
    pattern:
      /Could(?: not|n't) resolve|Failed to connect|Could(?: not|n't) connect|unable to (?:look up|connect)|Connection (?:refused|timed out|reset|closed)|No route to host|Network is unreachable|timed out|Operation too slow|early EOF|unexpected disconnect/i,
    message: (remote, line) => `${remote.shown} cannot be reached: ${cause(line)}`,
    hint: () => "check the address, the network and the proxy settings, then try again",
  },
  {
    pattern: /transport '.*' not allowed/i,
    message: (remote) => `${remote.shown} leads to a protocol that is not allowed`,
    hint: () => "use an https, http, ssh or git address",
  },
];

/** The error for a failed command on a remote; other errors stay as they are. */
export function remoteError(error: unknown, remote: GitRemote): unknown {
  if (!(error instanceof GitFailure)) return error;
  const facts = { remote: remote.shown, lines: error.lines };
  for (const { pattern, message, hint } of KINDS) {
    const line = error.lines.find((text) => pattern.test(text));
    if (line !== undefined) return new NacreError("NETWORK", message(remote, line), { hint: hint(remote), facts });
  }
  const said = error.lines.findLast((line) => /^(?:fatal|error|remote): /.test(line)) ?? error.lines.at(-1);
  return new NacreError("NETWORK", `git cannot read ${remote.shown}: ${said ?? `exit code ${error.exitCode}`}`, {
    facts,
  });
}

/** What a damaged repository makes git say. */
const DAMAGE =
  /corrupt|missing (?:blob|tree|commit|object)|unable to read|bad (?:object|tree|signature|revision)|broken|loose object|not a valid object|packfile|not a git repository|does not match|bad config|inflate/i;

/** True if the failure of a local command may come from a repository that is damaged on disk, not from what it holds. */
export function looksDamaged(error: unknown): boolean {
  return error instanceof GitFailure && error.lines.some((line) => DAMAGE.test(line) && !line.startsWith("remote: "));
}

/** The error for a failed command on our own disk; what may be damage, and other errors, stay as they are. */
export function checkoutError(error: unknown, remote: GitRemote): unknown {
  if (!(error instanceof GitFailure)) return error;
  const facts = { remote: remote.shown, lines: error.lines };
  if (error.lines.some((line) => /No space left|quota exceeded/i.test(line))) {
    return new NacreError("DISK_FULL", `no space left while the files of ${remote.shown} were written`, {
      hint: "free some space, or shrink the store with: nacre prune",
      facts,
    });
  }
  if (looksDamaged(error)) return error;
  const said = error.lines.findLast((line) => /^(?:fatal|error): /.test(line)) ?? error.lines.at(-1);
  return new NacreError("CONTENT_INVALID", `git cannot write the files of ${remote.shown}: ${said ?? "it was ended"}`, {
    facts,
  });
}

function hostName(remote: GitRemote): string {
  return remote.host.replace(/:[0-9]*$/, "");
}

/** The part of a line that says why, without `fatal: unable to access 'URL': `. */
function cause(line: string): string {
  return line.replace(/^(?:fatal|error|ssh): /, "").replace(/^unable to access '[^']*': /, "");
}
