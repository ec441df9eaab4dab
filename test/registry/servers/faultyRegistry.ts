/**
 * A registry in this process that does on demand what a real one will not, and keeps a log of every request with its
 * headers, so that tests can prove what was asked of whom, and that no credential went where it must not.
 */
import { randomUUID } from "node:crypto";
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Authority } from "./certificates.js";
import { whenDone } from "./cleanup.js";
import { type Answer, type Fault, FaultPlan, type LoggedRequest, type MetFaults, type Operation } from "./faults.js";
import { bent, send } from "./faultyAnswers.js";
import { problem, RegistryContent } from "./registryContent.js";

/** Who may do what. */
export type RegistryAuth =
  | { readonly kind: "basic"; readonly users: Readonly<Record<string, string>> }
  /** Tokens are given out at `/token` of the same server, for exactly what was asked; anonymous ones for `pull`. */
  | {
      readonly kind: "bearer";
      readonly users: Readonly<Record<string, string>>;
      /** Another realm than its own. */
      readonly realm?: string;
      /** Seconds. */
      readonly expiresIn?: number;
      /** False: only users get tokens. */
      readonly anonymous?: boolean;
    };

/** How a registry of the tests begins. */
export interface FaultyOptions {
  readonly auth?: RegistryAuth;
  readonly tls?: Authority;
  /** Address to listen on: another loopback address is another host to clients. Default 127.0.0.1. */
  readonly host?: string;
  /** Most entries of a page of tags and repositories. */
  readonly pageSize?: number;
}

/** A registry that runs. */
export interface FaultyRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** With the scheme, without a slash at its end. */
  readonly url: string;
  readonly ca: string | undefined;
  readonly content: RegistryContent;
  readonly requests: LoggedRequest[];
  /** Requests in short: `GET /v2/app/manifests/1`. */
  lines(operation?: Operation): string[];
  /** Other faults from now on. */
  setFaults(...faults: readonly Fault[]): void;
  /** How often a fault was met. */
  met(fault: Fault): number;
  /** Tokens that are good from now on no more. */
  revokeTokens(): void;
  stop(): Promise<void>;
}

/** Starts a registry that ends with the test file at the latest. */
export async function faultyRegistry(
  faults: readonly Fault[] = [],
  options: FaultyOptions = {},
): Promise<FaultyRegistry> {
  const world = new World(new FaultPlan(faults), options);
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    // A client that goes away in the middle is no failure of the server.
    const { socket } = request;
    world.handle(request, response).catch(() => socket.destroy());
  };
  const server = options.tls
    ? https.createServer(options.tls.issue({ hosts: ["localhost", options.host ?? "127.0.0.1"] }), onRequest)
    : http.createServer(onRequest);
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("clientError", (_error, socket) => socket.destroy());
  server.keepAliveTimeout = 60_000;
  server.requestTimeout = 0;
  const { host = "127.0.0.1" } = options;
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const name = `${host}:${(server.address() as AddressInfo).port}`;
  const url = `${options.tls ? "https" : "http"}://${name}`;
  world.url = url;
  const stop = whenDone(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    ...{ host: name, url, ca: options.tls?.ca, content: world.content, requests: world.requests, stop },
    lines: (operation) =>
      world.requests
        .filter((request) => operation === undefined || request.operation === operation)
        .map(({ method, url: path }) => `${method} ${path}`),
    setFaults: (...others) => world.plan.set(others),
    met: (fault) => world.plan.met(fault),
    revokeTokens: () => world.tokens.clear(),
  };
}

class World {
  readonly content = new RegistryContent();
  readonly requests: LoggedRequest[] = [];
  readonly tokens = new Map<string, readonly string[]>();
  readonly plan: FaultPlan;
  url = "";
  readonly #options: FaultyOptions;
  readonly #connections = new WeakMap<Socket, number>();
  #connectionCount = 0;

  constructor(plan: FaultPlan, options: FaultyOptions) {
    this.plan = plan;
    this.#options = options;
  }

