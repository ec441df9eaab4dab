/**
 * The graph that a plan is: steps with every input named and every text expanded, and what becomes of the image's
 * config and history. Nothing here knows whether a step has been executed.
 */
import type { ContainerConfig, ImageConfig } from "../oci/documents.js";
import type { Platform } from "../oci/platform.js";
import type { SourcePlace, SourceRange } from "../support/source.js";

/** A step's position in {@link Plan.steps}. */
export type StepId = number;

/** A file system that a step starts from or copies from. */
export type FileState =
  /** No files at all. */
  | { readonly kind: "scratch" }
  /** A base image, named by its key in {@link Plan.bases}. */
  | { readonly kind: "image"; readonly base: string }
  /** A context: `""` is the main one, else the name of `--build-context` (a directory). */
  | { readonly kind: "context"; readonly name: string }
  /** What a step of this plan leaves behind. */
  | { readonly kind: "step"; readonly id: StepId };

/** What all steps have. */
export interface StepBase {
  readonly id: StepId;
  /** Index of the stage in the Dockerfile. */
  readonly stage: number;
  /** How people see it: `[build 2/5] COPY . /app`; expanded, one line. */
  readonly label: string;
  /** Where it stands. */
  readonly place: SourcePlace;
  /** The file system before the step: that of the nearest earlier step that changes it, or the stage's base. */
  readonly parent: FileState;
  /** True under `--no-cache` or where `--no-cache-filter` names the stage. Never true for WORKDIR (BuildKit does not force it). */
  readonly ignoreCache: boolean;
}

/** A source given as a heredoc, expanded. */
export interface InlineFile {
  readonly name: string;
  readonly content: string;
}

/** COPY or ADD of local files. */
export interface CopyStep extends StepBase {
  readonly kind: "copy";
  readonly keyword: "COPY" | "ADD";
  /** Where sources are looked up. */
  readonly from: FileState;
  /** Source words after expansion, as typed otherwise. */
  readonly sources: readonly string[];
  /** Where each of `sources` stands in the file of `place`; absent for triggers, which stand in another file. */
  readonly sourceRanges?: readonly SourceRange[] | undefined;
  readonly heredocs: readonly InlineFile[];
  /** Absolute destination; a trailing `/` (also from `/.`, `.` and the empty word) means "a directory". Not cleaned otherwise. */
  readonly destination: string;
  /** Expanded value of `--chown`. */
  readonly chown?: string | undefined;
  /** Expanded value of `--chmod`, checked. */
  readonly chmod?: string | undefined;
  readonly exclude: readonly string[];
  readonly link: boolean;
  readonly parents: boolean;
  readonly checksum?: string | undefined;
  readonly keepGitDir?: boolean | undefined;
  /** ADD: true or false if given, else undefined (local archives are unpacked, downloads are not). */
  readonly unpack?: boolean | undefined;
}

/** WORKDIR with a path other than `/`: makes the directory. */
export interface WorkdirStep extends StepBase {
  readonly kind: "workdir";
  /** Absolute. */
  readonly path: string;
  /** USER in force, e.g. `node`, or empty. */
  readonly user: string;
}

/** RUN: everything that its process observes. */
export interface RunStep extends StepBase {
  readonly kind: "run";
  /** The process: SHELL + text, or the exec form. */
  readonly args: readonly string[];
  /** A script to be mounted and run (heredoc with `#!`), if any. */
  readonly script?: InlineFile | undefined;
  /** Ordered `NAME=value` pairs: config Env, then ENV and ARG in instruction order. */
  readonly env: readonly string[];
  /** Predefined proxy arguments: in the environment, in neither key nor history. */
  readonly proxyEnv: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network?: string | undefined;
  readonly security?: string | undefined;
  readonly devices: readonly string[];
  /** Expanded `--mount` values; typed where RUN is executed. */
  readonly mounts: readonly string[];
  /** For each of `mounts` the file system that its `from` names; undefined without one. */
  readonly mountSources: readonly (FileState | undefined)[];
  /** Where each of `mounts` stands. */
  readonly mountPlaces?: readonly SourcePlace[] | undefined;
  readonly platform: Platform;
  /** What the base image says its programs are made for, whatever was asked for; undefined on scratch and on files. */
  readonly programs?: Platform | undefined;
}

/** A node of the graph. */
export type Step = CopyStep | WorkdirStep | RunStep;

/** A line of history that a stage adds. */
export interface PlannedHistory {
  readonly createdBy: string;
  /** The step whose layer it describes; absent for instructions without a layer. */
  readonly step?: StepId | undefined;
}

