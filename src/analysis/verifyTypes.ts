/** What verifying an image finds: findings with their severity and class, and the report of them all. */
import type { Digest } from "../oci/digest.js";
import type { ImagePlaceKind } from "./types.js";

/**
 * `error`: something is not what it says it is, or cannot be used; `warning`: programs disagree about it, or a rule is
 * broken that most of them do not mind; `note`: worth knowing.
 */
export const SEVERITIES = ["error", "warning", "note"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What a finding is about. */
export type VerifyClass =
  /** A document or layer that is pointed at is not there. */
  | "missing"
  /** Bytes are not those of their digest, or not as many as their descriptor says. */
  | "blob"
  /** A manifest, index or config is malformed, or cannot be read as what it is said to be. */
  | "document"
  /** A media type does not fit what it stands for. */
  | "media-type"
  /** An unpacked layer is not what the config names, or config and manifest have different numbers of layers. */
  | "diff-id"
  /** The history does not fit the layers. */
  | "history"
  /** The platform of an index's entry is not that of its image, or it stands there twice. */
  | "platform"
  /** A stream that cannot be unpacked. */
  | "compression"
  /** A tar that cannot be read, or that programs read differently. */
  | "tar"
  /** It is larger, deeper or better compressed than what is read of things that cannot be trusted. */
  | "limit"
  /** A table of contents (eStargz, zstd:chunked, a published index) that tells of other files than the tar has. */
  | "toc"
  /** A name that leads out of the root, or that no file system holds, or that needs care. */
  | "name"
  /** A path that a layer lists more than once. */
  | "duplicate"
  /** A hard link that leads nowhere. */
  | "hard-link"
  /** Something is removed that is not there. */
  | "whiteout"
  /** A time that is no time, or that has not come yet. */
  | "time"
  /** An annotation that breaks its rule. */
  | "annotation"
  /** What refers to the image, or what it refers to. */
  | "referrer"
  /** Something was not looked at. */
  | "unchecked";

/** Where a finding was made. */
export interface VerifyPlace {
  /** Of the document or blob. */
  readonly digest?: Digest | undefined;
  /** Of an image of an image index, e.g. `linux/arm64`. */
  readonly platform?: string | undefined;
  /** Number of the layer, 0 the lowest. */
  readonly layer?: number | undefined;
  /** In the layer, as it stands there. Bytes that are not UTF-8 are lone surrogates. */
  readonly path?: string | undefined;
}

/** Something that was found. */
export interface VerifyFinding extends VerifyPlace {
  readonly severity: Severity;
  readonly class: VerifyClass;
  readonly message: string;
  /** How many of the kind there are, where only the first ones are told. */
  readonly count?: number | undefined;
}

/** What was looked at. */
export interface VerifyTotals {
  readonly indexes: number;
  readonly manifests: number;
  readonly configs: number;
  /** Layers whose bytes were all read; one that several images share counts once. */
  readonly layers: number;
  /** Members of the tars of these. */
  readonly members: number;
  /** Bytes that were hashed, compressed where they are. */
  readonly bytes: number;
  readonly referrers: number;
}

/** A verified image. */
export interface VerifyReport {
  readonly schema: "nacre.verify/1";
  readonly image: string;
  readonly place?: ImagePlaceKind | undefined;
  /** What the name stands for. */
  readonly digest?: Digest | undefined;
  /** True if there is no finding of the severity `error`. */
  readonly sound: boolean;
  readonly totals: VerifyTotals;
  /** In the order in which they were made: documents, then layers from the lowest up. */
  readonly findings: readonly VerifyFinding[];
}

/** Findings of one class that are told of a layer or document; further ones are counted. */
const TOLD = 20;

/** Takes findings, and tells of the first of each kind. */
export class Findings {
  readonly #list: { -readonly [K in keyof VerifyFinding]: VerifyFinding[K] }[] = [];
  readonly #kinds = new Map<string, number>();

  /** @param kind findings of the same kind and place are counted once there are many */
  add(severity: Severity, kind: VerifyClass, message: string, place: VerifyPlace = {}): void {
    const key = `${severity} ${kind} ${place.digest} ${place.layer}`;
    const count = (this.#kinds.get(key) ?? 0) + 1;
    this.#kinds.set(key, count);
    if (count <= TOLD) this.#list.push({ severity, class: kind, message, ...place });
    else if (count === TOLD + 1) this.#list.push({ ...this.#more(severity, kind, place), count: 1 });
    else this.#findMore(severity, kind, place).count = count - TOLD;
  }

  get all(): readonly VerifyFinding[] {
    return this.#list.map((finding) =>
      finding.count === undefined ? finding : { ...finding, message: `and ${finding.count} more of the kind` },
    );
  }

  get isSound(): boolean {
    return this.#list.every(({ severity }) => severity !== "error");
  }

  #more(severity: Severity, kind: VerifyClass, { digest, layer, platform }: VerifyPlace): VerifyFinding {
    return { severity, class: kind, message: "", digest, layer, platform };
  }

  #findMore(severity: Severity, kind: VerifyClass, { digest, layer }: VerifyPlace) {
    return this.#list.findLast(
      (one) =>
        one.count !== undefined &&
        one.severity === severity &&
        one.class === kind &&
        one.digest === digest &&
        one.layer === layer,
    )!;
  }
}
