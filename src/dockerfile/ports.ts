/** The arguments of EXPOSE, after expansion. */
import { NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";

const PROTOCOLS: readonly string[] = ["tcp", "udp", "sctp"];
const MAX_PORT = 65_535;
const HINT = "write EXPOSE port, port/udp, or a range: 8000-8010/tcp";

/**
 * Reads one word `[[ip:]hostPort:]port[-port][/protocol]`. Address and host port are checked and dropped, as BuildKit
 * does (and warns of).
 * @returns one `port/protocol` for each port of the range
 * @throws NacreError DOCKERFILE_SYNTAX without a place
 */
export function parsePorts(word: string): string[] {
  const { address, host, container } = splitParts(word);
  const slash = container.indexOf("/");
  const range = slash === -1 ? container : container.slice(0, slash);
  const protocol = slash === -1 ? "tcp" : container.slice(slash + 1).toLowerCase() || "tcp";
  if (range === "") throw problem(`invalid port: ${JSON.stringify(word)}: no port specified`);
  if (!PROTOCOLS.includes(protocol)) throw unknownProtocol(word, protocol);
  checkAddress(address);
  const ports = portRange(range);
  if (!ports) throw problem(`invalid containerPort: ${range}`, rangeHint(range));
  checkHost(host, range, ports);
  return Array.from({ length: ports.last - ports.first + 1 }, (_, i) => `${ports.first + i}/${protocol}`);
}

/** True if the word names an address or a host port, which EXPOSE ignores (BuildKit's rule ExposeInvalidFormat). */
export function hasHostPart(word: string): boolean {
  return word.includes(":");
}

function splitParts(word: string): { address: string; host: string; container: string } {
  const parts = word.split(":");
  const container = parts.pop() ?? "";
  const host = parts.pop() ?? "";
  return { address: parts.join(":"), host, container };
}

function checkAddress(address: string): void {
  const plain = /^\[.*\]$/.test(address) ? address.slice(1, -1) : address;
  if (address !== "" && !isAddress(plain)) throw problem(`invalid IP address: ${plain}`);
}

function isAddress(text: string): boolean {
  const parts = text.split(".");
  if (parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return true;
  return /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(text) && URL.canParse(`http://[${text}]/`);
}

function checkHost(host: string, range: string, ports: { first: number; last: number }): void {
  if (host === "") return;
  const hosts = portRange(host);
  if (!hosts)
    throw problem(`invalid hostPort: ${host}`, "EXPOSE ignores the port of the host; name the container's only");
  // A range of host ports may serve a single port: one of them would be chosen.
  if (hosts.last - hosts.first === ports.last - ports.first || ports.first === ports.last) return;
  throw problem(`invalid ranges specified for container and host Ports: ${range} and ${host}`);
}

function portRange(text: string): { first: number; last: number } | undefined {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first <= last && last <= MAX_PORT ? { first, last } : undefined;
}

function unknownProtocol(word: string, protocol: string): NacreError {
  const near = nearest(protocol, PROTOCOLS);
  const suggestion = near === undefined ? "" : ` (did you mean ${near}?)`;
  const message = `invalid port: ${JSON.stringify(word)}: invalid proto: ${protocol}${suggestion}`;
  return problem(message, `the protocols are ${PROTOCOLS.join(", ")}`);
}

function rangeHint(range: string): string {
  const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
  if (first === undefined) return HINT;
  if (Number(last ?? first) > MAX_PORT || Number(first) > MAX_PORT) return `ports go up to ${MAX_PORT}`;
  return "write the smaller port of a range first";
}

function problem(message: string, hint = HINT): NacreError {
  return new NacreError("DOCKERFILE_SYNTAX", message, { hint });
}
