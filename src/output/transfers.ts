/**
 * Pushing and copying as callers ask for it: what the user's configuration says of registries and credentials is found,
 * and closed again. What does the work is loaded when it is called for, so that the library loads quickly.
 */
import { openConfigured } from "../registry/configured.js";
import type { Registries, RegistryEnv } from "../registry/types.js";
import type { Store } from "../store/store.js";
import type { Emit } from "../support/events.js";
import type { CopyEnv, CopyOptions, CopyReport } from "./copyRequest.js";
import type { PushOptions } from "./pushImage.js";
import type { PushedImage } from "./pushTargets.js";

/** What both need of the world. */
interface TransferWorld {
  /** Variables: proxies, places of configuration files, DOCKER_HOST. */
  readonly env: RegistryEnv["env"];
  readonly limits?: RegistryEnv["limits"];
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: (() => number) | undefined;
  /** Told of each blob, and of warnings. */
  readonly emit?: Emit | undefined;
}

/** How an image is pushed. */
export interface PushRequest extends TransferWorld, Omit<PushOptions, "now"> {
  /** No tag is set: names are repositories. A name with a digest is pushed so in any case, and the digest has to be right. */
  readonly byDigest?: boolean | undefined;
}

/** How an image is copied. */
export interface CopyRequest extends TransferWorld, CopyOptions, Pick<CopyEnv, "openStore" | "jobs" | "onBlob"> {}

/**
 * Pushes an image of the store.
 * @param image name, digest or id
 * @param names what it is to be called in registries
 * @returns one for each name, those without a tag first
 * @throws NacreError as pushImage and pushUntagged
 */
export async function pushToRegistries(
  store: Store,
  image: string,
  names: readonly string[],
  request: PushRequest,
): Promise<PushedImage[]> {
  const [{ pushImage }, { pushUntagged, untaggedNames }] = await Promise.all([
    import("./pushImage.js"),
    import("./untagged.js"),
  ]);
  const isUntagged = (name: string): boolean => request.byDigest === true || name.includes("@");
  const untagged = untaggedNames(names.filter(isUntagged));
  const tagged = names.filter((name) => !isUntagged(name));
  return withRegistries(request, async (all, now) => {
    const push = (to: readonly string[], registries: Registries): Promise<PushedImage[]> =>
      pushImage(store, registries, image, to, { ...request, now });
    const byDigest = untagged.repositories.length > 0 ? await pushUntagged(untagged, all, push) : [];
    return tagged.length > 0 || names.length === 0 ? [...byDigest, ...(await push(tagged, all))] : byDigest;
  });
}

/**
 * Copies an image from one place to another.
 * @param from e.g. `alpine:3`, `oci:DIR:TAG`, `store:NAME`: see copyImage
 * @throws NacreError as copyImage
 */
export async function copyBetween(from: string, to: string, request: CopyRequest): Promise<CopyReport> {
  const { copyImage } = await import("./copy.js");
  return withRegistries(request, (registries, now) =>
    copyImage(from, to, request, { ...request, registries, variables: request.env, now }),
  );
}

async function withRegistries<T>(
  { env: variables, limits, signal, now = Date.now, emit = () => {} }: TransferWorld,
  work: (registries: Registries, now: () => number) => Promise<T>,
): Promise<T> {
  const warn = (rule: string, message: string): void => emit({ type: "warning", rule, message, time: now() });
  const env: RegistryEnv = { env: variables, signal, limits, now, warn };
  const registries = await openConfigured(env);
  try {
    return await work(registries, now);
  } finally {
    await registries.close();
  }
}
