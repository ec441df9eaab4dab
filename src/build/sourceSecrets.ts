/**
 * Credentials for sources on the network, by the ids of secrets that BuildKit looks for: `HTTP_AUTH_HEADER_<host>` and
 * `HTTP_AUTH_TOKEN_<host>` for ADD, `GIT_AUTH_HEADER[.host]` and `GIT_AUTH_TOKEN[.host]` for git, and the ssh agent
 * `default` for git over ssh.
 */
import type { GitAddress } from "../support/gitAddress.js";
import type { BuildRequest } from "./request.js";
import { parseSecrets } from "./secrets.js";
import { parseSsh } from "./sshAgents.js";

/** What credentials are looked up in. */
export interface SourceSecrets {
  readonly secret: (id: string) => Buffer | undefined;
  /** The socket of an ssh agent. */
  readonly agent: (id: string) => Promise<string | undefined>;
  /** Ends agents that were started. */
  readonly close: () => Promise<void>;
}

/** The secrets and agents of a request. @throws NacreError USAGE, MOUNT for those that cannot be read */
export function sourceSecretsOf(request: BuildRequest): SourceSecrets {
  const secrets = parseSecrets(request.secrets ?? [], process.env);
  const agents = parseSsh(request.ssh ?? [], process.env);
  return { secret: (id) => secrets.get(id), agent: (id) => agents.socketOf(id), close: () => agents.close() };
}

/** The value of the Authorization header for a URL, if a secret gives one. */
export function httpAuthorization(url: string, { secret }: SourceSecrets): string | undefined {
  for (const host of hostsOf(url)) {
    const header = textOf(secret(`HTTP_AUTH_HEADER_${host}`));
    if (header !== undefined) return header;
    const token = textOf(secret(`HTTP_AUTH_TOKEN_${host}`));
    if (token !== undefined) return `Bearer ${token}`;
  }
  return undefined;
}

/** What git is given to log in with. A secret for the very host comes before one for all. */
export async function gitCredentials(
  { remote }: GitAddress,
  { secret, agent }: SourceSecrets,
): Promise<{
  readonly secrets: { readonly header?: string; readonly token?: string };
  readonly sshSocket: string | undefined;
}> {
  const ids = (id: string): string[] => [...hostsOf(remote).map((host) => `${id}.${host}`), id];
  const find = (id: string): string | undefined =>
    ids(id)
      .map((each) => textOf(secret(each)))
      .find((value) => value !== undefined);
  const header = find("GIT_AUTH_HEADER");
  const token = find("GIT_AUTH_TOKEN");
  const secrets = { ...(header === undefined ? {} : { header }), ...(token === undefined ? {} : { token }) };
  const ssh = !/^(?:https?|git):\/\//.test(remote);
  return { secrets, sshSocket: ssh ? await agent("default") : undefined };
}

/** The host of an address, with its port first where it has one. */
function hostsOf(address: string): string[] {
  try {
    const { host, hostname } = new URL(address);
    return [...new Set([host, hostname])].filter((name) => name !== "");
  } catch {
    return [];
  }
}

function textOf(value: Buffer | undefined): string | undefined {
  return value === undefined ? undefined : value.toString("utf8").trim();
}
