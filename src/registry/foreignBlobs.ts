/** Blobs that a manifest says are elsewhere (`urls` of a descriptor): asked for as a stranger, wherever that is. */
import type { Descriptor } from "../oci/documents.js";
import type { BlobSource } from "./blobReader.js";
import { shownUrl } from "./httpAddress.js";
import { type Attempt, networkFailure, statusFailure } from "./registryErrors.js";
import type { Exchange, Shared } from "./transportExchange.js";
import { travel } from "./transportJourney.js";

const MAX_URLS = 8;
const MAX_LENGTH = 4096;

/**
 * The sources for a descriptor's `urls`. They count as named by the registry: they do not lead nearer to home than that is.
 * @param exchange of the registry
 */
export function foreignSources(exchange: Exchange, descriptor: Descriptor, shared: Shared): readonly BlobSource[] {
  return (descriptor.urls ?? []).slice(0, MAX_URLS).flatMap((text) => {
    const url = text.length <= MAX_LENGTH && URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) return [];
    // Whoever wrote the manifest is not who may log us in.
    url.username = "";
    url.password = "";
    return [foreignSource(url, exchange, descriptor, shared)];
  });
}

function foreignSource(url: URL, exchange: Exchange, { digest }: Descriptor, shared: Shared): BlobSource {
  const { env, limits, transport } = shared;
  const doing = `read the blob ${digest} from ${shownUrl(url)}`;
  const attempt = (origin: string): Attempt => ({ ...exchange.attempt(doing, origin), action: "pull" });
  return {
    ...{ name: shownUrl(url), attempt, distrust() {}, leave() {} },
    rules: { ...exchange.rules(doing), attempts: () => limits.attempts },
    async open(headers) {
      try {
        const request = { method: "GET", url, headers } as const;
        const { answer } = await travel(transport, { request, ownHeaders: {}, from: exchange.reach });
        if ([200, 206, 416].includes(answer.status)) return answer;
        const context = { loggedIn: false, secrets: [], now: env.now(), retryAfter: limits.retryAfter };
        throw await statusFailure(answer, attempt(answer.url.origin), context);
      } catch (error) {
        throw networkFailure(error, attempt(url.origin), env.signal);
      }
    },
  };
}
