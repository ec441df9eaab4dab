/** What a build is asked for and what it answers: the types of the library's `build`. */

import type { Digest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import type { Compression } from "../oci/mediaTypes.js";
import type { IsolationLevel, RunLimits } from "../sandbox/types.js";
import type { AutoPruneOptions } from "../store/autoPrune.js";
import type { Emit } from "../support/events.js";
import type { SourcePlace } from "../support/source.js";
import type { Entitlement } from "./supported.js";

/** Where the Dockerfile comes from. */
export type DockerfileSource =
  /** A file; relative to the working directory. Default: `Dockerfile`, then `dockerfile`, in the context. */
  | { readonly kind: "file"; readonly path: string }
  /** The text itself (`-f -`); `name` is what errors call it. */
  | { readonly kind: "text"; readonly text: string; readonly name?: string | undefined }
  /** An `http(s)://` address. */
  | { readonly kind: "url"; readonly url: string };

/** Where an output is written. */
export type Destination =
  | { readonly kind: "path"; readonly path: string }
  /** Standard output, or any other writable stream. */
  | { readonly kind: "stream"; readonly stream: NodeJS.WritableStream };

/** How layers are compressed in an output. */
export interface CompressionRequest {
  readonly type: Compression;
  /** gzip 0–9 (default 4), zstd 1–22 (default 3). */
  readonly level?: number | undefined;
  /** Recompress layers of the base too. */
  readonly force: boolean;
}

/** In which form an image is handed over. */
export interface ImageFormRequest {
  readonly compression: CompressionRequest;
  /** Names for this output; default: the build's tags. */
  readonly names?: readonly string[] | undefined;
  /** Clamp the mtimes of new layers to SOURCE_DATE_EPOCH. */
  readonly rewriteTimestamp: boolean;
  readonly annotations: ReadonlyMap<string, string>;
}

/** One `--output` that is a file or a directory. */
export type FileOutput =
  | (ImageFormRequest & {
      /** `oci`: OCI image layout; `docker`: the same with `manifest.json`, for `docker load`. */
      readonly type: "oci" | "docker";
      readonly destination: Destination;
      /** False: a directory instead of a tar. */
      readonly tar: boolean;
    })
  /** The files of the result: in a directory, or as one tar. */
  | { readonly type: "local" | "tar"; readonly destination: Destination };

/** The image is pushed to its names. */
export type RegistryOutput = ImageFormRequest & {
  readonly type: "registry";
  /** Without a tag: the names are repositories. */
  readonly byDigest?: boolean | undefined;
  /** The store knows the image by the digest that was pushed, too: `NAME@DIGEST`. */
  readonly canonical?: boolean | undefined;
  /** Publish indexes of the layers that are compressed here, by which files can be read without all of the layer. */
  readonly layerIndex?: boolean | undefined;
};

/** The image is loaded into an engine of this machine. */
export type EngineOutput = ImageFormRequest & { readonly type: "engine"; readonly engine: "docker" | "podman" };

/** One `--output`. */
export type OutputRequest = FileOutput | RegistryOutput | EngineOutput;

/** A context as it comes: a tar archive, compressed or not, or a Dockerfile alone. */
export interface ContextStream {
  readonly stream: AsyncIterable<Uint8Array>;
}

/** A build. Paths are relative to the working directory. */
export interface BuildRequest {
  /** The main context: a directory, a git address, the URL of an archive or of a Dockerfile; or a stream. */
  readonly context: string | ContextStream;
  readonly dockerfile?: DockerfileSource | undefined;
  /**
   * The ignore file of the main context, in place of `<Dockerfile>.dockerignore` and `.dockerignore`; `/dev/null` for none.
   */
  readonly ignoreFile?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  /** Names under which the store has the image by its digest, too: `NAME@DIGEST` (BuildKit's `name-canonical`). */
  readonly canonicalNames?: readonly string[] | undefined;
  readonly target?: string | undefined;
  /** What this build is called: builds of one name are compared with each other. Default: Dockerfile and context tell. */
  readonly name?: string | undefined;
  /** Version of the program that builds, for the history of builds. */
  readonly program?: string | undefined;
  /** Take the file for a Dockerfile although its `# syntax=` names another frontend. */
  readonly ignoreSyntax?: boolean | undefined;
  /** `--build-arg NAME=value`. */
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  /**
   * `--build-context name=…`: a directory, `oci-layout://DIR[:tag|@digest]`, `docker-image://REF` (in the store),
   * `target:STAGE`, a git address, the URL of an archive or of a file.
   */
  readonly buildContexts?: Readonly<Record<string, string>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Manifest annotations, for the store's image and every output. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly platform?: string | undefined;
  readonly noCache?: boolean | undefined;
  readonly noCacheFilter?: readonly string[] | undefined;
  /** Registries are asked for base images even if the store has images of their names. */
  readonly pull?: boolean | undefined;
  /** `write`: what base images' names stand for is written down; `hold`: it has to be what was written down. */
  readonly lock?: "write" | "hold" | undefined;
  /** The lock file; default: `nacre.lock` in the directory of the context, else in the working directory. */
  readonly lockFile?: string | undefined;
  /** Nothing is asked of the network: what was fetched before has to do. */
  readonly offline?: boolean | undefined;
  readonly network?: string | undefined;
  readonly outputs?: readonly OutputRequest[] | undefined;
  /** File that gets the image's digest, without a newline. */
  readonly iidFile?: string | undefined;
  /** File that gets the result's metadata as JSON. */
  readonly metadataFile?: string | undefined;
  /** SOURCE_DATE_EPOCH in whole seconds; a build argument of that name wins. */
  readonly sourceDateEpoch?: number | undefined;
  /** Every mtime in new layers is SOURCE_DATE_EPOCH (0 if unset). */
  readonly reproducible?: boolean | undefined;
  /**
   * Variables that say where registries' configuration and credentials are, and proxies. Default: this process's.
   */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Directory of the store; default `$NACRE_HOME`, then `$XDG_DATA_HOME/nacre`, then `~/.local/share/nacre`. */
  readonly store?: string | undefined;
  /** How the cache is kept within limits when the build is over. Default: to its default size, waited for. */
  readonly housekeeping?: AutoPruneOptions | undefined;
  /** How RUN is executed; `auto` (default) takes the best level that works here. */
  readonly isolation?: "auto" | IsolationLevel | undefined;
  /** What Dockerfiles may do beyond the usual. */
  readonly allow?: readonly Entitlement[] | undefined;
  /** Further lines of /etc/hosts in RUN. */
  readonly hosts?: readonly { readonly name: string; readonly ip: string }[] | undefined;
  /** Bytes of /dev/shm in RUN; default 64 MiB. */
  readonly shmSize?: number | undefined;
  /** Limits of each RUN. */
  readonly limits?: Partial<RunLimits> | undefined;
  /** Secrets for RUN, as `--secret` takes them: `id=ID,src=PATH` or `id=ID,env=NAME`. */
  readonly secrets?: readonly string[] | undefined;
  /** Agents for RUN, as `--ssh` takes them: `default`, `ID=SOCKET`, `ID=KEYFILE`. */
  readonly ssh?: readonly string[] | undefined;
  /** Called when a RUN has failed, while its root still exists. */
  readonly onFailedRun?: ((failed: FailedRun) => Promise<void>) | undefined;
  /** Number of steps and compressions at once; default: the number of processors. */
  readonly jobs?: number | undefined;
  readonly emit?: Emit | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A RUN that has failed. */
export interface FailedRun {
  readonly label: string;
  /** e.g. `process "/bin/sh -c make" did not complete successfully: exit code: 2`. */
  readonly message: string;
  readonly place: SourcePlace;
  /** The last lines of its output. */
  readonly tail: readonly string[];
  /**
   * Runs a shell in the step's root, with its environment and mounts, on this process's standard input and output. What
   * it changes is thrown away with the step.
   * @throws NacreError ISOLATION, MOUNT
   */
  readonly openShell: () => Promise<void>;
}

/** Which key found a step's record: that of its definition, or that of the content of its inputs. */
export type AnsweredBy = "definition" | "content";

/** What became of one step. */
export interface StepReport {
  readonly label: string;
  readonly outcome: "done" | "cached";
  /** For cached steps. */
  readonly by?: AnsweredBy | undefined;
  /** Milliseconds. */
  readonly duration: number;
  /** Name of the output of its execution, for RUN. */
  readonly log?: string | undefined;
  /** The step's layer, if it makes one. */
  readonly layer?: { readonly diffId: Digest; readonly size: number } | undefined;
}

/** A finished build. */
export interface BuildResult {
  /** Digest of the manifest that was exported (first image output), else of the one in the store. */
  readonly digest: Digest;
  readonly configDigest: Digest;
  /** The manifest in the store. */
  readonly descriptor: Descriptor;
  /** The manifest of the first image output, if there is one. */
  readonly exported?: Descriptor | undefined;
  /** Versions of the codecs that exported layers were compressed with: their digests depend on them. */
  readonly codecs: readonly string[];
  /** Bytes of all layers as the store's manifest names them. */
  readonly size: number;
  /** The build's name in the store's history. */
  readonly id: string;
  /** Full names the image has got in the store. */
  readonly names: readonly string[];
  readonly steps: readonly StepReport[];
  readonly warnings: readonly { readonly rule: string; readonly message: string }[];
}
