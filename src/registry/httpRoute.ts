/**
 * The way of requests to one origin: the addresses that its name has are looked at when a connection is made, and only
 * those are handed on that may be asked, so that nothing can change between the look and the connection.
 */
import * as dns from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { NacreError } from "../support/errors.js";
import { farther, mayLead, type Reach, reachOf } from "./addressPolicy.js";
import { shownUrl } from "./httpAddress.js";
import { hostOf, isLocalName } from "./httpProxy.js";

/** Where requests to one origin lead, held against where they may lead. */
export class Route {
  readonly #url: URL;
  readonly #from: Reach | undefined;
  #reach: Reach | undefined;
  /** Why the connection was not made, if that is why it failed. */
  refusal: NacreError | undefined;

  /** @param from how near whoever sent us there is; undefined for an address that the user named */
  constructor(url: URL, from: Reach | undefined) {
    this.#url = url;
    this.#from = from;
  }

  /** How near what was asked is, the farthest of all that the name stood for; `public` where a proxy looks it up. */
  get reach(): Reach {
    return this.#reach ?? "public";
  }

  /** The refusal, once: connections that are made later may fail for other reasons. */
  takeRefusal(): NacreError | undefined {
    const { refusal } = this;
    this.refusal = undefined;
    return refusal;
  }

  /** A host that is an address, or means this machine, need not be looked up. @throws NacreError NETWORK */
  assertKnown(): void {
    const host = hostOf(this.#url);
    if (isIP(host) !== 0) this.#reach = reachOf(host);
    else if (isLocalName(host)) this.#reach = "loopback";
    if (this.#reach !== undefined && !this.#allows(this.#reach)) throw this.#refuse(this.#reach);
  }

  /** Looks a name up for a connection that is being made, and hands on only the addresses that may be asked. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    dns.lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, "", 0);
      const usable = addresses.filter(({ address }) => this.#allows(reachOf(address)));
      if (usable.length === 0) {
        this.refusal = this.#refuse(addresses[0] ? reachOf(addresses[0].address) : "public");
        return callback(this.refusal, "", 0);
      }
      this.#reach = usable.map(({ address }) => reachOf(address)).reduce(farther, this.#reach ?? "loopback");
      if (options.all) return callback(null, usable);
      return callback(null, usable[0]!.address, usable[0]!.family);
    });
  };

  #allows(reach: Reach): boolean {
    return this.#from === undefined || mayLead(this.#from, reach);
  }

  #refuse(reach: Reach): NacreError {
    const shown = shownUrl(this.#url);
    return new NacreError("NETWORK", `a ${this.#from} server redirects to the ${reach} address of ${shown}`, {
      hint: "this is not followed, since it could read what only this machine can reach: if it is meant, give that address itself",
      facts: { url: shown, reach },
    });
  }
}
