/**
 * An address with all that it redirects to. Credentials stay with the origin that they were given for; no redirect leads
 * away from http and https, from https to http unless what comes is verified, or nearer to home (addressPolicy.ts).
 */

import { NacreError } from "../support/errors.js";
import type { Reach } from "./addressPolicy.js";
import { type HttpAddress, identityOf, redirectTarget, shownUrl } from "./httpAddress.js";
import { type HttpAnswer, type HttpSetting, requestOnce } from "./httpClient.js";
import { passingOrThrow } from "./httpFailure.js";

/** As many as browsers and curl's documentation call enough; Go's client follows nine. */
const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What is asked for. */
export interface Wanted {
  readonly address: HttpAddress;
  /** Value of the Authorization header for the address's own origin. */
  readonly authorization: string | undefined;
  /** What comes is compared with a digest that the user gave. */
  readonly verified: boolean;
}

/**
 * Asks for an address and follows its redirects.
 * @param headersFor headers for an address, by {@link identityOf}: validators hold for what they came from alone
 * @returns the answer that is no redirect, whatever its status
 * @throws PassingFailure; NacreError CANCELLED, NETWORK, also for redirects that are not followed
 */
export async function follow(
  { address, authorization, verified }: Wanted,
  headersFor: (identity: string) => Readonly<Record<string, string>>,
  setting: HttpSetting,
): Promise<HttpAnswer> {
  let here = address;
  let credentials = authorization ?? address.basic;
  let from: Reach | undefined;
  for (let hops = 0; ; hops++) {
    const headers = { ...commonHeaders(credentials), ...headersFor(identityOf(here.url)) };
    const answer = await ask(here.url, headers, from, setting);
    const location = REDIRECTS.has(answer.status) ? answer.header("location") : undefined;
    if (location === undefined) return answer;
    await answer.close();
    if (hops === MAX_REDIRECTS) throw tooMany(address.url);
    const next = redirectTarget(location, here.url);
    if (here.url.protocol === "https:" && next.url.protocol === "http:" && !verified)
      throw downgrade(here.url, next.url);
    // Once left, an origin gets nothing more: whoever sends us back may have chosen the path.
    if (next.url.origin !== here.url.origin) credentials = undefined;
    credentials = next.basic ?? credentials;
    from = answer.reach;
    here = next;
  }
}

async function ask(...args: Parameters<typeof requestOnce>): Promise<HttpAnswer> {
  try {
    return await requestOnce(...args);
  } catch (error) {
    throw passingOrThrow(error, args[0], args[3].signal);
  }
}

function commonHeaders(authorization: string | undefined): Record<string, string> {
  return {
    accept: "*/*",
    // As BuildKit's client: some servers give something else to those who cannot take gzip.
    "accept-encoding": "gzip",
    "user-agent": "nacre",
    ...(authorization === undefined ? {} : { authorization }),
  };
}

function tooMany(url: URL): NacreError {
  return new NacreError("NETWORK", `${shownUrl(url)}: stopped after ${MAX_REDIRECTS} redirects`, {
    hint: "the server may redirect in a circle: open the address in a browser, and give the final one",
    facts: { url: shownUrl(url) },
  });
}

function downgrade(from: URL, to: URL): NacreError {
  return new NacreError("NETWORK", `${shownUrl(from)} redirects from https to ${shownUrl(to)}`, {
    hint: "over http anyone on the way can change what comes: give --checksum=sha256:…, which would show that",
    facts: { url: shownUrl(from), target: shownUrl(to) },
  });
}
