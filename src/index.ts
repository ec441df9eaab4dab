/** The library's public face: exports only. */
export { adviseContext, explainContextPaths, listContext } from "./advice/advice.js";
export type { ContextListing, ContextListQuery } from "./advice/contextListing.js";
export type { ExplainedPath } from "./advice/contextPath.js";
export type { ContextQuery } from "./advice/contextQuery.js";
export type { AdviceRule, Finding } from "./advice/finding.js";
export {
  type ArchiveInput,
  type LoadedImage,
  type LoadOptions,
  type LoadRootfsOptions,
  loadImages,
  loadRootfs,
} from "./archive/loadImages.js";
export { build } from "./build/build.js";
export {
  type CheckFinding,
  type CheckReport as DockerfileReport,
  checkDockerfile,
  type FixedDockerfile,
  fixDockerfile,
  writeDockerfile,
} from "./build/dockerfileChecks.js";
export { listTargets, type Outline, outlineDockerfile, type Targets } from "./build/outline.js";
export type {
  BuildRequest,
  BuildResult,
  CompressionRequest,
  Destination,
  DockerfileSource,
  FailedRun,
  OutputRequest,
  StepReport,
} from "./build/request.js";
export { renderExcerpt } from "./dockerfile/excerpt.js";
export {
  type CatalogEntry,
  type FoundImage,
  findImage,
  type ImageSummary,
  listImages,
  type Removal as ImageRemoval,
  removeImages,
  tagImage,
} from "./image/catalog.js";
export { type ImageInspection, inspectImage, type LayerInspection, rawDocument } from "./image/inspect.js";
export type { OutputCompression } from "./output/request.js";
export { type SavedImage, type SaveOptions, saveImages } from "./output/saveImages.js";
export {
  type ChosenIsolation,
  type IsolationInfo,
  type IsolationTool,
  isolationInfo,
  type LevelInfo,
} from "./sandbox/isolationInfo.js";
export { type StoreCleaner, storeCleaner } from "./sandbox/storeCleaner.js";
export { type CacheMountInfo, listCacheMounts } from "./store/cacheMounts.js";
export { type CheckOptions, type CheckProblem, type CheckReport, checkStore } from "./store/check.js";
export { type BuildEntry, listBuilds, type NamedBuild, openLog, readBuild } from "./store/logs.js";
export { defaultLimit, type PruneOptions, type PruneReport, pruneStore, type Removal } from "./store/prune.js";
export { defaultStorePath, Store, type StoreOptions } from "./store/store.js";
export { type Amount, type StoreUsage, storeUsage } from "./store/usage.js";
export { type ErrorCode, isNacreError, NacreError } from "./support/errors.js";
export type { Emit, NacreEvent, Outcome } from "./support/events.js";
export type { Position, SourcePlace, SourceRange } from "./support/source.js";
