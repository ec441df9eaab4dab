/**
 * Where redirects may lead. A build may ask any host that it names, its own machine and network too. But whoever answers
 * must not send it nearer to home than the answer came from: else a server out there could read, through the builder,
 * what only the builder can reach (cloud metadata, services on loopback). Pure.
 */
import { BlockList, isIP } from "node:net";

/** From how near an address can be reached, the farthest first. */
export type Reach = "public" | "private" | "link-local" | "loopback";

const ORDER: readonly Reach[] = ["public", "private", "link-local", "loopback"];

/** Networks that are not public, by reach (IANA special-purpose address registries). */
const NETWORKS: readonly (readonly [Reach, string, number])[] = [
  ["loopback", "127.0.0.0", 8],
  ["loopback", "0.0.0.0", 8],
  ["loopback", "::1", 128],
  ["loopback", "::", 128],
  ["link-local", "169.254.0.0", 16],
  ["link-local", "fe80::", 10],
  ["link-local", "224.0.0.0", 4],
  ["link-local", "ff00::", 8],
  ["private", "10.0.0.0", 8],
  ["private", "100.64.0.0", 10],
  ["private", "172.16.0.0", 12],
  ["private", "192.0.0.0", 24],
  ["private", "192.168.0.0", 16],
  ["private", "198.18.0.0", 15],
  ["private", "240.0.0.0", 4],
  ["private", "fc00::", 7],
  ["private", "fec0::", 10],
  ["private", "64:ff9b:1::", 48],
];

const LISTS: ReadonlyMap<Reach, BlockList> = new Map(
  ORDER.map((reach) => {
    const list = new BlockList();
    for (const [of, network, bits] of NETWORKS) {
      if (of === reach) list.addSubnet(network, bits, isIP(network) === 4 ? "ipv4" : "ipv6");
    }
    return [reach, list];
  }),
);

/** The reach of an IP address; an IPv6 address that stands for an IPv4 one has that one's. */
export function reachOf(address: string): Reach {
  const plain = address.replace(/%.*$/, "");
  const inner = isIP(plain) === 6 ? embeddedIpv4(plain) : undefined;
  if (inner !== undefined) return reachOf(inner);
  const type = isIP(plain) === 4 ? "ipv4" : "ipv6";
  return ORDER.find((reach) => LISTS.get(reach)!.check(plain, type)) ?? "public";
}

/** True if a host of one reach may send a client to one of another. */
export function mayLead(from: Reach, to: Reach): boolean {
  return ORDER.indexOf(to) <= ORDER.indexOf(from);
}

/** The farther of two. */
export function farther(a: Reach, b: Reach): Reach {
  return ORDER.indexOf(a) <= ORDER.indexOf(b) ? a : b;
}

/** IPv4-mapped, IPv4-compatible, NAT64 and 6to4 addresses. */
function embeddedIpv4(address: string): string | undefined {
  const groups = groupsOf(address);
  const [high, low] =
    groups.slice(0, 5).every((group) => group === 0) && [0, 0xffff].includes(groups[5]!)
      ? [groups[6]!, groups[7]!]
      : isNat64(groups)
        ? [groups[6]!, groups[7]!]
        : groups[0] === 0x2002
          ? [groups[1]!, groups[2]!]
          : [undefined, undefined];
  // :: and ::1 are no IPv4 addresses.
  if (high === undefined || low === undefined || (groups[5] === 0 && high === 0 && low < 2)) return undefined;
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

function isNat64(groups: readonly number[]): boolean {
  return groups[0] === 0x64 && groups[1] === 0xff9b && groups.slice(2, 6).every((group) => group === 0);
}

/** The eight numbers of an IPv6 address. */
function groupsOf(address: string): number[] {
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const [high, low] = [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)];
    return `${high.toString(16)}:${low.toString(16)}`;
  });
  const [head = "", tail] = plain.split("::");
  const numbers = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((part) => Number.parseInt(part, 16));
  const [first, last] = [numbers(head), tail === undefined ? [] : numbers(tail)];
  return [...first, ...new Array<number>(Math.max(0, 8 - first.length - last.length)).fill(0), ...last];
}
