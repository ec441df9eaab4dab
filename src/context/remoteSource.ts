/** Source words of ADD that are no files of a context: downloads and git trees, as keys and composing see them. */
import type { FileTree } from "../layer/fileTree.js";
import type { ByteString } from "../support/bytes.js";
import type { SelectedSource } from "./select.js";

/** The files that a word of ADD means. */
export interface RemoteFiles {
  readonly tree: FileTree;
  readonly matches: readonly SelectedSource[];
}

/** A word of ADD, resolved: what it is now is known, its files need not have been fetched. */
export interface RemoteSource {
  /** What stands for it in a step's key: the digest of what it is, and for a single file its name. */
  readonly digest: string;
  readonly name?: ByteString | undefined;
  /** `--unpack=true` for a download: an archive is laid out, not copied. */
  readonly unpack: boolean;
  /** Fetches its files where they are not there yet. @throws NacreError NETWORK, TOOL_MISSING, … */
  files(): Promise<RemoteFiles>;
}

/** Resolved words of one step, by the word. */
export type RemoteSources = ReadonlyMap<string, RemoteSource>;

/** True if none of the words is a file of the context, which then need not be opened. */
export function areAllRemote(words: readonly string[], remote: RemoteSources | undefined): boolean {
  return remote !== undefined && words.every((word) => remote.has(word));
}
