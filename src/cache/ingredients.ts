/**
 * What goes into a step's key, by name. The rule: everything that can change the step's layer, and nothing else; all of
 * it known before anything runs (BuildKit's cache model; its second pass by content is build/contentKeys.ts). Kept in the record, so
 * that a miss can be explained later.
 */

import { cleanPath } from "../layer/fileTree.js";
import type { Digest } from "../oci/digest.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import type { CopyStep, RunStep, Step, WorkdirStep } from "../plan/graph.js";
import { encodeText, toByteString } from "../support/bytes.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson, type Json } from "../support/json.js";

/** Raised when the way in which keys are made changes: no older record answers then. */
export const KEY_VERSION = 1;

/** Raised whenever a fix changes what an instruction produces. */
const SEMANTICS = { copy: 2, workdir: 1, run: 1, tree: 1 } as const;

/** What a step starts from or reads, by identity. */
export type InputIdentity =
  | { readonly kind: "scratch" }
  /** A base image: manifest digest and platform. */
  | { readonly kind: "image"; readonly digest: Digest; readonly platform: string }
  /** The result of another step: its key. */
  | { readonly kind: "step"; readonly key: string }
  /** A directory that serves as a whole file system: digest of its tree. */
  | { readonly kind: "tree"; readonly digest: string }
  /** In content keys: layers by what they hold, wherever they came from. The platform keeps equal files of different machines apart. */
  | { readonly kind: "content"; readonly digest: string; readonly platform: string };

/** One match of a source word. */
export interface SourceIngredient {
  /** The file's name where it may become the name at the destination; absent for directories, whose names go nowhere. */
  readonly name?: string | undefined;
  /** Tree digest, modes as they will be written. */
  readonly digest: string;
}

/** What one source word of a context means. */
export interface WordIngredient {
  readonly matches: readonly SourceIngredient[];
  /** Names of one inode that lie in different matches: the layer links them. */
  readonly shared?: readonly (readonly string[])[] | undefined;
  /** A download that is laid out if it is an archive. */
  readonly unpack?: boolean | undefined;
  /** What is left out of a git tree, whose digest is that of all of it. */
  readonly exclude?: readonly string[] | undefined;
}

/** Sources of COPY and ADD: files of a context by content, paths in anything else. */
export type SourceIngredients =
  | { readonly kind: "context"; readonly words: readonly WordIngredient[] }
  | {
      readonly kind: "paths";
      readonly from: InputIdentity;
      readonly words: readonly string[];
      readonly exclude: readonly string[];
    }
  /** In content keys: files of an image or a stage, by content. */
  | {
      readonly kind: "selection";
      readonly words: readonly WordIngredient[];
      /** Digest of what extended attributes they have beside capabilities. */
      readonly attributes?: string | undefined;
    };

/** The parts of a key that do not come from the step itself. */
export interface KeyInputs {
  /** Undefined where the step does not look at it (`--link`). */
  readonly parent: InputIdentity | undefined;
  /** For COPY and ADD: in the order of the source words. */
  readonly sources: SourceIngredients | undefined;
  /** Set under `--reproducible`: the mtime that every entry gets. */
  readonly mtime: number | undefined;
  /** For RUN: what it observes of the build beside the step itself. */
  readonly run?: RunInputs | undefined;
}

/** What a RUN observes that its step does not say. */
export interface RunInputs {
  /** In the order of the step's mounts; see runMounts.ts. */
  readonly mounts: readonly Json[];
  readonly hostname: string;
  readonly hosts: readonly { readonly name: string; readonly ip: string }[];
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** Bytes; undefined for the usual size. */
  readonly shmSize: number | undefined;
  /** What the sandbox cannot keep of files. */
  readonly losses: readonly string[];
}

