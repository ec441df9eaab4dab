/** Images in OCI layouts and docker-archives. Every blob is compared with its digest while it is read. */

import type { ImageSource } from "../image/imageSource.js";
import { type Digest, digestOfHex } from "../oci/digest.js";
import { type Descriptor, MAX_MANIFEST_BYTES, type Manifest, parseDocument } from "../oci/documents.js";
import { encodeIndex } from "../oci/encode.js";
import { isManifestType, OCI_INDEX } from "../oci/mediaTypes.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { createHasher, sha256Hex } from "../support/hash.js";
import type { ArchiveFiles } from "./archiveFiles.js";
import type { ArchiveImage } from "./archiveImage.js";
import { describeDockerImage } from "./dockerManifest.js";
import { selectImages } from "./import.js";
import { REF_NAME } from "./layout.js";
import { blobPath } from "./layoutDocuments.js";
import { type ArchiveSource, openArchive } from "./read.js";

/** Manifests of a layout that are looked at for what refers to an image. */
const MOST_REFERRERS = 1000;

/** What is wanted of an archive. */
export interface ArchiveWish {
  /** A tag, a full name or a digest in it; undefined: its only image. */
  readonly name?: string | undefined;
  /** Do not read the layers of a docker-archive whose digests are known without: they are checked when they are read. */
  readonly lazy?: boolean | undefined;
  /** Removes what was made for the reader. */
  readonly cleanUp?: (() => Promise<void>) | undefined;
}

/**
 * Opens an image in an archive.
 * @throws NacreError IMAGE_NOT_FOUND, USAGE (several images), CONTEXT_UNREADABLE, CONTENT_INVALID, TAR_INVALID
 */
export async function openArchiveSource(
  shown: string,
  archive: string | AsyncIterable<Buffer>,
  wish: ArchiveWish,
): Promise<ImageSource> {
  const source = await openArchive(archive, { name: shown });
  try {
    const image = selectOne(source, wish.name);
    const { origin } = image;
    const made = new Map<Digest, Buffer>();
    const paths = new Map<Digest, string>();
    const root =
      origin.kind === "oci"
        ? rootOf(origin.candidates, made)
        : await describeDockerImage(source.files, origin, { made, paths, lazy: wish.lazy === true });
    return sourceOf(shown, source, root, image.names, { made, paths, cleanUp: wish.cleanUp });
  } catch (error) {
    source.close();
    throw error;
  }
}

function sourceOf(
  shown: string,
  { files, close, kind }: ArchiveSource,
  root: Descriptor,
  names: readonly string[],
  held: {
    readonly made: ReadonlyMap<Digest, Buffer>;
    readonly paths: ReadonlyMap<Digest, string>;
    readonly cleanUp: (() => Promise<void>) | undefined;
  },
): ImageSource {
  const pathOf = (digest: Digest): string => held.paths.get(digest) ?? blobPath(digest);
  const document = async ({ digest }: Pick<Descriptor, "digest">): Promise<Buffer | undefined> => {
    const made = held.made.get(digest);
    if (made !== undefined) return made;
    if (!files.has(pathOf(digest))) return undefined;
    const bytes = files.read(pathOf(digest), MAX_MANIFEST_BYTES);
    if (digestOfHex(sha256Hex(bytes)) === digest) return bytes;
    throw damaged(files, digest);
  };
  return {
    shown,
    names,
    root,
    document,
    has: async ({ digest }) => files.has(pathOf(digest)),
    blob: ({ digest, size }) => ({
      ...{ digest, size },
      open: (offset) =>
        offset === 0 ? verifiedFile(files, pathOf(digest), digest, size) : files.open(pathOf(digest), offset),
    }),
    referrers: async (digest) => (kind === "oci" ? layoutReferrers(files, digest) : []),
    tagged: async (tag) => (kind === "oci" ? entriesOf(files).find((entry) => isTagged(entry, tag)) : undefined),
    async close() {
      close();
      await held.cleanUp?.();
    },
  };
}

