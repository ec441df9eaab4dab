/** What opens a private repository over http: a header, from the secrets of a build or from the address itself. */
import type { GitRemote } from "../support/gitRemote.js";
import { type GitCredentials, originOf } from "./gitProgram.js";

/** Secrets of a build for git (BuildKit: `GIT_AUTH_HEADER` and `GIT_AUTH_TOKEN`). */
export interface GitSecrets {
  /** Value of the Authorization header. */
  readonly header?: string | undefined;
  /** A token, sent as the password of `x-access-token`. */
  readonly token?: string | undefined;
}

/** Shorter texts are parts of ordinary words. */
const SHORTEST_SECRET = 4;

/** What is sent to the origin of a remote, and to no other. The header comes first, then the token, then the address. */
export function credentialsOf(remote: GitRemote, secrets: GitSecrets | undefined): GitCredentials | undefined {
  const origin = originOf(remote);
  if (origin === undefined) return undefined;
  const header = headerOf(remote, secrets);
  return header === undefined ? undefined : { origin, header };
}

/** All texts that must not be seen. */
export function secretTexts(remote: GitRemote, secrets: GitSecrets | undefined): string[] {
  const header = headerOf(remote, secrets);
  // A token may stand in the place of the user's name.
  const lone = remote.password === undefined && originOf(remote) !== undefined ? remote.user : undefined;
  const texts = [header, header?.replace(/^\S+\s+/, ""), secrets?.token?.trim(), remote.password, lone];
  return texts.filter((text) => text !== undefined).filter((text) => text.length >= SHORTEST_SECRET);
}

function headerOf(remote: GitRemote, secrets: GitSecrets | undefined): string | undefined {
  const header = secrets?.header?.trim();
  if (header) return withoutControls(header);
  const token = secrets?.token?.trim();
  if (token) return basic("x-access-token", token);
  if (remote.user === undefined && remote.password === undefined) return undefined;
  return basic(remote.user ?? "", remote.password ?? "");
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

/** A line break in a secret must not begin another header. */
function withoutControls(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]+/g, " ");
}
