/** Git repositories for tests, and a server for them on the loopback: git's own http-backend, or plain files. */
import { execFile, execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { afterEach } from "vitest";

const servers: http.Server[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  for (const folder of folders.splice(0)) fs.rmSync(folder, { recursive: true, force: true });
});

/** A new folder, removed after the test. */
export function gitFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-git-"));
  folders.push(folder);
  return folder;
}

const SETTINGS = [
  "-c",
  "init.defaultBranch=main",
  "-c",
  "protocol.file.allow=always",
  "-c",
  "advice.detachedHead=false",
];

function environment(folder: string): Record<string, string | undefined> {
  return {
    PATH: process.env.PATH,
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_AUTHOR_NAME: "A",
    GIT_AUTHOR_EMAIL: "a@example.com",
    GIT_AUTHOR_DATE: "1700000000 +0000",
    GIT_COMMITTER_NAME: "C",
    GIT_COMMITTER_EMAIL: "c@example.com",
    GIT_COMMITTER_DATE: "1700000100 +0000",
  };
}

/** Runs git with settings of its own. Not for what asks a server of this process. @returns its output, trimmed */
export function git(folder: string, ...args: string[]): string {
  const options = { cwd: folder, env: environment(folder), timeout: 30_000 };
  return execFileSync("git", [...SETTINGS, ...args], { ...options, stdio: ["ignore", "pipe", "pipe"] })
    .toString()
    .trim();
}

/** The same for commands that ask a server of this process. */
export async function gitOnline(folder: string, ...args: string[]): Promise<string> {
  const options = { cwd: folder, env: environment(folder), timeout: 30_000 };
  return (await promisify(execFile)("git", [...SETTINGS, ...args], options)).stdout.trim();
}

/** Writes files: `NAME: content`; a content that starts with `-> ` is the target of a symlink, `#!` makes it executable. */
export function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.rmSync(file, { force: true });
    if (content.startsWith("-> ")) fs.symlinkSync(content.slice(3), file);
    else fs.writeFileSync(file, content, { mode: content.startsWith("#!") ? 0o755 : 0o644 });
  }
}

/** Makes a repository with one commit on `main`, or adds a commit to it. @returns the commit's id */
export function commit(folder: string, files: Readonly<Record<string, string>>, message = "change"): string {
  if (!fs.existsSync(path.join(folder, ".git"))) {
    fs.mkdirSync(folder, { recursive: true });
    git(folder, "init", "--quiet");
  }
  write(folder, files);
  git(folder, "add", "--all");
  git(folder, "commit", "--quiet", "--allow-empty", "-m", message);
  return git(folder, "rev-parse", "HEAD");
}

/** What a server was asked. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  /** The last of the request's body, where it is not compressed. */
  readonly body: string;
}

export interface GitServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly asked: Asked[];
}

export interface GitServerOptions {
  /** Plain files instead of git's protocol; run `update-server-info` in the repositories. */
  readonly dumb?: boolean;
  /** Value of the header without which the answer is 401. */
  readonly authorization?: string;
  /** Only git's old protocol, in which a server need not give a commit by its id. */
  readonly oldProtocol?: boolean;
  /** Answers before anything else does, if it returns true. */
  readonly intercept?: (request: http.IncomingMessage, response: http.ServerResponse) => boolean;
}

/** Serves the repositories below a folder: `ORIGIN/NAME.git` is `FOLDER/NAME` or `FOLDER/NAME.git`. */
export async function serveGit(root: string, options: GitServerOptions = {}): Promise<GitServer> {
  const asked: Asked[] = [];
  const server = http.createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts);
      const { method = "", url = "", headers } = request;
      asked.push({ method, url, authorization: headers.authorization, body: body.toString("latin1") });
      if (options.intercept?.(request, response)) return;
      if (options.authorization !== undefined && headers.authorization !== options.authorization) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end("no\n");
      } else if (options.dumb) sendFile(root, url, response);
      else sendBackend(root, request, body, response, options);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

function place(root: string, url: string): string {
  const { pathname } = new URL(url, "http://x");
  const [, repository = "", rest = ""] = /^\/([^/]+?)(?:\.git)?(\/.*)$/.exec(decodeURIComponent(pathname)) ?? [];
  const bare = path.join(root, `${repository}.git`);
  return (fs.existsSync(bare) ? bare : path.join(root, repository, ".git")) + rest;
}

function sendFile(root: string, url: string, response: http.ServerResponse): void {
  try {
    response.end(fs.readFileSync(place(root, url)));
  } catch {
    response.writeHead(404).end();
  }
}

function sendBackend(
  root: string,
  request: http.IncomingMessage,
  body: Buffer,
  response: http.ServerResponse,
  options: GitServerOptions,
): void {
  const url = new URL(request.url ?? "", "http://x");
  const { headers } = request;
  const child = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env.PATH,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      PATH_TRANSLATED: place(root, request.url ?? ""),
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method ?? "",
      CONTENT_TYPE: headers["content-type"] ?? "",
      CONTENT_LENGTH: String(body.length),
      HTTP_CONTENT_ENCODING: String(headers["content-encoding"] ?? ""),
      GIT_PROTOCOL: options.oldProtocol ? "" : String(headers["git-protocol"] ?? ""),
      REMOTE_ADDR: "127.0.0.1",
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const parts: Buffer[] = [];
  child.stdin.on("error", () => {});
  child.stdin.end(body);
  child.stdout.on("data", (part: Buffer) => parts.push(part));
  child.on("close", () => {
    const answer = Buffer.concat(parts);
    const end = answer.indexOf("\r\n\r\n");
    for (const line of answer.subarray(0, end).toString("latin1").split("\r\n")) {
      const [, name, value] = /^([^:]+): *(.*)$/.exec(line) ?? [];
      if (name === "Status") response.statusCode = Number.parseInt(value!, 10);
      else if (name !== undefined) response.setHeader(name, value!);
    }
    response.end(answer.subarray(end + 4));
  });
}
