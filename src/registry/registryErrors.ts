/**
 * What goes wrong between nacre and a registry, in words: what was to be done, where, the registry's own words, and what
 * the user can do about it.
 */
import { isNacreError, NacreError } from "../support/errors.js";
import { type FailureReason, PassingFailure, reasonOf } from "./httpFailure.js";
import { oneLine, rateLimitOf, retryAfterOf } from "./rateLimit.js";
import type { TransportAnswer } from "./transport.js";
import { cancelled } from "./transportRetry.js";
import type { RegistryAction } from "./types.js";

/** What was tried. */
export interface Attempt {
  /** With all that it is done to: `read the manifest docker.io/library/alpine:latest`. */
  readonly doing: string;
  /** The registry as in references; empty where it is none (a token server's own errors name it in `doing`). */
  readonly registry: string;
  readonly repository: string;
  readonly action: RegistryAction;
  /** The origin that was asked. */
  readonly origin: string;
}

/** One of the errors of a registry's answer (distribution-spec, "Error Codes"). */
export interface RegistryWord {
  readonly code: string;
  readonly message: string;
}

/** Bytes that are read of an error's body. */
export const MAX_ERROR_BYTES = 64 << 10;
/** Statuses that may pass; 499 and 522 are those of proxies. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 499, 500, 502, 503, 504, 522]);
/** Codes by which a registry says that what was sent is not what it should be. */
const INVALID = new Set(["DIGEST_INVALID", "SIZE_INVALID", "MANIFEST_INVALID", "NAME_INVALID", "TAG_INVALID"]);
const MOST_WORDS = 3;

/**
 * What a failed request means.
 * @returns a failure that may pass
 * @throws NacreError CANCELLED once the signal is aborted; NETWORK; whatever is no failure of the network
 */
export function networkFailure(error: unknown, attempt: Attempt, signal: AbortSignal | undefined): PassingFailure {
  if (signal?.aborted) throw cancelled(attempt.doing);
  if (error instanceof SourceFailure) throw error.cause;
  if (error instanceof PassingFailure) return error;
  if (isNacreError(error) || !(error instanceof Error)) throw error;
  const reason = reasonOf(error);
  // Not of the network, but a mistake of ours.
  if (reason.code === "" && error.name !== "HTTPParserError") throw error;
  const final = networkError(attempt, reason, error);
  if (reason.passing) return new PassingFailure(final);
  throw final;
}

function networkError(attempt: Attempt, { why, hint, code }: FailureReason, cause: Error): NacreError {
  if (isPlainHttp(cause)) {
    return failed("NETWORK", attempt, "it answers with plain http where https is asked for", {
      hint: `if that is meant, name ${hostOf(attempt)} among the insecure-registries of /etc/docker/daemon.json`,
      cause,
    });
  }
  const isTrust = /CERT|ISSUER|ALTNAME|SIGNATURE|CRL/.test(code);
  const file = `/etc/docker/certs.d/${hostOf(attempt)}/ca.crt`;
  return failed("NETWORK", attempt, why, {
    hint: isTrust ? `to trust its authority, put that certificate into ${file}` : hint,
    cause,
  });
}

/** True for the error of TLS with a server that speaks http. */
export function isPlainHttp(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(?:ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)|EPROTO)$/.test(code);
}

/**
 * The error of an answer, whose body this reads: a failure that may pass, or one that does not.
 * @param loggedIn credentials were sent
 * @param secrets texts that the registry's own words are shown without
 */
export async function statusFailure(
  answer: TransportAnswer,
  attempt: Attempt,
  context: {
    readonly loggedIn: boolean;
    readonly secrets: readonly string[];
    readonly now: number;
    readonly retryAfter: number;
  },
): Promise<NacreError | PassingFailure> {
  const { status } = answer;
  const words = (await readWords(answer)).map(({ code, message }) => ({
    code,
    message: context.secrets.reduce((text, secret) => text.replaceAll(secret, "…"), message),
  }));
  const wait = retryAfterOf(answer, context.now);
  const error = statusError(answer, words, attempt, context.loggedIn, wait);
  // Nothing is left until the window ends, hours from now: trying again would only count too.
  const isSpent = status === 429 && rateLimitOf(answer)?.remaining === 0 && wait === undefined;
  const isTooLong = wait !== undefined && wait > context.retryAfter;
  return PASSING.has(status) && !isSpent && !isTooLong ? new PassingFailure(error, wait) : error;
}

/** What went wrong with the content that was to be sent, not with the network. */
export class SourceFailure extends Error {
  constructor(cause: unknown) {
    super("the content cannot be read", { cause });
  }
}

/** What a registry says of an error: nothing where that is no JSON of the specification's form. Never fails. */
export async function readWords(answer: TransportAnswer): Promise<readonly RegistryWord[]> {
  try {
    const bytes = await answer.read(MAX_ERROR_BYTES, "the error");
    return wordsOf(JSON.parse(bytes.toString("utf8")));
  } catch {
    await answer.discard();
    return [];
  }
}

