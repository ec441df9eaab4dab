/**
 * A token server as the distribution project describes it (docs "Token Authentication Specification", "OAuth2 Token
 * Authentication"): it issues JWTs that the real `docker-registry` accepts, and remembers what it was asked.
 */
import { createPrivateKey, randomUUID, sign } from "node:crypto";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { type KeyPair, makeAuthority } from "./certificates.js";
import { whenDone } from "./cleanup.js";

/** A scope that is asked for, or granted. */
export interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** One request for a token. */
export interface TokenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  /** Fields of the query (GET) or the form (POST). */
  readonly fields: URLSearchParams;
  /** Who asked, if their password or refresh token is right; undefined: anonymous. */
  readonly user: string | undefined;
  /** What was asked for. */
  readonly scopes: readonly Access[];
  /** Status of the answer. */
  status: number;
}

/** How a token server is to behave. */
export interface TokenOptions {
  /** Passwords by user. */
  readonly users?: Readonly<Record<string, string>>;
  /** Which of the actions are granted; the default is all to users, `pull` to others. */
  readonly grant?: (user: string | undefined, wanted: Access) => readonly string[];
  /** Seconds; a number also goes into the answer as `expires_in`. Default 300, and not said. */
  readonly expiresIn?: number;
  /** Where in the answer the token stands. Default: both. */
  readonly field?: "token" | "access_token" | "both";
  /** Without POST (as with Docker's own old servers) such a request gets 404. */
  readonly post?: boolean;
  /** Answers in place of the server if it returns true. */
  readonly instead?: (request: http.IncomingMessage, response: http.ServerResponse) => boolean;
}

/** A token server that runs. */
export interface TokenServer {
  /** Address for `realm`. */
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** PEM of the certificate with which a registry checks the tokens. */
  readonly certificate: string;
  readonly requests: TokenRequest[];
  /** A refresh token (identity token) for a user. */
  identityToken(user: string): string;
  /** A token as the server would issue it, for tests that need one of a certain kind. */
  sign(access: readonly Access[], claims?: Readonly<Record<string, unknown>>): string;
  stop(): Promise<void>;
}

const MAX_FORM = 1 << 20;

/** Starts a token server on loopback. */
export async function startTokenServer(options: TokenOptions = {}): Promise<TokenServer> {
  const service = "registry of the tests";
  const issuer = "token server of the tests";
  const pair = makeAuthority(issuer).issue({ name: issuer });
  const requests: TokenRequest[] = [];
  const refreshTokens = new Map<string, string>();
  const signing = signer(pair, issuer, service, options.expiresIn ?? 300);
  const identityToken = (user: string): string => {
    const token = `refresh-${randomUUID()}`;
    refreshTokens.set(token, user);
    return token;
  };
  const server = http.createServer((request, response) => {
    if (options.instead?.(request, response)) return;
    void readForm(request).then((form) => {
      const asked = readRequest(request, form, options.users ?? {}, refreshTokens);
      requests.push(asked);
      const answer = answerTo(asked, options, { sign: signing, identityToken });
      asked.status = answer.status;
      response.writeHead(answer.status, { "content-type": "application/json" });
      response.end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = whenDone(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const realm = `http://127.0.0.1:${port}/token`;
  return { realm, service, issuer, certificate: pair.cert, requests, identityToken, sign: signing, stop };
}

type Signer = TokenServer["sign"];

/** The certificate travels in the header (`x5c`), as the registry of Debian knows no other key ids than libtrust's. */
function signer(pair: KeyPair, issuer: string, service: string, lifetime: number): Signer {
  const key = createPrivateKey(pair.key);
  const certificate = pair.cert.replace(/-----[^-]+-----|\s/g, "");
  return (access, claims = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      ...{ iss: issuer, sub: "", aud: service, jti: randomUUID() },
      ...{ iat: now, nbf: now - 10, exp: now + lifetime, access },
      ...claims,
    };
    const head = { typ: "JWT", alg: "ES256", x5c: [certificate] };
    const text = [head, payload].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
    return `${text}.${signature.toString("base64url")}`;
  };
}

async function readForm(request: http.IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) if (text.length < MAX_FORM) text += chunk;
  return text;
}

function readRequest(
  request: http.IncomingMessage,
  form: string,
  users: Readonly<Record<string, string>>,
  refreshTokens: ReadonlyMap<string, string>,
): TokenRequest {
  const url = new URL(request.url!, "http://token");
  const fields = request.method === "POST" ? new URLSearchParams(form) : url.searchParams;
  const words = fields.getAll("scope").flatMap((text) => text.split(" ").filter(Boolean));
  const user =
    request.method === "POST"
      ? userOfForm(fields, users, refreshTokens)
      : userOfBasic(request.headers.authorization, users);
  return {
    ...{ method: request.method!, url: request.url!, headers: request.headers, fields, user },
    scopes: words.map(parseScope),
    status: 0,
  };
}

function parseScope(text: string): Access {
  const [first, last] = [text.indexOf(":"), text.lastIndexOf(":")];
  return { type: text.slice(0, first), name: text.slice(first + 1, last), actions: text.slice(last + 1).split(",") };
}

function userOfForm(
  fields: URLSearchParams,
  users: Readonly<Record<string, string>>,
  refreshTokens: ReadonlyMap<string, string>,
): string | undefined {
  if (fields.get("grant_type") === "refresh_token") return refreshTokens.get(fields.get("refresh_token") ?? "");
  const user = fields.get("username") ?? "";
  return fields.get("grant_type") === "password" && users[user] === fields.get("password") ? user : undefined;
}

function userOfBasic(header: string | undefined, users: Readonly<Record<string, string>>): string | undefined {
  const text = Buffer.from(/^Basic (.*)$/i.exec(header ?? "")?.[1] ?? "", "base64").toString("utf8");
  const colon = text.indexOf(":");
  const user = text.slice(0, colon);
  return colon > 0 && Object.hasOwn(users, user) && users[user] === text.slice(colon + 1) ? user : undefined;
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

function answerTo(
  asked: TokenRequest,
  options: TokenOptions,
  issue: Pick<TokenServer, "sign" | "identityToken">,
): Answer {
  const { user, method, fields } = asked;
  if (method === "POST" && options.post === false) return { status: 404, body: {} };
  if (method !== "GET" && method !== "POST") return { status: 405, body: {} };
  const tried = method === "POST" || asked.headers.authorization !== undefined;
  if (tried && user === undefined) return { status: 401, body: { details: "incorrect username or password" } };
  const grant = options.grant ?? grantToUsers;
  const granted = asked.scopes.map((wanted) => ({ ...wanted, actions: grant(user, wanted) }));
  const token = issue.sign(
    granted.filter(({ actions }) => actions.length > 0),
    { sub: user ?? "" },
  );
  const { field = "both" } = options;
  const wantsRefresh = fields.get("offline_token") === "true" || fields.get("access_type") === "offline";
  return {
    status: 200,
    body: {
      ...(field === "access_token" ? {} : { token }),
      ...(field === "token" ? {} : { access_token: token }),
      ...(options.expiresIn === undefined
        ? {}
        : { expires_in: options.expiresIn, issued_at: new Date().toISOString() }),
      ...(wantsRefresh && user !== undefined ? { refresh_token: issue.identityToken(user) } : {}),
    },
  };
}

function grantToUsers(user: string | undefined, { actions }: Access): readonly string[] {
  return user === undefined ? actions.filter((action) => action === "pull") : actions;
}
