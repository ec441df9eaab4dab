/** What the head of an answer says of its content. */
import { sha256Hex } from "../support/hash.js";
import { identityOf, shownUrl } from "./httpAddress.js";
import type { HttpAnswer } from "./httpClient.js";
import { parseHttpDate } from "./httpDate.js";

/** Seconds that a Last-Modified must lie before the answer, to tell one content from the next (RFC 9110, 8.8.2.2). */
const STRONG_AGE = 60;
/** Longest header that is kept. */
const MAX_KEPT = 1024;

/** What tells one content of an address from the next. */
export interface Validators {
  /** A strong ETag (RFC 9110, 8.8.3), quotes included. */
  readonly etag?: string | undefined;
  /** A Last-Modified, as it came, that lies so far back that it is as good. */
  readonly lastModified?: string | undefined;
}

/** The head of an answer. */
export interface ContentHead {
  /** Of the address that answered, after redirects; see {@link identityOf}. */
  readonly identity: string;
  readonly validators: Validators;
  /** Bytes of the body as it is sent; undefined if that is not said. */
  readonly length: number | undefined;
  /** The body is compressed, and was asked for so: BuildKit's client (Go's) decodes this one coding and no other. */
  readonly gzip: boolean;
  /** Seconds since 1970; 0 if it is not said, or not in HTTP's form. */
  readonly mtime: number;
  readonly contentType: string | undefined;
  /** As people may see it. */
  readonly shown: string;
}

/** Reads the head of an answer. */
export function contentHead(answer: HttpAnswer): ContentHead {
  const length = answer.header("content-length");
  return {
    identity: identityOf(answer.url),
    validators: validatorsOf(answer),
    length: length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined,
    gzip: answer.header("content-encoding")?.toLowerCase() === "gzip",
    mtime: parseHttpDate(answer.header("last-modified") ?? "") ?? 0,
    contentType: kept(answer.header("content-type")),
    shown: shownUrl(answer.url),
  };
}

/** What stands on disk for the identity of an address, which may hold what nobody is to read there. */
export function answeredBy(identity: string): string {
  return sha256Hex(identity);
}

/** Headers that ask for the content only if it is another than the one with these validators. */
export function conditionalHeaders({ etag, lastModified }: Validators): Record<string, string> {
  if (etag !== undefined) return { "if-none-match": etag };
  return lastModified === undefined ? {} : { "if-modified-since": lastModified };
}

/** Headers that ask for the rest of a content; undefined if nothing tells whether it still is the same. */
export function rangeHeaders({ etag, lastModified }: Validators, at: number): Record<string, string> | undefined {
  const validator = etag ?? lastModified;
  return validator === undefined ? undefined : { range: `bytes=${at}-`, "if-range": validator };
}

/** True if an answer is the rest of a content from a position on. */
export function isRest(answer: HttpAnswer, of: ContentHead, at: number): boolean {
  if (answer.status !== 206) return false;
  const head = contentHead(answer);
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(answer.header("content-range") ?? "");
  if (!match || Number(match[1]) !== at) return false;
  const isWholeRest = of.length === undefined || Number(match[2]) === of.length - 1;
  const isSameLength = match[3] === "*" || of.length === undefined || Number(match[3]) === of.length;
  const { etag } = of.validators;
  const isSame = etag === undefined || answer.header("etag") === etag;
  return isWholeRest && isSameLength && isSame && head.identity === of.identity && head.gzip === of.gzip;
}

function validatorsOf(answer: HttpAnswer): Validators {
  const etag = kept(answer.header("etag"));
  const lastModified = kept(answer.header("last-modified"));
  const [changed, now] = [lastModified, answer.header("date")].map((text) => parseHttpDate(text ?? ""));
  const isOld = changed !== undefined && now !== undefined && now - changed >= STRONG_AGE;
  return {
    etag: etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : undefined,
    lastModified: isOld ? lastModified : undefined,
  };
}

function kept(text: string | undefined): string | undefined {
  return text !== undefined && text.length <= MAX_KEPT ? text : undefined;
}
