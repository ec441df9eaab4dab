/**
 * From a COPY, ADD or WORKDIR step to its layer. In come the step, the tree before it and the tree that it copies
 * from; out comes a layer in the store with its index. No file system is unpacked: destinations, owners and
 * conflicts are decided from the trees alone, and contents stream straight into the layer's tar.
 */
import { isArchive, type UnpackedArchive, unpackArchive } from "../context/archiveTree.js";
import { excludeFilter } from "../context/exclude.js";
import type { RemoteSources } from "../context/remoteSource.js";
import { type SelectedSource, selectSources, selectWithParents } from "../context/select.js";
import { isNumericOwner, readAccounts, resolveOwner } from "../image/users.js";
import { storeWrittenLayer } from "../image/writeLayer.js";
import { cleanPath, type FileTree, isLearning, type TreeNode } from "../layer/fileTree.js";
import type { WrittenLayer } from "../layer/layerWriter.js";
import { parseChmod } from "../plan/chmod.js";
import type { CopyStep, InlineFile, WorkdirStep } from "../plan/graph.js";
import type { Store } from "../store/store.js";
import { encodeText, toByteString } from "../support/bytes.js";
import { isNacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { extractInto } from "./archive.js";
import { type CopyRules, copyInto, copyWithParents, fileTarget, putFile } from "./copy.js";
import { OutTree } from "./outTree.js";
import { type PreviousLayer, writeEntries } from "./write.js";

/** What a step is composed with. */
export interface ComposeEnv {
  readonly store: Store;
  /** The tree before the step; an empty one for `--link`. */
  readonly parent: FileTree;
  /** mtime of directories that the step makes: whole seconds since 1970. */
  readonly now: number;
  /** Every mtime in the layer is this one (`--reproducible`). */
  readonly mtime?: number | undefined;
  /** Read files whose digests are not known yet once only: while they are copied. */
  readonly learn?: boolean | undefined;
  /** The step's layer of an earlier build, to take unchanged contents from. */
  readonly previous?: PreviousLayer | undefined;
  /** Words of ADD that are no files of the tree. */
  readonly remote?: RemoteSources | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Something that the user should know, e.g. an owner that does not exist. */
  warn(rule: string, message: string): void;
  onProgress?(bytes: number, total: number): void;
}

/**
 * Composes the layer of COPY or ADD.
 * @param from the tree that sources are looked up in
 * @throws NacreError SOURCE_NOT_FOUND, COPY_CONFLICT, CONTEXT_CHANGED, TAR_INVALID, …
 */
export async function composeCopy(step: CopyStep, from: FileTree, env: ComposeEnv): Promise<WrittenLayer> {
  const owner = step.chown === undefined ? undefined : await ownerOf(step.chown, env, "--chown");
  const rules: CopyRules = {
    owner,
    chmod: step.chmod === undefined ? undefined : parseChmod(step.chmod),
    destination: step.destination,
    now: env.now,
    include: step.exclude.length === 0 ? undefined : excludeFilter(step.exclude),
  };
  const out = new OutTree(env.parent);
  const archives: UnpackedArchive[] = [];
  try {
    for (const word of step.sources) await copyWord(step, word, from, { out, rules, archives }, env);
    for (const file of step.heredocs) copyInline(out, file, rules);
    return await writeLayer(out, env);
  } finally {
    for (const archive of archives) archive.close();
  }
}

/** Composes the layer of WORKDIR: the directories that are missing, owned by the user in force. */
export async function composeWorkdir(step: WorkdirStep, env: ComposeEnv): Promise<WrittenLayer> {
  const owner = step.user === "" ? { uid: 0, gid: 0 } : await ownerOf(step.user, env, "USER");
  const out = new OutTree(env.parent);
  out.makeDirectories(cleanPath(toByteString(step.path)), { mode: 0o755, ...owner, mtime: env.now });
  return writeLayer(out, env);
}

/** A whole tree as one layer: what FROM a directory context starts with. */
export async function composeTree(tree: FileTree, env: ComposeEnv): Promise<WrittenLayer> {
  const out = new OutTree(env.parent);
  const rules = { owner: undefined, chmod: undefined, destination: "/", now: env.now };
  const matches = [{ name: "", node: tree.root }];
  await tree.prepare([tree.root]);
  copyInto(out, { tree, matches }, rules);
  return writeLayer(out, env);
}

/** Where the words of one step go. */
interface Target {
  readonly out: OutTree;
  readonly rules: CopyRules;
  /** Open archives, closed when the layer is written. */
  readonly archives: UnpackedArchive[];
}

async function copyWord(
  step: CopyStep,
  word: string,
  from: FileTree,
  target: Target,
  { store, learn, remote }: ComposeEnv,
): Promise<void> {
  const { out, rules } = target;
  const fetched = remote?.get(word);
  if (fetched) {
    const { tree, matches } = await fetched.files();
    await tree.prepare(matches.map(({ node }) => node));
    await copyMatches(tree, matches, fetched.unpack, target, store);
    return;
  }
  if (step.parents) {
    for (const selection of selectWithParents(from, word)) {
      await prepareFor(from, [...selection.matches], learn);
      copyWithParents(out, from, selection, rules);
    }
    return;
  }
  const matches = selectSources(from, word);
  await prepareFor(
    from,
    matches.map(({ node }) => node),
    learn,
  );
  await copyMatches(from, matches, step.keyword === "ADD" && step.unpack !== false, target, store);
}

/** Copies what a word means; archives among it are laid out where that is asked for. */
async function copyMatches(
  tree: FileTree,
  matches: readonly SelectedSource[],
  unpack: boolean,
  { out, rules, archives }: Target,
  store: Store,
): Promise<void> {
  if (!unpack) {
    copyInto(out, { tree, matches }, rules);
    return;
  }
  for (const match of matches) {
    if (match.node.type === "file" && (await isArchive(tree, match.node))) {
      const archive = await unpackArchive(tree, match.node, () => store.tempFile());
      archives.push(archive);
      extractInto(out, archive.tree, rules);
    } else {
      copyInto(out, { tree, matches: [match] }, rules);
    }
  }
}

async function prepareFor(tree: FileTree, nodes: readonly TreeNode[], learn: boolean | undefined): Promise<void> {
  if (learn && isLearning(tree)) await tree.prepareAttributes(nodes);
  else await tree.prepare(nodes);
}

/** A heredoc is a file of its own: 0644, root's, then the flags. */
function copyInline(out: OutTree, file: InlineFile, rules: CopyRules): void {
  const bytes = encodeText(file.content);
  const target = fileTarget(out, toByteString(file.name), rules);
  const mode = rules.chmod?.apply(0o644, false) ?? 0o644;
  const open = () => {
    let position = 0;
    return {
      read: (chunk: Buffer, at: number, length: number) => {
        const taken = bytes.copy(chunk, at, position, position + length);
        position += taken;
        return taken;
      },
      close: () => {},
    };
  };
  putFile(out, target.parent, target.name, {
    type: "file",
    mode,
    uid: 0,
    gid: 0,
    ...rules.owner,
    mtime: rules.now,
    content: { size: bytes.length, digest: sha256Hex(bytes), open },
  });
}

/** A name that the image does not know is replaced, as BuildKit does, but not in silence. */
async function ownerOf(spec: string, env: ComposeEnv, what: string): Promise<{ uid: number; gid: number }> {
  const accounts = isNumericOwner(spec) ? { passwd: undefined, groups: undefined } : await readAccounts(env.parent);
  const { uid, gid, missing } = resolveOwner(spec, accounts);
  for (const name of missing)
    env.warn("UnknownOwner", `${what} ${spec}: the image has no ${name}; ${uid}:${gid} is used instead`);
  return { uid, gid };
}

async function writeLayer(out: OutTree, env: ComposeEnv): Promise<WrittenLayer> {
  try {
    return await writeLayerOnce(out, env, env.previous);
  } catch (error) {
    if (env.previous === undefined || !isNacreError(error) || error.code !== "CONTENT_INVALID") throw error;
    env.warn("DamagedLayer", "the step's last layer is damaged in the store; its files are read again");
    return writeLayerOnce(out, env, undefined);
  }
}

async function writeLayerOnce(
  out: OutTree,
  env: ComposeEnv,
  previous: PreviousLayer | undefined,
): Promise<WrittenLayer> {
  const { mtime, signal } = env;
  const expected = out.bytes();
  const onProgress = (bytes: number): void => env.onProgress?.(bytes, expected);
  return storeWrittenLayer(env.store, {
    expected,
    warn: (rule, message) => env.warn(rule, message),
    fill: async (writer) => {
      await previous?.content.prepare();
      await writeEntries(out, writer, { previous, mtime, signal, onProgress });
    },
  });
}
