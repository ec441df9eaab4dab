/**
 * The one error class that nacre throws on purpose. Everything a caller may want to decide on is data:
 * a stable code, the place in the Dockerfile, what to do about it.
 */
import type { SourcePlace } from "./source.js";

/** Stable names of everything that can go wrong. A code never changes its meaning. */
export type ErrorCode =
  /** Wrong flags or arguments of a command (exit code 2). */
  | "USAGE"
  /** The Dockerfile cannot be read as one. */
  | "DOCKERFILE_SYNTAX"
  /** The Dockerfile file itself is not there. */
  | "DOCKERFILE_MISSING"
  /** Stages, references or arguments of a Dockerfile do not fit together. */
  | "PLAN_INVALID"
  /** Checks found something, and the Dockerfile or the caller wants that to be a failure. */
  | "CHECK_FAILED"
  /** An instruction that this version does not execute, or a layer that it cannot read. */
  | "UNSUPPORTED"
  /** A base image or a named context is not there. */
  | "BASE_NOT_FOUND"
  /** An image reference is malformed. */
  | "REFERENCE_INVALID"
  /** No image of that name or digest in the store, an archive or a registry. */
  | "IMAGE_NOT_FOUND"
  /** A source path of COPY or ADD, or a path that is asked for in an image, is not there. */
  | "SOURCE_NOT_FOUND"
  /** A source and a destination cannot be combined (file onto directory and the like). */
  | "COPY_CONFLICT"
  /** The build context or the ignore file cannot be read. */
  | "CONTEXT_UNREADABLE"
  /** A pattern of an ignore file is malformed. */
  | "IGNORE_PATTERN"
  /** A file of the context changed between keying and composing. */
  | "CONTEXT_CHANGED"
  /** A tar archive is malformed. */
  | "TAR_INVALID"
  /** A compressed stream is malformed or its format is not available here. */
  | "COMPRESSION"
  /** A limit that protects from hostile input was reached. */
  | "LIMIT_EXCEEDED"
  /** A digest, manifest, config, index or record is malformed or does not match its bytes. */
  | "CONTENT_INVALID"
  /** The store cannot be opened or written, or is of a newer version. */
  | "STORE"
  /** No space left, or a quota. */
  | "DISK_FULL"
  /** A wanted output cannot be written. */
  | "OUTPUT"
  /** A user or group that must exist does not. */
  | "USER_NOT_FOUND"
  /** A program that is needed is not installed. */
  | "TOOL_MISSING"
  /** The command of a RUN ended with a failure, or could not be started. */
  | "RUN_FAILED"
  /** The isolation level that was asked for, or any at all, does not work here. */
  | "ISOLATION"
  /** The Dockerfile asks for more than the build was allowed (`--allow`). */
  | "NOT_ALLOWED"
  /** A `--mount` of RUN cannot be made: its source, its target or its secret. */
  | "MOUNT"
  /** Something on the network cannot be reached, or does not answer as it must. */
  | "NETWORK"
  /** A registry refuses access, or wants credentials. */
  | "DENIED"
  /** Stored credentials, or a program that keeps them, cannot be read. */
  | "CREDENTIALS"
  /** A build with `--locked` needs an image that the lock file does not have, or has otherwise. */
  | "LOCK"
  /** Stopped by a signal. */
  | "CANCELLED"
  /** A bug in nacre. */
  | "INTERNAL";

/** What an error carries beside its message. */
export interface ErrorDetails {
  /** What the user can do about it: one sentence, imperative, without a full stop where it ends in a command. */
  readonly hint?: string | undefined;
  /** Where in a Dockerfile or ignore file. */
  readonly place?: SourcePlace | undefined;
  /** Facts for programs: names, digests, sizes. */
  readonly facts?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/** An expected failure: its message names the thing, its hint says what to do. */
export class NacreError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly place: SourcePlace | undefined;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "NacreError";
    this.code = code;
    this.hint = details.hint;
    this.place = details.place;
    this.facts = details.facts ?? {};
  }

  /** The same error with the place added, unless it has one already. */
  at(place: SourcePlace): NacreError {
    if (this.place) return this;
    return new NacreError(this.code, this.message, { hint: this.hint, facts: this.facts, cause: this.cause, place });
  }
}

/** Tells an expected failure from a bug, across copies of this module too. */
export function isNacreError(value: unknown): value is NacreError {
  return value instanceof Error && value.name === "NacreError" && "code" in value;
}

/** The errno name (`ENOENT`, `ENOSPC`, …) of a failed system call, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** The reason alone: `no such file or directory` of `ENOENT: no such file or directory, open '/x'`. */
function whyOf(message: string): string {
  return message.replace(/^E[A-Z0-9]+: /, "").replace(/^([^,]+), [a-z_]+( '.*)?$/s, "$1");
}

/**
 * Wraps the failure of a file operation: a full disk or quota gets its own code, everything else the given one.
 * @param doing what was being done, with the path, e.g. `writing /x/y`
 */
export function ioError(code: ErrorCode, doing: string, error: unknown, hint?: string): NacreError {
  if (isNacreError(error)) return error;
  const errno = errnoOf(error);
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    return new NacreError("DISK_FULL", `no space left while ${doing}`, {
      hint: "free some space, or shrink the store with: nacre prune",
      cause: error,
    });
  }
  const why = error instanceof Error ? whyOf(error.message) : String(error);
  return new NacreError(code, `${doing} failed: ${why}${errno ? ` (${errno})` : ""}`, { hint, cause: error });
}
