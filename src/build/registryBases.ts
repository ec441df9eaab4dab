/**
 * Base images from registries: pulled into the store where it does not have them, or only looked at where a question needs
 * no more than a config. Loaded when the store has no answer.
 */

import { type Image, imageOf } from "../image/image.js";
import type { Digest } from "../oci/digest.js";
import { type ImageConfig, MAX_CONFIG_BYTES, parseDocument } from "../oci/documents.js";
import type { Platform } from "../oci/platform.js";
import { familiarName, type Reference } from "../oci/reference.js";
import { openConfigured } from "../registry/configured.js";
import { chooseImage } from "../registry/platformChoice.js";
import { type PulledImage, type PullPolicy, pullImage } from "../registry/pull.js";
import type { Registries, RegistryEnv } from "../registry/types.js";
import type { Lease, Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import type { Emit } from "../support/events.js";
import type { BuildRequest } from "./request.js";

/** What base images are pulled with. */
export interface BasePulling {
  readonly store: Store;
  readonly lease: Lease;
  readonly policy: PullPolicy;
  readonly emit: Emit;
  readonly warn: (rule: string, message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The registries of a build or a question, as its variables tell. Close them in the end. */
export function registriesOf(
  { env = process.env, signal }: Pick<BuildRequest, "env" | "signal">,
  more: Pick<RegistryEnv, "warn" | "limits">,
): Promise<Registries> {
  return openConfigured({ env, signal, now: Date.now, ...more });
}

/**
 * Pulls a base image, unless the policy and the store make that unnecessary.
 * @throws NacreError IMAGE_NOT_FOUND, NETWORK, DENIED, CREDENTIALS, CONTENT_INVALID, …
 */
export function pullBase(
  registries: Registries,
  reference: Reference,
  platform: Platform,
  { store, lease, policy, emit, signal }: BasePulling,
): Promise<PulledImage> {
  const client = registries.open(reference.host, reference.path, "pull");
  return pullImage(store, client, reference, { platform, policy, emit, signal, lease, now: Date.now });
}

/**
 * The config of an image in a registry; its layers are not fetched.
 * @throws NacreError as {@link pullBase}
 */
export async function remoteConfig(
  registries: Registries,
  reference: Reference,
  platform: Platform,
): Promise<ImageConfig> {
  return (await remoteImage(registries, reference, platform)).config;
}

/**
 * An image in a registry; its layers are not fetched.
 * @throws NacreError as {@link pullBase}
 */
export async function remoteImage(registries: Registries, reference: Reference, platform: Platform): Promise<Image> {
  const client = registries.open(reference.host, reference.path, "pull");
  const name = familiarName(reference);
  const absent = (): NacreError => new NacreError("IMAGE_NOT_FOUND", `${name}: the registry has no such image`);
  let found = await client.manifest(reference.digest ?? reference.tag ?? "latest");
  if (found === undefined) throw absent();
  let document = parseDocument(found.bytes, name);
  if (document.kind === "index") {
    const chosen = chooseImage(document.index, platform, found.descriptor, name);
    found = await client.manifest(chosen.digest, chosen);
    if (found === undefined) throw absent();
    document = parseDocument(found.bytes, name);
  }
  if (document.kind === "index") throw new NacreError("CONTENT_INVALID", `${name} nests image indexes`);
  const { config } = document.manifest;
  if (config.size > MAX_CONFIG_BYTES) throw new NacreError("LIMIT_EXCEEDED", `the config of ${name} is too big`);
  const pieces: Buffer[] = [];
  for await (const piece of client.blob(config)) pieces.push(piece);
  return imageOf(found.descriptor, document.manifest, Buffer.concat(pieces), `config of ${name}`);
}

/** What a name stands for in its registry now. @throws NacreError IMAGE_NOT_FOUND, NETWORK, DENIED, … */
export async function remoteDigest(registries: Registries, reference: Reference): Promise<Digest> {
  const client = registries.open(reference.host, reference.path, "pull");
  const found = await client.resolve(reference.digest ?? reference.tag ?? "latest");
  if (found) return found.digest;
  throw new NacreError("IMAGE_NOT_FOUND", `${familiarName(reference)}: the registry has no such image`, {
    hint: `see what there is with: nacre tags ${familiarName({ ...reference, tag: undefined, digest: undefined })}`,
  });
}