  async handle(message: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { socket } = message;
    const request = this.#log(message);
    const met = this.plan.of(request);
    for (const { milliseconds } of met.all("delay")) await new Promise((resolve) => setTimeout(resolve, milliseconds));
    for (const { answer } of met.all("instead")) if (await answer(request, response, message)) return;
    if (met.find("silence")) return void message.resume();
    const early = this.#earlyAnswer(request, met);
    const body = await this.#readBody(message, request, met);
    if (body === undefined) return;
    const lost = met.find("drop");
    if (lost?.performed === false) return void socket.destroy();
    const right = early ?? this.#rightAnswer(request, body, met);
    if (lost) return void socket.destroy();
    const answer = early ?? bent(right, request, met);
    request.status = answer.status;
    await send(answer, request, response, met);
  }

  #log(message: http.IncomingMessage): LoggedRequest {
    const { socket, headers, rawHeaders } = message;
    if (!this.#connections.has(socket)) this.#connections.set(socket, this.#connectionCount++);
    const url = new URL(message.url!, "http://registry");
    const request: LoggedRequest = {
      ...routeOf(message.method!, url.pathname),
      ...{ method: message.method!, url: message.url!, path: url.pathname, query: url.searchParams },
      ...{ headers, rawHeaders, connection: this.#connections.get(socket)! },
      ...{ received: 0, status: undefined },
    };
    this.requests.push(request);
    return request;
  }

  /** Answers that do not depend on what the registry holds. */
  #earlyAnswer(request: LoggedRequest, met: MetFaults): Answer | undefined {
    const status = met.find("status");
    if (status) {
      const { headers = {}, retryAfter, body = "" } = status;
      const after = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
      return { status: status.status, headers: { ...after, ...headers }, body: Buffer.from(body) };
    }
    const unauthorized = met.find("unauthorized");
    if (unauthorized) {
      const challenge = unauthorized.challenge ?? this.#challengeFor(request) ?? 'Basic realm="the tests"';
      return problem(401, "UNAUTHORIZED", { "www-authenticate": challenge });
    }
    const redirect = met.find("redirect");
    if (!redirect) return undefined;
    const to = redirect.to === "self" ? request.url : redirect.to.replace("{path}", request.url);
    return { status: redirect.status ?? 307, headers: { location: to }, body: Buffer.alloc(0) };
  }

  /** @returns undefined if the connection was cut meanwhile */
  async #readBody(message: http.IncomingMessage, request: LoggedRequest, met: MetFaults): Promise<Buffer | undefined> {
    const cut = met.find("cut-request");
    const { socket } = message;
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of message) {
        chunks.push(chunk);
        request.received += chunk.length;
        if (cut && request.received >= cut.after) break;
      }
    } catch {
      // What came is kept, as a real registry keeps it.
      if (request.operation === "upload.chunk") this.content.keepPart(request.reference, Buffer.concat(chunks));
      return undefined;
    }
    const body = Buffer.concat(chunks);
    if (!cut) return body;
    if (cut.keep !== false) this.content.keepPart(request.reference, body.subarray(0, cut.after));
    socket.destroy();
    return undefined;
  }

  #rightAnswer(request: LoggedRequest, body: Buffer, met: MetFaults): Answer {
    if (request.operation === "token") return this.#giveToken(request, body);
    if (!this.#mayPass(request)) {
      return problem(401, "UNAUTHORIZED", { "www-authenticate": this.#challengeFor(request)! });
    }
    if (met.find("forget")) this.content.uploads.delete(request.reference ?? "");
    return this.content.answer(request, body, {
      tag: met.find("tag")?.digest,
      hasReferrers: met.find("no-referrers") === undefined,
      ignoresRange: met.find("range")?.how === "ignored",
      minChunk: met.find("min-chunk")?.bytes ?? 0,
      lost: met.find("lose")?.bytes ?? 0,
      pageSize: this.#options.pageSize ?? Infinity,
    });
  }

  #mayPass(request: LoggedRequest): boolean {
    const { auth } = this.#options;
    if (!auth) return true;
    const header = request.headers.authorization ?? "";
    if (auth.kind === "basic") return basicUser(header, auth.users) !== undefined;
    const scopes = this.tokens.get(/^Bearer (.+)$/i.exec(header)?.[1] ?? "");
    return scopes !== undefined && wantedScopes(request).every((wanted) => scopes.includes(wanted));
  }

  #challengeFor(request: LoggedRequest): string | undefined {
    const { auth } = this.#options;
    if (auth?.kind !== "bearer") return auth && 'Basic realm="the tests"';
    const name = request.repository;
    const actions = request.method === "GET" || request.method === "HEAD" ? "pull" : "pull,push";
    const resource = name === undefined ? "registry:catalog:*" : `repository:${name}:${actions}`;
    const scope = request.operation === "ping" ? "" : `,scope="${resource}"`;
    return `Bearer realm="${auth.realm ?? `${this.url}/token`}",service="faulty"${scope}`;
  }

  #giveToken(request: LoggedRequest, body: Buffer): Answer {
    const { auth } = this.#options;
    if (auth?.kind !== "bearer") return problem(404, "UNSUPPORTED");
    const fields = request.method === "POST" ? new URLSearchParams(body.toString()) : request.query;
    const header = request.headers.authorization;
    const user = header === undefined ? formUser(fields, auth.users) : basicUser(header, auth.users);
    const isAnonymous = user === undefined && header === undefined && request.method === "GET";
    if (user === undefined && !(isAnonymous && auth.anonymous !== false)) return problem(401, "UNAUTHORIZED");
    const token = randomUUID();
    const scopes = fields.getAll("scope").flatMap((text) => text.split(" "));
    this.tokens.set(
      token,
      scopes.flatMap(singleScopes).filter((scope) => user !== undefined || scope.endsWith(":pull")),
    );
    const expiry = auth.expiresIn === undefined ? {} : { expires_in: auth.expiresIn };
    const answer = Buffer.from(JSON.stringify({ token, ...expiry }));
    return { status: 200, headers: { "content-type": "application/json" }, body: answer };
  }
}

