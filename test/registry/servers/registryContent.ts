/** What a registry of the tests holds, and its right answers (distribution-spec 1.1). In memory. */
import { randomUUID } from "node:crypto";
import type { Answer, LoggedRequest, Operation } from "./faults.js";
import { digestOf, type TestImage, withChildren } from "./images.js";

interface StoredManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

interface Repository {
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, StoredManifest>;
  readonly tags: Map<string, string>;
}

interface Upload {
  readonly repository: string;
  bytes: Buffer;
}

/** What bends the right answers. */
export interface Bend {
  /** Digest in place of the one that a tag has. */
  readonly tag?: string | undefined;
  readonly hasReferrers: boolean;
  readonly ignoresRange: boolean;
  readonly minChunk: number;
  /** Bytes at the end of a chunk that get lost. */
  readonly lost: number;
  /** Most entries of a page. */
  readonly pageSize: number;
}

/** The content of a registry. Tests may read and change all of it. */
export class RegistryContent {
  readonly repositories = new Map<string, Repository>();
  readonly uploads = new Map<string, Upload>();

  /** A repository; made if it is not there. */
  repository(name: string): Repository {
    let found = this.repositories.get(name);
    if (!found) {
      found = { blobs: new Map(), manifests: new Map(), tags: new Map() };
      this.repositories.set(name, found);
    }
    return found;
  }

  /** Puts a whole image there, with all that its index lists. */
  add(repository: string, image: TestImage, tag?: string): void {
    const into = this.repository(repository);
    for (const { descriptor, bytes, blobs } of withChildren(image)) {
      for (const [digest, content] of blobs) into.blobs.set(digest, content);
      into.manifests.set(descriptor.digest, { mediaType: descriptor.mediaType, bytes });
    }
    if (tag !== undefined) into.tags.set(tag, image.descriptor.digest);
  }

  /** The right answer to a request. @param body what came of its body */
  answer(request: LoggedRequest, body: Buffer, bend: Bend): Answer {
    return ANSWERS[request.operation](this, request, body, bend);
  }

  /** Keeps what came of a chunk whose connection was cut. */
  keepPart(id: string | undefined, part: Buffer): void {
    const upload = id === undefined ? undefined : this.uploads.get(id);
    if (upload) upload.bytes = Buffer.concat([upload.bytes, part]);
  }
}

type Answerer = (content: RegistryContent, request: LoggedRequest, body: Buffer, bend: Bend) => Answer;

const ANSWERS: Readonly<Record<Operation, Answerer>> = {
  ping: () => json(200, {}),
  "manifest.get": getManifest,
  "manifest.head": getManifest,
  "manifest.put": putManifest,
  "manifest.delete": deleteManifest,
  "blob.get": getBlob,
  "blob.head": getBlob,
  "blob.delete": (content, { repository, reference }) =>
    content.repositories.get(repository!)?.blobs.delete(reference!) ? plain(202) : problem(404, "BLOB_UNKNOWN"),
  "upload.start": startUpload,
  "upload.chunk": takeChunk,
  "upload.finish": finishUpload,
  "upload.status": (content, { reference }) => {
    const upload = content.uploads.get(reference!);
    return upload ? plain(204, progressOf(reference!, upload)) : problem(404, "BLOB_UPLOAD_UNKNOWN");
  },
  "upload.cancel": (content, { reference }) =>
    content.uploads.delete(reference!) ? plain(204) : problem(404, "BLOB_UPLOAD_UNKNOWN"),
  tags: listTags,
  catalog: (content, request, _, bend) => {
    const names = [...content.repositories.keys()].sort();
    return page(request, names, bend.pageSize, (repositories) => ({ repositories }));
  },
  referrers: listReferrers,
  token: () => problem(404, "UNSUPPORTED"),
  other: () => problem(404, "UNSUPPORTED"),
};

/** An answer with an error in the form of the specification. */
export function problem(status: number, code: string, headers: Answer["headers"] = {}): Answer {
  return json(status, { errors: [{ code, message: `the test server says ${code}`, detail: null }] }, headers);
}

function json(status: number, value: unknown, headers: Answer["headers"] = {}): Answer {
  return {
    status,
    headers: { "content-type": "application/json", ...headers },
    body: Buffer.from(JSON.stringify(value)),
  };
}

function plain(status: number, headers: Answer["headers"] = {}): Answer {
  return { status, headers, body: Buffer.alloc(0) };
}

