/**
 * Where a registry may send a client for a token. Whoever answers for a registry names any address there, and what the
 * client then asks for it asks from inside its own network, perhaps with a password: so this is looked at before anything
 * is sent. Pure.
 */
import { isIP } from "node:net";
import { NacreError } from "../support/errors.js";
import { mayLead, type Reach, reachOf } from "./addressPolicy.js";
import { shownUrl } from "./httpAddress.js";
import { hostOf, isLocalName } from "./httpProxy.js";

/** Who names the address of a token server. */
export interface RealmOwner {
  /** The registry's own address. */
  readonly base: URL;
  /** It may be asked without protection; so may its token server then. */
  readonly insecure: boolean;
  /** How near the registry is. */
  readonly reach: Reach;
}

const MAX_LENGTH = 4096;

/**
 * The address of a token server that may be asked.
 * @param text the `realm` of a challenge
 * @throws NacreError NETWORK if it is not to be asked
 */
export function checkRealm(text: string, owner: RealmOwner): URL {
  const url = text.length <= MAX_LENGTH && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw refused(owner, "an address that cannot be read");
  assertRealm(url, owner);
  url.hash = "";
  return url;
}

/** The same for an address to which a token server redirects. @throws NacreError NETWORK */
export function assertRealm(url: URL, owner: RealmOwner): void {
  if (url.username || url.password) throw refused(owner, "an address with a user name or password in it");
  const shown = shownUrl(url);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refused(owner, `a ${url.protocol} address`);
  const isOwn = url.hostname === owner.base.hostname && portOf(url) === portOf(owner.base);
  const mayBePlain = owner.insecure || owner.base.protocol === "http:";
  if (url.protocol === "http:" && !mayBePlain) throw refused(owner, `${shown}, where anyone on the way can read along`);
  const reach = literalReach(url);
  if (isOwn || reach === undefined || reach === "public") return;
  // Nothing that hands out tokens is link-local or unspecified, but much that hands out secrets is (cloud metadata).
  if (reach === "link-local" || isUnspecified(url) || !mayLead(owner.reach, reach))
    throw refused(owner, `the ${isUnspecified(url) ? "unspecified" : reach} address of ${shown}`);
}

/** From where requests to a token server count as sent: undefined for the registry itself. */
export function realmReach(url: URL, owner: RealmOwner): Reach | undefined {
  return url.hostname === owner.base.hostname && portOf(url) === portOf(owner.base) ? undefined : owner.reach;
}

function literalReach(url: URL): Reach | undefined {
  const host = hostOf(url);
  if (isIP(host) !== 0) return reachOf(host);
  return isLocalName(host) ? "loopback" : undefined;
}

function isUnspecified(url: URL): boolean {
  return /^(?:0\.|::$|::ffff:0:)/.test(hostOf(url));
}

function portOf({ port, protocol }: URL): string {
  return port || (protocol === "https:" ? "443" : "80");
}

function refused({ base }: RealmOwner, where: string): NacreError {
  return new NacreError("NETWORK", `${base.host} sends its clients for a token to ${where}`, {
    hint: "this is not followed, since it could read along, or read what only this machine can reach: tell whoever runs the registry",
    facts: { registry: base.host },
  });
}
