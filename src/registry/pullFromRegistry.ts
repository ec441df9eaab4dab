/**
 * Pulling an image by its name: what the user's configuration says of registries and credentials is found, and closed
 * again. What talks to registries is loaded when an image is pulled, so that the library loads quickly.
 */
import type { Platform } from "../oci/platform.js";
import { parseReference } from "../oci/reference.js";
import type { Store } from "../store/store.js";
import type { Emit } from "../support/events.js";
import { openConfigured } from "./configured.js";
import type { PulledImage, PullPolicy } from "./pull.js";
import type { RegistryEnv } from "./types.js";

/** How an image is pulled; what is left out is as for `nacre pull`. */
export interface PullRequest {
  /** Which image of an image index; default: this machine's. */
  readonly platform?: Platform | undefined;
  /** Take all images of an image index, and the index itself. */
  readonly allPlatforms?: boolean | undefined;
  /** When the registry is asked; default: always. */
  readonly policy?: PullPolicy | undefined;
  /** Ask no registry, whatever the policy. */
  readonly offline?: boolean | undefined;
  /** Layers at a time; default 3. */
  readonly jobs?: number | undefined;
  /** Told of each layer, and of warnings. */
  readonly emit?: Emit | undefined;
  /** Told what the name stands for, before any layer is fetched. */
  readonly onResolved?: ((digest: string) => void) | undefined;
  /** Variables: proxies, places of configuration files. */
  readonly env: RegistryEnv["env"];
  readonly limits?: RegistryEnv["limits"];
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: (() => number) | undefined;
}

/**
 * Pulls an image into the store.
 * @param name `[host/]path[:tag][@digest]`, as people write it
 * @throws NacreError REFERENCE_INVALID, IMAGE_NOT_FOUND, CONTENT_INVALID, NETWORK, DENIED, CREDENTIALS, NOT_ALLOWED, and
 *   as pullImage
 */
export async function pullFromRegistry(store: Store, name: string, request: PullRequest): Promise<PulledImage> {
  const reference = parseReference(name);
  const { emit = () => {}, signal, now = Date.now, onResolved, policy = "always" } = request;
  const { pullImage } = await import("./pull.js");
  const warn = (rule: string, message: string): void => emit({ type: "warning", rule, message, time: now() });
  const env: RegistryEnv = { env: request.env, signal, limits: request.limits, now, warn };
  const registries = await openConfigured(env);
  const lease = store.acquireLease();
  try {
    const { platform, allPlatforms, offline, jobs } = request;
    return await pullImage(store, registries.open(reference.host, reference.path, "pull"), reference, {
      ...{ platform, allPlatforms, offline, jobs, policy, emit, signal, lease, now },
      onResolved: onResolved && (({ digest }) => onResolved(digest)),
    });
  } finally {
    lease.release();
    await registries.close();
  }
}
