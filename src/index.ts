/** The library's public face: exports only. */
export { adviseContext, adviseProject, explainContextPaths, listContext, verifyBuild } from "./advice/advice.js";
export type { Advice, AdvisedStep, AdviseRequest } from "./advice/adviseBuilds.js";
export type { ContextListing, ContextListQuery } from "./advice/contextListing.js";
export type { ExplainedPath } from "./advice/contextPath.js";
export type { ContextQuery } from "./advice/contextQuery.js";
export type { AdviceRule, Finding } from "./advice/finding.js";
export type { Safety, Suggestion } from "./advice/suggest.js";
export type { BuildVerification, VerifyBuildRequest } from "./advice/verifyBuild.js";
export {
  DIVE_DEFAULTS,
  diffFile,
  diffImages,
  diffLayers,
  evaluateGate,
  extractFiles,
  extractToTar,
  type FileDiffPlace,
  findFile,
  GATE_FILES,
  type ImageHistoryOptions,
  imageDifference,
  imageHistory,
  inspectImage,
  layerStack,
  listFiles,
  listImages,
  type MeasureOptions,
  measureAsDive,
  measureWaste,
  mergedTree,
  mergeGateRules,
  openImage,
  rawDocument,
  readGateFile,
  readGateRules,
  reconstructDockerfile,
  type StackCursor,
  type StackVisitor,
  sizeReport,
  verifyImage,
  type WalkOptions,
  walkStack,
  whichLayers,
  withImage,
} from "./analysis/analysis.js";
export type { BaseImage } from "./analysis/baseImage.js";
export {
  type BuildDescription,
  compareBuilds,
  describeBuild,
  exportBuild,
  traceBuild,
  writeBuildDocument,
} from "./analysis/buildHistory.js";
export type { PlacedStep } from "./analysis/buildSteps.js";
export type { BuildComparison, ComparedBuild, ComparedStep, Difference, StepMatch } from "./analysis/compareBuilds.js";
export type {
  ChangedType,
  ChangeReason,
  ChangeTotals,
  ComparedLayer,
  ConfigChange,
  DiffedImage,
  DiffOptions,
  DownloadCost,
  FileChange,
  FileComparison,
  FileDiff,
  FileFacts,
  FilesDiff,
  FolderDelta,
  HistoryChange,
  ImageDiff,
  LayerChoice,
  LayerRow,
  SemanticIgnore,
} from "./analysis/diffTypes.js";
export type { DiveFileInfo, DiveReport } from "./analysis/diveExport.js";
export type { DiveFile, DiveNumbers } from "./analysis/diveNumbers.js";
export type { BuildTrace, ExportedBuild, TraceEvent } from "./analysis/exportBuild.js";
export type { ExtractOptions, ExtractReport, LeftOut } from "./analysis/extractTypes.js";
export type { Overwrite } from "./analysis/extractWriter.js";
export type { ChangeMark, FileListing, ListedFile, ListingTotals } from "./analysis/fileListing.js";
export type { GateRule, GateRuleName, GateRules, GateSettings, GateSource } from "./analysis/gateRules.js";
export type { GateContext, GateReport, GateResult, GateStatus } from "./analysis/gateTypes.js";
export type { DifferenceClass, ImageCause } from "./analysis/imageDifferenceTypes.js";
export type { HistoryLayer, HistoryLine, ImageHistory } from "./analysis/imageHistory.js";
export type {
  ImageListing,
  ImageQuery,
  ListedImage,
  ListedName,
  ListedPlatform,
  SizeModel,
} from "./analysis/imageList.js";
export type { ViewChoice } from "./analysis/imageView.js";
export type { ImageInspection, LayerInspection, PlatformInspection } from "./analysis/inspectImage.js";
export type { DockerfileLine } from "./analysis/layerLines.js";
export type { FileFilter } from "./analysis/listFiles.js";
export type { ListFilesOptions } from "./analysis/listImage.js";
export type { MeasureWasteOptions } from "./analysis/measureWaste.js";
export type { PathAction, PathHistory, PathVersion, RemovalCause, VersionFacts } from "./analysis/pathHistory.js";
export type { ImageFile } from "./analysis/readFile.js";
export type {
  ImageSizes,
  SizedImage,
  SizedLayer,
  SizeFolder,
  SizeReport,
  SizeReportOptions,
  SizeRow,
} from "./analysis/sizeReport.js";
export type {
  FilePlace,
  HistoryRow,
  ImagePlaceKind,
  ImageWorld,
  LayerObstacle,
  LayerStats,
  OpenedImage,
  OpenedIndex,
  OpenedLayer,
  OpenOptions,
  TocFacts,
  TocTrust,
} from "./analysis/types.js";
export type {
  Severity,
  VerifyClass,
  VerifyFinding,
  VerifyPlace,
  VerifyReport,
  VerifyTotals,
} from "./analysis/verifyTypes.js";
export type { WasteCause } from "./analysis/wasteCopies.js";
export type {
  CopyCount,
  ImageWaste,
  WasteAdvice,
  WasteByOrigin,
  WasteDuplicate,
  WasteFolder,
  WasteLayer,
  WasteOptions,
  WastePair,
  WastePath,
} from "./analysis/wasteTypes.js";
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
export { previewBuild } from "./build/dryRun.js";
export { type LockChange, type UpdatedLock, updateLock } from "./build/lock.js";
export { listTargets, type Outline, outlineDockerfile, type Targets } from "./build/outline.js";
export type { BuildPreview, PreviewedStep, PreviewOutcome, PreviewTotals } from "./build/previewTypes.js";
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
export { type CacheDisk, cacheDisk, type DiskKind, type DiskUse } from "./cache/cacheDisk.js";
export {
  type CachedLayer,
  type CachedMount,
  type CachedSnapshot,
  type CachedSource,
  type CachedStep,
  type CacheItem,
  type CacheType,
  listCache,
} from "./cache/cacheList.js";
export { type RootCause, rootCause } from "./cache/rootCause.js";
export type { MissReason } from "./cache/why.js";
export { longReason, type ReasonTextOptions, shortReason } from "./cache/whyText.js";
export { renderExcerpt } from "./dockerfile/excerpt.js";
export {
  type CatalogEntry,
  type FoundImage,
  findImage,
  type Removal as ImageRemoval,
  removeImages,
  tagImage,
} from "./image/catalog.js";
export type { CopiedBlob, CopyReport } from "./output/copyRequest.js";
export type { PushedImage, PushedLayer } from "./output/pushTargets.js";
export type { OutputCompression } from "./output/request.js";
export { type SavedImage, type SaveOptions, saveImages } from "./output/saveImages.js";
export { type CopyRequest, copyBetween, type PushRequest, pushToRegistries } from "./output/transfers.js";
export { type PullAllRequest, type PulledTag, pullAllTags } from "./registry/allTags.js";
export { askRateLimit, type RateLimitAnswer } from "./registry/askRateLimit.js";
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
export type { AutoPruneOptions, StartPrune } from "./store/autoPrune.js";
export {
  type BuildArgument,
  type BuildEntry,
  type BuildFilters,
  type BuildInputs,
  type BuildRemoval,
  type BuildRemovalRequest,
  type BuildStep,
  type BuildSummary,
  findBuild,
  type ListBuildsOptions,
  listBuilds,
  type NamedBuild,
  readBuild,
  removeBuilds,
} from "./store/builds.js";
export { type CacheMountInfo, listCacheMounts } from "./store/cacheMounts.js";
export { type CheckOptions, type CheckProblem, type CheckReport, checkStore } from "./store/check.js";
export { configPath } from "./store/configFile.js";
export { type ConfiguredLimits, configuredLimits, type Limit, parseFree, valuesOf } from "./store/configLimits.js";
export { type Eviction, evictionOf } from "./store/evictions.js";
export { type CacheLimits, defaultLimit, type Percent } from "./store/limits.js";
export { openLog } from "./store/logs.js";
export { type PruneOptions, type PruneReport, pruneStore, type Removal, tryPrune } from "./store/prune.js";
export { defaultStorePath, Store, type StoreOptions } from "./store/store.js";
export { type Amount, type StoreUsage, storeUsage } from "./store/usage.js";
export { type ErrorCode, isNacreError, NacreError } from "./support/errors.js";
export type { Emit, NacreEvent, Outcome } from "./support/events.js";
export type { Position, SourcePlace, SourceRange } from "./support/source.js";