function selectOne(source: ArchiveSource, name: string | undefined): ArchiveImage {
  if (name !== undefined) return selectImages(source, [name])[0]!;
  // What refers to an image has no name of its own.
  const named = source.images.filter(({ names, tags }) => names.length + tags.length > 0);
  const [only, ...others] = named.length > 0 ? named : source.images;
  if (only !== undefined && others.length === 0) return only;
  const { files } = source;
  if (only === undefined) throw new NacreError("IMAGE_NOT_FOUND", `${files.name} holds no image`);
  const there = named.flatMap(({ names, tags }) => [...names, ...tags]);
  throw new NacreError("USAGE", `${files.name} holds ${others.length + 1} images`, {
    hint: there.length > 0 ? `add the tag of one: ${there.join(", ")}` : "add the digest of one",
  });
}

/** Several manifests of one name are made an index of: only one of them, or that index, can be copied. */
function rootOf(candidates: readonly Descriptor[], made: Map<Digest, Buffer>): Descriptor {
  const [first, ...others] = candidates.map(({ annotations: _, ...bare }) => bare);
  if (others.length === 0) return first!;
  const bytes = encodeIndex({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [first!, ...others] });
  const digest = digestOfHex(sha256Hex(bytes));
  made.set(digest, bytes);
  return { mediaType: OCI_INDEX, digest, size: bytes.length };
}

/** What `index.json` lists with that subject (image-spec, image-layout.md). */
function layoutReferrers(files: ArchiveFiles, digest: Digest): readonly Descriptor[] {
  const candidates = entriesOf(files).filter(({ mediaType }) => isManifestType(mediaType));
  return candidates.slice(0, MOST_REFERRERS).flatMap((entry) => {
    const manifest = manifestOf(files, entry);
    if (manifest?.subject?.digest !== digest) return [];
    const { mediaType, size } = entry;
    const artifactType = manifest.artifactType ?? manifest.config.mediaType;
    return [{ mediaType, digest: entry.digest, size, artifactType, annotations: manifest.annotations }];
  });
}

function manifestOf(files: ArchiveFiles, { digest }: Descriptor): Manifest | undefined {
  const path = blobPath(digest);
  if (!files.has(path)) return undefined;
  try {
    const document = parseDocument(files.read(path, MAX_MANIFEST_BYTES), digest);
    return document.kind === "manifest" ? document.manifest : undefined;
  } catch (error) {
    if (isNacreError(error)) return undefined;
    throw error;
  }
}

function entriesOf(files: ArchiveFiles): readonly Descriptor[] {
  const document = parseDocument(files.read("index.json", MAX_MANIFEST_BYTES), `index.json of ${files.name}`);
  return document.kind === "index" ? document.index.manifests : [];
}

function isTagged({ annotations }: Descriptor, tag: string): boolean {
  return annotations?.[REF_NAME] === tag;
}

async function* verifiedFile(files: ArchiveFiles, path: string, digest: Digest, size: number): AsyncGenerator<Buffer> {
  const hasher = createHasher();
  let at = 0;
  for await (const chunk of files.open(path)) {
    at += chunk.length;
    if (at > size) throw wrongSize(files, digest, `more than ${size} bytes`);
    hasher.update(chunk);
    if (at === size && digestOfHex(hasher.hex()) !== digest) throw damaged(files, digest);
    yield chunk;
  }
  if (at < size) throw wrongSize(files, digest, `${at} bytes instead of ${size}`);
}

function wrongSize(files: ArchiveFiles, digest: Digest, has: string): NacreError {
  return new NacreError("CONTENT_INVALID", `the blob ${digest} of ${files.name} has ${has}`, {
    hint: "the archive is damaged; make it again",
    facts: { digest },
  });
}

function damaged(files: ArchiveFiles, digest: Digest): NacreError {
  return new NacreError("CONTENT_INVALID", `the blob ${digest} of ${files.name} is not what its digest says`, {
    hint: "the archive is damaged; make it again",
    facts: { digest },
  });
}
