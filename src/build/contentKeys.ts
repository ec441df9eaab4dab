/**
 * Content keys: the second chance of a step that no record answers. Its inputs, known by now, are named by what they hold
 * instead of where they come from: parents per layer without mtimes, the sources of COPY and of bind mounts, and git
 * sources, by the files that are taken (BuildKit's slow cache does so for all but parents). So what was made again with the
 * same outcome does not make everything after it anew.
 */
import { type InputIdentity, keyOf, platformOf, type SourceIngredients } from "../cache/ingredients.js";
import { layerContent, stackContent } from "../cache/layerContent.js";
import { contextSources, gitWords, type ModeOf } from "../cache/sources.js";
import { CAPABILITY } from "../context/capabilities.js";
import type { RemoteSources } from "../context/remoteSource.js";
import { selectSources, selectWithParents } from "../context/select.js";
import { treeDigest } from "../context/treeDigest.js";
import type { ImageLayer } from "../image/image.js";
import type { OpenLayers } from "../image/layers.js";
import { type FileTree, pathOf, resolvePath, type TreeNode, walkTree } from "../layer/fileTree.js";
import type { DiffId } from "../oci/digest.js";
import { parseChmod } from "../plan/chmod.js";
import type { CopyStep, FileState, Plan, RunStep } from "../plan/graph.js";
import type { ByteString } from "../support/bytes.js";
import { isNacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson, type Json } from "../support/json.js";
import type { KeyedStep } from "./keyer.js";
import type { Runs } from "./runs.js";
import { isLinked, statesOf } from "./stepInputs.js";

/** A step by the content of its inputs. */
export interface ContentKey {
  readonly key: string;
  readonly ingredients: Json;
}

const MISSING: ReadonlySet<string> = new Set(["SOURCE_NOT_FOUND", "COPY_CONFLICT", "MOUNT"]);

/** What content keys are made from. */
export interface ContentKeying {
  readonly plan: Plan;
  readonly open: OpenLayers;
  readonly runs: Runs | undefined;
  /** All layers of a file system, lowest first; makes those that are missing. */
  readonly layersOf: (state: FileState) => Promise<readonly ImageLayer[]>;
  /** The sources of a step that are no files of its context; undefined if all are. Absent where nothing is fetched. */
  readonly remoteOf?: (step: CopyStep) => Promise<RemoteSources> | undefined;
  /** Digest of what a path of a context holds. */
  readonly contextDigest: (step: RunStep, context: string, path: ByteString) => Promise<string>;
}

/** Makes the content keys of one build. */
export class ContentKeyer {
  readonly #keying: ContentKeying;
  readonly #contents = new Map<DiffId, Promise<string>>();

  constructor(keying: ContentKeying) {
    this.#keying = keying;
  }

  /** Undefined for a step whose inputs are contexts and downloads only: it is known by content already. Solves the inputs. */
  async key(keyed: KeyedStep): Promise<ContentKey | undefined> {
    try {
      return await this.#key(keyed);
    } catch (error) {
      // What a source lacks is told of by whoever makes the step.
      if (isNacreError(error) && MISSING.has(error.code)) return undefined;
      throw error;
    }
  }

