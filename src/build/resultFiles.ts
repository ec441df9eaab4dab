/** `--iidfile` and `--metadata-file`: what a build tells to other programs. */
import { type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { writeDestination } from "../archive/destination.js";
import { ioError, NacreError } from "../support/errors.js";
import type { BuildRequest, BuildResult } from "./request.js";

/**
 * Finds out before the build whether the files can be written after it.
 * @throws NacreError OUTPUT
 */
export function checkResultFiles(request: BuildRequest): void {
  for (const file of [request.iidFile, request.metadataFile]) {
    if (file === undefined) continue;
    if (!statOf(dirname(file), file)?.isDirectory()) {
      throw new NacreError("OUTPUT", `${file} cannot be written: the directory ${dirname(file)} is not there`, {
        hint: "make the directory first",
      });
    }
  }
}

function statOf(directory: string, file: string): Stats | undefined {
  try {
    return statSync(directory, { throwIfNoEntry: false });
  } catch (error) {
    throw ioError("OUTPUT", `writing ${file}`, error);
  }
}

/**
 * Writes the files that were asked for; each appears whole.
 * @throws NacreError OUTPUT, DISK_FULL
 */
export async function writeResultFiles(request: BuildRequest, result: Omit<BuildResult, "id">): Promise<void> {
  if (request.iidFile !== undefined) await replaceFile(request.iidFile, result.digest);
  if (request.metadataFile !== undefined)
    await replaceFile(request.metadataFile, `${JSON.stringify(metadataOf(result), null, 2)}\n`);
}

/** BuildKit's names for what is told of a result. */
function metadataOf(result: Omit<BuildResult, "id">): Readonly<Record<string, unknown>> {
  return {
    "containerimage.config.digest": result.configDigest,
    "containerimage.descriptor": result.exported ?? result.descriptor,
    "containerimage.digest": result.digest,
    ...(result.names.length > 0 ? { "image.name": result.names.join(",") } : {}),
    ...(result.codecs.length > 0 ? { "nacre.codecs": result.codecs } : {}),
    "nacre.warnings": result.warnings,
  };
}

/** Devices and pipes (`/dev/stdout`) are written to, not replaced. */
function replaceFile(path: string, content: string): Promise<void> {
  return writeDestination({ kind: "path", path }, async (sink) => sink(Buffer.from(content)));
}
