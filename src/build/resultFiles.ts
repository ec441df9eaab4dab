/** `--iidfile` and `--metadata-file`: what a build tells to other programs. */
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { ioError, NacreError } from "../support/errors.js";
import type { BuildRequest, BuildResult } from "./request.js";

/**
 * Finds out before the build whether the files can be written after it.
 * @throws NacreError OUTPUT
 */
export function checkResultFiles(request: BuildRequest): void {
  for (const file of [request.iidFile, request.metadataFile]) {
    if (file === undefined) continue;
    if (!statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory()) {
      throw new NacreError("OUTPUT", `${file} cannot be written: the directory ${dirname(file)} is not there`, {
        hint: "make the directory first",
      });
    }
  }
}

/**
 * Writes the files that were asked for; each appears whole.
 * @throws NacreError OUTPUT, DISK_FULL
 */
export function writeResultFiles(request: BuildRequest, result: BuildResult): void {
  if (request.iidFile !== undefined) replaceFile(request.iidFile, result.digest);
  if (request.metadataFile !== undefined)
    replaceFile(request.metadataFile, `${JSON.stringify(metadataOf(result), null, 2)}\n`);
}

/** BuildKit's names for what is told of a result. */
function metadataOf(result: BuildResult): Readonly<Record<string, unknown>> {
  return {
    "containerimage.config.digest": result.configDigest,
    "containerimage.descriptor": result.exported ?? result.descriptor,
    "containerimage.digest": result.digest,
    ...(result.names.length > 0 ? { "image.name": result.names.join(",") } : {}),
    ...(result.codecs.length > 0 ? { "nacre.codecs": result.codecs } : {}),
    "nacre.warnings": result.warnings,
  };
}

function replaceFile(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw ioError("OUTPUT", `writing ${path}`, error);
  }
}
