/** How much a registry still lets this machine or account pull. */
import { parseReference } from "../oci/reference.js";
import { isNacreError } from "../support/errors.js";
import { openConfigured } from "./configured.js";
import type { RateLimit, RegistryEnv } from "./types.js";

/** An image of Docker Hub that is there to be asked about. */
const HUB_PROBE = "ratelimitpreview/test";

/** What a registry said. */
export interface RateLimitAnswer {
  /** Host as in references. */
  readonly registry: string;
  /** Undefined where it tells none: there is none for the account, or the registry does not say. */
  readonly limit: RateLimit | undefined;
}

/**
 * Asks for the rate limit by a HEAD request, which Docker Hub does not count as a pull.
 * @param image in whose repository the question is asked; default: one of Docker Hub that is there for this
 * @throws NacreError REFERENCE_INVALID; IMAGE_NOT_FOUND, NETWORK, DENIED, CREDENTIALS, CANCELLED
 */
export async function askRateLimit(image: string | undefined, env: RegistryEnv): Promise<RateLimitAnswer> {
  const { host, path, tag, digest } = parseReference(image ?? HUB_PROBE);
  const registries = await openConfigured(env);
  const client = registries.open(host, path, "pull");
  try {
    await client.resolve(digest ?? tag ?? "latest");
  } catch (error) {
    // A limit that is used up is an answer too, and one about an image that is not there.
    if (!isNacreError(error) || error.code === "CANCELLED" || client.rateLimit() === undefined) throw error;
  } finally {
    await registries.close();
  }
  return { registry: host, limit: client.rateLimit() };
}
