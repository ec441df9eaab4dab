/** Registries for the cases of testdata/errors: `--- registry KIND` starts one, and `{registry}` stands for its address. */
import * as net from "node:net";
import { onTestFinished } from "vitest";
import { makeAuthority } from "../registry/servers/certificates.js";
import type { Fault } from "../registry/servers/faults.js";
import { type FaultyOptions, faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { makeImage, makeIndex } from "../registry/servers/images.js";

interface Kind {
  readonly faults?: readonly Fault[];
  readonly options?: () => FaultyOptions;
}

const users = { ann: "right" };
const words = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] });

const KINDS: Readonly<Record<string, Kind>> = {
  open: {},
  private: { options: () => ({ auth: { kind: "basic", users } }) },
  tokens: { options: () => ({ auth: { kind: "bearer", users } }) },
  https: { options: () => ({ tls: makeAuthority() }) },
  limited: {
    faults: [
      {
        ...{ on: "manifest", fault: "status", status: 429, body: words("TOOMANYREQUESTS", "pull rate limit reached") },
        headers: { "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600" },
      },
    ],
  },
  "read-only": {
    faults: [
      { on: "upload", fault: "status", status: 405, body: words("UNSUPPORTED", "The operation is unsupported.") },
    ],
  },
  "pull-only": {
    options: () => ({ auth: { kind: "basic", users } }),
    faults: [
      {
        on: "upload",
        fault: "status",
        status: 403,
        body: words("DENIED", "requested access to the resource is denied"),
      },
    ],
  },
  damaged: {
    faults: [
      { on: "blob.get", fault: "body", to: "flip", when: ({ reference }) => reference === image.layers[0]?.digest },
    ],
  },
  "web-site": {
    faults: [
      {
        on: "any",
        fault: "status",
        status: 200,
        headers: { "content-type": "text/html; charset=utf-8" },
        body: "<html>Welcome!</html>",
      },
    ],
  },
};

const image = makeImage();
const index = makeIndex([image, makeImage({ config: { architecture: "arm64" } })]);

/** Starts a registry with `some/app:1.10` and more tags. @returns its address as in references */
export async function errorRegistry(kind: string): Promise<string> {
  if (kind === "down") return closedPort();
  if (kind === "http") return plainHttp();
  const { faults = [], options } = KINDS[kind] ?? missing(kind);
  const { content, host } = await faultyRegistry(faults, options?.());
  for (const tag of ["1.9", "1.10", "1.10-slim", "latest"]) content.add("some/app", index, tag);
  return host;
}

/** Answers TLS as Go's servers do. */
async function plainHttp(): Promise<string> {
  const said = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(said));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** Where nobody listens. */
async function closedPort(): Promise<string> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

function missing(kind: string): never {
  throw new Error(`no registry is called ${kind}`);
}
