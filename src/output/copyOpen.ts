/** Opening the place that a copy comes from. */

import type { ImageSource } from "../image/imageSource.js";
import { engineText, type ImagePlace } from "../oci/imagePlace.js";
import type { CopyEnv } from "./copyRequest.js";

/**
 * Opens a source of a copy. Of engines it has an archive of its own, which goes when it is closed.
 * @throws NacreError IMAGE_NOT_FOUND, NETWORK, DENIED, CREDENTIALS, CONTENT_INVALID, USAGE, TOOL_MISSING
 */
export async function openCopySource(place: ImagePlace, env: CopyEnv): Promise<ImageSource> {
  switch (place.kind) {
    case "registry": {
      const { openRegistrySource } = await import("../registry/registrySource.js");
      return openRegistrySource(env.registries, place.reference);
    }
    case "store": {
      const { openStoredSource } = await import("../image/storedSource.js");
      return openStoredSource(await env.openStore("read"), place.name);
    }
    case "archive": {
      const { openArchiveSource } = await import("../archive/archiveSource.js");
      return openArchiveSource(place.path, place.path, { name: place.name });
    }
    case "engine":
      return openEngineSource(place, env);
  }
}

async function openEngineSource(
  { engine, name }: Extract<ImagePlace, { kind: "engine" }>,
  { variables, signal }: CopyEnv,
): Promise<ImageSource> {
  const { openArchiveSource } = await import("../archive/archiveSource.js");
  const text = engineText(name);
  if (engine === "docker") {
    const { saveFromEngine } = await import("../archive/engine.js");
    return openArchiveSource(`docker-daemon:${text}`, saveFromEngine(text, "docker", { env: variables, signal }), {});
  }
  const { saveFromStorage } = await import("../archive/enginePodman.js");
  const { path, cleanUp } = await saveFromStorage(text, variables, signal);
  return openArchiveSource(`containers-storage:${text}`, path, { cleanUp });
}
