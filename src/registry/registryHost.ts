/** Registry hosts as they stand in references: their form, the names of Docker Hub, this machine. Pure. */
import { BlockList, isIP } from "node:net";
import { isLocalName } from "./httpProxy.js";

/** How references name Docker Hub. */
export const HUB = "docker.io";
/** Where Docker Hub's registry really is. */
const HUB_API = "registry-1.docker.io";
/** Other names of Docker Hub. */
const HUB_NAMES: ReadonlySet<string> = new Set([HUB, "index.docker.io", HUB_API]);

const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i;

/** True for a host with or without a port, as references have it: nothing that would mean more in a path or to a program. */
export function isRegistryHost(text: string): boolean {
  return text.length <= 255 && HOST.test(text) && URL.canParse(`https://${text}`);
}

/** One spelling for a host: lower case, Docker Hub by one name. */
export function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return HUB_NAMES.has(lower) ? HUB : lower;
}

/** The host that answers for a registry. */
export function apiHost(host: string): string {
  return canonicalHost(host) === HUB ? HUB_API : host;
}

/** Host and port apart; the port may be missing. IPv6 addresses lose their brackets. */
export function splitHost(host: string): { readonly name: string; readonly port: string | undefined } {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(host);
  return { name: (match?.[1] ?? match?.[2] ?? host).toLowerCase(), port: match?.[3] };
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** True for this machine itself: `localhost`, 127.0.0.0/8 and ::1. */
export function isLoopbackHost(host: string): boolean {
  const { name } = splitHost(host);
  const version = isIP(name);
  return version === 0 ? isLocalName(name) : LOOPBACK.check(name, version === 4 ? "ipv4" : "ipv6");
}
