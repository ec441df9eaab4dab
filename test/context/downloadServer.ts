/** Servers on loopback that answer as they are told, well or badly, and remember what they were asked. */
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import { onTestFinished } from "vitest";
import { type Download, type DownloadRequest, download } from "../../src/context/download.js";
import type { Store } from "../../src/store/store.js";
import { openStore } from "../store/helpers.js";

/** What a server does with a request, by path; the default is to send the path. */
export type Answer = (request: http.IncomingMessage, response: http.ServerResponse, nth: number) => void;

/** A server that runs. */
export interface TestServer {
  /** Without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** All requests so far: method, path and headers. */
  readonly requests: { readonly line: string; readonly headers: http.IncomingHttpHeaders }[];
}

/** A server that ends with the test. */
export async function serve(answers: Readonly<Record<string, Answer>>, secure = false): Promise<TestServer> {
  const requests: TestServer["requests"] = [];
  const counts = new Map<string, number>();
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const path = request.url!.replace(/[?#].*/, "");
    const nth = (counts.get(path) ?? 0) + 1;
    counts.set(path, nth);
    requests.push({ line: `${request.method} ${request.url}`, headers: request.headers });
    const answer = answers[path] ?? ((_, plain) => plain.end(path));
    answer(request, response, nth);
  };
  const server = secure
    ? https.createServer({ cert: LOOPBACK_CERTIFICATE, key: LOOPBACK_KEY }, onRequest)
    : http.createServer(onRequest);
  const port = await listen(server);
  return { url: `${secure ? "https" : "http"}://127.0.0.1:${port}`, port, requests };
}

/** A server that speaks as it likes, with each connection, once it was asked. */
export async function serveRaw(answer: (socket: net.Socket, request: string) => void): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (data) => answer(socket, data.toString("latin1")));
  });
  return `http://127.0.0.1:${await listen(server)}`;
}

/** Lets a server listen on loopback until the test ends. @returns its port */
export async function listen(server: net.Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  server.on("clientError", () => {});
  server.on("tlsClientError", () => {});
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as net.AddressInfo).port;
}

/** Tries again at once, and is not patient. */
export const HASTY = { backoff: 1 };

/** A store, and a way to download into it that lets go at the end of the test. */
export async function downloader(store?: Store): Promise<{
  readonly store: Store;
  readonly get: (url: string, options?: Partial<DownloadRequest>) => Promise<Download>;
}> {
  const here = store ?? (await openStore());
  const get = async (url: string, options: Partial<DownloadRequest> = {}): Promise<Download> => {
    const found = await download(here, { url, env: {}, limits: HASTY, ...options });
    onTestFinished(() => found.release());
    return found;
  };
  return { store: here, get };
}

/** For localhost, 127.0.0.1 and public.test, signed by itself; its key is as public as this file. */
export const LOOPBACK_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBwTCCAWagAwIBAgIUf1igbsrs4gx5YbejX8S/ecQDtTowCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVbG9vcGJhY2sgb2YgdGhlIHRlc3RzMCAXDTI2MTEyMTE2NTEy
MFoYDzIxMjYxMDI4MTY1MTIwWjAgMR4wHAYDVQQDDBVsb29wYmFjayBvZiB0aGUg
dGVzdHMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATk9J5o6urnSdLIqSLlBLeS
uQ5XRwQOi5GABccl5hkA1CaczViVLAlHtOp2ye9GLj5HEkNTXlI5mY6a+WptAuMx
o3wwejAdBgNVHQ4EFgQUvR17FCkloCCm0CSt51zFWggT5ykwHwYDVR0jBBgwFoAU
vR17FCkloCCm0CSt51zFWggT5ykwDwYDVR0TAQH/BAUwAwEB/zAnBgNVHREEIDAe
gglsb2NhbGhvc3SCC3B1YmxpYy50ZXN0hwR/AAABMAoGCCqGSM49BAMCA0kAMEYC
IQCJSwjdM8ZtiP9T862pOYIkcBSi1ZsCXHY6Qy1qCsbMjgIhAKn1Y6XThceQnV2L
0wLmi43yVSR5emm7S6jMYJeh+Tqn
-----END CERTIFICATE-----
`;
const LOOPBACK_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoyGq5WZ4WiLfn7HW
coFHMo0y0ByzN/o2e8Vd8gKbzWGhRANCAATk9J5o6urnSdLIqSLlBLeSuQ5XRwQO
i5GABccl5hkA1CaczViVLAlHtOp2ye9GLj5HEkNTXlI5mY6a+WptAuMx
-----END PRIVATE KEY-----
`;
