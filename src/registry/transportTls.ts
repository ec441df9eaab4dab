/** Whom connections to an endpoint trust, and as whom they present themselves. */
import * as tls from "node:tls";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { authorities, trust } from "./httpCertificates.js";
import type { Environment } from "./httpProxy.js";
import type { EndpointTls } from "./types.js";

/** Options for connections; a subset of node:tls's. */
export interface TlsOptions {
  readonly secureContext?: tls.SecureContext;
  readonly rejectUnauthorized?: boolean;
}

const contexts = new Map<string, tls.SecureContext>();
const names = new WeakMap<EndpointTls, string>();

/** What tells one setting from another. */
export function tlsName(setting: EndpointTls | undefined): string {
  if (setting === undefined) return "";
  const name = names.get(setting) ?? sha256Hex(JSON.stringify(setting));
  names.set(setting, name);
  return name;
}

/**
 * The options for a setting. Its authorities are trusted beside those of the system, as Docker does with certs.d.
 * @param host named in errors
 * @throws NacreError NETWORK for certificates or keys that cannot be read
 */
export function tlsOptions(setting: EndpointTls | undefined, env: Environment, host: string): TlsOptions {
  const verify = setting?.skipVerify ? { rejectUnauthorized: false } : {};
  const { ca = [], clientPairs = [] } = setting ?? {};
  if (ca.length === 0 && clientPairs.length === 0) return { ...verify, secureContext: trust(env) };
  const key = JSON.stringify([env.SSL_CERT_FILE ?? "", env.NODE_EXTRA_CA_CERTS ?? "", ca, clientPairs]);
  const context = contexts.get(key) ?? contextOf(ca, clientPairs, env, host);
  contexts.set(key, context);
  return { ...verify, secureContext: context };
}

/**
 * What of an endpoint's setting holds for another host that it sends to: its authorities, but neither the certificates
 * that let a client in nor the leave to check nothing.
 */
export function tlsElsewhere(setting: EndpointTls | undefined): EndpointTls | undefined {
  if (!setting?.ca?.length) return undefined;
  const known = elsewhere.get(setting) ?? { ca: setting.ca };
  elsewhere.set(setting, known);
  return known;
}

const elsewhere = new WeakMap<EndpointTls, EndpointTls>();

function contextOf(
  ca: readonly string[],
  pairs: readonly { readonly cert: string; readonly key: string }[],
  env: Environment,
  host: string,
): tls.SecureContext {
  try {
    return tls.createSecureContext({
      ca: [...authorities(env), ...ca],
      ...(pairs.length > 0 ? { cert: pairs.map(({ cert }) => cert), key: pairs.map(({ key }) => key) } : {}),
    });
  } catch (error) {
    if (error instanceof NacreError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new NacreError("NETWORK", `the certificates configured for ${host} cannot be used: ${why.slice(0, 300)}`, {
      hint: `look at the files for ${host} in /etc/docker/certs.d, /etc/containers/certs.d and hosts.toml`,
      cause: error,
    });
  }
}