function getManifest(content: RegistryContent, request: LoggedRequest, _: Buffer, bend: Bend): Answer {
  const { reference = "", headers } = request;
  const repository = content.repositories.get(request.repository!);
  const digest = reference.includes(":") ? reference : (bend.tag ?? repository?.tags.get(reference));
  const found = repository?.manifests.get(digest ?? "");
  if (!found || !accepts(headers.accept, found.mediaType)) return problem(404, "MANIFEST_UNKNOWN");
  const { mediaType, bytes } = found;
  const said = { "content-type": mediaType, "docker-content-digest": digest!, etag: `"${digest}"` };
  return { status: 200, headers: said, body: bytes };
}

/** As strict as `docker-registry`, but for browsers. */
function accepts(header: string | undefined, mediaType: string): boolean {
  return header === undefined || header.includes(mediaType) || header.includes("*/*");
}

function putManifest(content: RegistryContent, request: LoggedRequest, bytes: Buffer, bend: Bend): Answer {
  const digest = digestOf(bytes);
  const { reference = "" } = request;
  if (reference.includes(":") && reference !== digest) return problem(400, "DIGEST_INVALID");
  const repository = content.repository(request.repository!);
  const document = parsed(bytes);
  if (document === undefined) return problem(400, "MANIFEST_INVALID");
  const ifMatch = request.headers["if-match"];
  if (ifMatch !== undefined && ifMatch !== `"${repository.tags.get(reference)}"`) return problem(412, "DENIED");
  const isThere = (each: Listed, kind: "blobs" | "manifests"): boolean => repository[kind].has(each.digest);
  const blobs = [document.config, ...(document.layers ?? [])].filter((each) => each !== undefined);
  const isWhole =
    blobs.every((each) => each.urls !== undefined || isThere(each, "blobs")) &&
    (document.manifests ?? []).every((each) => isThere(each, "manifests"));
  if (!isWhole) return problem(400, "MANIFEST_BLOB_UNKNOWN");
  const mediaType = request.headers["content-type"] ?? document.mediaType ?? "";
  repository.manifests.set(digest, { mediaType, bytes });
  if (!reference.includes(":")) repository.tags.set(reference, digest);
  const subject = document.subject && bend.hasReferrers ? { "oci-subject": document.subject.digest } : {};
  const location = `/v2/${request.repository}/manifests/${digest}`;
  return plain(201, { location, "docker-content-digest": digest, ...subject });
}

interface Listed {
  readonly digest: string;
  readonly urls?: readonly string[];
}

interface AnyDocument {
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config?: Listed & { readonly mediaType?: string };
  readonly layers?: readonly Listed[];
  readonly manifests?: readonly Listed[];
  readonly subject?: Listed;
  readonly annotations?: Readonly<Record<string, string>>;
}

function parsed(bytes: Buffer): AnyDocument | undefined {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

function deleteManifest(content: RegistryContent, { repository, reference = "" }: LoggedRequest): Answer {
  const from = content.repositories.get(repository!);
  if (!reference.includes(":")) return from?.tags.delete(reference) ? plain(202) : problem(404, "MANIFEST_UNKNOWN");
  if (!from?.manifests.delete(reference)) return problem(404, "MANIFEST_UNKNOWN");
  for (const [tag, digest] of from.tags) if (digest === reference) from.tags.delete(tag);
  return plain(202);
}

function getBlob(content: RegistryContent, request: LoggedRequest, _: Buffer, bend: Bend): Answer {
  const { reference = "", headers } = request;
  const bytes = content.repositories.get(request.repository!)?.blobs.get(reference);
  if (bytes === undefined) return problem(404, "BLOB_UNKNOWN");
  const said = {
    ...{ "content-type": "application/octet-stream", "docker-content-digest": reference },
    ...{ "accept-ranges": "bytes", etag: `"${reference}"` },
  };
  const match = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "");
  if (!match || bend.ignoresRange) return { status: 200, headers: said, body: bytes };
  const first = Number(match[1]);
  const last = Math.min(match[2] ? Number(match[2]) : Infinity, bytes.length - 1);
  if (first > last) return plain(416, { "content-range": `bytes */${bytes.length}` });
  const range = { "content-range": `bytes ${first}-${last}/${bytes.length}` };
  return { status: 206, headers: { ...said, ...range }, body: bytes.subarray(first, last + 1) };
}

function startUpload(content: RegistryContent, request: LoggedRequest, body: Buffer, bend: Bend): Answer {
  const { query } = request;
  const name = request.repository!;
  const mount = query.get("mount");
  const from = query.get("from");
  if (mount !== null && from !== null) {
    const bytes = content.repositories.get(from)?.blobs.get(mount);
    if (bytes) return stored(content, name, mount, bytes);
  }
  const digest = query.get("digest");
  if (digest !== null) {
    return digest === digestOf(body) ? stored(content, name, digest, body) : problem(400, "DIGEST_INVALID");
  }
  const id = randomUUID();
  const upload: Upload = { repository: name, bytes: Buffer.alloc(0) };
  content.uploads.set(id, upload);
  const min = bend.minChunk > 0 ? { "oci-chunk-min-length": String(bend.minChunk) } : {};
  return plain(202, { ...progressOf(id, upload), ...min });
}

