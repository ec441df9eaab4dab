import * as fs from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { listSources } from "../../src/store/sources.js";
import { sha256Hex } from "../../src/support/hash.js";
import { openStore, tempDirectory } from "../store/helpers.js";
import { downloader, serve, serveRaw } from "./downloadServer.js";

const OLD = "Tue, 03 Jan 2023 04:05:06 GMT";
const digestOf = (text: string | Buffer) => `sha256:${sha256Hex(text)}`;

describe("a download", () => {
  test("is a read-only file with the bytes, and tells what the server said of them", async () => {
    const head = { "last-modified": OLD, "content-type": "text/plain", "content-length": 5 };
    const server = await serve({ "/dir/a.txt": (_, response) => response.writeHead(200, head).end("hello") });
    const { get, store } = await downloader();
    const steps: (number | undefined)[][] = [];
    const found = await get(`${server.url}/dir/a.txt?x=1#y`, { onProgress: (...step) => steps.push(step) });
    expect(found).toMatchObject({ digest: digestOf("hello"), size: 5, name: "a.txt", mtime: 1_672_718_706 });
    expect(found).toMatchObject({ contentType: "text/plain", fromCache: false });
    expect(fs.readFileSync(found.path, "utf8")).toBe("hello");
    expect(fs.statSync(found.path).mode & 0o777).toBe(0o444);
    expect(steps.at(-1)).toEqual([5, 5]);
    expect(server.requests[0]!.line).toBe("GET /dir/a.txt?x=1");
    expect(listSources(store)).toEqual([
      expect.objectContaining({ kind: "http", label: `${server.url}/dir/a.txt?x=1`, inUse: true }),
    ]);
  });

  test("leaves nothing in use once it is released, and keeps its file until then whatever else happens", async () => {
    const server = await serve({ "/f": (_, response, nth) => response.end(`version ${nth}`) });
    const { get, store } = await downloader();
    const first = await get(`${server.url}/f`);
    const second = await get(`${server.url}/f`);
    expect([first, second].map(({ path }) => fs.readFileSync(path, "utf8"))).toEqual(["version 1", "version 2"]);
    fs.rmSync(`${store.path}/sources`, { recursive: true });
    expect(fs.readFileSync(second.path, "utf8")).toBe("version 2");
    for (const found of [first, second, first]) await found.release();
    expect(fs.existsSync(first.path)).toBe(false);
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
    expect(fs.readdirSync(`${store.path}/leases`)).toEqual([]);
  });

  test("of nothing is an empty file, compressed or not, of known length or not", async () => {
    const server = await serve({
      "/a": (_, response) => response.writeHead(200, { "content-length": 0 }).end(),
      "/b": (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(),
      "/c": (_, response) => response.writeHead(204).end(),
    });
    const { get } = await downloader();
    for (const path of ["/a", "/b", "/c"]) expect(await get(server.url + path)).toMatchObject({ size: 0 });
  });

  test("is decoded where the answer is gzip, as BuildKit does, and where it is anything else it is not", async () => {
    const encoded = (encoding: string) => gzipSync(`${encoding}\n`.repeat(50_000));
    const server = await serve({
      "/gzip": (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(encoded("gzip")),
      "/GZIP": (_, response) => response.writeHead(200, { "content-encoding": "GZIP" }).end(encoded("GZIP")),
      "/two": (_, response) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(Buffer.concat([gzipSync("a"), gzipSync("b")])),
      "/x-gzip": (_, response) => response.writeHead(200, { "content-encoding": "x-gzip" }).end(encoded("x-gzip")),
      "/br": (_, response) => response.writeHead(200, { "content-encoding": "br" }).end("not touched"),
      "/plain.gz": (_, response) =>
        response.writeHead(200, { "content-type": "application/gzip" }).end(encoded("plain")),
    });
    const { get } = await downloader();
    const bytes = async (path: string) => fs.readFileSync((await get(server.url + path)).path);
    expect((await bytes("/gzip")).toString()).toBe("gzip\n".repeat(50_000));
    expect((await bytes("/GZIP")).toString()).toBe("GZIP\n".repeat(50_000));
    expect((await bytes("/two")).toString()).toBe("ab");
    expect(await bytes("/x-gzip")).toEqual(encoded("x-gzip"));
    expect((await bytes("/br")).toString()).toBe("not touched");
    expect(await bytes("/plain.gz")).toEqual(encoded("plain"));
    expect(server.requests[0]!.headers["accept-encoding"]).toBe("gzip");
  });

  test("keeps the name of the address that was given, and the time of the one that answered", async () => {
    const server = await serve({
      "/latest": (_, response) => response.writeHead(302, { location: "other.bin", "last-modified": "x" }).end(),
      "/other.bin": (_, response) =>
        response.writeHead(200, { "last-modified": OLD, "content-disposition": "attachment; filename=z" }).end("x"),
    });
    const { get } = await downloader();
    expect(await get(`${server.url}/latest`)).toMatchObject({ name: "latest", mtime: 1_672_718_706 });
  });
});

describe("what the store has", () => {
  test("is asked about by its strong ETag, and not transferred again while it is the same", async () => {
    let [etag, body] = ['"1"', "one"];
    const server = await serve({
      "/f": (request, response) => {
        if (request.headers["if-none-match"] === etag) response.writeHead(304, { etag }).end();
        else response.writeHead(200, { etag, "last-modified": OLD }).end(body);
      },
    });
    const { get } = await downloader();
    const first = await get(`${server.url}/f`);
    expect(await get(`${server.url}/f`)).toMatchObject({ fromCache: true, digest: first.digest, mtime: first.mtime });
    [etag, body] = ['"2"', "two"];
    expect(await get(`${server.url}/f`)).toMatchObject({ fromCache: false, digest: digestOf("two") });
    expect(server.requests.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, '"1"', '"1"']);
  });

  test("is known again by its ETag where the server does not understand the question", async () => {
    const server = await serve({
      "/f": (_, response) => response.writeHead(200, { etag: '"1"' }).end("x".repeat(1_000_000)),
    });
    const { get } = await downloader();
    await get(`${server.url}/f`);
    const steps: number[] = [];
    const found = await get(`${server.url}/f`, { onProgress: (bytes) => steps.push(bytes) });
    expect(found).toMatchObject({ fromCache: true, size: 1_000_000 });
    expect(steps).toEqual([]);
  });

  test("is asked about by its Last-Modified, if that lies back far enough to tell contents apart", async () => {
    const answer = (modified: string) => (request: { headers: Record<string, unknown> }, response: never) => {
      const { writeHead } = response as { writeHead: (status: number, head: object) => { end: (x?: string) => void } };
      const isSame = request.headers["if-modified-since"] === modified;
      writeHead.call(response, isSame ? 304 : 200, { "last-modified": modified }).end(isSame ? undefined : "x");
    };
    const server = await serve({
      "/old": answer(OLD) as never,
      "/new": answer(new Date().toUTCString()) as never,
      "/bad": answer("yesterday") as never,
    });
    const { get } = await downloader();
    for (const [path, fromCache] of [
      ["/old", true],
      ["/new", false],
      ["/bad", false],
    ] as const) {
      await get(server.url + path);
      expect(await get(server.url + path), path).toMatchObject({ fromCache });
    }
  });

  test("is transferred again if only a weak ETag, or nothing, tells what it is", async () => {
    const server = await serve({
      "/weak": (request, response) =>
        response.writeHead(request.headers["if-none-match"] ? 304 : 200, { etag: 'W/"1"' }).end("x"),
      "/odd": (_, response) => response.writeHead(200, { etag: "1" }).end("x"),
      "/none": (_, response) => response.end("x"),
    });
    const { get } = await downloader();
    for (const path of ["/weak", "/odd", "/none"]) {
      await get(server.url + path);
      expect(await get(server.url + path), path).toMatchObject({ fromCache: false });
    }
    for (const { headers } of server.requests) expect(headers).not.toHaveProperty("if-none-match");
  });

  test("is not taken for what another address has, though its ETag is the same", async () => {
    let target = "/v1";
    const etag = '"1"';
    const content = (body: string) => (request: { headers: Record<string, unknown> }, response: never) => {
      const { writeHead } = response as { writeHead: (status: number, head: object) => { end: (x?: string) => void } };
      const isSame = request.headers["if-none-match"] === etag;
      writeHead.call(response, isSame ? 304 : 200, { etag }).end(isSame ? undefined : body);
    };
    const server = await serve({
      "/latest": (_, response) => response.writeHead(302, { location: target }).end(),
      "/v1": content("one") as never,
      "/v2": content("two") as never,
    });
    const { get } = await downloader();
    await get(`${server.url}/latest`);
    expect(await get(`${server.url}/latest`)).toMatchObject({ fromCache: true });
    target = "/v2";
    expect(await get(`${server.url}/latest`)).toMatchObject({ fromCache: false, digest: digestOf("two") });
  });

  test("is the same where only the signature in the address it redirects to is another", async () => {
    const signed = (n: number) => `/blob?id=7&X-Amz-Signature=${n}&X-Amz-Date=2026&X-Amz-Expires=${n}`;
    const server = await serve({
      "/release": (_, response, nth) => response.writeHead(302, { location: signed(nth) }).end(),
      "/blob": (request, response) =>
        response.writeHead(request.headers["if-none-match"] === '"1"' ? 304 : 200, { etag: '"1"' }).end("x"),
    });
    const { get } = await downloader();
    await get(`${server.url}/release`);
    expect(await get(`${server.url}/release`)).toMatchObject({ fromCache: true });
    expect(server.requests.map(({ line }) => line)).toContain(`GET ${signed(2)}`);
  });

  test("answers without any question if the checksum names it, however old", async () => {
    const server = await serve({ "/f": (_, response) => response.end("x") });
    const { get } = await downloader();
    await get(`${server.url}/f`);
    const checksum = digestOf("x");
    expect(await get(`${server.url}/f`, { checksum })).toMatchObject({ fromCache: true, digest: checksum });
    expect(server.requests).toHaveLength(1);
    const gone = "http://127.0.0.1:1/f";
    await expect(get(gone, { checksum })).rejects.toMatchObject({ code: "NETWORK" });
  });

  test("serves offline; what it has not fails, and names the flag", async () => {
    const server = await serve({ "/f": (_, response) => response.end("x") });
    const { get, store } = await downloader();
    await get(`${server.url}/f`);
    expect(await get(`${server.url}/f`, { offline: true })).toMatchObject({ fromCache: true, digest: digestOf("x") });
    const other = get(`${server.url}/g`, { offline: true });
    await expect(other).rejects.toMatchObject({ code: "NETWORK", message: expect.stringContaining("--offline") });
    const wrong = get(`${server.url}/f`, { offline: true, checksum: digestOf("y") });
    await expect(wrong).rejects.toThrow(`${server.url}/f is not in the store with that checksum`);
    expect(server.requests).toHaveLength(1);
    expect(listSources(store)).toHaveLength(1);
  });

  test("is read again before it is trusted if its file has changed, and is nothing if its bytes are wrong", async () => {
    const server = await serve({
      "/f": (request, response) =>
        response.writeHead(request.headers["if-none-match"] === '"1"' ? 304 : 200, { etag: '"1"' }).end("right"),
    });
    const { get, store } = await downloader();
    const found = await get(`${server.url}/f`);
    const { path } = listSources(store)[0]!;
    const content = `${path}/${found.digest.slice(7)}`;
    fs.utimesSync(content, 1, 1);
    expect(await get(`${server.url}/f`, { checksum: found.digest })).toMatchObject({ fromCache: true });
    expect(await get(`${server.url}/f`, { offline: true })).toMatchObject({ fromCache: true });
    for (const bytes of ["wrong", "short", "", "longer than before"]) {
      fs.rmSync(content);
      fs.writeFileSync(content, bytes);
      await expect(get(`${server.url}/f`, { offline: true })).rejects.toThrow("--offline");
      const again = await get(`${server.url}/f`);
      expect(again).toMatchObject({ fromCache: false });
      expect(fs.readFileSync(again.path, "utf8")).toBe("right");
    }
    fs.rmSync(content);
    expect(await get(`${server.url}/f`, { checksum: found.digest })).toMatchObject({ fromCache: false });
  });

  test("is fetched anew if what is noted of it is damaged in any way", async () => {
    const server = await serve({
      "/f": (request, response) =>
        response.writeHead(request.headers["if-none-match"] ? 304 : 200, { etag: '"1"' }).end("x"),
    });
    const { get, store } = await downloader();
    await get(`${server.url}/f`);
    const file = `${listSources(store)[0]!.path}/response`;
    const whole = fs.readFileSync(file, "utf8");
    const damages = [
      "",
      "{}",
      "null",
      "[]",
      whole.slice(0, -9),
      whole.replace(/sha256:/, "sha256:../"),
      "x".repeat(1e5),
    ];
    damages.push(whole.replace('"version":1', '"version":2'), whole.replace("{", '{"more":1,'));
    for (const damage of damages) {
      fs.writeFileSync(file, damage);
      expect(await get(`${server.url}/f`), damage.slice(0, 200)).toMatchObject({ fromCache: false });
      expect(fs.readFileSync(file, "utf8").length).toBe(whole.length);
    }
    fs.rmSync(file);
    fs.mkdirSync(file);
    await expect(get(`${server.url}/f`)).rejects.toMatchObject({ code: "STORE" });
  });
});

describe("a checksum", () => {
  test("that does not match fails in BuildKit's words, and nothing new is kept", async () => {
    const server = await serve({ "/f": (_, response) => response.end("x") });
    const { get, store } = await downloader();
    const checksum = `sha256:${"0".repeat(64)}`;
    const failing = get(`${server.url}/f`, { checksum });
    await expect(failing).rejects.toMatchObject({
      code: "CONTENT_INVALID",
      message: `digest mismatch ${digestOf("x")}: ${checksum}`,
    });
    expect(fs.readdirSync(listSources(store)[0]!.path)).toEqual(["meta"]);
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
  });

  test("that is none fails before anything is asked", async () => {
    const server = await serve({});
    const { get } = await downloader();
    for (const [checksum, message] of [
      ["sha256:0000", "invalid checksum digest length"],
      ["md5:0000", "unsupported digest algorithm"],
      [`sha512:${"0".repeat(128)}`, "unsupported digest algorithm"],
      ["SHA256:AAAA", "invalid checksum digest format"],
      [`sha256:${"A".repeat(64)}`, "invalid checksum digest format"],
      ["", "invalid checksum digest format"],
    ] as const) {
      await expect(get(`${server.url}/f`, { checksum })).rejects.toMatchObject({
        code: "CONTENT_INVALID",
        message: expect.stringContaining(message),
      });
    }
    expect(server.requests).toEqual([]);
  });
});

describe("a failure", () => {
  test("of the server is told with its status, the address, and what to do", async () => {
    const server = await serve({
      "/404": (_, response) => response.writeHead(404).end("nope"),
      "/401": (_, response) => response.writeHead(401, { "www-authenticate": "Basic" }).end("nope"),
      "/part": (_, response) => response.writeHead(206, { "content-range": "bytes 0-3/9" }).end("nope"),
      "/nowhere": (_, response) => response.writeHead(302).end("nope"),
      "/300": (_, response) => response.writeHead(300, { location: "/x" }).end("nope"),
    });
    const { get } = await downloader();
    const failure = async (path: string, options = {}) =>
      get(server.url + path, options).then(
        () => "none",
        (error) => ({ message: error.message, hint: error.hint }),
      );
    expect(await failure("/404")).toEqual({
      message: `invalid response status 404 for ${server.url}/404`,
      hint: "nothing is there: check the address",
    });
    expect(await failure("/401")).toMatchObject({ hint: expect.stringContaining("HTTP_AUTH_TOKEN_127.0.0.1") });
    expect(await failure("/401", { authorization: "Bearer x" })).toMatchObject({
      hint: expect.stringContaining("open"),
    });
    for (const [path, status] of [
      ["/part", 206],
      ["/nowhere", 302],
      ["/300", 300],
    ] as const) {
      expect(await failure(path)).toMatchObject({
        message: `invalid response status ${status} for ${server.url}${path}`,
      });
    }
    expect(server.requests).toHaveLength(6);
  });

  test("that may pass is tried again, and told of", async () => {
    const server = await serve({
      "/503": (_, response, nth) => response.writeHead(nth < 3 ? 503 : 200).end("x"),
      "/429": (_, response, nth) => response.writeHead(nth < 2 ? 429 : 200, { "retry-after": "0" }).end("x"),
      "/cut": (request, response, nth) => (nth < 3 ? request.socket.destroy() : response.end("x")),
    });
    const { get } = await downloader();
    const told: string[] = [];
    const warn = (rule: string, message: string) => told.push(`${rule}: ${message}`);
    for (const path of ["/503", "/429", "/cut"]) await get(server.url + path, { warn });
    expect(told).toEqual([
      `DownloadRetry: invalid response status 503 for ${server.url}/503; trying again`,
      `DownloadRetry: invalid response status 503 for ${server.url}/503; trying again`,
      `DownloadRetry: invalid response status 429 for ${server.url}/429; trying again`,
      `DownloadRetry: cannot download ${server.url}/cut: the connection was cut; trying again`,
      `DownloadRetry: cannot download ${server.url}/cut: the connection was cut; trying again`,
    ]);
  });

  test("that does not pass is given up, at once if the server wants to be left alone for long", async () => {
    const server = await serve({
      "/500": (_, response) => response.writeHead(500).end(),
      "/501": (_, response) => response.writeHead(501).end(),
      "/later": (_, response) => response.writeHead(503, { "retry-after": "3600" }).end(),
      "/then": (_, response) =>
        response.writeHead(429, { "retry-after": new Date(Date.now() + 3_600_000).toUTCString() }).end(),
    });
    const { get } = await downloader();
    const tries = async (path: string) => {
      server.requests.length = 0;
      const error = await get(server.url + path).catch((failure) => failure);
      return [server.requests.length, error.hint];
    };
    expect(await tries("/500")).toEqual([4, "the server has failed: try again later"]);
    expect((await tries("/501"))[0]).toBe(1);
    expect(await tries("/later")).toEqual([1, "the server asks to be left alone for 3600 s: try again then"]);
    expect((await tries("/then"))[0]).toBe(1);
  });

  test("to connect says what is wrong", async () => {
    const { get } = await downloader();
    await expect(get("http://127.0.0.1:1/x")).rejects.toMatchObject({
      code: "NETWORK",
      message: "cannot download http://127.0.0.1:1/x: the connection was refused",
    });
    const nonsense = await serveRaw((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
    await expect(get(nonsense)).rejects.toThrow(`cannot download ${nonsense}/: the answer is not HTTP`);
  });

  test("to answer in time, or to go on, is one too", async () => {
    const server = await serve({
      "/silent": () => {},
      "/stuck": (_, response) => response.writeHead(200, { "content-length": 9 }).write("x"),
      "/drip": (_, response) => {
        response.writeHead(200, { "content-length": 1000 });
        const timer = setInterval(() => response.write("x"), 5);
        response.on("close", () => clearInterval(timer));
      },
    });
    const { get } = await downloader();
    const limits = { backoff: 1, attempts: 2, connect: 100, headers: 100, idle: 200, slowWindow: 100 };
    await expect(get(`${server.url}/silent`, { limits })).rejects.toThrow("no answer in time");
    await expect(get(`${server.url}/stuck`, { limits })).rejects.toThrow("nothing came for a long time");
    const slow = get(`${server.url}/drip`, { limits: { ...limits, idle: 10_000 } });
    await expect(slow).rejects.toThrow("it comes too slowly");
    const dripping = await serveRaw((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      const timer = setInterval(() => socket.write("x-a: b\r\n"), 10);
      socket.on("close", () => clearInterval(timer));
    });
    await expect(get(dripping, { limits })).rejects.toThrow("no answer in time");
  });

  test("is what an aborted download ends with, wherever it is; nothing is left of it", async () => {
    let stop = (): void => {};
    const server = await serve({
      "/silent": () => stop(),
      "/stuck": (_, response) => response.writeHead(200, { "content-length": 9 }).write("x"),
      "/busy": (_, response) => response.writeHead(503, { "retry-after": "30" }).end(),
    });
    const { get, store } = await downloader();
    for (const path of ["/silent", "/stuck", "/busy"]) {
      const abort = new AbortController();
      const [onProgress, warn] = [() => abort.abort(), () => setImmediate(() => abort.abort())];
      stop = () => abort.abort();
      const failing = get(server.url + path, { signal: abort.signal, onProgress, warn });
      await expect(failing).rejects.toMatchObject({ code: "CANCELLED", message: expect.stringContaining(path) });
    }
    await expect(get(`${server.url}/f`, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "CANCELLED" });
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
    expect(fs.readdirSync(`${store.path}/leases`)).toEqual([]);
  });
});

describe("a body that is cut", () => {
  const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
  const half = 150_000;

  /** Cuts every answer at half of what it has. */
  const cutting =
    (head: Record<string, string>, understands = true, changeAfter = 99) =>
    (
      request: { headers: Record<string, string | undefined>; socket: { destroy(): void } },
      response: never,
      nth: number,
    ) => {
      const out = response as {
        writeHead(s: number, h: object): void;
        write(b: Buffer, then?: () => void): void;
        end(b: Buffer): void;
      };
      const content = nth > changeAfter ? Buffer.alloc(300_000, 7) : body;
      const range = understands ? /^bytes=(\d+)-$/.exec(request.headers.range ?? "") : null;
      const at = Number(range?.[1] ?? 0);
      const isSame = nth <= changeAfter && request.headers["if-range"] === (head.etag ?? head["last-modified"]);
      if (range && isSame) {
        const rest = `bytes ${at}-${content.length - 1}/${content.length}`;
        out.writeHead(206, { ...head, "content-range": rest, "content-length": content.length - at });
        if (at >= half) out.end(content.subarray(at));
        else out.write(content.subarray(at, at + half), () => setTimeout(() => request.socket.destroy(), 20));
        return;
      }
      const etag = nth > changeAfter ? { etag: '"changed"' } : {};
      out.writeHead(200, { ...head, ...etag, "content-length": content.length });
      if (nth > changeAfter + 0 || nth > 3) out.end(content);
      else out.write(content.subarray(0, half), () => setTimeout(() => request.socket.destroy(), 20));
    };

  test("is continued where the server can tell that it is the same", async () => {
    const server = await serve({
      "/etag": cutting({ etag: '"1"' }) as never,
      "/modified": cutting({ "last-modified": OLD }) as never,
    });
    const { get } = await downloader();
    for (const path of ["/etag", "/modified"]) {
      server.requests.length = 0;
      const found = await get(server.url + path);
      expect(fs.readFileSync(found.path).equals(body)).toBe(true);
      expect(found.digest).toBe(digestOf(body));
      const ranges = server.requests.map(({ headers }) => headers.range);
      expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
    }
  });

  test("is brought from the start again where it cannot", async () => {
    const server = await serve({
      "/weak": cutting({ etag: 'W/"1"' }) as never,
      "/none": cutting({}) as never,
      "/ignorant": cutting({ etag: '"1"' }, false) as never,
    });
    const { get } = await downloader();
    for (const path of ["/weak", "/none", "/ignorant"]) {
      server.requests.length = 0;
      const found = await get(server.url + path, { limits: { backoff: 1, attempts: 9 } });
      expect(fs.readFileSync(found.path).equals(body), path).toBe(true);
      if (path !== "/ignorant") for (const { headers } of server.requests) expect(headers).not.toHaveProperty("range");
    }
  });

  test("is never put together from two contents", async () => {
    const server = await serve({ "/f": cutting({ etag: '"1"' }, true, 1) as never });
    const { get } = await downloader();
    const found = await get(`${server.url}/f`);
    expect(fs.readFileSync(found.path).equals(Buffer.alloc(300_000, 7))).toBe(true);
  });

  test("is continued before it is decoded", async () => {
    const plain = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * i) % 253));
    const packed = gzipSync(plain, { level: 0 });
    const head = { etag: '"1"', "content-encoding": "gzip" };
    const server = await serve({
      "/f": (request, response) => {
        const at = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
        const range = { "content-range": `bytes ${at}-${packed.length - 1}/${packed.length}` };
        response.writeHead(at > 0 ? 206 : 200, {
          ...head,
          ...(at > 0 ? range : {}),
          "content-length": packed.length - at,
        });
        if (at > 200_000) response.end(packed.subarray(at));
        else response.write(packed.subarray(at, at + 120_000), () => setTimeout(() => request.socket.destroy(), 20));
      },
    });
    const { get } = await downloader();
    expect(fs.readFileSync((await get(`${server.url}/f`)).path).equals(plain)).toBe(true);
    expect(server.requests.length).toBeGreaterThan(2);
  });

  test("again and again is a failure in the end, and leaves nothing", async () => {
    const server = await serve({
      "/f": (request, response) => {
        response.writeHead(200, { "content-length": 100 }).write("short");
        setTimeout(() => request.socket.destroy(), 5);
      },
    });
    const { get, store } = await downloader();
    await expect(get(`${server.url}/f`)).rejects.toThrow("the connection was cut");
    expect(server.requests).toHaveLength(4);
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
    expect(fs.readdirSync(listSources(store)[0]!.path)).toEqual(["meta"]);
  });
});

