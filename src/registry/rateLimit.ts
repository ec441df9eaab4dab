/** What registries say of how much they still let a client do. Pure. */
import { parseHttpDate } from "./httpDate.js";
import type { RateLimit } from "./types.js";

interface Headers {
  header(name: string): string | undefined;
}

/** Six hours: the window of Docker Hub's limit, where a header leaves it out. */
const USUAL_WINDOW = 21_600;
/** Larger numbers of a Retry-After are times, not durations: Docker Hub sends seconds since 1970. */
const LARGEST_DURATION = 100_000_000;

/** Longest name of whom a limit is counted for. */
const MAX_SOURCE = 200;

/** Reads Docker Hub's `ratelimit-limit` and `ratelimit-remaining`, e.g. `100;w=21600`, and `docker-ratelimit-source`. */
export function rateLimitOf(answer: Headers): RateLimit | undefined {
  const [limit, remaining] = [quota(answer.header("ratelimit-limit")), quota(answer.header("ratelimit-remaining"))];
  if (limit === undefined || remaining === undefined) return undefined;
  const window = limit.window ?? remaining.window ?? USUAL_WINDOW;
  const source = oneLine(answer.header("docker-ratelimit-source") ?? "", MAX_SOURCE);
  return { limit: limit.count, remaining: remaining.count, window, ...(source === "" ? {} : { source }) };
}

function quota(text: string | undefined): { readonly count: number; readonly window: number | undefined } | undefined {
  const match = /^\s*(\d{1,12})\s*(?:;\s*w=(\d{1,9}))?/.exec(text ?? "");
  if (!match) return undefined;
  return { count: Number(match[1]), window: match[2] === undefined ? undefined : Number(match[2]) };
}

/**
 * Milliseconds for which a server wants to be left alone: Retry-After in seconds, as a date (RFC 9110, 10.2.3) or as
 * seconds since 1970.
 * @param now milliseconds since 1970
 */
export function retryAfterOf(answer: Headers, now: number): number | undefined {
  const text = answer.header("retry-after")?.trim() ?? "";
  if (/^\d{1,12}$/.test(text)) {
    const seconds = Number(text);
    return seconds > LARGEST_DURATION ? Math.max(0, seconds * 1000 - now) : seconds * 1000;
  }
  const [until, sent] = [parseHttpDate(text), parseHttpDate(answer.header("date") ?? "")];
  return until === undefined ? undefined : Math.max(0, until * 1000 - (sent === undefined ? now : sent * 1000));
}

/** The texts of `Warning: 299 - "text"` headers (distribution-spec, "Warnings"), as a terminal may show them. */
export function warningsOf(headers: readonly string[]): readonly string[] {
  return headers.flatMap((header) =>
    [...header.slice(0, 8192).matchAll(/299 [^\s"]{1,100} "((?:[^"\\]|\\.){1,2000})"/g)].map((match) =>
      oneLine(match[1]!.replace(/\\(.)/gs, "$1")),
    ),
  );
}

/** A text from a registry as a line of a message: without control characters, and not too long. */
export function oneLine(text: string, most = 300): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
  return plain.length <= most ? plain : `${plain.slice(0, most - 1)}…`;
}
