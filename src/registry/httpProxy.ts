/**
 * Which proxy a request goes through, by the environment: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in either case, as
 * Go's programs read them (golang.org/x/net/http/httpproxy). Pure.
 */
import { BlockList, isIP } from "node:net";
import { NacreError } from "../support/errors.js";
import { basicOf } from "./httpAddress.js";

/** Variables of the environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A proxy to be used. */
export interface HttpProxy {
  /** Without user name and password. */
  readonly url: URL;
  /** Value of the Proxy-Authorization header. */
  readonly authorization?: string | undefined;
}

/**
 * The proxy for an address, or undefined if it is asked directly: this machine itself always is.
 * @throws NacreError NETWORK for a proxy that cannot be used
 */
export function proxyFor(url: URL, env: Environment): HttpProxy | undefined {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const text = env[name] || env[name.toLowerCase()];
  if (!text || isDirect(url, env.NO_PROXY || env.no_proxy || "")) return undefined;
  return parseProxy(name, text);
}

/** The host of a URL without brackets and the dot at its end. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}

/** True for names that mean this machine (RFC 6761, 6.3). */
export function isLocalName(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

function isDirect(url: URL, noProxy: string): boolean {
  const host = hostOf(url);
  if (isLocalName(host) || isLoopback(host)) return true;
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return noProxy
    .split(/[\s,]+/)
    .filter((rule) => rule !== "")
    .some((rule) => matches(rule.toLowerCase(), host, port));
}

function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family !== 0 && inNetwork(host, family === 4 ? "127.0.0.0" : "::1", family === 4 ? 8 : 128);
}

/** One entry of NO_PROXY: `*`, an address, a network, a domain with all below it, or `.domain` for those below alone. */
function matches(rule: string, host: string, port: string): boolean {
  if (rule === "*") return true;
  const network = /^(.*)\/(\d{1,3})$/.exec(rule);
  if (network) return inNetwork(host, network[1]!, Number(network[2]));
  const { name, wanted } = splitPort(rule);
  if (wanted !== undefined && wanted !== port) return false;
  if (isIP(name) !== 0) return isIP(host) !== 0 && inNetwork(host, name, isIP(name) === 4 ? 32 : 128);
  const domain = name.replace(/^\*(?=\.)/, "").replace(/\.$/, "");
  if (domain.startsWith(".")) return host.endsWith(domain);
  return host === domain || host.endsWith(`.${domain}`);
}

function splitPort(rule: string): { readonly name: string; readonly wanted?: string } {
  const match = /^\[([^\]]*)\](?::(\d+))?$/.exec(rule) ?? /^([^:]*):(\d+)$/.exec(rule);
  if (!match) return { name: rule };
  return match[2] === undefined ? { name: match[1]! } : { name: match[1]!, wanted: match[2] };
}

function inNetwork(address: string, network: string, bits: number): boolean {
  const family = isIP(network);
  if (family === 0 || isIP(address) !== family || bits > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(network, bits, type);
  return list.check(address, type);
}

function parseProxy(name: string, text: string): HttpProxy {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol) || url.hostname === "") {
    throw new NacreError("NETWORK", `the proxy in ${name} cannot be used`, {
      hint: `set ${name} to http://HOST:PORT or https://HOST:PORT, or leave the host out with NO_PROXY`,
    });
  }
  const { username, password } = url;
  const authorization = username || password ? basicOf(username, password) : undefined;
  return { url: new URL(url.origin), authorization };
}
