/**
 * What a build fetches from elsewhere: downloads and git trees, each once, and kept in use until the build ends. In come
 * addresses; out come contexts, and the sources of ADD as keys and composing want them.
 */
import { contentStream, isArchive, readArchive } from "../context/archiveTree.js";
import { type Context, plainContext } from "../context/context.js";
import type { Download, DownloadRequest } from "../context/download.js";
import { FileAsTree } from "../context/fileAsTree.js";
import type { GitCheckout, GitRequest } from "../context/git.js";
import type { RemoteFiles, RemoteSource, RemoteSources } from "../context/remoteSource.js";
import type { TreeNode } from "../layer/fileTree.js";
import { hexOf } from "../oci/digest.js";
import type { CopyStep } from "../plan/graph.js";
import { isGit, isUrl } from "../plan/remoteSources.js";
import { toByteString } from "../support/bytes.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { GitAddress } from "../support/gitAddress.js";
import { parseGitAddress, withGitFlags } from "../support/gitAddress.js";
import { formatBytes } from "../support/human.js";
import { shownGit } from "./contextSource.js";
import { openDirectory } from "./openDirectory.js";
import type { Session, Vertex } from "./session.js";
import { gitCredentials, httpAuthorization, type SourceSecrets } from "./sourceSecrets.js";

/** A git tree on disk, as a build uses it. */
type Checkout = Pick<GitCheckout, "directory" | "commit" | "committed" | "identity">;

/** A download as a context. */
export interface HttpContext {
  readonly context: Context;
  /** Its only file, if the download is no archive. */
  readonly alone: TreeNode | undefined;
}

/** Everything that one build has fetched. */
export class Fetches {
  readonly #session: Session;
  readonly #secrets: SourceSecrets;
  readonly #downloads = new Map<string, Promise<Download>>();
  readonly #checkouts = new Map<string, Promise<GitCheckout>>();

  constructor(session: Session, secrets: SourceSecrets) {
    this.#session = session;
    this.#secrets = secrets;
  }

  /**
   * A download as a context: the files of an archive, or one file called `context` (BuildKit: dockerui, named contexts).
   * @throws NacreError NETWORK, TAR_INVALID, COMPRESSION
   */
  async httpContext(url: string, vertex: Vertex): Promise<HttpContext> {
    const download = await this.download(url, undefined, vertex);
    const file = fileOf(download, "context");
    if (!(await isArchive(file, file.file))) return { context: plainContext(file, () => {}), alone: file.file };
    const archive = await readArchive(
      contentStream(file, file.file),
      () => this.#session.store.tempFile(),
      (bytes) => vertex.progress(bytes, undefined, "bytes"),
    );
    return { context: plainContext(archive.tree, () => archive.close()), alone: undefined };
  }

