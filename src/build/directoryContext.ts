/** A directory as the main context of a build. */
import type { MainFiles } from "./contexts.js";
import { type LoadedDockerfile, loadDockerfile } from "./dockerfileSource.js";
import type { BuildRequest } from "./request.js";

/** A context with its Dockerfile. */
export interface MainContext {
  readonly loaded: LoadedDockerfile;
  readonly files: MainFiles;
  /** Committer time of a git context, whole seconds since 1970. */
  readonly time?: number | undefined;
}

/** A directory with the Dockerfile and the ignore file that belong to it. @throws NacreError as {@link loadDockerfile} */
export function directoryContext(request: BuildRequest, path: string): MainContext {
  const loaded = loadDockerfile(request, path);
  return { loaded, files: { kind: "directory", path, ignore: loaded.ignore } };
}
