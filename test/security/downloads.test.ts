/** What servers, and whoever is between, may try with a builder that downloads. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { sha256Hex } from "../../src/support/hash.js";
import { downloader, HASTY, LOOPBACK_CERTIFICATE, listen, serve, serveRaw } from "../context/downloadServer.js";
import { tempDirectory } from "../store/helpers.js";

const redirectTo = (location: string) => (_: unknown, response: http.ServerResponse) =>
  void response.writeHead(302, { location, "set-cookie": "a=b" }).end();

/** A proxy that itself answers as hosts of the wide world would. @returns the environment that leads to it */
async function wideWorld(answer: (url: string, response: http.ServerResponse) => void) {
  const seen: http.IncomingMessage[] = [];
  const server = http.createServer((request, response) => {
    seen.push(request);
    answer(request.url!, response);
  });
  const port = await listen(server);
  return { seen, env: { HTTP_PROXY: `http://127.0.0.1:${port}` } };
}

/** Trusts the servers of the tests. */
function trusting(): { readonly SSL_CERT_FILE: string } {
  const file = `${tempDirectory()}/trusted.pem`;
  fs.writeFileSync(file, LOOPBACK_CERTIFICATE);
  return { SSL_CERT_FILE: file };
}

describe("credentials", () => {
  test("go to the origin they are for, and to no other: not on the way, not on the way back", async () => {
    const other = await serve({});
    const home: Record<string, string> = {};
    const server = await serve({
      "/same": redirectTo("/target"),
      "/away": redirectTo(`${other.url}/target`),
      "/host": (_, response) => redirectTo(`http://localhost:${home.port}/target`)(_, response),
      "/round": redirectTo(`${other.url}/back`),
    });
    home.port = String(server.port);
    const { get } = await downloader();
    const options = { authorization: "Bearer s3cret" };
    for (const path of ["/same", "/away", "/host"]) await get(server.url + path, options);
    const sent = (line: string) =>
      server.requests.filter((one) => one.line === line).map((one) => one.headers.authorization);
    expect(sent("GET /same")).toEqual(["Bearer s3cret"]);
    expect(sent("GET /target")).toEqual(["Bearer s3cret", undefined]);
    expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    for (const { headers } of [...server.requests, ...other.requests]) expect(headers).not.toHaveProperty("cookie");
  });

  test("are not given again to an origin to which another one leads back", async () => {
    const first: { url?: string } = {};
    const other = await serve({ "/back": (_, response) => redirectTo(`${first.url}/end`)(_, response) });
    const server = await serve({ "/round": redirectTo(`${other.url}/back`) });
    first.url = server.url;
    const { get } = await downloader();
    await get(`http://us:s3cret@127.0.0.1:${server.port}/round`);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      `Basic ${Buffer.from("us:s3cret").toString("base64")}`,
      undefined,
    ]);
  });

  test("stand in no message and no file of the store", async () => {
    const server = await serve({
      "/f": (_, response) => response.writeHead(200, { etag: '"1"' }).end("x"),
      "/404": (_, response) => response.writeHead(404).end(),
      "/503": (_, response) => response.writeHead(503).end(),
      "/file": redirectTo("file:///s3cret"),
    });
    const { get, store } = await downloader();
    const told: string[] = [];
    const options = { authorization: "Bearer s3cret", warn: (...words: string[]) => told.push(words.join()) };
    for (const path of ["/f", "/404", "/503", "/file"]) {
      const url = `http://us3r:s3cret@127.0.0.1:${server.port}${path}?token=s3cret&x=1`;
      await get(url, options).catch((error) =>
        told.push(JSON.stringify(error), error.message, error.hint, error.stack),
      );
      await get(url, { ...options, checksum: `sha256:${"0".repeat(64)}` }).catch((error) => told.push(error.stack));
      await get(url, { ...options, offline: true }).catch((error) => told.push(error.stack));
    }
    for (const authorization of ["Bearer s3cret\r\nX: y", "s3cret\0"]) {
      await get(`${server.url}/f`, { authorization }).catch((error) => told.push(error.stack, error.message));
    }
    expect(told.length).toBeGreaterThan(10);
    expect(told.join("\n")).not.toMatch(/s3cret|us3r/);
    const found = spawnSync("grep", ["-rlE", "s3cret|us3r|czNjcmV0", store.path], { encoding: "utf8" });
    expect([found.status, found.stdout]).toEqual([1, ""]);
  });

  test("for a proxy go to the proxy alone, and those for the server through it", async () => {
    const world = await wideWorld((_, response) => response.end("x"));
    const { get } = await downloader();
    const env = { HTTP_PROXY: world.env.HTTP_PROXY.replace("//", "//me:pw@") };
    await get("http://public.test/f", { env, authorization: "Bearer t" });
    expect(world.seen[0]!.url).toBe("http://public.test/f");
    expect(world.seen[0]!.headers).toMatchObject({
      host: "public.test",
      authorization: "Bearer t",
      "proxy-authorization": `Basic ${Buffer.from("me:pw").toString("base64")}`,
    });
    const server = await serve({});
    await get(`${server.url}/f`, { env });
    expect(server.requests[0]!.headers).not.toHaveProperty("proxy-authorization");
    expect(world.seen).toHaveLength(1);
  });
});

