/**
 * Addresses of downloads: taken apart, shown to people without what is secret in them, and compared. Pure. User name and
 * password leave the address here and travel as a header from then on.
 */
import { NacreError } from "../support/errors.js";

/** An address that can be asked for. */
export interface HttpAddress {
  /** Without user name, password and fragment. */
  readonly url: URL;
  /** Value of the Authorization header that user name and password stand for (RFC 7617). */
  readonly basic?: string | undefined;
}

/** Name of a file whose address ends in none (BuildKit: dispatchCopy). */
const UNNAMED = "__unnamed__";
/** Most characters of an address: servers refuse long before. */
const MAX_LENGTH = 32 << 10;
/** Parameters of a query whose value lets whoever knows it in. */
const SECRET_PARAMETER =
  /^(?:.*[-_.])?(?:token|secret|password|passwd|pwd|signature|sig|jwt|auth|api_?key|credential|policy)$/i;

/** Parameters that sign an address: those in `marks` tell which family it is, those that match `all` belong to it. */
const SIGNATURES: readonly { readonly marks: readonly string[]; readonly all: RegExp }[] = [
  { marks: ["x-amz-signature"], all: /^x-amz-/ },
  { marks: ["x-goog-signature"], all: /^x-goog-/ },
  { marks: ["sig", "se", "sv"], all: /^(?:sig|se|sv|sr|sp|spr|st|skoid|sktid|skt|ske|sks|skv|rscd|rsct|jwt)$/ },
  {
    marks: ["signature", "expires"],
    all: /^(?:signature|expires|key-pair-id|policy|awsaccesskeyid|googleaccessid)$/,
  },
];

/**
 * Reads the address of a download.
 * @throws NacreError NETWORK if it is no http or https URL
 */
export function parseHttpAddress(text: string): HttpAddress {
  if (text.length > MAX_LENGTH) throw unreadable(text.slice(0, 100), "it is too long");
  // What the parser of URLs says holds the whole text, password and all: it goes no further.
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw unreadable(text, "it is no URL");
  return addressOf(url);
}

/**
 * Where a redirect leads.
 * @param location as the server sent it, relative to `from`
 * @throws NacreError NETWORK if that is no http or https URL
 */
export function redirectTarget(location: string, from: URL): HttpAddress {
  // Servers send UTF-8 as it is, which headers are read as latin1.
  const text = Buffer.from(location, "latin1").toString("utf8");
  const url = text.length <= MAX_LENGTH && URL.canParse(text, from.href) ? new URL(text, from) : undefined;
  if (url !== undefined && isHttp(url)) return addressOf(url);
  const what = url === undefined ? "an address that cannot be read" : `a ${url.protocol.slice(0, 20)} address`;
  throw new NacreError("NETWORK", `${shownUrl(from)} redirects to ${what}`, {
    hint: "only http and https are followed: give the final address itself",
  });
}

/** An address as people may see it: nothing in it lets anyone in. */
export function shownUrl(url: URL): string {
  const query = [...url.searchParams.keys()].some((key) => SECRET_PARAMETER.test(key)) ? shownQuery(url) : url.search;
  return `${url.origin}${url.pathname}${query}`;
}

/** What stands for an address: equal for addresses that differ in nothing but who signed them, and until when. */
export function identityOf(url: URL): string {
  const keys = new Set([...url.searchParams.keys()].map((key) => key.toLowerCase()));
  const families = SIGNATURES.filter(({ marks }) => marks.every((mark) => keys.has(mark)));
  if (families.length === 0) return `${url.origin}${url.pathname}${url.search}`;
  const kept = [...url.searchParams].filter(([key]) => !families.some(({ all }) => all.test(key.toLowerCase())));
  return `${url.origin}${url.pathname}?${new URLSearchParams(kept).toString()}`;
}

/**
 * The name of a download in a directory: the last element of the path, as typed, without its escapes; the query, and
 * what the server calls the file, do not count (BuildKit: dispatchCopy; path.Base).
 * @throws NacreError NETWORK for a name that no file can have
 */
export function downloadName(text: string): string {
  const [, path = ""] = /^https?:\/\/[^/?#]*([^?#]*)/i.exec(text) ?? [];
  const bytes = percentDecoded(path);
  if (bytes === undefined) throw unreadable(text, "a % in it is not followed by two hexadecimal digits");
  const base = bytes.toString("latin1").replace(/\/+$/, "").split("/").at(-1)!;
  if (base === "" || base === ".") return UNNAMED;
  // The name that BuildKit's download has in the end for such an address.
  if (base === "..") return "download";
  const name = decodeUtf8(Buffer.from(base, "latin1"));
  if (name === undefined || name.includes("\0")) throw unreadable(text, "no file can be called like the end of it");
  return name;
}

function addressOf(url: URL): HttpAddress {
  if (!isHttp(url)) throw unreadable(`${url.protocol}//…`, "only http and https can be downloaded");
  const { username, password } = url;
  const basic = username || password ? basicOf(username, password) : undefined;
  url.username = "";
  url.password = "";
  url.hash = "";
  return { url, basic };
}

function isHttp(url: URL): boolean {
  return url.protocol === "http:" || url.protocol === "https:";
}

/** The header that a user name and password of an address stand for. */
export function basicOf(username: string, password: string): string {
  const [user, secret] = [username, password].map((text) => percentDecoded(text) ?? Buffer.from(text));
  return `Basic ${Buffer.concat([user!, Buffer.from(":"), secret!]).toString("base64")}`;
}

function shownQuery(url: URL): string {
  const pairs = url.search.slice(1).split("&");
  const shown = pairs.map((pair) => {
    const key = pair.split("=", 1)[0]!;
    const name = percentDecoded(key)?.toString("utf8") ?? key;
    return SECRET_PARAMETER.test(name) ? `${key}=…` : pair;
  });
  return `?${shown.join("&")}`;
}

/** @returns undefined if an escape is malformed */
function percentDecoded(text: string): Buffer | undefined {
  if (/%(?![0-9a-f]{2})/i.test(text)) return undefined;
  const bytes = Buffer.from(text).toString("latin1");
  const decoded = bytes.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(decoded, "latin1");
}

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Of an address that cannot be taken apart, all that may be a password is left out. */
function unreadable(text: string, why: string): NacreError {
  const shown = JSON.stringify(text.replace(/^([a-z][a-z0-9+.-]*:\/\/).*@/is, "$1").slice(0, 500));
  return new NacreError("NETWORK", `${shown} cannot be downloaded: ${why}`, {
    hint: "an address looks like https://example.com/file.txt",
  });
}
