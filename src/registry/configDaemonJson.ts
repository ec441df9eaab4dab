/** What Docker's `daemon.json` says of registries: mirrors of Docker Hub, and hosts that are not secured. */
import { BlockList, isIP } from "node:net";
import * as v from "valibot";
import { configError, ENDPOINT_CONFIG, parseJsonConfig, readConfigFile } from "./configFile.js";
import { splitHost } from "./registryHost.js";

/** What was read. */
export interface DaemonConfig {
  /** In their order, for Docker Hub alone; without a slash at the end. */
  readonly mirrors: readonly URL[];
  /** True if a host is in `insecure-registries`: as it stands, or by a network in which its address lies. */
  isInsecure(host: string): boolean;
}

const DaemonJson = v.object({
  "registry-mirrors": v.nullish(v.array(v.string()), []),
  "insecure-registries": v.nullish(v.array(v.string()), []),
});

/**
 * Reads the first of the files that is there.
 * @throws NacreError USAGE for one that cannot be read or is not as it must be
 */
export function loadDaemonJson(files: readonly string[]): DaemonConfig {
  for (const file of files) {
    const text = readConfigFile(file, ENDPOINT_CONFIG);
    if (text !== undefined) return parseDaemonJson(file, text);
  }
  return { mirrors: [], isInsecure: () => false };
}

/**
 * Reads one file.
 * @throws NacreError USAGE
 */
export function parseDaemonJson(file: string, text: string): DaemonConfig {
  const config = parseJsonConfig(DaemonJson, file, text, ENDPOINT_CONFIG);
  const mirrors = (config["registry-mirrors"] ?? []).map((mirror) => mirrorUrl(file, mirror));
  const networks = new BlockList();
  const hosts = new Set<string>();
  for (const entry of config["insecure-registries"] ?? []) {
    const network = networkOf(entry);
    if (network) networks.addSubnet(network.address, network.bits, network.family);
    else
      hosts.add(
        entry
          .replace(/^https?:\/\//i, "")
          .replace(/\/+$/, "")
          .toLowerCase(),
      );
  }
  return {
    mirrors,
    isInsecure: (host) => hosts.has(host.toLowerCase()) || inNetworks(networks, splitHost(host).name),
  };
}

/** As Docker checks them: http or https, without query, user name and password. */
function mirrorUrl(file: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // The text is not repeated: it may hold a password.
  const wrong = (why: string) => configError(ENDPOINT_CONFIG, file, `an entry of "registry-mirrors" ${why}`);
  if (url === undefined || !/^https?:\/\//i.test(text)) throw wrong("is not an http or https address");
  if (url.username || url.password) throw wrong("has a user name or password: use nacre login");
  if (url.search || url.hash) throw wrong("has a query or a fragment");
  url.pathname = url.pathname.replace(/\/+$/, "");
  return url;
}

interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: "ipv4" | "ipv6";
}

function networkOf(text: string): Network | undefined {
  const [, address = "", size] = /^([^/]*)\/(\d{1,3})$/.exec(text) ?? [];
  const version = isIP(address);
  const bits = Number(size);
  if (version === 0 || bits > (version === 4 ? 32 : 128)) return undefined;
  return { address, bits, family: version === 4 ? "ipv4" : "ipv6" };
}

/** Names are not looked up: who answers for a name must not decide how it is secured. */
function inNetworks(networks: BlockList, name: string): boolean {
  const version = isIP(name);
  return version !== 0 && networks.check(name, version === 4 ? "ipv4" : "ipv6");
}