describe("a redirect", () => {
  test("is followed ten times, and no more", async () => {
    const steps = Array.from({ length: 11 }, (_, i) => [`/${i + 1}`, redirectTo(`/${i}`)] as const);
    const server = await serve(Object.fromEntries(steps));
    const { get } = await downloader();
    expect(await get(`${server.url}/10`)).toMatchObject({ size: 2, name: "10" });
    await expect(get(`${server.url}/11`)).rejects.toThrow(`${server.url}/11: stopped after 10 redirects`);
  });

  test("never leads to a file or anything else that is not http", async () => {
    const server = await serve({
      "/file": redirectTo("file:///etc/passwd"),
      "/data": redirectTo("data:text/plain,x"),
      "/ftp": redirectTo("ftp://127.0.0.1/x"),
      "/bad": redirectTo("http://["),
      "/long": redirectTo(`/${"x".repeat(12_000)}`),
    });
    const { get } = await downloader();
    for (const path of ["/file", "/data", "/ftp", "/bad"]) {
      await expect(get(server.url + path)).rejects.toThrow(`${server.url}${path} redirects to a`);
    }
    expect(await get(`${server.url}/long`)).toMatchObject({ name: "long" });
  });

  test("from a public host leads to nothing that only this machine can reach", async () => {
    const local = await serve({});
    const targets = [
      `http://127.0.0.1:${local.port}/x`,
      `http://localhost:${local.port}/x`,
      `http://x.localhost:${local.port}/x`,
      `http://2130706433:${local.port}/x`,
      `http://0x7f.1:${local.port}/x`,
      `http://127.0.0.1.:${local.port}/x`,
      `http://127。0。0。1:${local.port}/x`,
      `http://[::ffff:127.0.0.1]:${local.port}/x`,
      `http://[::1]:${local.port}/x`,
      `http://0:${local.port}/x`,
      "http://169.254.169.254/latest/meta-data",
      "http://[fd00:ec2::254]/",
      "http://10.0.0.1/",
      "http://192.168.0.1/",
    ];
    const world = await wideWorld((url, response) => {
      const location = targets[Number(new URL(url).searchParams.get("n"))]!;
      response.writeHead(302, { location: Buffer.from(location).toString("latin1") }).end();
    });
    const { get } = await downloader();
    for (const n of targets.keys()) {
      const failing = get(`http://public.test/?n=${n}`, { env: world.env });
      await expect(failing, targets[n]).rejects.toMatchObject({
        code: "NETWORK",
        message: expect.stringMatching(
          /^a public server redirects to the (loopback|link-local|private) address of http:/,
        ),
        hint: expect.stringContaining("give that address itself"),
      });
    }
    expect(local.requests).toEqual([]);
    expect(world.seen).toHaveLength(targets.length);
  });

  test("within this machine, and an address that the user names, are followed", async () => {
    const local = await serve({});
    const server = await serve({ "/f": redirectTo(`http://localhost:${local.port}/x`) });
    const { get } = await downloader();
    expect(await get(`${server.url}/f`)).toMatchObject({ size: 2 });
  });

  test("from https to http needs a checksum", async () => {
    const plain = await serve({ "/x": (_, response) => response.end("x") });
    const secure = await serve({ "/f": redirectTo(`${plain.url}/x`) }, true);
    const { get } = await downloader();
    const env = trusting();
    await expect(get(`${secure.url}/f`, { env })).rejects.toMatchObject({
      code: "NETWORK",
      message: `${secure.url}/f redirects from https to ${plain.url}/x`,
      hint: expect.stringContaining("--checksum"),
    });
    expect(plain.requests).toEqual([]);
    expect(await get(`${secure.url}/f`, { env, checksum: `sha256:${sha256Hex("x")}` })).toMatchObject({ size: 1 });
  });
});

