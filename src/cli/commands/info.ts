/** `nacre info`. */
import { availableParallelism } from "node:os";
import type { ConfiguredLimits, IsolationInfo, Store, StoreUsage } from "../../index.js";
import { formatPlatform, localPlatform } from "../../oci/platform.js";
import { isNacreError } from "../../support/errors.js";
import { formatBytes } from "../../support/human.js";
import { Command } from "../commander.js";
import { type FileSystem, fileSystemOf } from "../diskSpace.js";
import { type Invocation, print } from "../invocation.js";
import { renderPairs } from "../table.js";
import { findTool, TOOLS } from "../tools.js";
import { programVersion } from "../version.js";
import { renderIsolation } from "./infoIsolation.js";
import { limitWords } from "./limitWords.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { type Library, storePath, storeThere, withStore } from "./storeAccess.js";

interface InfoOptions {
  readonly format: string;
}

/** What `nacre info --format json` prints. */
export interface Info {
  readonly version: string;
  readonly node: string;
  /** The platform that images are built for by default. */
  readonly platform: string;
  readonly processors: number;
  readonly store: {
    readonly path: string;
    /** Absent where there is no store yet. */
    readonly images?: number | undefined;
    readonly usage?: StoreUsage | undefined;
    /** What the cache is kept within, and where that is set; or why that cannot be told. */
    readonly limits: ConfiguredLimits | { readonly error: string };
    readonly fileSystem?: FileSystem | undefined;
  };
  readonly tools: readonly ToolInfo[];
  /** How RUN can be executed here, or why that cannot be tried. */
  readonly isolation: IsolationInfo | { readonly error: string };
  readonly features: Readonly<Record<string, boolean>>;
}

interface ToolInfo {
  readonly name: string;
  readonly purpose: string;
  /** Absent where it is not installed. */
  readonly path?: string | undefined;
}

const EXAMPLES = examples(
  ["nacre info", "version, store and tools"],
  ["nacre info --format json | jq .store.usage.total", "for programs"],
);

/** Declares the command. */
export function infoCommand(invocation: Invocation): Command {
  return new Command("info")
    .summary("print facts about this installation and its store")
    .description("Print the version, where the store is and what is in it, and which tools were found.")
    .usage("[OPTIONS]")
    .addOption(formatOption("text", "json"))
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, self: Command) => {
      const options = optionsOf<InfoOptions>(self);
      const info = await gatherInfo(invocation, options);
      print(invocation.stdout, options.format === "json" ? [JSON.stringify(info)] : renderInfo(info));
    });
}

async function gatherInfo(invocation: Invocation, options: GlobalOptions): Promise<Info> {
  const path = await storePath(invocation, options);
  const facts = (await storeThere(invocation, options))
    ? await withStore(invocation, options, "read", async (store, library) => storeFacts(store, library))
    : {};
  const isolation = await gatherIsolation(path, invocation);
  return {
    version: programVersion(),
    node: process.versions.node,
    platform: formatPlatform(localPlatform()),
    processors: availableParallelism(),
    store: { path, limits: await gatherLimits(path, invocation), ...facts },
    tools: TOOLS.map((tool) => ({ ...tool, path: findTool(tool.name, invocation.env.PATH) })),
    isolation,
    features: { run: "auto" in isolation && isolation.auto !== undefined, pull: false, push: false },
  };
}

async function gatherIsolation(path: string, invocation: Invocation): Promise<Info["isolation"]> {
  const { isolationInfo } = await import("../../index.js");
  try {
    return await isolationInfo(path, invocation.env.PATH);
  } catch (error) {
    if (!isNacreError(error)) throw error;
    return { error: error.message };
  }
}

async function gatherLimits(path: string, { env }: Invocation): Promise<Info["store"]["limits"]> {
  const { configuredLimits } = await import("../../index.js");
  try {
    return configuredLimits(path, env);
  } catch (error) {
    if (!isNacreError(error)) throw error;
    return { error: error.hint === undefined ? error.message : `${error.message}; ${error.hint}` };
  }
}

function storeFacts(store: Store, library: Library): Omit<Info["store"], "path" | "limits"> {
  return {
    images: new Set(store.listReferences().map(({ descriptor }) => descriptor.digest)).size,
    usage: library.storeUsage(store),
    fileSystem: fileSystemOf(store.path),
  };
}

const USAGE_NAMES = {
  blobs: "blobs",
  companions: "unpacked copies",
  indexes: "indexes of layers",
  records: "records of steps",
  lists: "lists of files",
  snapshots: "snapshots for RUN",
  mounts: "caches of RUN",
  sources: "downloads and git repositories",
  blocks: "compressed blocks",
  statCaches: "stat caches",
  temporary: "temporary files",
  other: "other files",
} as const satisfies Partial<Record<keyof StoreUsage, string>>;

/** What each feature means when it is off. */
const MISSING_FEATURES: Readonly<Record<string, string>> = {
  run: "RUN cannot be executed here",
  pull: "base images come from the store, not from a registry",
  push: "images are written to archives, not pushed",
};

/** The lines of `nacre info`. */
export function renderInfo(info: Info): string[] {
  const { path, images, usage, limits, fileSystem } = info.store;
  const lines = renderPairs([
    ["nacre", info.version],
    ["node", info.node],
    ["platform", info.platform],
    ["processors", String(info.processors)],
    ["store", usage ? path : `${path} (not made yet)`],
    ...(fileSystem ? [fileSystemPair(fileSystem)] : []),
    ...(images === undefined ? [] : [["images", String(images)] as const]),
  ]);
  if (usage) lines.push("", ...renderUsage(usage));
  lines.push(...renderLimits(limits));
  lines.push("", "tools:");
  lines.push(
    ...indent(renderPairs(info.tools.map((tool) => [tool.name, `${tool.path ?? "not found"} (${tool.purpose})`]))),
  );
  lines.push("", "isolation of RUN:", ...indent(renderIsolation(info.isolation)));
  const missing = Object.entries(info.features).flatMap(([name, there]) =>
    there ? [] : [MISSING_FEATURES[name] ?? name],
  );
  if (missing.length > 0) lines.push("", "not available:", ...indent(missing));
  return lines;
}

function fileSystemPair({ type, size, free }: FileSystem): readonly [string, string] {
  return ["file system", `${type}, ${formatBytes(free)} free of ${formatBytes(size)}`];
}

function renderLimits(limits: Info["store"]["limits"]): string[] {
  if ("error" in limits) return ["limits of the cache cannot be told:", ...indent([limits.error])];
  return ["limits of the cache:", ...indent(limitWords(limits))];
}

function renderUsage(usage: StoreUsage): string[] {
  const kinds = Object.entries(USAGE_NAMES) as [keyof typeof USAGE_NAMES, string][];
  const pairs = kinds
    .filter(([kind]) => usage[kind].count > 0)
    .map(([kind, name]) => [name, `${formatBytes(usage[kind].bytes)} in ${countOf(kind, usage[kind].count)}`] as const);
  const cache = Math.max(0, usage.total.bytes - usage.images.bytes);
  return [
    `disk usage: ${formatBytes(usage.total.bytes)}, of which named images need ${formatBytes(usage.images.bytes)}`,
    ...indent(renderPairs(pairs)),
    `cache: ${formatBytes(cache)}`,
  ];
}

/** Snapshots, caches and sources are trees of many files; each counts as one. */
function countOf(kind: keyof typeof USAGE_NAMES, count: number): string {
  const one = kind === "snapshots" || kind === "mounts" || kind === "sources" ? "tree" : "file";
  return `${count} ${one}${count === 1 ? "" : "s"}`;
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
