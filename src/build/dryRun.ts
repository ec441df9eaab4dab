/** Previewing a build: the face of preview.ts, which is loaded when it is asked for. */
import type { BuildPreview } from "./previewTypes.js";
import type { BuildRequest } from "./request.js";

/**
 * What a build would do: which steps the cache answers, why it does not answer the others, and what they cost. Nothing is
 * executed or downloaded, and nothing is written but what is known of the context's files.
 * @throws NacreError for everything that a build would fail with before its first step
 */
export async function previewBuild(request: BuildRequest): Promise<BuildPreview> {
  const preview = await import("./preview.js");
  return preview.previewBuild(request);
}
