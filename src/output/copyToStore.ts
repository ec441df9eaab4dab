/** Copies into the store: what comes is unpacked and indexed on its way in, as pulling and loading do it. */
import type { ArchiveInput } from "../archive/loadImages.js";
import type { Descriptor } from "../oci/documents.js";
import { engineText, type ImagePlace } from "../oci/imagePlace.js";
import { localPlatform } from "../oci/platform.js";
import { familiarName, formatReference, parseReference, type Reference } from "../oci/reference.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { silent } from "../support/events.js";
import type { CopyEnv, CopyOptions } from "./copyRequest.js";

/**
 * Copies an image into the store under a name.
 * @returns points at it
 * @throws NacreError as pulling and loading do
 */
export async function copyToStore(
  from: ImagePlace,
  name: string,
  options: CopyOptions,
  env: CopyEnv,
): Promise<Descriptor> {
  const reference = parseReference(name);
  if (reference.digest !== undefined) {
    throw new NacreError("REFERENCE_INVALID", `a new name cannot have a digest: ${name}`, { hint: "write name:tag" });
  }
  const store = await env.openStore("write");
  const full = formatReference(reference);
  switch (from.kind) {
    case "registry":
      return fromRegistry(store, from.reference, full, options, env);
    case "store":
      return fromStore(store, from.name, full, options);
    case "archive":
      return fromArchive(store, from.path, from.name, full, options, env);
    case "engine":
      return fromEngine(store, from, full, options, env);
  }
}

async function fromRegistry(
  store: Store,
  reference: Reference,
  name: string,
  options: CopyOptions,
  { registries, emit = silent, now, signal, jobs = 3 }: CopyEnv,
): Promise<Descriptor> {
  const [{ fetchImage }, { resolveDigest }] = await Promise.all([
    import("../registry/pullFetch.js"),
    import("../registry/resolve.js"),
  ]);
  const client = registries.open(reference.host, reference.path, "pull");
  const lease = store.acquireLease();
  try {
    const digest = await resolveDigest(client, reference);
    const { platform = localPlatform(), all = false } = options;
    const wanted = { platform, all, explicit: options.platform !== undefined };
    const request = { digest, name: familiarName(reference), wanted, jobs, lease, emit, now, signal };
    const { stored } = await fetchImage(store, client, request);
    await store.setReferences([{ name, descriptor: stored }]);
    return stored;
  } finally {
    lease.release();
  }
}

async function fromStore(store: Store, source: string, name: string, options: CopyOptions): Promise<Descriptor> {
  const [{ findImage }, { loadImage }] = await Promise.all([
    import("../image/catalog.js"),
    import("../image/image.js"),
  ]);
  const found = findImage(store, source).descriptor;
  const { platform = localPlatform() } = options;
  const descriptor = options.all ? found : loadImage(store, found, platform).descriptor;
  await store.setReferences([{ name, descriptor }]);
  return descriptor;
}

async function fromEngine(
  store: Store,
  { engine, name: of }: Extract<ImagePlace, { kind: "engine" }>,
  name: string,
  options: CopyOptions,
  env: CopyEnv,
): Promise<Descriptor> {
  const text = engineText(of);
  const { variables, signal } = env;
  if (engine === "docker") {
    const { saveFromEngine } = await import("../archive/engine.js");
    return fromArchive(
      store,
      saveFromEngine(text, "docker", { env: variables, signal }),
      undefined,
      name,
      options,
      env,
    );
  }
  const { saveFromStorage } = await import("../archive/enginePodman.js");
  const { path, cleanUp } = await saveFromStorage(text, variables, signal);
  try {
    return await fromArchive(store, path, undefined, name, options, env);
  } finally {
    await cleanUp();
  }
}

async function fromArchive(
  store: Store,
  archive: ArchiveInput,
  of: string | undefined,
  name: string,
  { platform, all }: CopyOptions,
  { signal }: CopyEnv,
): Promise<Descriptor> {
  const { loadImages } = await import("../archive/loadImages.js");
  const names = of === undefined ? {} : { names: [of] };
  const [loaded] = await loadImages(store, archive, { ...names, tags: [name], platform, allPlatforms: all, signal });
  return loaded!.descriptor;
}
