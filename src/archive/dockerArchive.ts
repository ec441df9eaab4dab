/** What a docker-archive holds: the tar of `docker save`, old (`ID/layer.tar`) and new (`blobs/`), skopeo's and kaniko's. */
import * as v from "valibot";
import { MAX_MANIFEST_BYTES, parseJson } from "../oci/documents.js";
import { formatReference, parseReference } from "../oci/reference.js";
import { NacreError } from "../support/errors.js";
import { type ArchiveFiles, cleanName } from "./archiveFiles.js";
import type { ArchiveImage } from "./archiveImage.js";

const manifestSchema = v.array(
  v.looseObject({
    Config: v.string(),
    RepoTags: v.optional(v.nullable(v.array(v.string()))),
    Layers: v.optional(v.nullable(v.array(v.string()))),
  }),
);

/**
 * The images that `manifest.json` lists, their layers in its order (never in the order of the tar).
 * @throws NacreError CONTENT_INVALID, LIMIT_EXCEEDED
 */
export function dockerImages(files: ArchiveFiles): ArchiveImage[] {
  const what = `manifest.json of ${files.name}`;
  const json = parseJson(files.read("manifest.json", MAX_MANIFEST_BYTES), MAX_MANIFEST_BYTES, what);
  const parsed = v.safeParse(manifestSchema, json, { abortEarly: true });
  if (!parsed.success) {
    const where = v.getDotPath(parsed.issues[0]);
    throw new NacreError("CONTENT_INVALID", `${what} is malformed${where ? ` at ${where}` : ""}`, {
      hint: "the archive is damaged; save the image again",
    });
  }
  return parsed.output.map((image) => ({
    names: (image.RepoTags ?? []).map((name) => fullName(name, what)),
    tags: [],
    origin: {
      kind: "docker",
      config: memberName(image.Config, what),
      layers: (image.Layers ?? []).map((path) => memberName(path, what)),
    },
  }));
}

function fullName(name: string, what: string): string {
  try {
    return formatReference(parseReference(name));
  } catch (cause) {
    throw new NacreError("CONTENT_INVALID", `${what} names an image ${JSON.stringify(name.slice(0, 200))}`, { cause });
  }
}

function memberName(path: string, what: string): string {
  const clean = cleanName(path);
  if (clean !== undefined) return clean;
  throw new NacreError("CONTENT_INVALID", `${what} names ${JSON.stringify(path.slice(0, 200))}, which is no member`, {
    hint: "do not trust this archive",
  });
}
