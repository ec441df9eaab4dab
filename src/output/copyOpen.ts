/** Opening the place that a copy comes from. */

import { type CopyPlace, engineText } from "./copyNames.js";
import type { CopyEnv } from "./copyRequest.js";
import type { CopySource } from "./copySource.js";

/**
 * Opens a source of a copy. Of engines it has an archive of its own, which goes when it is closed.
 * @throws NacreError IMAGE_NOT_FOUND, NETWORK, DENIED, CREDENTIALS, CONTENT_INVALID, USAGE, TOOL_MISSING
 */
export async function openCopySource(place: CopyPlace, env: CopyEnv): Promise<CopySource> {
  switch (place.kind) {
    case "registry": {
      const { openRegistrySource } = await import("./copyRegistry.js");
      return openRegistrySource(env.registries, place.reference);
    }
    case "store": {
      const { openStoredSource } = await import("./copyStored.js");
      return openStoredSource(await env.openStore("read"), place.name);
    }
    case "archive": {
      const { openArchiveSource } = await import("./copyArchive.js");
      return openArchiveSource(place.path, place.path, { name: place.name });
    }
    case "engine":
      return openEngineSource(place, env);
  }
}

async function openEngineSource(
  { engine, name }: Extract<CopyPlace, { kind: "engine" }>,
  { variables, signal }: CopyEnv,
): Promise<CopySource> {
  const { openArchiveSource } = await import("./copyArchive.js");
  const text = engineText(name);
  if (engine === "docker") {
    const { saveFromEngine } = await import("./engine.js");
    return openArchiveSource(`docker-daemon:${text}`, saveFromEngine(text, "docker", { env: variables, signal }), {});
  }
  const { saveFromStorage } = await import("./enginePodman.js");
  const { path, cleanUp } = await saveFromStorage(text, variables, signal);
  return openArchiveSource(`containers-storage:${text}`, path, { cleanUp });
}