/** An image that the build needs, with the config it was planned with. */
export interface PlannedBase {
  readonly key: string;
  /** As written after expansion, e.g. `debian:12`. */
  readonly reference: string;
  readonly platform: Platform;
  readonly place: SourcePlace;
  /** The name in {@link PlanRequest.contextNames} that stands for it, if any. */
  readonly context?: string | undefined;
  /** How people see it: `[build 1/5] FROM docker.io/library/debian:12`. */
  readonly label: string;
}

/** What a stage comes to. */
export interface PlannedStage {
  readonly index: number;
  /** Name, or `stage-N`. */
  readonly name: string;
  /** Where its file system begins. */
  readonly base: FileState;
  /** Its file system at the end. */
  readonly result: FileState;
  /** The container config at the end. */
  readonly config: ContainerConfig;
  readonly author?: string | undefined;
  /** Platform fields for the image config. */
  readonly platform: Platform;
  /** `os.features` and other top-level fields of the base that stay. */
  readonly baseConfig?: ImageConfig | undefined;
  /** History lines of this stage and of the stages it is built FROM, in order; those of the base image come before them. */
  readonly history: readonly PlannedHistory[];
}

/** A warning of the planner, e.g. an undefined variable. */
export interface PlanWarning {
  readonly rule: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
  /** What would do away with it: this text in place of that range, for those who know that it changes nothing else. */
  readonly edit?: { readonly range: SourceRange; readonly text: string } | undefined;
  /** Absent for remarks about the request, e.g. a build argument that nothing declares. */
  readonly place?: SourcePlace | undefined;
}

/** The whole plan: only what the target needs. */
export interface Plan {
  /** In an order in which every step comes after its inputs. */
  readonly steps: readonly Step[];
  /** Base images by key. */
  readonly bases: ReadonlyMap<string, PlannedBase>;
  /** The stages that the target reaches, in file order. */
  readonly stages: readonly PlannedStage[];
  /** The target. */
  readonly target: PlannedStage;
  /** SOURCE_DATE_EPOCH given as a build or global argument, whole seconds. */
  readonly sourceDateEpoch?: number | undefined;
  readonly warnings: readonly PlanWarning[];
}

/** A base image whose config the planner has to see before it can go on. */
export interface WantedBase {
  readonly key: string;
  readonly reference: string;
  readonly platform: Platform;
  /** The user asked for this platform (then a mismatch of the image's own is no error). */
  readonly explicitPlatform: boolean;
  readonly place: SourcePlace;
  /** The name in {@link PlanRequest.contextNames} that stands for it: look there, not for an image of this name. */
  readonly context?: string | undefined;
  /** To be shown with the name, in builds that tell platforms apart: `linux/arm64`. */
  readonly shownPlatform?: string | undefined;
  /** What to tell the user if it is not there, e.g. a stage whose name is near. */
  readonly hint?: string | undefined;
}

/** What `build/` answers for a wanted base. */
export type KnownBase =
  /** `standIn`: nothing is known of the image, and the config is an empty one, so that the rest can be planned. */
  | { readonly kind: "image"; readonly config: ImageConfig; readonly standIn?: boolean | undefined }
  /** The name is a `--build-context` that is a directory: no config, files only. */
  | { readonly kind: "files"; readonly context: string };

/** Everything a plan is made from. */
export interface PlanRequest {
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly target?: string | undefined;
  /** Plan every stage, also those that the target does not need. */
  readonly allStages?: boolean | undefined;
  /** `--platform`, or undefined: then the base's own, else the machine's. */
  readonly platform?: Platform | undefined;
  readonly buildPlatform: Platform;
  /** `--label`. */
  readonly labels: ReadonlyMap<string, string>;
  readonly noCache: boolean;
  /** Stage names of `--no-cache-filter`. */
  readonly noCacheStages: readonly string[];
  /** `--network`, for RUN. */
  readonly network?: string | undefined;
  /** Names given with `--build-context`. They override stages and images of that name (BuildKit, named contexts). */
  readonly contextNames: ReadonlySet<string>;
  /** Those of them that are stages of this file (`NAME=target:STAGE`), with the stage's name. */
  readonly contextTargets?: ReadonlyMap<string, string> | undefined;
  /** When what the main context holds was made, in whole seconds: the commit of a git context. Undefined for directories. */
  readonly contextTime?: number | undefined;
  /** The same for named contexts, as far as it is known. */
  readonly contextTimes?: ReadonlyMap<string, number> | undefined;
  /** Answers so far, by key. */
  readonly bases: ReadonlyMap<string, KnownBase>;
}

/** A plan, or the bases that must be looked up first. */
export type PlanResult =
  | { readonly kind: "wanted"; readonly bases: readonly WantedBase[] }
  | { readonly kind: "plan"; readonly plan: Plan };
