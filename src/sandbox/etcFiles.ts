/** The /etc/hosts and /etc/resolv.conf that a RUN's process sees: made for the step, never part of a layer. */
import { NacreError } from "../support/errors.js";

/** What `--add-host NAME:host-gateway` gives as the address: the machine that builds. */
export const HOST_GATEWAY = "host-gateway";

/**
 * The content of /etc/hosts, byte for byte BuildKit's.
 * @param hosts further names
 * @throws NacreError NOT_ALLOWED if a name or address cannot stand in the file, or the host's own is asked for without a network
 */
export function hostsFile(
  hostname: string,
  hosts: readonly { readonly name: string; readonly ip: string }[],
  network: "host" | "none",
): string {
  const lines = [`127.0.0.1\tlocalhost ${word(hostname)}`, "::1\tlocalhost ip6-localhost ip6-loopback"];
  for (const { name, ip } of hosts)
    lines.push(`${word(ip === HOST_GATEWAY ? gateway(name, network) : ip)}\t${word(name)}`);
  return `${lines.join("\n")}\n`;
}

/** With the host's own network the host is reached at its loopback address. */
function gateway(name: string, network: "host" | "none"): string {
  if (network === "host") return "127.0.0.1";
  throw new NacreError("NOT_ALLOWED", `${name} cannot stand for the host in a step that has no network`, {
    hint: "leave out --network=none, or the host-gateway entry",
  });
}

function word(text: string): string {
  if (/^[!-"$-~\u0080-\uffff]+$/.test(text)) return text;
  throw new NacreError("NOT_ALLOWED", `${JSON.stringify(text)} cannot be part of a line of /etc/hosts`, {
    hint: "names and addresses are one word each",
  });
}

/** Where systemd-resolved keeps the servers that it asks itself. */
export const SYSTEMD_RESOLV_CONF = "/run/systemd/resolve/resolv.conf";

/** True if the only servers are systemd-resolved's stub, behind which {@link SYSTEMD_RESOLV_CONF} stands. */
export function isSystemdStub(content: string): boolean {
  const servers = serversOf(content);
  return servers.length > 0 && servers.every((server) => server === "127.0.0.53");
}

/**
 * The content of /etc/resolv.conf: the host's. Without a network no server can be reached; those on the loopback would be
 * the host's own and are left out then, as BuildKit does where the loopback is not the host's.
 */
export function resolvConf(content: string, network: "host" | "none"): string {
  if (network === "host") return content;
  const lines = content.split("\n").filter((line) => !isLoopback(serverOf(line)));
  return lines.join("\n");
}

function serversOf(content: string): string[] {
  return content
    .split("\n")
    .map(serverOf)
    .filter((server) => server !== undefined);
}

function serverOf(line: string): string | undefined {
  return /^\s*nameserver\s+(\S+)/.exec(line)?.[1];
}

function isLoopback(server: string | undefined): boolean {
  return server !== undefined && (/^127\./.test(server) || /^::1(%|$)/.test(server));
}
