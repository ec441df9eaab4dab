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
export { type LockChange, type UpdatedLock, updateLock } from "./build/lock.js";
export { listTargets, type Outline, outlineDockerfile, type Targets } from "./build/outline.js";
export type {
  BuildRequest,
  BuildResult,
  CompressionRequest,
  Destination,
  DockerfileSource,
  EngineOutput,
  FailedRun,
  FileOutput,
  ImageFormRequest,
  OutputRequest,
  RegistryOutput,
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
export type { CopiedBlob, CopyReport } from "./output/copyRequest.js";
export type { PushedImage, PushedLayer } from "./output/pushTargets.js";
export type { OutputCompression } from "./output/request.js";
export { type SavedImage, type SaveOptions, saveImages } from "./output/saveImages.js";
export { type CopyRequest, copyBetween, type PushRequest, pushToRegistries } from "./output/transfers.js";
export { login, logout } from "./registry/login.js";
export type { Login, LoginRequest, LoginWorld, Logout } from "./registry/loginTypes.js";
export type { PulledImage, PulledLayer, PullPolicy } from "./registry/pull.js";
export { type PullRequest, pullFromRegistry } from "./registry/pullFromRegistry.js";
export { searchImages } from "./registry/search.js";
export type {
  SearchAccess,
  SearchOrder,
  SearchRequest,
  SearchResult,
  TagInfo,
  TagsRequest,
} from "./registry/searchTypes.js";
export type { TagOrder } from "./registry/tagOrder.js";
export { listTags } from "./registry/tags.js";
export { BADGE_LABELS, type TrustBadge, trustOf } from "./registry/trust.js";
export type { RegistryEnv } from "./registry/types.js";
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
