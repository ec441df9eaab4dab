/** Limits that keep a hostile archive from using up memory, time or disk. */
import { NacreError } from "../support/errors.js";
import { MAX_EXTENSION } from "./block.js";

/** What a scanner accepts at most. */
export interface TarLimits {
  /** Members of one archive. */
  readonly entries: number;
  /** Bytes of a member's path or link target. */
  readonly pathLength: number;
  /** Elements of a member's path. */
  readonly depth: number;
  /** Bytes of one extended header: PAX records, a GNU long name, or the map of a sparse file. */
  readonly extensionSize: number;
  /** Bytes of content of all members together, holes of sparse files included. */
  readonly contentSize: number;
  /** Bytes of all holes of sparse files, which cost nothing to claim and time to fill in. */
  readonly holeSize: number;
}

const GIB = 1024 ** 3;

export const DEFAULT_TAR_LIMITS: TarLimits = {
  entries: 5_000_000,
  pathLength: 4096,
  depth: 255,
  extensionSize: MAX_EXTENSION,
  contentSize: 64 * GIB,
  holeSize: 16 * GIB,
};

/** The error of a limit that was reached; `what` names the thing and its place. */
export function limitExceeded(what: string, limit: number): NacreError {
  return new NacreError("LIMIT_EXCEEDED", `${what} (the limit is ${limit})`, {
    hint: "an archive like this is refused because it could exhaust this machine; check where it comes from",
    facts: { limit },
  });
}
