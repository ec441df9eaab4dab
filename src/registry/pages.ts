/** Lists that registries send page by page: tags, repositories, referrers. */
import { NacreError } from "../support/errors.js";
import { failed, networkFailure } from "./registryErrors.js";
import type { TransportAnswer } from "./transport.js";
import type { Exchange } from "./transportExchange.js";
import { withRetries } from "./transportRetry.js";

/** Some registries send all there is in one page, however few are asked for. */
const MAX_PAGE_BYTES = 32 << 20;
const MAX_PAGES = 100_000;
/** Entries that are asked for at once: some refuse more. */
export const PAGE_SIZE = 1000;

/** One page. */
export interface Page {
  readonly json: unknown;
  readonly answer: TransportAnswer;
}

/**
 * The pages of a list.
 * @param first below `/v2/`, with its query
 * @param missing a status that means that there is no such list: then there is no page
 * @throws NacreError NETWORK, DENIED, CONTENT_INVALID, LIMIT_EXCEEDED, CANCELLED
 */
export async function* pages(
  exchange: Exchange,
  first: string,
  doing: string,
  options: { readonly missing?: readonly number[]; readonly scopes?: readonly string[]; readonly limit?: number } = {},
): AsyncGenerator<Page> {
  const { missing = [], scopes = [], limit = MAX_PAGE_BYTES } = options;
  let next: string | URL | undefined = first;
  for (let count = 0; next !== undefined; count++) {
    if (count === MAX_PAGES)
      throw failed("LIMIT_EXCEEDED", exchange.attempt(doing), `it has more than ${MAX_PAGES} pages`);
    const page: Page | undefined = await readPage(exchange, next, { doing, missing, scopes, limit });
    if (page === undefined) return;
    yield page;
    const following = await nextPage(page.answer, exchange, doing);
    if (following?.href === page.answer.url.href) {
      throw failed("CONTENT_INVALID", exchange.attempt(doing), "its next page is the same one again");
    }
    next = following;
  }
}

interface Wanted {
  readonly doing: string;
  readonly missing: readonly number[];
  readonly scopes: readonly string[];
  readonly limit: number;
}

function readPage(
  exchange: Exchange,
  to: string | URL,
  { doing, missing, scopes, limit }: Wanted,
): Promise<Page | undefined> {
  const rules = exchange.rules(doing);
  return withRetries(async () => {
    const call = {
      method: "GET",
      to,
      scopes,
      headers: { accept: "application/json, */*" },
      doing,
      once: true,
    } as const;
    const answer = await exchange.call({ ...call, accept: [200, ...missing] });
    if (answer.status !== 200) {
      await answer.discard();
      return undefined;
    }
    const attempt = exchange.attempt(doing, answer.url.origin);
    try {
      return { json: JSON.parse((await answer.read(limit, "the list")).toString("utf8")), answer };
    } catch (error) {
      if (error instanceof SyntaxError) throw failed("CONTENT_INVALID", attempt, "the answer is not JSON");
      if (error instanceof NacreError) throw failed("LIMIT_EXCEEDED", attempt, error.message);
      throw networkFailure(error, attempt, rules.signal);
    }
  }, rules);
}

/**
 * Where a `Link` leads. Of the address only path and query count: lists are read from the registry itself, and many
 * registries behind proxies do not know under which name they are reached.
 */
async function nextPage(answer: TransportAnswer, exchange: Exchange, doing: string): Promise<URL | undefined> {
  const link = answer.headers("link").join(", ").slice(0, 16_384);
  const target = /<([^<>]*)>[^<>]*?;\s*rel="?next"?/i.exec(link)?.[1];
  if (target === undefined) return undefined;
  const base = await exchange.base(doing);
  const url = URL.canParse(target, answer.url.href) ? new URL(target, answer.url) : undefined;
  const isBelow = url?.pathname.startsWith(`${base.pathname.replace(/\/$/, "")}/v2/`);
  if (!url || !isBelow)
    throw failed("CONTENT_INVALID", exchange.attempt(doing), "the address of its next page is none of a registry");
  return new URL(`${url.pathname}${url.search}`, base.origin);
}

/** The texts of a list in a page; what is no text is left out. */
export function textsOf(json: unknown, field: string): readonly string[] {
  const list = (json as Record<string, unknown> | null)?.[field];
  return Array.isArray(list) ? list.filter((one) => typeof one === "string") : [];
}
