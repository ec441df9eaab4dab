/**
 * Whether a Dockerfile builds the same image again. In: a build request. Out: the digests of builds that knew nothing of each
 * other, and where these differ, why. Promises: no name and no entry of the history stays; what was built goes with the next
 * collection. Builds are at least a second apart, so that what writes the time down is found.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { withImage } from "../analysis/analysis.js";
import { imageDifference } from "../analysis/imageDifference.js";
import type { DifferenceClass, ImageCause } from "../analysis/imageDifferenceTypes.js";
import { dockerfileLines } from "../analysis/layerLines.js";
import type { ImageWorld } from "../analysis/types.js";
import { build } from "../build/build.js";
import type { BuildRequest } from "../build/request.js";
import type { Digest } from "../oci/digest.js";
import { parsePlatform } from "../oci/platform.js";
import { listBuilds, removeBuilds } from "../store/builds.js";
import { defaultStorePath, Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";

/** Milliseconds between two builds: times in layers are whole seconds. */
const APART = 1100;

/** What depends on how an image was handed over: the store keeps layers as they are, registries have them compressed. */
const OF_THE_FORM: ReadonlySet<DifferenceClass> = new Set(["compression", "gzip-header", "manifest"]);

/** What is to be verified. */
export interface VerifyBuildRequest extends BuildRequest {
  /** Builds that are compared with each other; default 2, with `against` 1. */
  readonly times?: number | undefined;
  /** An image that it has to be: whatever `openImage` takes. */
  readonly against?: string | undefined;
  /** Told before each build and each comparison. */
  readonly onProgress?: ((doing: string) => void) | undefined;
}

/** What came out. */
export interface BuildVerification {
  readonly schema: "nacre.verify-build/1";
  /** True if all builds have one digest, and their config and unpacked layers are those of the image to compare with. */
  readonly reproducible: boolean;
  /** Manifests, in the order in which they were built. */
  readonly builds: readonly Digest[];
  readonly against?: { readonly image: string; readonly digest: Digest } | undefined;
  /** Number of the build, from 1, that differs from the first. Undefined if none does, or if the image to compare with does. */
  readonly differs?: number | undefined;
  /** The first one first; empty if nothing differs. Of an image to compare with, how it is compressed may be among them. */
  readonly causes: readonly ImageCause[];
}

/**
 * Builds without the cache, more than once, and compares.
 * @throws NacreError as `build`; as `openImage` for what it is compared with
 */
export async function verifyBuilds(request: VerifyBuildRequest): Promise<BuildVerification> {
  const times = request.times ?? (request.against === undefined ? 2 : 1);
  if (times < 1 || (times < 2 && request.against === undefined)) {
    throw new NacreError("USAGE", `${times} builds cannot be compared`, {
      hint: "build 2 times or more, or name an image to compare with",
    });
  }
  const work = new BuildVerifier(request);
  try {
    return await work.run(times);
  } finally {
    await work.close();
  }
}

class BuildVerifier {
  readonly #request: VerifyBuildRequest;
  readonly #title = `nacre verify ${randomBytes(6).toString("hex")}`;
  readonly #path: string;
  readonly #tags: string[] = [];
  readonly #digests: Digest[] = [];

  constructor(request: VerifyBuildRequest) {
    this.#request = request;
    this.#path = request.store ?? defaultStorePath(process.env);
  }

  async run(times: number): Promise<BuildVerification> {
    const { against } = this.#request;
    for (let number = 1; number <= times; number++) {
      if (number > 1) await sleep(APART, undefined, { signal: this.#request.signal });
      this.#tell(times > 1 ? `build ${number} of ${times}` : "build");
      const digest = await this.#build();
      this.#digests.push(digest);
      if (digest === this.#digests[0]) continue;
      const causes = await this.#compare(this.#digests[0]!, digest);
      return { ...this.#result(causes), differs: number };
    }
    return against === undefined ? this.#result([]) : this.#against(against);
  }

  /** Removes names and builds in the history. */
  async close(): Promise<void> {
    if (this.#tags.length === 0) return;
    await this.#withStore(async (store) => {
      for (const tag of this.#tags) await store.removeReference(tag);
      const builds = listBuilds(store, { filters: { names: [this.#title] }, onSkipped: () => {} });
      removeBuilds(store, { builds: builds.map(({ id }) => id) });
    });
  }

  #result(causes: readonly ImageCause[]): BuildVerification {
    return { schema: "nacre.verify-build/1", reproducible: causes.length === 0, builds: this.#digests, causes };
  }

  async #build(): Promise<Digest> {
    const { times: _, against: _against, onProgress: _told, ...request } = this.#request;
    // What has no name could be collected before it is compared.
    const tag = `nacre-verify/build:${randomBytes(8).toString("hex")}`;
    const result = await build({
      ...request,
      ...{
        name: this.#title,
        tags: [tag],
        canonicalNames: undefined,
        outputs: [],
        iidFile: undefined,
        metadataFile: undefined,
      },
      ...{ noCache: true, noCacheFilter: [], housekeeping: { limits: () => ({}) } },
      lock: request.lock === "hold" ? "hold" : undefined,
    });
    this.#tags.push(...result.names);
    return result.descriptor.digest;
  }

  async #compare(first: Digest, second: Digest): Promise<ImageCause[]> {
    this.#tell("compare");
    return this.#withStore((store) => {
      const world = this.#world(store);
      return withImage(`store:${first}`, world, {}, (a) =>
        withImage(`store:${second}`, world, {}, (b) => imageDifference(a, b, dockerfileLines(a, store))),
      );
    });
  }

  async #against(spec: string): Promise<BuildVerification> {
    this.#tell("compare");
    const { platform } = this.#request;
    const options = platform === undefined ? {} : { platform: parsePlatform(platform) };
    return this.#withStore((store) => {
      const world = this.#world(store);
      return withImage(spec, world, options, (wanted) =>
        withImage(`store:${this.#digests[0]}`, world, {}, async (made) => {
          const causes = await imageDifference(wanted, made, dockerfileLines(made, store));
          const reproducible = causes.every((cause) => OF_THE_FORM.has(cause.class));
          return {
            ...this.#result(causes),
            reproducible,
            against: { image: wanted.shown, digest: wanted.descriptor.digest },
          };
        }),
      );
    });
  }

  #world(store: Store): ImageWorld {
    const { env = process.env, signal } = this.#request;
    return { env, signal, store };
  }

  #tell(doing: string): void {
    this.#request.onProgress?.(doing);
  }

  async #withStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const store = await Store.open(this.#path);
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }
}
