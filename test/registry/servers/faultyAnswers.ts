/** How right answers of the tests' registry are made wrong, and how they are sent. */
import type { ServerResponse } from "node:http";
import type { Answer, LoggedRequest, MetFaults } from "./faults.js";

/** The answer with all that is wrong with it, but for the way in which it is sent. */
export function bent(right: Answer, request: LoggedRequest, met: MetFaults): Answer {
  let answer = right;
  for (const { to } of met.all("body")) answer = { ...answer, body: otherBytes(answer.body, to) };
  const range = met.find("range");
  if (range) answer = otherRange(answer, range.how);
  const location = met.find("location");
  if (location && typeof answer.headers.location === "string") {
    const to = location.to.replace("{path}", answer.headers.location);
    answer = { ...answer, headers: { ...answer.headers, location: to } };
  }
  const paging = met.find("paging");
  if (paging) answer = otherPages(answer, request, paging.how, paging.to);
  for (const { text } of met.all("warning")) {
    answer = withHeaders(answer, { warning: `299 - "${text.replace(/["\\]/g, "\\$&")}"` });
  }
  const limit = met.find("rate-limit");
  if (limit) {
    const { remaining, source } = limit;
    answer = withHeaders(answer, { "ratelimit-limit": limit.limit, "ratelimit-remaining": remaining });
    if (source) answer = withHeaders(answer, { "docker-ratelimit-source": source });
  }
  for (const { set } of met.all("headers")) answer = withHeaders(answer, set);
  return answer;
}

function withHeaders(answer: Answer, set: Readonly<Record<string, string | readonly string[] | undefined>>): Answer {
  const named = Object.entries(set).map(([name, value]) => [name.toLowerCase(), value] as const);
  const gone = new Set(named.map(([name]) => name));
  const kept = Object.entries(answer.headers).filter(([name]) => !gone.has(name));
  const added = named.filter((entry): entry is readonly [string, string | readonly string[]] => entry[1] !== undefined);
  return { ...answer, headers: Object.fromEntries([...kept, ...added]) };
}

function otherBytes(
  right: Buffer,
  to: "flip" | "short" | "long" | "empty" | Buffer | ((right: Buffer) => Buffer),
): Buffer {
  if (typeof to === "function") return to(right);
  if (to === "flip") {
    const wrong = Buffer.from(right);
    const middle = wrong.length >> 1;
    wrong[middle] = wrong[middle]! ^ 1;
    return wrong;
  }
  if (to === "short") return right.subarray(0, -1);
  if (to === "long") return Buffer.concat([right, Buffer.from("!")]);
  return to === "empty" ? Buffer.alloc(0) : to;
}

function otherRange(answer: Answer, how: "ignored" | "other-part" | "lie" | "wrong-total" | "416"): Answer {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(String(answer.headers["content-range"] ?? ""));
  if (answer.status !== 206 || !match) return answer;
  const [first, last, total] = match.slice(1).map(Number) as [number, number, number];
  if (how === "416") return { status: 416, headers: { "content-range": `bytes */${total}` }, body: Buffer.alloc(0) };
  if (how === "wrong-total") return withHeaders(answer, { "content-range": `bytes ${first}-${last}/${total + 1}` });
  if (how === "other-part") {
    const part = { ...answer, body: answer.body.subarray(1) };
    return withHeaders(part, { "content-range": `bytes ${first + 1}-${last}/${total}` });
  }
  if (how === "lie") return { ...answer, body: Buffer.concat([answer.body.subarray(1), Buffer.from("!")]) };
  return answer;
}

let pages = 0;

function otherPages(
  answer: Answer,
  request: LoggedRequest,
  how: "loop" | "endless" | "other-host",
  to: string | undefined,
): Answer {
  if (how === "loop") return withHeaders(answer, { link: `<${request.url}>; rel="next"` });
  if (how === "other-host") return withHeaders(answer, { link: `<${to}${request.url}>; rel="next"` });
  const names = [`new-${pages++}`];
  const body = Buffer.from(JSON.stringify({ name: request.repository, tags: names, repositories: names }));
  return withHeaders({ ...answer, body }, { link: `<${request.path}?last=${names[0]}>; rel="next"` });
}

/** Sends an answer, as badly as it is to be sent. */
export async function send(
  answer: Answer,
  request: LoggedRequest,
  response: ServerResponse,
  met: MetFaults,
): Promise<void> {
  const { socket } = response;
  const garbage = met.find("garbage");
  if (garbage) return void socket?.end(garbage.bytes ?? "this is not HTTP\r\n\r\n");
  const endless = met.find("endless") !== undefined;
  response.writeHead(answer.status, headersOf(answer, endless, met));
  // Node leaves the body out where there must be none.
  if (request.method === "HEAD" || answer.status === 204) return void response.end();
  const cut = met.find("cut");
  const drip = met.find("drip");
  const body = cut ? answer.body.subarray(0, cut.after) : answer.body;
  if (drip) await dripping(response, body, drip.bytes, drip.milliseconds);
  else if (body.length > 0) await written(response, body);
  else response.flushHeaders();
  if (cut) return void (cut.how === "reset" ? socket?.resetAndDestroy() : socket?.destroy());
  if (endless) await pour(response);
  response.end();
}

function headersOf(answer: Answer, endless: boolean, met: MetFaults): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    headers[name] = typeof value === "string" ? value : [...value];
  }
  if (endless || answer.status === 204) {
    delete headers["content-length"];
    return headers;
  }
  const by = met.find("length")?.by ?? 0;
  headers["content-length"] ??= String(answer.body.length + by);
  return headers;
}

async function pour(response: ServerResponse): Promise<void> {
  const more = Buffer.alloc(64 << 10, "x");
  while (!response.destroyed && response.socket?.destroyed === false) await written(response, more);
}

async function dripping(response: ServerResponse, body: Buffer, bytes: number, milliseconds: number): Promise<void> {
  for (let at = 0; at < body.length && response.socket?.destroyed === false; at += bytes) {
    await written(response, body.subarray(at, at + bytes));
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
}

/** Writes, and waits until the system has taken it, or the connection is gone. */
function written(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    response.once("close", resolve);
    response.write(bytes, () => {
      response.off("close", resolve);
      resolve();
    });
  });
}
