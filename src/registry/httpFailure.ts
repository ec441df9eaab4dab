/** What went wrong on the way to a server, in words, and whether it may pass by itself. */
import { isNacreError, NacreError } from "../support/errors.js";
import { shownUrl } from "./httpAddress.js";
import type { HttpAnswer, HttpLimits } from "./httpClient.js";
import { parseHttpDate } from "./httpDate.js";

/** A failure that may pass: worth another try. */
export class PassingFailure extends Error {
  /** What to throw when no try is left. */
  readonly final: NacreError;
  /** Milliseconds that the server wants to be left alone. */
  readonly retryAfter: number | undefined;

  constructor(final: NacreError, retryAfter?: number) {
    super(final.message);
    this.final = final;
    this.retryAfter = retryAfter;
  }
}

const CHECK_NETWORK = "check the address, the network, and HTTP_PROXY, HTTPS_PROXY and NO_PROXY";

/** Codes of Node and undici for what may pass, in words. */
const PASSING: Readonly<Record<string, string>> = {
  EAI_AGAIN: "its name cannot be resolved just now",
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  ETIMEDOUT: "no connection in time",
  EHOSTUNREACH: "there is no way to the host",
  ENETUNREACH: "there is no way to its network",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
  UND_ERR_HEADERS_TIMEOUT: "no answer in time",
  UND_ERR_BODY_TIMEOUT: "nothing came for a long time",
  UND_ERR_SOCKET: "the connection was cut",
  Z_BUF_ERROR: "the answer ended before its end",
};

/** Codes for what another try does not mend. */
const LASTING: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no host of that name",
  UND_ERR_HEADERS_OVERFLOW: "the head of the answer is too long",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "the answer has another length than it says",
  Z_DATA_ERROR: "the answer is not the gzip that it says it is",
};

/**
 * What a failed request means.
 * @returns a failure that may pass
 * @throws NacreError CANCELLED once the signal is aborted; NETWORK, and whatever is no failure of the network
 */
export function passingOrThrow(error: unknown, url: URL, signal: AbortSignal | undefined): PassingFailure {
  if (signal?.aborted) throw new NacreError("CANCELLED", `the download of ${shownUrl(url)} was stopped`);
  if (error instanceof PassingFailure) return error;
  if (isNacreError(error) || !(error instanceof Error)) throw error;
  const { why, passing, hint } = reasonOf(error);
  const final = failed(url, why, hint, error);
  if (passing) return new PassingFailure(final);
  throw final;
}

/** Why a request failed, in words; whether that may pass; what to do about it. */
export interface FailureReason {
  readonly why: string;
  readonly passing: boolean;
  readonly hint: string;
  /** As Node and undici name it; empty if they do not. */
  readonly code: string;
}

/** Reads an error of Node or undici. */
export function reasonOf(error: Error): FailureReason {
  const first = error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error;
  const code = "code" in first && typeof first.code === "string" ? first.code : "";
  if (code in PASSING) return { why: PASSING[code]!, passing: true, hint: CHECK_NETWORK, code };
  return { ...lasting(first, code), passing: false, code };
}

/** The error of an answer that is no content, or the failure that may pass. */
export function statusFailure(
  answer: HttpAnswer,
  limits: HttpLimits,
  credentials: boolean,
): NacreError | PassingFailure {
  const { status, url } = answer;
  const error = statusError(status, url, credentials);
  if (status !== 408 && status !== 429 && (status < 500 || status === 501)) return error;
  const wanted = retryAfterOf(answer);
  if (wanted === undefined || wanted <= limits.retryAfter) return new PassingFailure(error, wanted);
  return new NacreError("NETWORK", error.message, {
    hint: `the server asks to be left alone for ${Math.ceil(wanted / 1000)} s: try again then`,
    facts: error.facts,
  });
}

/** A failure of an answer that may pass. */
export function brokenAnswer(url: URL, why: string): PassingFailure {
  return new PassingFailure(failed(url, why, CHECK_NETWORK));
}

/** An error about a download. */
export function failed(url: URL, why: string, hint: string, cause?: unknown): NacreError {
  const shown = shownUrl(url);
  return new NacreError("NETWORK", `cannot download ${shown}: ${why}`, { hint, facts: { url: shown }, cause });
}

function lasting(error: Error, code: string): { readonly why: string; readonly hint: string } {
  if (code in LASTING) return { why: LASTING[code]!, hint: CHECK_NETWORK };
  if (code === "UND_ERR_ABORTED" || code === "UND_ERR_INVALID_ARG") {
    const status = /\((\d{3})\)/.exec(error.message)?.[1];
    const hint = "check HTTP_PROXY and HTTPS_PROXY, and the user name and password in them";
    if (status !== undefined) return { why: `the proxy answers with status ${status}`, hint };
  }
  if (code.startsWith("HPE_") || error.name === "HTTPParserError")
    return { why: "the answer is not HTTP", hint: CHECK_NETWORK };
  if (/CERT|ISSUER|ALTNAME|SIGNATURE|CRL/.test(code)) {
    const hint = "to trust its authority, put the certificate in a file and name that in NODE_EXTRA_CA_CERTS";
    return { why: `its certificate is not trusted: ${error.message.slice(0, 300)}`, hint };
  }
  return { why: error.message.slice(0, 300) || code, hint: CHECK_NETWORK };
}

function statusError(status: number, url: URL, credentials: boolean): NacreError {
  const shown = shownUrl(url);
  const hint = statusHint(status, url, credentials);
  return new NacreError("NETWORK", `invalid response status ${status} for ${shown}`, {
    hint,
    facts: { url: shown, status },
  });
}

function statusHint(status: number, { host, protocol }: URL, credentials: boolean): string {
  if (status === 401 || status === 403) {
    if (credentials) return "the credentials that were given do not open it";
    return `if it needs credentials, give them: --secret id=HTTP_AUTH_TOKEN_${host},env=TOKEN`;
  }
  if (status === 404 || status === 410) return "nothing is there: check the address";
  if (status === 407)
    return `the proxy wants credentials: put them into ${protocol === "https:" ? "HTTPS" : "HTTP"}_PROXY`;
  if (status === 429) return "too many requests: try again later";
  if (status >= 500) return "the server has failed: try again later";
  if (status === 206) return "a part was sent where the whole was asked for";
  if (status >= 300 && status < 400) return "the answer leads elsewhere, but does not say where: check the address";
  return "check the address";
}

/** Milliseconds, from a Retry-After of either form (RFC 9110, 10.2.3). */
function retryAfterOf(answer: HttpAnswer): number | undefined {
  const text = answer.header("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const [until, now] = [parseHttpDate(text), parseHttpDate(answer.header("date") ?? "")];
  return until === undefined ? undefined : Math.max(0, until * 1000 - (now === undefined ? Date.now() : now * 1000));
}