/** One `type:name:action` for each action of a scope. */
function singleScopes(scope: string): string[] {
  const last = scope.lastIndexOf(":");
  return scope
    .slice(last + 1)
    .split(",")
    .map((action) => `${scope.slice(0, last)}:${action}`);
}

function wantedScopes({ repository, method, operation }: LoggedRequest): string[] {
  if (operation === "ping") return [];
  if (repository === undefined) return ["registry:catalog:*"];
  const pull = `repository:${repository}:pull`;
  return method === "GET" || method === "HEAD" ? [pull] : [pull, `repository:${repository}:push`];
}

function basicUser(header: string, users: Readonly<Record<string, string>>): string | undefined {
  const text = Buffer.from(/^Basic (.*)$/i.exec(header)?.[1] ?? "", "base64").toString("utf8");
  return Object.keys(users).find((user) => text === `${user}:${users[user]}`);
}

function formUser(fields: URLSearchParams, users: Readonly<Record<string, string>>): string | undefined {
  const [user, password] = [fields.get("username"), fields.get("password")];
  return Object.keys(users).find((each) => each === user && users[each] === password);
}

type Route = Pick<LoggedRequest, "operation" | "repository" | "reference">;

const UPLOADS: Readonly<Record<string, Operation>> = {
  PATCH: "upload.chunk",
  PUT: "upload.finish",
  GET: "upload.status",
  DELETE: "upload.cancel",
};

function routeOf(method: string, path: string): Route {
  const to = (operation: Operation, repository?: string, reference?: string): Route => ({
    operation,
    repository,
    reference,
  });
  if (path === "/v2/" || path === "/v2") return to("ping");
  if (path === "/v2/_catalog") return to("catalog");
  if (path === "/token") return to("token");
  const match = /^\/v2\/(.+?)\/(blobs\/uploads|blobs|manifests|tags|referrers)\/([^/]*)$/.exec(path);
  const [, name, kind, reference] = match ?? [];
  if (kind === "blobs/uploads")
    return to(reference === "" ? "upload.start" : (UPLOADS[method] ?? "other"), name, reference);
  if (kind === "tags" && reference === "list") return to("tags", name);
  if (kind === "referrers") return to("referrers", name, reference);
  if (kind !== "manifests" && kind !== "blobs") return to("other");
  const operation = `${kind.slice(0, -1)}.${method.toLowerCase()}`;
  const known = [
    "manifest.get",
    "manifest.head",
    "manifest.put",
    "manifest.delete",
    "blob.get",
    "blob.head",
    "blob.delete",
  ];
  return to(known.includes(operation) ? (operation as Operation) : "other", name, reference);
}
