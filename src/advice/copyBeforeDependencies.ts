/** CopyBeforeDependencies: a COPY of a whole directory stands before the step that installs dependencies. */
import { posix } from "node:path";
import type { LocalContext } from "../context/local.js";
import { parseMount } from "../dockerfile/mount.js";
import { lookup, pathOf, type TreeNode } from "../layer/fileTree.js";
import type { CopyStep, Plan, RunStep, Step } from "../plan/graph.js";
import { fromByteString, toByteString } from "../support/bytes.js";
import { readSmallText } from "./contextText.js";
import { type Finding, finding, listed } from "./finding.js";
import { type Install, installOf } from "./installs.js";
import { stepCommands } from "./shellText.js";
import { copiedParts, type UsedPart } from "./usedFiles.js";

/** Files beside manifests that do not make a copy one of everything. */
const SMALL_TALK =
  /^(?:\.?dockerignore|.*dockerfile.*|.*\.md|licen[cs]e.*|\.git(?:ignore|attributes|keep)?|\.editorconfig)$/i;

/** All findings in the steps of a plan. */
export function copyBeforeDependencies(plan: Plan, context: LocalContext): readonly Finding[] {
  return plan.steps.flatMap((step) => (step.kind === "run" ? inRun(step, plan, context) : []));
}

function inRun(run: RunStep, plan: Plan, context: LocalContext): readonly Finding[] {
  // A cache mount keeps what was fetched, and a bind mount brings its own files.
  if (run.platform.os === "windows" || run.mounts.some((value) => ["cache", "bind"].includes(parseMount(value).type)))
    return [];
  const before = chainBefore(run, plan);
  const done = new Set<string>();
  const found: Finding[] = [];
  for (const command of stepCommands(run)) {
    const install = installOf(command);
    if (install === undefined || done.has(install.tool)) continue;
    done.add(install.tool);
    if (isInstalledBefore(install, before)) continue;
    const one = findingOf(install, run, before, context);
    if (one) found.push(one);
  }
  return found;
}

/** The steps that the file system of a step comes from, the nearest first. */
function chainBefore(step: Step, plan: Plan): readonly Step[] {
  const chain: Step[] = [];
  for (let at = step.parent; at.kind === "step"; at = chain.at(-1)!.parent) chain.push(plan.steps[at.id]!);
  return chain;
}

/** An earlier RUN of the same tool has installed already; what is told of is that one, or nothing. */
function isInstalledBefore({ tool }: Install, before: readonly Step[]): boolean {
  return before.some(
    (step) => step.kind === "run" && stepCommands(step).some((command) => installOf(command)?.tool === tool),
  );
}

interface Origin {
  readonly step: CopyStep;
  readonly node: TreeNode;
  /** The directory that was copied with it; undefined if the file was named itself. */
  readonly directory: UsedPart | undefined;
}

/** A step that installs what manifests ask for, and the COPY that brings these together with other files. */
export interface InstallSource {
  readonly install: Install;
  readonly copy: CopyStep;
  /** The manifests and what belongs to them, in the context. */
  readonly files: readonly TreeNode[];
}

/** Of each installation of a step the COPY of more than its manifests that it stands on. */
export function installSources(run: RunStep, plan: Plan, context: LocalContext): readonly InstallSource[] {
  const before = chainBefore(run, plan);
  return stepCommands(run).flatMap((command) => {
    const install = installOf(command);
    if (install === undefined || isInstalledBefore(install, before)) return [];
    return sourceOf(install, before, context) ?? [];
  });
}

/** True for a project of several parts, whose manifests stand in several directories. */
export function isOfParts({ files }: InstallSource, context: LocalContext): boolean {
  return hasParts(files, context);
}

function sourceOf(install: Install, before: readonly Step[], context: LocalContext): InstallSource | undefined {
  if (install.cwd === undefined) return undefined;
  const originOf = (name: string): Origin | undefined => origin(posix.resolve(install.cwd!, name), before, context);
  const [main] = expandNames(install.manifests, originOf, install.cwd, before, context);
  if (main?.directory === undefined) return undefined;
  const { step, directory } = main;
  if (install.needs?.some((name) => originOf(name) === undefined)) return undefined;
  if (install.vendored !== undefined && originOf(install.vendored)) return undefined;
  const files = expandNames([...install.manifests, ...install.companions], originOf, install.cwd, before, context)
    .filter((file) => file.step === step)
    .map(({ node }) => node);
  return hasOtherFiles(directory, files.map(nameOf), context) ? { install, copy: step, files } : undefined;
}

function findingOf(
  install: Install,
  run: RunStep,
  before: readonly Step[],
  context: LocalContext,
): Finding | undefined {
  const source = sourceOf(install, before, context);
  if (source === undefined) return undefined;
  const { copy, files } = source;
  const [copied = ""] = copy.label.split("] ").slice(-1);
  const line = run.place.range.start.line;
  const detail = `${copied} comes before ${install.shown} (line ${line}): a change of any file makes that run again, not only of ${listed(files.map(nameOf))}`;
  return finding(
    "CopyBeforeDependencies",
    copy.place,
    detail,
    hasParts(files, context) ? fixOfMany(install) : fixOf(install, copy, files),
  );
}