  /** The tree of a git address. @throws NacreError NETWORK, TOOL_MISSING */
  async gitContext(address: GitAddress, vertex: Vertex): Promise<Checkout> {
    const keep = address.keepGitDir || isTrue(this.#session.request.buildArgs?.BUILDKIT_CONTEXT_KEEP_GIT_DIR);
    return this.#checkout(address, keep, vertex);
  }

  /**
   * The sources of an ADD that are no files of its context.
   * @throws NacreError PLAN_INVALID, NETWORK, TOOL_MISSING
   */
  async remoteSources(step: CopyStep): Promise<RemoteSources> {
    const sources = new Map<string, RemoteSource>();
    if (step.keyword !== "ADD") return sources;
    for (const word of new Set(step.sources)) {
      if (isGit(word)) sources.set(word, await this.#gitSource(word, step));
      else if (isUrl(word)) sources.set(word, await this.#urlSource(word, step));
    }
    return sources;
  }

  /**
   * The same without their files, as far as they are known without fetching: servers are asked whether what is in the store
   * still is right, and what refs stand for.
   * @returns undefined if a source has to be fetched to be known
   * @throws NacreError PLAN_INVALID; CANCELLED
   */
  async lookUpSources(step: CopyStep): Promise<RemoteSources | undefined> {
    const sources = new Map<string, RemoteSource>();
    for (const word of new Set(step.sources)) {
      const found = isGit(word)
        ? await this.#lookUpGit(word, step)
        : isUrl(word)
          ? await this.#lookUpUrl(word, step)
          : "none";
      if (found === undefined) return undefined;
      if (found !== "none") sources.set(word, { ...found, files: notFetched });
    }
    return sources;
  }

  async #lookUpUrl(url: string, step: CopyStep): Promise<Omit<RemoteSource, "files"> | undefined> {
    const { lookUpDownload } = await import("../context/download.js");
    const found = await lookUpDownload(this.#session.store, this.#downloadRequest(url, step.checksum));
    return found && { digest: found.digest, name: toByteString(found.name), unpack: step.unpack === true };
  }

  async #lookUpGit(text: string, step: CopyStep): Promise<Omit<RemoteSource, "files"> | undefined> {
    const { resolveGit } = await import("../context/git.js");
    const address = addressOf(text, step);
    try {
      const request = await this.#gitRequest(address, address.keepGitDir ?? false);
      return { digest: (await resolveGit(this.#session.store, request)).identity, unpack: false };
    } catch (error) {
      if (isNacreError(error) && error.code === "NETWORK") return undefined;
      throw error;
    }
  }

  /** Lets garbage collection have what was fetched. */
  async release(): Promise<void> {
    await this.#secrets.close();
    for (const fetched of [...this.#downloads.values(), ...this.#checkouts.values()]) {
      await fetched.then(
        (one) => one.release(),
        () => undefined,
      );
    }
  }

  /** @param checksum as in `--checksum` */
  download(url: string, checksum: string | undefined, vertex: Vertex): Promise<Download> {
    const key = `${checksum ?? ""} ${url}`;
    let fetched = this.#downloads.get(key);
    if (fetched === undefined) {
      fetched = this.#download(url, checksum, vertex);
      this.#downloads.set(key, fetched);
    }
    return fetched;
  }

  async #download(url: string, checksum: string | undefined, vertex: Vertex): Promise<Download> {
    const { download } = await import("../context/download.js");
    return download(this.#session.store, {
      ...this.#downloadRequest(url, checksum),
      onProgress: (bytes, total) => vertex.progress(bytes, total, "bytes"),
      warn: (rule, message) => this.#session.warn({ rule, message }),
    });
  }

  #downloadRequest(url: string, checksum: string | undefined): DownloadRequest {
    const { signal, request } = this.#session;
    const authorization = httpAuthorization(url, this.#secrets);
    return { url, checksum, authorization, offline: request.offline, signal, env: process.env };
  }

  #checkout(address: GitAddress, keepGitDir: boolean, vertex: Vertex): Promise<GitCheckout> {
    const key = JSON.stringify([address, keepGitDir]);
    let fetched = this.#checkouts.get(key);
    if (fetched === undefined) {
      fetched = (async () => {
        const { checkoutGit } = await import("../context/git.js");
        const request = await this.#gitRequest(address, keepGitDir);
        return checkoutGit(this.#session.store, { ...request, onProgress: (line) => vertex.log(line) });
      })();
      this.#checkouts.set(key, fetched);
    }
    return fetched;
  }

  async #gitRequest(address: GitAddress, keepGitDir: boolean): Promise<GitRequest> {
    const { signal, request } = this.#session;
    const credentials = await gitCredentials(address, this.#secrets);
    return { address, keepGitDir, ...credentials, offline: request.offline, signal, env: process.env };
  }

  async #urlSource(url: string, step: CopyStep): Promise<RemoteSource> {
    const { parseHttpAddress, shownUrl } = await import("../registry/httpAddress.js");
    const shown = shownUrl(parseHttpAddress(url).url);
    return this.#session.vertex(`internal:fetch ${shown}`, `[internal] fetch ${shown}`, async (vertex) => {
      const fetched = await this.download(url, step.checksum, vertex);
      this.#session.remotes.push({ kind: "url", address: shown, digest: fetched.digest });
      if (fetched.fromCache) vertex.log(`not changed, ${formatBytes(fetched.size)}`);
      const file = fileOf(fetched, fetched.name);
      const matches = [{ name: toByteString(fetched.name), node: file.file }];
      return {
        digest: fetched.digest,
        name: toByteString(fetched.name),
        unpack: step.unpack === true,
        files: async (): Promise<RemoteFiles> => ({ tree: file, matches }),
      };
    });
  }

  async #gitSource(text: string, step: CopyStep): Promise<RemoteSource> {
    const address = addressOf(text, step);
    const keep = address.keepGitDir ?? false;
    const name = `[internal] load git source ${shownGit(address)}`;
    return this.#session.vertex(`internal:git ${step.id} ${address.shown}`, name, async (vertex) => {
      const checkout = await this.#checkout(address, keep, vertex);
      this.#session.remotes.push({ kind: "git", address: shownGit(address), commit: checkout.commit });
      return {
        digest: checkout.identity,
        unpack: false,
        files: async (): Promise<RemoteFiles> => {
          const tree = await openDirectory(this.#session, checkout.directory, undefined, vertex);
          return { tree, matches: [{ name: "", node: tree.root }] };
        },
      };
    });
  }
}

function notFetched(): never {
  throw new NacreError("INTERNAL", "a source that was only looked up has no files");
}

/** A git address of ADD, with what the flags say put in. @throws NacreError PLAN_INVALID where they contradict it */
function addressOf(text: string, { checksum, keepGitDir }: CopyStep): GitAddress {
  const address = parseGitAddress(text, "add");
  if (!address) throw new NacreError("INTERNAL", `${text} is no git address`);
  return withGitFlags(address, { checksum, keepGitDir });
}

/** Go's strconv.ParseBool, which reads the argument in BuildKit. */
function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(1|t|T|TRUE|true|True)$/.test(text);
}

function fileOf(download: Download, name: string): FileAsTree {
  const { path, size, mtime, digest } = download;
  return new FileAsTree({ path, name: toByteString(name), mode: 0o600, size, mtime, digest: hexOf(digest) });
}