describe("https", () => {
  test("wants a certificate that is trusted, for that host", async () => {
    const server = await serve({}, true);
    const { get } = await downloader();
    const distrusted = get(`${server.url}/f`);
    await expect(distrusted).rejects.toMatchObject({ hint: expect.stringContaining("NODE_EXTRA_CA_CERTS") });
    await expect(distrusted).rejects.toThrow(`cannot download ${server.url}/f: its certificate is not trusted`);
    const other = server.url.replace("127.0.0.1", "127.0.0.2");
    await expect(get(`${other}/f`, { env: trusting() })).rejects.toThrow(/refused|certificate is not trusted/);
    expect(await get(`${server.url}/f`, { env: trusting() })).toMatchObject({ size: 2 });
    const extra = { NODE_EXTRA_CA_CERTS: trusting().SSL_CERT_FILE };
    expect(await get(`${server.url}/f`, { env: extra })).toMatchObject({ size: 2 });
    const missing = get(`${server.url}/f`, { env: { SSL_CERT_FILE: "/no/such/file" } });
    await expect(missing).rejects.toThrow("the certificates in /no/such/file cannot be read");
  });

  test("goes through a proxy in a tunnel, in which the proxy sees nothing", async () => {
    const server = await serve({}, true);
    const seen: string[] = [];
    const proxy = http.createServer();
    proxy.on("connect", (request, socket) => {
      seen.push(`${request.url} ${request.headers["proxy-authorization"]} ${request.headers.authorization}`);
      const onward = net.connect(server.port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        onward.pipe(socket).pipe(onward);
      });
      for (const end of [onward, socket]) end.on("error", () => {});
      socket.on("close", () => onward.destroy());
    });
    const env = { ...trusting(), HTTPS_PROXY: `http://me:pw@127.0.0.1:${await listen(proxy)}` };
    const { get } = await downloader();
    const url = `https://public.test:${server.port}/f`;
    expect(await get(url, { env, authorization: "Bearer t" })).toMatchObject({ size: 2 });
    expect(server.requests[0]!.headers.authorization).toBe("Bearer t");
    expect(seen).toEqual([`public.test:${server.port} Basic ${Buffer.from("me:pw").toString("base64")} undefined`]);
  });

  test("fails where the proxy refuses", async () => {
    const proxy = http.createServer();
    proxy.on("connect", (_, socket) => socket.end("HTTP/1.1 407 No\r\n\r\n"));
    const env = { HTTPS_PROXY: `http://127.0.0.1:${await listen(proxy)}` };
    const { get } = await downloader();
    await expect(get("https://public.test/f", { env })).rejects.toThrow("the proxy answers with status 407");
  });
});

describe("a body", () => {
  test("that is shorter or longer than it says is no success", async () => {
    const sending = (text: string) => serveRaw((socket) => socket.end(`HTTP/1.1 200 OK\r\n${text}`));
    const { get, store } = await downloader();
    const answers = [
      ["Content-Length: 50\r\n\r\nshort", "the connection was cut"],
      ["Content-Length: 5\r\n\r\nhello, and more", "the answer is longer than it says"],
      ["Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "the connection was cut"],
      ["Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", "cannot download"],
      ["Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "cannot download"],
      ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "cannot download"],
      ["Content-Length: -5\r\n\r\nhello", "cannot download"],
    ] as const;
    for (const [text, message] of answers) await expect(get(await sending(text)), text).rejects.toThrow(message);
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
  });

  test("whose gzip is damaged or cut is no success", async () => {
    const packed = gzipSync("hello ".repeat(1000));
    const sending = (bytes: Buffer) => (_: unknown, response: http.ServerResponse) =>
      void response.writeHead(200, { "content-encoding": "gzip" }).end(bytes);
    const wrong = Buffer.from(packed);
    wrong[wrong.length - 6]! ^= 1;
    const server = await serve({
      "/cut": sending(packed.subarray(0, -9)),
      "/damaged": sending(wrong),
      "/none": sending(Buffer.from("not gzip")),
      "/more": sending(Buffer.concat([packed, Buffer.from("more, and more")])),
    });
    const { get, store } = await downloader();
    await expect(get(`${server.url}/cut`)).rejects.toThrow("the answer ended before its end");
    for (const path of ["/damaged", "/none", "/more"]) {
      await expect(get(server.url + path)).rejects.toThrow("the answer is not the gzip that it says it is");
    }
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
  });

  test("that is too big is not brought, whether it says so, does not end, or grows when it is decoded", async () => {
    const packed = gzipSync(Buffer.alloc(50 << 20));
    let endless = 0;
    const server = await serve({
      "/said": (_, response) => void response.writeHead(200, { "content-length": 1e15 }).write("x"),
      "/endless": (_, response) => {
        const more = (): void => {
          endless += 65536;
          if (!response.destroyed) response.write(Buffer.alloc(65536), () => setImmediate(more));
        };
        more();
      },
      "/bomb": (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(packed),
    });
    const { get, store } = await downloader();
    for (const path of ["/said", "/endless", "/bomb"]) {
      await expect(get(server.url + path, { maxBytes: 1_000_000 })).rejects.toMatchObject({
        code: "LIMIT_EXCEEDED",
        message: `${server.url}${path} is bigger than 1MB, the most that is downloaded`,
      });
    }
    expect(endless).toBeLessThan(50 << 20);
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
    await expect(get(`${server.url}/said`)).rejects.toThrow("is bigger than 34.4GB");
  });

  test("of an error, and a head without end, are not read to the end", async () => {
    let sent = 0;
    const pour = (socket: net.Socket, text: string): void => {
      const more = (): void => {
        sent += text.length;
        if (!socket.destroyed) socket.write(text, () => setImmediate(more));
      };
      more();
    };
    const head = await serveRaw((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      pour(socket, `x-a: ${"b".repeat(1000)}\r\n`);
    });
    const error = await serveRaw((socket) => {
      socket.write("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n");
      pour(socket, `400\r\n${"b".repeat(1024)}\r\n`);
    });
    const { get } = await downloader();
    await expect(get(head)).rejects.toThrow("the head of the answer is too long");
    await expect(get(error, { limits: HASTY })).rejects.toThrow("invalid response status 404");
    expect(sent).toBeLessThan(20 << 20);
  });
});