describe("many at once", () => {
  test("of one process transfer an address once, and get a file each", async () => {
    const server = await serve({
      "/f": (request, response) => {
        if (request.headers["if-none-match"]) response.writeHead(304).end();
        else setTimeout(() => response.writeHead(200, { etag: '"1"' }).end("x".repeat(100_000)), 30);
      },
    });
    const { get } = await downloader();
    const found = await Promise.all(Array.from({ length: 6 }, () => get(`${server.url}/f`)));
    expect(new Set(found.map(({ path }) => path)).size).toBe(6);
    expect(found.filter(({ fromCache }) => !fromCache)).toHaveLength(1);
  });

  test("through two handles of one store are safe, whatever the server sends", async () => {
    const location = `${tempDirectory()}/store`;
    const handles = await Promise.all([1, 2].map(async () => downloader(await openStore(location))));
    const server = await serve({ "/f": (_, response, nth) => response.end(`version ${nth}`.repeat(10_000)) });
    const found = await Promise.all([...handles, ...handles, ...handles].map(({ get }) => get(`${server.url}/f`)));
    for (const { path, digest } of found) expect(digestOf(fs.readFileSync(path))).toBe(digest);
    expect(new Set(found.map(({ digest }) => digest)).size).toBe(6);
    expect(fs.readdirSync(listSources(handles[0]!.store)[0]!.path)).toHaveLength(3);
  });
});
