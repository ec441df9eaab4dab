/**
 * containerd's `hosts.toml`: for each registry a directory with the hosts that are asked in its place, and how
 * (containerd: docs/hosts.md).
 */
import { join, resolve } from "node:path";
import * as v from "valibot";
import { readCertificates, readClientPair } from "./certificates.js";
import { configError, ENDPOINT_CONFIG, isDirectory, parseTomlConfig, readConfigFile } from "./configFile.js";
import { canonicalHost, isRegistryHost } from "./registryHost.js";
import { hideValues } from "./secret.js";
import type { Endpoint, EndpointTls } from "./types.js";

/** A host as a file has it. */
export interface TomlHost {
  readonly base: URL;
  /** What stands before repository paths there, without slashes around it; empty where nothing does. */
  readonly pathPrefix: string;
  readonly capabilities: Endpoint["capabilities"];
  readonly insecure: boolean;
  readonly tls: EndpointTls | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
}

/** What one file says. */
export interface HostsToml {
  readonly file: string;
  /** In the order in which they are asked. */
  readonly hosts: readonly TomlHost[];
  /** The registry itself; where the file names no address of it, only how it is asked. */
  readonly server: TomlHost | Omit<TomlHost, "base" | "pathPrefix" | "insecure">;
}

const Texts = v.union([v.string(), v.array(v.string())]);
const HostTable = {
  capabilities: v.optional(v.array(v.string()), []),
  ca: v.optional(Texts, []),
  client: v.optional(v.union([v.string(), v.array(v.union([v.string(), v.tuple([v.string(), v.string()])]))]), []),
  skip_verify: v.optional(v.boolean()),
  header: v.optional(v.record(v.string(), Texts)),
  override_path: v.optional(v.boolean(), false),
};
const Host = v.object(HostTable);
const File = v.object({
  ...HostTable,
  server: v.optional(v.string(), ""),
  host: v.optional(v.record(v.string(), Host), {}),
});
type HostConfig = v.InferOutput<typeof Host>;

const CAPABILITIES = ["resolve", "pull", "push"] as const;

/**
 * The file for a registry, if there is one: in its own directory (`host:5000` or `host_5000_`), else in `_default`. The
 * first directory that is there counts, even if it has certificates only.
 * @param roots directories with a directory for each host
 * @throws NacreError USAGE for a file that cannot be read or is not as it must be
 */
export function loadHostsToml(roots: readonly string[], host: string): HostsToml | undefined {
  for (const root of roots) {
    if (!isDirectory(root)) continue;
    const directory = hostDirectories(host)
      .map((name) => join(root, name))
      .find(isDirectory);
    const file = directory === undefined ? undefined : join(directory, "hosts.toml");
    const text = file === undefined ? undefined : readConfigFile(file, ENDPOINT_CONFIG);
    if (directory !== undefined && file !== undefined && text !== undefined && text.trim() !== "") {
      return parseHostsToml(directory, file, text);
    }
  }
  return undefined;
}

function hostDirectories(host: string): string[] {
  return [...new Set([host.replace(/:(\d+)$/, "_$1_"), host, "_default"])];
}

/**
 * Reads one file.
 * @param directory what the paths in it are relative to
 * @throws NacreError USAGE
 */
export function parseHostsToml(directory: string, file: string, text: string): HostsToml {
  const config = parseTomlConfig(File, file, text, ENDPOINT_CONFIG);
  const hosts = Object.entries(config.host).map(([address, host]) => hostOf(address, host, directory, file));
  const server =
    config.server === "" ? setting(config, directory, file) : hostOf(config.server, config, directory, file);
  return { file, hosts, server };
}

function hostOf(address: string, config: HostConfig, directory: string, file: string): TomlHost {
  const url = addressOf(address, file);
  const { pathname, prefix } = apiPath(url, config.override_path, file);
  // As containerd has it, an http host for which TLS is set is asked over https first.
  const insecure = url.protocol === "http:" && config.skip_verify === true && url.port !== "";
  const base = new URL(`${insecure ? "https:" : url.protocol}//${url.host}${pathname}`);
  return { base, pathPrefix: prefix, insecure, ...setting(config, directory, file) };
}

function addressOf(text: string, file: string): URL {
  const full = /^https?:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  const usable = url && isRegistryHost(url.host) && !url.username && !url.password && !url.search && !url.hash;
  if (usable) return url;
  throw configError(ENDPOINT_CONFIG, file, "an address in it is not http or https, or has more than host and path");
}

/** What stands before and after `/v2` in the path of the API. */
function apiPath(url: URL, isWhole: boolean, file: string): { readonly pathname: string; readonly prefix: string } {
  const path = url.pathname.replace(/\/{2,}/g, "/").replace(/\/$/, "");
  if (!isWhole) return { pathname: path.replace(/\/v2$/, ""), prefix: "" };
  const match = /^(.*?)\/v2(?:\/(.+))?$/.exec(path);
  if (match) return { pathname: match[1]!, prefix: match[2] ?? "" };
  throw configError(
    ENDPOINT_CONFIG,
    file,
    `the path of ${url.host} with override_path has no /v2, as every registry's has`,
  );
}

type Setting = Omit<TomlHost, "base" | "pathPrefix" | "insecure">;

function setting(config: HostConfig, directory: string, file: string): Setting {
  return {
    capabilities: capabilitiesOf(config.capabilities, file),
    tls: tlsOf(config, directory),
    headers: headersOf(config.header, file),
  };
}

function capabilitiesOf(names: readonly string[], file: string): Endpoint["capabilities"] {
  const given = names.map((name) => name.toLowerCase());
  const unknown = given.find((name) => name !== "referrers" && !CAPABILITIES.some((one) => one === name));
  if (unknown !== undefined) throw configError(ENDPOINT_CONFIG, file, `unknown capability ${JSON.stringify(unknown)}`);
  return new Set(CAPABILITIES.filter((one) => given.length === 0 || given.includes(one)));
}

function tlsOf({ ca, client, skip_verify }: HostConfig, directory: string): EndpointTls | undefined {
  const authorities = [ca].flat().map((file) => readCertificates(resolve(directory, file)));
  const pairs = (typeof client === "string" ? [client] : client).map((one) => {
    const [cert, key] = typeof one === "string" ? [one, one] : [one[0], one[1] || one[0]];
    return readClientPair(resolve(directory, cert), resolve(directory, key));
  });
  if (authorities.length === 0 && pairs.length === 0 && skip_verify === undefined) return undefined;
  return {
    ...(authorities.length > 0 ? { ca: authorities } : {}),
    ...(pairs.length > 0 ? { clientPairs: pairs } : {}),
    ...(skip_verify === undefined ? {} : { skipVerify: skip_verify }),
  };
}

function headersOf(
  header: Readonly<Record<string, string | readonly string[]>> | undefined,
  file: string,
): Readonly<Record<string, string>> | undefined {
  if (header === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    const text = [value].flat().join(", ");
    const usable = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
    if (!usable) throw configError(ENDPOINT_CONFIG, file, `the header ${JSON.stringify(name)} cannot be sent`);
    headers[name] = text;
  }
  return hideValues(headers);
}

/** True if a host is another than the registry that it stands for: then it is told which one is meant (`?ns=`). */
export function isProxyFor(base: URL, apiBase: URL, host: string): boolean {
  return base.host !== apiBase.host && base.host !== host && canonicalHost(base.host) !== canonicalHost(host);
}
