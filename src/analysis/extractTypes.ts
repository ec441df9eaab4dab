/** How files are taken out of images, and what came of it. */
import type { Overwrite } from "./extractWriter.js";
import type { ViewChoice } from "./imageView.js";

/** How files are written to the disk. */
export interface ExtractOptions extends ViewChoice {
  /** What happens to files that are there. Default: `refuse`. */
  readonly overwrite?: Overwrite | undefined;
  /** Keep owners (as root), setuid and setgid bits. */
  readonly preserve?: boolean | undefined;
  /** Make devices and pipes; only root can. */
  readonly devices?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was left out, and why. */
export interface LeftOut {
  readonly path: string;
  readonly why: "device" | "pipe" | "broken-link" | "kept";
}

/** What was written. */
export interface ExtractReport {
  /** Regular files; further names of an inode do not count. */
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly bytes: number;
  /** Number of paths that were left out, and the first of them. */
  readonly leftOutCount: number;
  readonly leftOut: readonly LeftOut[];
}
