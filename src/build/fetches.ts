/**
 * What a build fetches from elsewhere: downloads and git trees, each once, and kept in use until the build ends. In come
 * addresses; out come contexts, and the sources of ADD as keys and composing want them.
 */
import { contentStream, isArchive, readArchive } from "../context/archiveTree.js";
import { type Context, plainContext } from "../context/context.js";
import type { Download } from "../context/download.js";
import { FileAsTree } from "../context/fileAsTree.js";
import type { GitCheckout } from "../context/git.js";
import type { RemoteFiles, RemoteSource, RemoteSources } from "../context/remoteSource.js";
import type { TreeNode } from "../layer/fileTree.js";
import { hexOf } from "../oci/digest.js";
import type { CopyStep } from "../plan/graph.js";
import { isGit, isUrl } from "../plan/remoteSources.js";
import { toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
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
    const { store, signal, request } = this.#session;
    const { download } = await import("../context/download.js");
    return download(store, {
      url,
      checksum,
      authorization: httpAuthorization(url, this.#secrets),
      offline: request.offline,
      signal,
      onProgress: (bytes, total) => vertex.progress(bytes, total, "bytes"),
      warn: (rule, message) => this.#session.warn({ rule, message }),
      env: process.env,
    });
  }

  #checkout(address: GitAddress, keepGitDir: boolean, vertex: Vertex): Promise<GitCheckout> {
    const { store, signal, request } = this.#session;
    const key = JSON.stringify([address, keepGitDir]);
    let fetched = this.#checkouts.get(key);
    if (fetched === undefined) {
      fetched = (async () => {
        const { checkoutGit } = await import("../context/git.js");
        return checkoutGit(store, {
          address,
          keepGitDir,
          ...(await gitCredentials(address, this.#secrets)),
          offline: request.offline,
          signal,
          onProgress: (line) => vertex.log(line),
          env: process.env,
        });
      })();
      this.#checkouts.set(key, fetched);
    }
    return fetched;
  }

  async #urlSource(url: string, step: CopyStep): Promise<RemoteSource> {
    const { parseHttpAddress, shownUrl } = await import("../registry/httpAddress.js");
    const shown = shownUrl(parseHttpAddress(url).url);
    return this.#session.vertex(`internal:fetch ${shown}`, `[internal] fetch ${shown}`, async (vertex) => {
      const fetched = await this.download(url, step.checksum, vertex);
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