function nameOf(node: TreeNode): string {
  return fromByteString(pathOf(node));
}

/** Manifests copied by themselves, directories one by one, since COPY takes what is in them. */
function fixOf(install: Install, step: CopyStep, files: readonly TreeNode[]): string {
  const { command } = install;
  if (command === undefined) return fixOfMany(install);
  const lines = manifestCopies({ install, copy: step, files }, `COPY${ownerFlag(step)}`);
  return `put before it: ${[...lines, `RUN ${command}`].join("; ")}`;
}

function ownerFlag({ chown }: CopyStep): string {
  return chown === undefined ? "" : ` --chown=${chown}`;
}

/** Instructions that copy the manifests alone to where the installation looks for them. @param copy `COPY` with its flags */
export function manifestCopies({ install, files }: InstallSource, copy: string): readonly string[] {
  const { cwd = "/" } = install;
  const plain = files.filter(({ type }) => type !== "dir").map(nameOf);
  const directories = files.filter(({ type }) => type === "dir");
  return [
    `${copy} ${plain.map(quoted).join(" ")} ${posix.join(cwd, "/")}`,
    ...directories.map((node) => `${copy} ${quoted(nameOf(node))} ${posix.join(cwd, fromByteString(node.name))}/`),
  ];
}

/** Where copying one manifest does not do. */
function fixOfMany({ cache, manifests, shown }: Install): string {
  if (cache !== undefined) return `keep what it fetches in a cache: RUN --mount=type=cache,target=${cache} ${shown}`;
  return `copy all manifests first, with their directories (COPY --parents **/${manifests[0]} …), and install before the rest is copied`;
}

function quoted(name: string): string {
  return /\s/.test(name) ? JSON.stringify(name) : name;
}

/** What in a manifest says that others in directories below belong to the same project. */
const PARTS: Readonly<Record<string, RegExp>> = {
  "package.json": /"workspaces"\s*:/,
  "pom.xml": /<modules>/,
  "settings.gradle": /^\s*include\b/m,
  "settings.gradle.kts": /^\s*include\s*\(/m,
};

/** True for a project of several parts, which has further manifests. */
function hasParts(files: readonly TreeNode[], context: LocalContext): boolean {
  return files.some((node) => {
    if (node.name === "pnpm-workspace.yaml") return true;
    const sign = Object.hasOwn(PARTS, node.name) ? PARTS[node.name] : undefined;
    return sign?.test(readSmallText(context, node) ?? "") ?? false;
  });
}

/** Where each name comes from, wildcards looked up in the copied directory. */
function expandNames(
  names: readonly string[],
  originOf: (name: string) => Origin | undefined,
  cwd: string,
  before: readonly Step[],
  context: LocalContext,
): readonly Origin[] {
  return names.flatMap((name) => {
    if (!name.startsWith("*")) return originOf(name) ?? [];
    const here = origin(cwd, before, context);
    const ending = name.slice(1);
    const found =
      here?.node.type === "dir" ? context.children(here.node).filter((node) => node.name.endsWith(ending)) : [];
    return found.map((node) => ({ ...here!, node }));
  });
}

/** Which file of the context lies at an absolute path of the image, through the last COPY that put one there. */
function origin(path: string, before: readonly Step[], context: LocalContext): Origin | undefined {
  for (const step of before) {
    if (step.kind !== "copy" || step.parents) continue;
    for (const part of [...copiedParts(step, context)].reverse()) {
      const found = partAt(part, step, path, context);
      if (found) return found;
    }
  }
  return undefined;
}

function partAt(part: UsedPart, step: CopyStep, path: string, context: LocalContext): Origin | undefined {
  const target = posix.resolve("/", step.destination);
  if (part.node.type !== "dir") {
    const name = fromByteString(part.node.name);
    const at = [posix.join(target, name), ...(step.destination.endsWith("/") ? [] : [target])];
    return at.includes(path) ? { step, node: part.node, directory: undefined } : undefined;
  }
  const rest = posix.relative(target, path);
  if (rest.startsWith("..")) return undefined;
  const above = pathOf(part.node);
  const node =
    rest === "" ? part.node : lookup(context, above === "" ? toByteString(rest) : `${above}/${toByteString(rest)}`);
  if (node === undefined || (node !== part.node && part.takes?.(node) === false)) return undefined;
  return { step, node, directory: part };
}

function hasOtherFiles({ node, takes }: UsedPart, manifests: readonly string[], context: LocalContext): boolean {
  const known = new Set(manifests);
  const isOther = (child: TreeNode): boolean => {
    if (takes?.(child) === false || SMALL_TALK.test(child.name) || known.has(fromByteString(pathOf(child))))
      return false;
    return child.type !== "dir" || context.children(child).some(isOther);
  };
  return context.children(node).some(isOther);
}
