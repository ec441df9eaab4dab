/**
 * Writing the lock file anew: what every base image's name stands for in its registry now. Nothing is built, and of images
 * only their configs are fetched, since their triggers may name further images.
 */
import type { Digest } from "../oci/digest.js";
import { familiarName, formatReference, parseReference } from "../oci/reference.js";
import type { KnownBase, WantedBase } from "../plan/graph.js";
import { planBuild } from "../plan/plan.js";
import { isNacreError } from "../support/errors.js";
import { isFiles, parseNamedContexts } from "./contextSource.js";
import { readDockerfile } from "./inputs.js";
import { lockPathOf, readLock, writeLock } from "./lockFile.js";
import { unknownBase } from "./outline.js";
import { planRequestOf } from "./planRequest.js";
import { registriesOf, remoteConfig, remoteDigest } from "./registryBases.js";
import type { BuildRequest } from "./request.js";

/** What became of a locked name. */
export interface LockChange {
  /** As Docker shows it, e.g. `alpine:3.20`. */
  readonly name: string;
  /** Undefined if it is new. */
  readonly before: Digest | undefined;
  readonly after: Digest;
}

/** A lock file that has been written. */
export interface UpdatedLock {
  readonly path: string;
  /** All images of the Dockerfile, by name. */
  readonly images: readonly LockChange[];
}

/**
 * Looks all base images of a Dockerfile up and writes the lock file. Names that other Dockerfiles have put there stay.
 * @throws NacreError PLAN_INVALID, DOCKERFILE_SYNTAX, IMAGE_NOT_FOUND, NETWORK, DENIED, CONTENT_INVALID, OUTPUT, …
 */
export async function writeUpdatedLock(request: BuildRequest): Promise<UpdatedLock> {
  const path = lockPathOf(request);
  const before = readLock(path) ?? new Map<string, Digest>();
  const found = await lookUp(request);
  await writeLock(path, new Map([...before, ...found]));
  const images = [...found].map(([name, after]): LockChange => {
    return { name: familiarName(parseReference(name)), before: before.get(name), after };
  });
  return { path, images: images.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

async function lookUp(request: BuildRequest): Promise<ReadonlyMap<string, Digest>> {
  const { dockerfile } = await readDockerfile(request);
  const contexts = parseNamedContexts(request.buildContexts ?? {});
  const registries = await registriesOf(request, { warn: () => {} });
  const bases = new Map<string, KnownBase>();
  const digests = new Map<string, Digest>();
  const look = async (wanted: WantedBase): Promise<KnownBase> => {
    const context = wanted.context === undefined ? undefined : contexts.get(wanted.context);
    if (wanted.context !== undefined && context && isFiles(context)) return { kind: "files", context: wanted.context };
    if (context?.kind === "layout") return unknownBase(wanted);
    const reference = parseReference(context?.kind === "image" ? context.reference : wanted.reference);
    const digest = await remoteDigest(registries, reference);
    if (reference.digest === undefined) digests.set(formatReference(reference), digest);
    return { kind: "image", config: await remoteConfig(registries, { ...reference, digest }, wanted.platform) };
  };
  try {
    for (;;) {
      const result = planBuild(dockerfile, { ...planRequestOf(request), allStages: true, bases });
      if (result.kind === "plan") return digests;
      for (const wanted of result.bases) bases.set(wanted.key, await look(wanted).catch(placedAt(wanted)));
    }
  } finally {
    await registries.close();
  }
}

function placedAt({ place }: WantedBase): (error: unknown) => never {
  return (error) => {
    throw isNacreError(error) ? error.at(place) : error;
  };
}
