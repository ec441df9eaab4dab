/**
 * The part of an engine's API that images go in and out by, over a socket: keeps the archives that it is given, and gives
 * them back by the names in them.
 */

import { writeFileSync } from "node:fs";
import * as http from "node:http";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { tempDir } from "../archive/images.js";
import { sh } from "./images.js";

/** An engine that runs. */
export interface EngineServer {
  readonly socket: string;
  /** `METHOD PATH` of each request. */
  readonly requests: string[];
  /** Archives by the full names of their images. */
  readonly archives: ReadonlyMap<string, Buffer>;
  /** What the next loading answers in place of success. */
  refuse(error: string): void;
}

/** Starts an engine that ends with the test. */
export async function engineServer(): Promise<EngineServer> {
  const directory = tempDir();
  const socket = join(directory, "engine.sock");
  const requests: string[] = [];
  const archives = new Map<string, Buffer>();
  let refusal: string | undefined;
  const server = http.createServer(async (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return;
    }
    const name = decodeURIComponent(/^\/images\/(.*)\/get$/.exec(request.url ?? "")?.[1] ?? "");
    if (request.method === "GET") {
      const archive = archives.get(name);
      response.statusCode = archive ? 200 : 404;
      response.end(archive ?? JSON.stringify({ message: `reference does not exist: ${name}` }));
      return;
    }
    if (refusal !== undefined) {
      response.end(JSON.stringify({ errorDetail: { message: refusal }, error: refusal }));
      return;
    }
    const archive = Buffer.concat(chunks);
    const names = namesOf(directory, archive);
    for (const one of names) archives.set(one, archive);
    response.end(names.map((one) => `${JSON.stringify({ stream: `Loaded image: ${one}\n` })}\n`).join(""));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => void server.close(() => resolve()));
  });
  return { socket, requests, archives, refuse: (error) => void (refusal = error) };
}

/** As `docker load` finds them. */
function namesOf(directory: string, archive: Buffer): string[] {
  const path = join(directory, "archive.tar");
  writeFileSync(path, archive);
  const entries: { RepoTags: string[] | null }[] = JSON.parse(sh(`tar -xOf '${path}' manifest.json`));
  return entries
    .flatMap(({ RepoTags }) => RepoTags ?? [])
    .map((name) => (name.includes("/") ? `docker.io/${name}` : `docker.io/library/${name}`));
}