function wordsOf(json: unknown): readonly RegistryWord[] {
  const { errors, message, details, error_description } = (json ?? {}) as Record<string, unknown>;
  const list: unknown[] = Array.isArray(errors) ? errors : [{ message: message ?? error_description ?? details }];
  return list.slice(0, MOST_WORDS).flatMap((one) => {
    const { code, message: text } = (one ?? {}) as Record<string, unknown>;
    const word = { code: asText(code), message: asText(text) };
    return word.code === "" && word.message === "" ? [] : [word];
  });
}

function asText(value: unknown): string {
  return typeof value === "string" ? oneLine(value) : "";
}

function statusError(
  answer: TransportAnswer,
  words: readonly RegistryWord[],
  attempt: Attempt,
  loggedIn: boolean,
  wait: number | undefined,
): NacreError {
  const { status } = answer;
  const said = words.map(({ code, message }) => message || code).join("; ");
  const why = `${meaning(status, words)} (${status})${said === "" ? "" : `: ${said}`}`;
  return failed(codeOf(status, words), attempt, why, {
    hint: hintOf(answer, words, attempt, loggedIn, wait),
    facts: { status, ...(words.length > 0 ? { codes: words.map(({ code }) => code) } : {}) },
  });
}

function codeOf(status: number, words: readonly RegistryWord[]): "DENIED" | "CONTENT_INVALID" | "NETWORK" {
  if (status === 401 || status === 403) return "DENIED";
  return words.some(({ code }) => INVALID.has(code)) ? "CONTENT_INVALID" : "NETWORK";
}

function meaning(status: number, words: readonly RegistryWord[]): string {
  if (status === 401 || status === 403) return "access is refused";
  if (status === 404 || status === 410) return "it is not there";
  if (status === 429) return "too many requests";
  if (status === 413) return "what was sent is too big for it";
  if (status === 405 || words.some(({ code }) => code === "UNSUPPORTED")) return "the registry does not offer this";
  if (status >= 500) return "the registry fails";
  return status >= 300 && status < 400 ? "it redirects, but not to where this can follow" : "it is refused";
}

function hintOf(
  answer: TransportAnswer,
  words: readonly RegistryWord[],
  attempt: Attempt,
  loggedIn: boolean,
  wait: number | undefined,
): string | undefined {
  const { status } = answer;
  const login = loginCommand(attempt.registry);
  if ((status === 401 || status === 403) && attempt.doing.startsWith("log in to "))
    return "check the user name and the password; many registries want an access token in place of the password";
  if (status === 401 || status === 403) return deniedHint(attempt, loggedIn);
  if (status === 404)
    return attempt.action === "pull" ? `check the name; private images need: ${login}` : "check the name";
  if (status === 429)
    return `try again ${whenOf(answer, wait)}${loggedIn ? "" : `; those who log in may do more: ${login}`}`;
  if (status === 405 && attempt.action === "push")
    return "it takes no pushes: it may be read-only, or a mirror of another registry";
  if (status === 413) return "a proxy before the registry limits the size of requests: raise that limit";
  if (PASSING.has(status)) return "try again later";
  return words.length > 0 ? undefined : "look into the registry's log";
}

/** What to do about a refusal. */
export function deniedHint({ registry, action }: Pick<Attempt, "registry" | "action">, loggedIn: boolean): string {
  const login = loginCommand(registry);
  if (loggedIn) return `the account may not do this, or its credentials are out of date: ${login}`;
  // Docker Hub and others do not tell what is not there from what is private.
  return action === "pull" ? `check the name; private images need: ${login}` : `log in first: ${login}`;
}

/** The command that logs in to a registry. */
export function loginCommand(registry: string): string {
  return registry === "docker.io" ? "nacre login" : `nacre login ${registry}`;
}

function whenOf(answer: TransportAnswer, wait: number | undefined): string {
  const quota = rateLimitOf(answer);
  const seconds = wait === undefined ? quota?.window : Math.ceil(wait / 1000);
  if (seconds === undefined) return "later";
  if (seconds < 120) return `in ${seconds} s`;
  const text = seconds < 7200 ? `${Math.ceil(seconds / 60)} minutes` : `${Math.ceil(seconds / 3600)} hours`;
  return wait === undefined ? `later (the limit is ${quota?.limit ?? 0} in ${text})` : `in ${text}`;
}

/** An error about something that was tried. */
export function failed(
  code: "NETWORK" | "DENIED" | "CONTENT_INVALID" | "LIMIT_EXCEEDED",
  attempt: Attempt,
  why: string,
  details: {
    readonly hint?: string | undefined;
    readonly facts?: Readonly<Record<string, unknown>>;
    readonly cause?: unknown;
  } = {},
): NacreError {
  const { doing, registry, repository, origin } = attempt;
  return new NacreError(code, `cannot ${doing}: ${origin}: ${why}`, {
    hint: details.hint,
    facts: { registry, ...(repository === "" ? {} : { repository }), asked: origin, ...details.facts },
    cause: details.cause,
  });
}

function hostOf({ registry, origin }: Attempt): string {
  return registry === "docker.io" || registry === "" ? new URL(origin).host : registry;
}
