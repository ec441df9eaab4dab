/** Finding out what a text means, and opening what it stands for. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { findImage } from "../image/catalog.js";
import type { ImageSource } from "../image/imageSource.js";
import { openStoredSource } from "../image/storedSource.js";
import { engineText, hasTransport, type ImagePlace, parseImagePlace } from "../oci/imagePlace.js";
import { parseReference } from "../oci/reference.js";
import { openConfigured } from "../registry/configured.js";
import type { Registries, RegistryEnv } from "../registry/types.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { ImagePlaceKind, ImageWorld, OpenOptions } from "./types.js";

/** An opened source and what kind of place it is. */
export interface OpenedSource {
  readonly source: ImageSource;
  readonly place: ImagePlaceKind;
}

/**
 * Opens the source of an image.
 * @throws NacreError as openImage
 */
export async function openSource(spec: string, world: ImageWorld, options: OpenOptions): Promise<OpenedSource> {
  if (spec === "") throw new NacreError("USAGE", "the name of an image is empty");
  const { place, absent } = locate(spec, world, options);
  try {
    return { source: await openPlace(place, world, options), place: place.kind };
  } catch (error) {
    throw absent === undefined ? error : neither(absent, error);
  }
}

/** A place, and why it is not the store where that was looked at first. */
interface Located {
  readonly place: ImagePlace;
  readonly absent?: NacreError | undefined;
}

function locate(spec: string, { store }: ImageWorld, { remote, offline }: OpenOptions): Located {
  if (/^(?:\.{0,2}\/|\.{1,2}$)/.test(spec)) return { place: pathPlace(spec) };
  if (hasTransport(spec)) return { place: parseImagePlace(spec) };
  if (remote === true) return { place: registryPlace(spec) };
  let absent = new NacreError("IMAGE_NOT_FOUND", `no image ${JSON.stringify(spec)}: there is no store yet`);
  if (store !== undefined) {
    try {
      findImage(store, spec);
      return { place: { kind: "store", name: spec } };
    } catch (error) {
      if (!isNacreError(error) || error.code !== "IMAGE_NOT_FOUND") throw error;
      absent = error;
    }
  }
  if (isArchive(spec)) return { place: { kind: "archive", format: "oci", path: spec } };
  if (offline === true || /^sha256:[0-9a-f]+$/.test(spec)) throw absent;
  return { place: registryPlace(spec), absent };
}

function registryPlace(spec: string): ImagePlace {
  // `dokcer://x` is told apart from a name; `odd:1` is one, though `oci:` is near.
  if (hasTransport(spec) || spec.includes("://")) return parseImagePlace(spec);
  return { kind: "registry", reference: parseReference(spec) };
}

/** `./DIR`, `./FILE`, and either with `:TAG`: the first colon ends a path unless there is a file of the whole name. */
function pathPlace(spec: string): ImagePlace {
  const colon = spec.indexOf(":");
  if (colon < 0 || existsSync(spec)) return { kind: "archive", format: "oci", path: spec };
  return { kind: "archive", format: "oci", path: spec.slice(0, colon), name: spec.slice(colon + 1) };
}

/** A file, or a directory with an image layout. */
function isArchive(path: string): boolean {
  if (path.includes("\0")) return false;
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts?.isFile() === true || (facts?.isDirectory() === true && existsSync(join(path, "oci-layout")));
}

async function openPlace(place: ImagePlace, world: ImageWorld, { offline }: OpenOptions): Promise<ImageSource> {
  switch (place.kind) {
    case "store": {
      if (world.store === undefined) throw new NacreError("IMAGE_NOT_FOUND", "there is no store yet");
      return openStoredSource(world.store, place.name, { damaged: true });
    }
    case "archive": {
      const { openArchiveSource } = await import("../archive/archiveSource.js");
      return openArchiveSource(place.path, place.path, { name: place.name, lazy: true });
    }
    case "engine":
      return openEngine(place, world);
    case "registry": {
      if (offline === true) throw new NacreError("IMAGE_NOT_FOUND", "no registry is to be asked");
      return openRegistry(place, world);
    }
  }
}

async function openEngine(
  { engine, name }: Extract<ImagePlace, { kind: "engine" }>,
  { env, signal }: ImageWorld,
): Promise<ImageSource> {
  const { openArchiveSource } = await import("../archive/archiveSource.js");
  const text = engineText(name);
  if (engine === "docker") {
    const { saveFromEngine } = await import("../archive/engine.js");
    return openArchiveSource(`docker-daemon:${text}`, saveFromEngine(text, "docker", { env, signal }), { lazy: true });
  }
  const { saveFromStorage } = await import("../archive/enginePodman.js");
  const { path, cleanUp } = await saveFromStorage(text, env, signal);
  return openArchiveSource(`containers-storage:${text}`, path, { cleanUp, lazy: true });
}

async function openRegistry(
  { reference }: Extract<ImagePlace, { kind: "registry" }>,
  world: ImageWorld,
): Promise<ImageSource> {
  const { openRegistrySource } = await import("../registry/registrySource.js");
  if (world.registries !== undefined) return openRegistrySource(world.registries, reference, { direct: true });
  const registries = await openConfigured(registryEnv(world));
  try {
    const source = await openRegistrySource(registries, reference, { direct: true });
    return { ...source, close: () => closeBoth(source, registries) };
  } catch (error) {
    await registries.close();
    throw error;
  }
}

async function closeBoth(source: ImageSource, registries: Registries): Promise<void> {
  await source.close();
  await registries.close();
}

function registryEnv({ env, limits, signal, now = Date.now, emit }: ImageWorld): RegistryEnv {
  const warn = (rule: string, message: string): void => emit?.({ type: "warning", rule, message, time: now() });
  return { env, limits, signal, now, warn };
}

/** A bare name is in neither place: what is wrong in the registry alone would hide that the store was meant. */
function neither(absent: NacreError, error: unknown): unknown {
  if (!isNacreError(error) || error.code === "CANCELLED") return error;
  const hint = absent.hint?.startsWith("did you mean") ? absent.hint : (error.hint ?? absent.hint);
  return new NacreError(error.code, `${absent.message}; ${error.message}`, { hint, facts: error.facts, cause: error });
}