function takeChunk(content: RegistryContent, request: LoggedRequest, body: Buffer, bend: Bend): Answer {
  const id = request.reference!;
  const upload = content.uploads.get(id);
  if (!upload) return problem(404, "BLOB_UPLOAD_UNKNOWN");
  const range = /^(\d+)-(\d+)$/.exec(request.headers["content-range"] ?? "");
  const isInOrder = range === null || Number(range[1]) === upload.bytes.length;
  if (!isInOrder) return { ...problem(416, "BLOB_UPLOAD_INVALID"), headers: progressOf(id, upload) };
  if (range !== null && Number(range[2]) - Number(range[1]) + 1 !== body.length) return problem(400, "SIZE_INVALID");
  if (body.length < bend.minChunk) return problem(400, "SIZE_INVALID");
  const kept = body.subarray(0, Math.max(0, body.length - bend.lost));
  upload.bytes = Buffer.concat([upload.bytes, kept]);
  return plain(202, progressOf(id, upload));
}

function finishUpload(content: RegistryContent, request: LoggedRequest, body: Buffer): Answer {
  const id = request.reference!;
  const upload = content.uploads.get(id);
  const digest = request.query.get("digest");
  if (!upload || digest === null) return problem(404, "BLOB_UPLOAD_UNKNOWN");
  const range = /^(\d+)-/.exec(request.headers["content-range"] ?? "");
  if (range && Number(range[1]) !== upload.bytes.length) {
    return { ...problem(416, "BLOB_UPLOAD_INVALID"), headers: progressOf(id, upload) };
  }
  const bytes = Buffer.concat([upload.bytes, body]);
  content.uploads.delete(id);
  return digest === digestOf(bytes)
    ? stored(content, upload.repository, digest, bytes)
    : problem(400, "DIGEST_INVALID");
}

function stored(content: RegistryContent, repository: string, digest: string, bytes: Buffer): Answer {
  content.repository(repository).blobs.set(digest, bytes);
  return plain(201, { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest });
}

/** As `docker-registry` says it: `0-0` for nothing and for one byte. */
function progressOf(id: string, { repository, bytes }: Upload): Record<string, string> {
  return {
    location: `/v2/${repository}/blobs/uploads/${id}?_state=s%3D${bytes.length}`,
    range: `0-${Math.max(0, bytes.length - 1)}`,
    "docker-upload-uuid": id,
  };
}

function listTags(content: RegistryContent, request: LoggedRequest, _: Buffer, bend: Bend): Answer {
  const repository = content.repositories.get(request.repository!);
  if (!repository) return problem(404, "NAME_UNKNOWN");
  const name = request.repository;
  return page(request, [...repository.tags.keys()].sort(), bend.pageSize, (tags) => ({ name, tags }));
}

function page(
  { query, path }: LoggedRequest,
  all: readonly string[],
  pageSize: number,
  body: (names: readonly string[]) => object,
): Answer {
  const last = query.get("last");
  const rest = last === null ? all : all.filter((name) => name > last);
  const n = Math.min(query.get("n") === null ? Infinity : Number(query.get("n")), pageSize);
  const names = rest.slice(0, n);
  const next = `<${path}?n=${n}&last=${encodeURIComponent(names.at(-1) ?? "")}>; rel="next"`;
  return json(200, body(names), rest.length > n ? { link: next } : {});
}

function listReferrers(content: RegistryContent, request: LoggedRequest, _: Buffer, bend: Bend): Answer {
  if (!bend.hasReferrers) return problem(404, "UNSUPPORTED");
  const wanted = request.query.get("artifactType");
  const manifests = [...(content.repositories.get(request.repository!)?.manifests ?? [])]
    .map(([digest, { mediaType, bytes }]) => ({ digest, mediaType, bytes, document: parsed(bytes) ?? {} }))
    .filter(({ document }) => document.subject?.digest === request.reference)
    .map(({ digest, mediaType, bytes, document }) => ({
      ...{ mediaType, digest, size: bytes.length },
      artifactType: document.artifactType ?? document.config?.mediaType,
      ...(document.annotations ? { annotations: document.annotations } : {}),
    }))
    .filter(({ artifactType }) => wanted === null || artifactType === wanted);
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const filtered = wanted === null ? {} : { "oci-filters-applied": "artifactType" };
  return json(200, { schemaVersion: 2, mediaType, manifests }, { "content-type": mediaType, ...filtered });
}
