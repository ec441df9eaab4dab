/**
 * The main context of a build and the Dockerfile that belongs to it. In come a directory, an address or a stream; out
 * come the parsed Dockerfile and the files (BuildKit: dockerui, context and dockerfile inputs). For contexts that are
 * not directories no ignore file is read, and the Dockerfile lies in them; a Dockerfile of its own may be given as text.
 */
import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { contentStream, looksLikeArchive, readArchive } from "../context/archiveTree.js";
import { type Context, plainContext } from "../context/context.js";
import { cleanPath, emptyTree, resolvePath, type TreeNode } from "../layer/fileTree.js";
import { decodeText, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { withoutUserinfo } from "../support/url.js";
import { type FilesSource, shownSource } from "./contextSource.js";
import { directoryContext, type MainContext } from "./directoryContext.js";
import { type LoadedDockerfile, loadDockerfile, MAX_DOCKERFILE_BYTES, parsedDockerfile } from "./dockerfileSource.js";
import type { Fetches } from "./fetches.js";
import { openDirectory } from "./openDirectory.js";
import type { ContextStream, DockerfileSource } from "./request.js";
import type { Session, Vertex } from "./session.js";

const LABEL = "[internal] load remote build context";
const BLOCK = 512;

/** What a main context is opened with. */
interface Opening {
  readonly session: Session;
  /** A Dockerfile that was named, no longer an address. */
  readonly dockerfile: Exclude<DockerfileSource, { kind: "url" }> | undefined;
  readonly fetches: Fetches;
}

/**
 * Opens a context that is not a directory, or one whose Dockerfile has to be fetched.
 * @throws NacreError DOCKERFILE_MISSING, DOCKERFILE_SYNTAX, CONTEXT_UNREADABLE, NETWORK, TAR_INVALID, COMPRESSION, USAGE
 */
export async function openMain(
  session: Session,
  source: FilesSource | ({ readonly kind: "stream" } & ContextStream),
  fetches: Fetches,
): Promise<MainContext> {
  const { request } = session;
  const dockerfile =
    request.dockerfile?.kind === "url"
      ? await fetchDockerfile(session, request.dockerfile.url, fetches)
      : request.dockerfile;
  const opening: Opening = { session, dockerfile, fetches };
  if (source.kind === "directory") return directoryContext({ ...request, dockerfile }, source.path);
  return session.vertex("internal:context ", LABEL, (vertex) => {
    if (source.kind === "stream") return openStream(opening, source.stream, vertex);
    vertex.log(shownSource(source));
    if (source.kind === "http") return openUrl(opening, source.url, vertex);
    return openGit(opening, source, vertex);
  });
}

/** `-f https://…`: an ordinary Dockerfile otherwise (buildx). */
function fetchDockerfile(
  session: Session,
  url: string,
  fetches: Fetches,
): Promise<DockerfileSource & { kind: "text" }> {
  const name = withoutUserinfo(url);
  return session.vertex("internal:dockerfile", `[internal] fetch ${name}`, async (vertex) => {
    const { path, size } = await fetches.download(url, undefined, vertex);
    if (size > MAX_DOCKERFILE_BYTES) throw tooBig(name);
    return { kind: "text", text: decodeText(readFileSync(path)), name };
  });
}

async function openGit(opening: Opening, source: FilesSource & { kind: "git" }, vertex: Vertex): Promise<MainContext> {
  const checkout = await opening.fetches.gitContext(source.address, vertex);
  const context = await openDirectory(opening.session, checkout.directory, undefined, vertex);
  const loaded = await dockerfileIn(opening, context, shownSource(source));
  return { loaded, files: { kind: "open", context }, time: checkout.committed };
}

/** A URL: an archive, or a Dockerfile alone, which is then the only file of the context, called `context` (BuildKit). */
async function openUrl(opening: Opening, url: string, vertex: Vertex): Promise<MainContext> {
  const { context, alone } = await opening.fetches.httpContext(url, vertex);
  const files = { kind: "open" as const, context };
  const shown = withoutUserinfo(url);
  if (alone === undefined || opening.dockerfile) return { loaded: await dockerfileIn(opening, context, shown), files };
  return { loaded: parsedDockerfile(await readText(context, alone, shown), shown, opening.session.request), files };
}

/** Standard input: an archive, or a Dockerfile without any context. */
async function openStream(opening: Opening, stream: AsyncIterable<Uint8Array>, vertex: Vertex): Promise<MainContext> {
  const { head, whole } = await peek(stream);
  if (looksLikeArchive(head)) {
    const archive = await readArchive(
      whole,
      () => opening.session.store.tempFile(),
      (bytes) => vertex.progress(bytes, undefined, "bytes"),
    );
    const context = plainContext(archive.tree, () => archive.close());
    return { loaded: await dockerfileIn(opening, context, "standard input"), files: { kind: "open", context } };
  }
  if (opening.dockerfile !== undefined) {
    throw new NacreError("USAGE", "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles", {
      hint: "what comes on standard input is no tar archive and so taken for the Dockerfile: leave -f out, or send an archive",
    });
  }
  const text = decodeText(await collect(whole));
  return {
    loaded: parsedDockerfile(text, "-", opening.session.request),
    files: { kind: "open", context: plainContext(emptyTree, () => {}) },
  };
}

/** The Dockerfile of a context that is no directory of the user's; an absolute path is a file of his own (buildx). */
async function dockerfileIn(opening: Opening, context: Context, shown: string): Promise<LoadedDockerfile> {
  const { dockerfile: source } = opening;
  const { request } = opening.session;
  if (source?.kind === "text") return parsedDockerfile(source.text, source.name ?? "-", request);
  if (source && isAbsolute(source.path))
    return {
      ...loadDockerfile({ ...request, context: ".", dockerfile: source, ignoreFile: undefined }, "/"),
      ignore: undefined,
    };
  const names = source ? [source.path] : ["Dockerfile", "dockerfile"];
  for (const name of names) {
    const { node } = resolvePath(context, cleanPath(toByteString(name)), true);
    if (node?.type === "file") return parsedDockerfile(await readText(context, node, name), name, request);
  }
  throw new NacreError("DOCKERFILE_MISSING", `failed to read dockerfile: open ${names[0]}: no such file or directory`, {
    hint: `it is looked for in the context (${shown}): name another file of it with -f PATH`,
  });
}

async function readText(context: Context, node: TreeNode, shown: string): Promise<string> {
  if (node.size > MAX_DOCKERFILE_BYTES) throw tooBig(shown);
  await context.prepare([node]);
  const pieces: Buffer[] = [];
  for await (const piece of contentStream(context, node)) pieces.push(piece);
  return decodeText(Buffer.concat(pieces));
}

/** The first block of a stream, and the stream with it put back. */
async function peek(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ readonly head: Buffer; readonly whole: AsyncIterable<Buffer> }> {
  const pieces = stream[Symbol.asyncIterator]();
  const first: Buffer[] = [];
  let length = 0;
  while (length < BLOCK) {
    const { value, done } = await pieces.next();
    if (done) break;
    first.push(Buffer.from(value));
    length += value.length;
  }
  const head = Buffer.concat(first);
  async function* whole(): AsyncGenerator<Buffer> {
    yield head;
    for (;;) {
      const { value, done } = await pieces.next();
      if (done) return;
      yield Buffer.from(value);
    }
  }
  return { head, whole: whole() };
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream) {
    length += piece.length;
    if (length > MAX_DOCKERFILE_BYTES) throw tooBig("the Dockerfile on standard input");
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function tooBig(shown: string): NacreError {
  return new NacreError("LIMIT_EXCEEDED", `${shown} has more than ${MAX_DOCKERFILE_BYTES} bytes; no more are read`);
}