  async #key({ step, ingredients }: KeyedStep): Promise<ContentKey | undefined> {
    // All at once: stages that do not depend on each other are built side by side.
    await Promise.all(
      statesOf(step)
        .filter(isExchangeable)
        .map((state) => this.#keying.layersOf(state)),
    );
    const exchanged: Record<string, Json> = {};
    if (!isLinked(step) && isExchangeable(step.parent)) exchanged.parent = (await this.#content(step.parent)) as Json;
    if (step.kind === "copy" && isExchangeable(step.from)) {
      exchanged.sources = (await this.#selection(step)) as unknown as Json;
    }
    if (step.kind === "copy" && step.from.kind === "context") {
      const sources = await this.#fetched(step, ingredients);
      if (sources) exchanged.sources = sources as unknown as Json;
    }
    if (step.kind === "run" && step.mountSources.some((from) => from && isExchangeable(from))) {
      exchanged.mounts = await this.#mounts(step);
    }
    if (Object.keys(exchanged).length === 0) return undefined;
    const all = { ...(ingredients as { readonly [name: string]: Json }), ...exchanged };
    return { key: keyOf(all), ingredients: all };
  }

  async #content(state: FileState): Promise<InputIdentity> {
    const layers = await this.#keying.layersOf(state);
    const digests = await Promise.all(layers.map((layer) => this.#layer(layer)));
    return { kind: "content", digest: stackContent(digests), platform: this.#platform(state) };
  }

  #layer(layer: ImageLayer): Promise<string> {
    let content = this.#contents.get(layer.diffId);
    if (content === undefined) {
      content = this.#keying.open.layer(layer).then(({ index }) => layerContent(index));
      this.#contents.set(layer.diffId, content);
    }
    return content;
  }

  /** The platform of the base image that a file system stems from. */
  #platform(state: FileState): string {
    const { plan } = this.#keying;
    let base = state;
    while (base.kind === "step") base = plan.steps[base.id]!.parent;
    const image = base.kind === "image" ? plan.bases.get(base.base) : undefined;
    return image ? platformOf(image.platform) : "";
  }

  /** Git sources by their files: many commits have the same. Undefined without any. */
  async #fetched(step: CopyStep, ingredients: Json): Promise<SourceIngredients | undefined> {
    const remote = await this.#keying.remoteOf?.(step);
    const { sources } = ingredients as { readonly sources?: SourceIngredients };
    if (remote === undefined || sources?.kind !== "context") return undefined;
    const fetched = await gitWords(step, remote, modesOf(step));
    return fetched.size === 0
      ? undefined
      : { ...sources, words: sources.words.map((word, i) => fetched.get(i) ?? word) };
  }

  async #selection(step: CopyStep): Promise<SourceIngredients> {
    const tree = await this.#tree(step.from);
    const sources = await contextSources(step, tree, modesOf(step));
    if (sources.kind !== "context") return sources;
    const nodes = step.sources.flatMap((word) =>
      step.parents
        ? selectWithParents(tree, word).map(({ root }) => root)
        : selectSources(tree, word).map(({ node }) => node),
    );
    return { kind: "selection", words: sources.words, attributes: attributesOf(tree, nodes) };
  }

  async #mounts(step: RunStep): Promise<readonly Json[]> {
    const { runs, contextDigest } = this.#keying;
    if (!runs) return [];
    const { runMountIngredients } = await import("../cache/runMounts.js");
    return runMountIngredients(runs.mountsOf(step), {
      input: (from) => this.#content(from),
      content: (context, path) => contextDigest(step, context, path),
      selection: async (from, path) => {
        const tree = await this.#tree(from);
        const { node } = resolvePath(tree, path, true);
        return node ? `${treeDigest(tree, node)} ${attributesOf(tree, [node]) ?? ""}` : "";
      },
    });
  }

  /** Digests stand in the indexes: no content is made ready. */
  async #tree(state: FileState): Promise<FileTree> {
    const tree = await this.#keying.open.tree(await this.#keying.layersOf(state));
    return {
      root: tree.root,
      children: (node) => tree.children(node),
      child: (node, name) => tree.child(node, name),
      prepare: async () => {},
      digest: (node) => tree.digest(node),
      open: (node) => tree.open(node),
    };
  }
}

/** Digest of the extended attributes of selected files, capabilities aside (lists tell of those); undefined without any. */
function attributesOf(tree: FileTree, nodes: readonly TreeNode[]): string | undefined {
  const found: Json[] = [];
  for (const [number, top] of nodes.entries()) {
    walkTree(tree, top, (node) => {
      const { [CAPABILITY]: _capability, ...others } = node.xattrs ?? {};
      if (Object.keys(others).length > 0) found.push([number, pathOf(node), others]);
      return true;
    });
  }
  return found.length > 0 ? sha256Hex(canonicalJson(found)) : undefined;
}

function modesOf({ chmod }: CopyStep): ModeOf | undefined {
  return chmod === undefined ? undefined : parseChmod(chmod).apply;
}

/** Everything that is known by where it comes from. */
function isExchangeable({ kind }: FileState): boolean {
  return kind === "step" || kind === "image";
}
