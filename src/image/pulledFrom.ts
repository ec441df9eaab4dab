/** What names in the store stand for in registries. */
import { isDigest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";

/**
 * Annotation of a reference in the store: the image index that the name stands for in the registry, where only the
 * manifest of one platform was pulled, or what an image is there that is kept here in another form. `DIGEST SIZE MEDIATYPE`.
 */
export const PULLED_FROM = "nacre.pulled.from";

/** What a stored reference stands for in the registry, where that is something else than what is stored. */
export function pulledFrom({ annotations }: Descriptor): Descriptor | undefined {
  const [digest, size, mediaType = ""] = (annotations?.[PULLED_FROM] ?? "").split(" ");
  const bytes = Number(size);
  return isDigest(digest) && Number.isSafeInteger(bytes) ? { mediaType, digest, size: bytes } : undefined;
}

/** A descriptor for a reference, with a note of what the name stands for. */
export function withPulledFrom(stored: Descriptor, whole: Descriptor): Descriptor {
  const { annotations, ...rest } = stored;
  const { [PULLED_FROM]: _, ...others } = annotations ?? {};
  const from = `${whole.digest} ${whole.size} ${whole.mediaType}`;
  const kept = stored.digest === whole.digest ? others : { ...others, [PULLED_FROM]: from };
  return Object.keys(kept).length === 0 ? rest : { ...rest, annotations: kept };
}