/** All ingredients of a step's key. */
export function ingredientsOf(step: Step, inputs: KeyInputs): Json {
  return {
    version: KEY_VERSION,
    semantics: SEMANTICS[step.kind],
    parent: inputs.parent as Json | undefined,
    mtime: inputs.mtime,
    ...instructionOf(step, inputs),
  };
}

/** The key made of ingredients: SHA-256 of their canonical JSON, 64 hex digits. */
export function keyOf(ingredients: Json): string {
  return sha256Hex(canonicalJson(ingredients));
}

/** Ingredients of the layer that a directory context becomes when it is used as a base. */
export function treeIngredients(digest: string, mtime: number | undefined): Json {
  return { version: KEY_VERSION, semantics: SEMANTICS.tree, instruction: "tree", digest, mtime };
}

function instructionOf(step: Step, inputs: KeyInputs): { readonly [key: string]: Json | undefined } {
  switch (step.kind) {
    case "copy":
      return copyIngredients(step, inputs.sources);
    case "workdir":
      return workdirIngredients(step);
    case "run":
      return runIngredients(step, inputs.run);
  }
}

/** Whether ADD and COPY differ in what they do is told by `unpack`: an instruction's name alone changes nothing. */
function copyIngredients(
  step: CopyStep,
  sources: SourceIngredients | undefined,
): { readonly [key: string]: Json | undefined } {
  return {
    instruction: "copy",
    sources: sources as unknown as Json,
    inline: step.heredocs.map((file) => ({ name: file.name, digest: sha256Hex(encodeText(file.content)) })),
    destination: step.destination,
    chown: step.chown === undefined ? undefined : normalOwner(step.chown),
    chmod: step.chmod === undefined ? undefined : normalMode(step.chmod),
    link: step.link || undefined,
    parents: step.parents || undefined,
    unpack: step.keyword === "ADD" && step.unpack !== false ? true : undefined,
  };
}

function workdirIngredients(step: WorkdirStep): { readonly [key: string]: Json | undefined } {
  return { instruction: "workdir", path: cleanPath(toByteString(step.path)), user: normalOwner(step.user || "root") };
}

/** What only bounds how much a step may use (memory, time) is left out: it makes no other layer. */
function runIngredients(step: RunStep, run: RunInputs | undefined): { readonly [key: string]: Json | undefined } {
  return {
    instruction: "run",
    args: step.args,
    script: step.script ? { name: step.script.name, digest: sha256Hex(encodeText(step.script.content)) } : undefined,
    env: step.env,
    cwd: step.cwd,
    user: step.user,
    network: step.network,
    security: step.security,
    devices: step.devices,
    mounts: run?.mounts,
    hostname: run?.hostname,
    // Names without addresses (BuildKit): a host that has moved is the same host.
    hosts: run?.hosts.map(({ name }) => name),
    ulimits: run?.ulimits as Json | undefined,
    shmSize: run?.shmSize,
    losses: run && run.losses.length > 0 ? run.losses : undefined,
    platform: platformOf(step.platform),
  };
}

/** Owners that mean the same are the same: `root`, `0` and `0:0`; a lone number stands for its group too. */
function normalOwner(spec: string): string {
  const [user = "", group] = spec.split(":", 2) as [string, string?];
  const id = user === "root" || user === "" ? "0" : user.replace(/^0+(?=\d)/, "");
  if (group === undefined) return /^\d+$/.test(id) ? `${id}:${id}` : id;
  const gid = group === "root" || group === "" ? "0" : group.replace(/^0+(?=\d)/, "");
  return `${id}:${gid}`;
}

/** `644` is `0644` (BuildKit has the number in its key); modes in letters stand as they are written. */
function normalMode(mode: string): string {
  return /^[0-7]+$/.test(mode) ? mode.replace(/^0+/, "").padStart(4, "0") : mode;
}

/** How a platform stands in keys. */
export function platformOf(platform: Platform): string {
  return formatPlatform(platform) + (platform.osVersion ? `(${platform.osVersion})` : "");
}
