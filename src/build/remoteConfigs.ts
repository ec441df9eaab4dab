/**
 * Configs of base images in registries, for questions that build nothing: only manifests and configs are fetched, and
 * nothing is kept. A registry that cannot be reached is asked once, so that a question without a network is answered soon.
 */
import type { ImageConfig } from "../oci/documents.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import { formatReference, type Reference } from "../oci/reference.js";
import type { Registries } from "../registry/types.js";
import { isNacreError, type NacreError } from "../support/errors.js";
import type { BuildRequest } from "./request.js";

/** Milliseconds, and tries: someone waits for the answer, and can do without it. */
const LIMITS = { connect: 5_000, headers: 15_000, attempts: 1 };

/** What registries have. What talks to them is loaded when the first image is asked for. */
export class RemoteConfigs {
  readonly #request: Pick<BuildRequest, "env" | "signal">;
  readonly #found = new Map<string, Promise<ImageConfig>>();
  /** By host, why it could not be reached. */
  readonly #unreachable = new Map<string, NacreError>();
  /** By host, the first question: others wait for it. */
  readonly #first = new Map<string, Promise<unknown>>();
  #registries: Promise<Registries> | undefined;

  constructor(request: Pick<BuildRequest, "env" | "signal">) {
    this.#request = request;
  }

  /**
   * The config of an image.
   * @throws NacreError IMAGE_NOT_FOUND, NETWORK, DENIED, CREDENTIALS, CONTENT_INVALID, …
   */
  find(reference: Reference, platform: Platform): Promise<ImageConfig> {
    const key = `${formatReference(reference)} ${formatPlatform(platform)}`;
    const known = this.#found.get(key) ?? this.#ask(reference, platform);
    this.#found.set(key, known);
    return known;
  }

  async close(): Promise<void> {
    // Where they could not be opened, the question has told so.
    const registries = await this.#registries?.catch(() => undefined);
    await registries?.close();
  }

  async #ask(reference: Reference, platform: Platform): Promise<ImageConfig> {
    const { host } = reference;
    const before = this.#first.get(host);
    const asked = this.#askAfter(before, reference, platform);
    if (!before) this.#first.set(host, asked);
    return asked;
  }

  async #askAfter(
    before: Promise<unknown> | undefined,
    reference: Reference,
    platform: Platform,
  ): Promise<ImageConfig> {
    await before?.catch(() => undefined);
    const failure = this.#unreachable.get(reference.host);
    if (failure) throw failure;
    const { registriesOf, remoteConfig } = await import("./registryBases.js");
    this.#registries ??= registriesOf(this.#request, { warn: () => {}, limits: LIMITS });
    try {
      return await remoteConfig(await this.#registries, reference, platform);
    } catch (error) {
      if (isNacreError(error) && error.code === "NETWORK") this.#unreachable.set(reference.host, error);
      throw error;
    }
  }
}
