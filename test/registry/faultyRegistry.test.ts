/** The faulty registry and the cutting proxy of the tests do what they say, and nothing else. */
import { describe, expect, it } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { makeAuthority } from "./servers/certificates.js";
import { cuttingProxy, randomPlan } from "./servers/cuttingProxy.js";
import { startRegistry } from "./servers/dockerRegistry.js";
import type { Fault, FaultAction } from "./servers/faults.js";
import { type FaultyOptions, faultyRegistry } from "./servers/faultyRegistry.js";
import {
  ask,
  makeImage,
  makeIndex,
  noiseLayer,
  type PlainAnswer,
  pushWithSkopeo,
  putImage,
  skopeo,
  skopeoFlags,
  type Target,
  writeLayout,
} from "./servers/images.js";

const image = makeImage();
const layer = image.layers[0]!;
const bytes = image.blobs.get(layer.digest)!;
const blobPath = `/v2/app/blobs/${layer.digest}`;

/** A registry that holds an image as `app:1`. */
async function registryWith(faults: readonly Fault[], options?: FaultyOptions) {
  const registry = await faultyRegistry(faults, options);
  registry.content.add("app", image, "1");
  return registry;
}

describe.skipIf(toolMissing("skopeo"))("the faulty registry without faults", () => {
  const index = makeIndex([image, makeImage({ config: { architecture: "arm64" } })]);

  it.each([
    ["plain", {}, undefined],
    ["with TLS", { tls: makeAuthority() }, undefined],
    ["with passwords", { auth: { kind: "basic", users: { ann: "secret" } } }, "ann:secret"],
    ["with tokens", { auth: { kind: "bearer", users: { ann: "secret" } } }, "ann:secret"],
  ] as const)("takes images from skopeo and gives them back, %s", async (_, options, login) => {
    const registry = await faultyRegistry([], options);
    const target: Target = { ...registry, login };
    await pushWithSkopeo(index, target, "some/app:1");
    const to = `oci:${writeLayout(makeImage({ layers: [] }))}:copy`;
    const flags = ["--quiet", "--all", "--preserve-digests", ...skopeoFlags(target, "src")];
    await skopeo("copy", ...flags, `docker://${registry.host}/some/app:1`, to);
    expect(await skopeo("inspect", "--raw", to)).toBe(index.bytes.toString());
    expect(registry.requests.some(({ status }) => status === 201)).toBe(true);
  });

  it.skipIf(toolMissing("docker-registry"))("answers as the real one does", async () => {
    const [faulty, real] = await Promise.all([faultyRegistry(), startRegistry()]);
    const bothSay = async (method: string, path: string, body?: Buffer, headers?: Record<string, string>) => {
      const [ours, theirs] = await Promise.all([faulty, real].map((each) => ask(each, method, path, body, headers)));
      const said = [ours, theirs].map((answer) => comparable(answer!));
      expect(said[0], `${method} ${path}`).toEqual(said[1]);
      return theirs!;
    };
    await bothSay("GET", "/v2/");
    await Promise.all([putImage(image, faulty, "app", "1"), putImage(image, real, "app", "1")]);
    await bothSay("GET", blobPath, undefined, { range: "bytes=5-9" });
    await bothSay("HEAD", blobPath);
    await bothSay("GET", `/v2/app/blobs/sha256:${"0".repeat(64)}`);
    await bothSay("GET", "/v2/app/manifests/1", undefined, { accept: image.descriptor.mediaType });
    await bothSay("GET", "/v2/app/manifests/none", undefined, { accept: image.descriptor.mediaType });
    await bothSay("PUT", "/v2/app/manifests/2", Buffer.from("{"), { "content-type": image.descriptor.mediaType });
    await bothSay("POST", `/v2/other/blobs/uploads/?mount=${layer.digest}&from=app`);
    await bothSay("GET", "/v2/app/tags/list");
    await bothSay("GET", "/v2/none/tags/list");
    await bothSay("GET", "/v2/_catalog");
  });

  it.skipIf(toolMissing("docker-registry"))("takes chunks as the real one does", async () => {
    const faulty = await faultyRegistry();
    for (const registry of [faulty, await startRegistry()]) {
      const start = await ask(registry, "POST", "/v2/app/blobs/uploads/");
      expect([start.status, start.headers.range]).toEqual([202, "0-0"]);
      const first = await ask(registry, "PATCH", pathOf(start), bytes.subarray(0, 10), { "content-range": "0-9" });
      expect([first.status, first.headers.range]).toEqual([202, "0-9"]);
      // The real one (2.8) does not look where a chunk says that it belongs.
      const gap = { "content-range": `20-${bytes.length - 1}` };
      if (registry === faulty) {
        expect((await ask(registry, "PATCH", pathOf(first), bytes.subarray(20), gap)).status).toBe(416);
      }
      const status = await ask(registry, "GET", pathOf(first));
      expect([status.status, status.headers.range]).toEqual([204, "0-9"]);
      const rest = await ask(registry, "PATCH", pathOf(status), bytes.subarray(10));
      const done = await ask(registry, "PUT", `${pathOf(rest)}&digest=${encodeURIComponent(layer.digest)}`);
      expect([done.status, done.headers["docker-content-digest"]]).toEqual([201, layer.digest]);
      expect((await ask(registry, "GET", blobPath)).body).toEqual(bytes);
    }
  });
});

describe("a fault", () => {
  it("is met by the requests that it is for, as often as it says", async () => {
    const fault: Fault = { on: "blob.get", skip: 1, times: 2, fault: "status", status: 503, retryAfter: 7 };
    const registry = await registryWith([fault]);
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await ask(registry, "GET", blobPath)).status);
    expect(statuses).toEqual([200, 503, 503, 200]);
    expect((await ask(registry, "HEAD", blobPath)).status).toBe(200);
    expect(registry.met(fault)).toBe(2);
    registry.setFaults({ on: "any", fault: "status", status: 429, retryAfter: 1 });
    const answer = await ask(registry, "GET", "/v2/", undefined, { authorization: "Basic canary" });
    expect([answer.status, answer.headers["retry-after"]]).toEqual([429, "1"]);
    expect(registry.requests.at(-1)).toMatchObject({
      operation: "ping",
      headers: { authorization: "Basic canary" },
      status: 429,
    });
  });

  it.each<[string, Fault, (answer: PlainAnswer) => void]>([
    [
      "flips a byte",
      fault({ fault: "body", to: "flip" }),
      ({ body }) => expect([body.length, body.equals(bytes)]).toEqual([bytes.length, false]),
    ],
    [
      "shortens a body",
      fault({ fault: "body", to: "short" }),
      ({ body }) => expect(body).toEqual(bytes.subarray(0, -1)),
    ],
    [
      "lengthens a body",
      fault({ fault: "body", to: "long" }),
      ({ body }) => expect(body.length).toBe(bytes.length + 1),
    ],
    [
      "lies in headers",
      fault({ fault: "headers", set: { "Docker-Content-Digest": "sha256:x", etag: undefined } }),
      ({ headers }) => expect([headers["docker-content-digest"], headers.etag]).toEqual(["sha256:x", undefined]),
    ],
    [
      "warns",
      fault({ fault: "warning", text: 'say "this"' }),
      ({ headers }) => expect(headers.warning).toBe('299 - "say \\"this\\""'),
    ],
    [
      "tells a rate limit",
      fault({ fault: "rate-limit", limit: "100;w=21600", remaining: "3;w=21600" }),
      ({ headers }) => expect(headers["ratelimit-remaining"]).toBe("3;w=21600"),
    ],
    [
      "redirects elsewhere",
      fault({ fault: "redirect", to: "http://10.0.0.1{path}" }),
      ({ status, headers }) => expect([status, headers.location]).toEqual([307, `http://10.0.0.1${blobPath}`]),
    ],
    [
      "redirects in a loop",
      fault({ fault: "redirect", to: "self", status: 302 }),
      ({ status, headers }) => expect([status, headers.location]).toEqual([302, blobPath]),
    ],
    [
      "lets nobody in",
      fault({ fault: "unauthorized", challenge: 'Bearer realm="http://x/"' }),
      ({ status, headers }) => expect([status, headers["www-authenticate"]]).toEqual([401, 'Bearer realm="http://x/"']),
    ],
    ["drips", fault({ fault: "drip", bytes: 50, milliseconds: 1 }), ({ body }) => expect(body).toEqual(bytes)],
    ["comes late", fault({ fault: "delay", milliseconds: 5 }), ({ body }) => expect(body).toEqual(bytes)],
    [
      "answers itself",
      fault({
        fault: "instead",
        answer: (_, response) => {
          response.end("mine");
          return true;
        },
      }),
      ({ body }) => expect(body.toString()).toBe("mine"),
    ],
  ])("%s", async (_, wrong, check) => {
    check(await ask(await registryWith([wrong]), "GET", blobPath));
  });

  it.each<[string, Fault]>([
    ["cuts a body", fault({ fault: "cut", after: 10 })],
    ["resets a body", fault({ fault: "cut", after: 10, how: "reset" })],
    ["promises more than comes", fault({ fault: "length", by: 5 })],
    ["answers with no HTTP", fault({ fault: "garbage" })],
    ["does not answer", fault({ fault: "drop", performed: false })],
  ])("%s", async (_, wrong) => {
    const registry = await registryWith([wrong]);
    const asked = ask(registry, "GET", blobPath);
    // A promise of more is only broken when the connection ends.
    if (wrong.fault === "length") setTimeout(() => void registry.stop(), 50);
    await expect(asked).rejects.toThrow();
  });

  it("sends a body without an end", async () => {
    const registry = await registryWith([fault({ fault: "endless" })]);
    const answer = await fetch(`${registry.url}${blobPath}`);
    let received = 0;
    for await (const chunk of answer.body!) {
      received += chunk.length;
      if (received > 1 << 20) break;
    }
    expect(received).toBeGreaterThan(1 << 20);
  });

  it.each<[Extract<Fault, { fault: "range" }>["how"], number, string | undefined, Buffer]>([
    ["ignored", 200, undefined, bytes],
    ["other-part", 206, `bytes 11-${bytes.length - 1}/${bytes.length}`, bytes.subarray(11)],
    ["lie", 206, `bytes 10-${bytes.length - 1}/${bytes.length}`, Buffer.concat([bytes.subarray(11), Buffer.from("!")])],
    ["wrong-total", 206, `bytes 10-${bytes.length - 1}/${bytes.length + 1}`, bytes.subarray(10)],
    ["416", 416, `bytes */${bytes.length}`, Buffer.alloc(0)],
  ])("answers a range wrongly: %s", async (how, status, range, body) => {
    const registry = await registryWith([fault({ fault: "range", how })]);
    const answer = await ask(registry, "GET", blobPath, undefined, { range: "bytes=10-" });
    expect([answer.status, answer.headers["content-range"], answer.body]).toEqual([status, range, body]);
  });

  it("flips a tag between HEAD and GET", async () => {
    const other = makeImage({ compression: "none" });
    const registry = await registryWith([{ on: "manifest.get", fault: "tag", digest: other.descriptor.digest }]);
    registry.content.add("app", other);
    const digests = [];
    for (const method of ["HEAD", "GET"]) {
      digests.push((await ask(registry, method, "/v2/app/manifests/1")).headers["docker-content-digest"]);
    }
    expect(digests).toEqual([image.descriptor.digest, other.descriptor.digest]);
  });

  it("loses the end of a chunk, and is honest about it", async () => {
    const registry = await faultyRegistry([{ on: "upload.chunk", times: 1, fault: "lose", bytes: 4 }]);
    const start = await ask(registry, "POST", "/v2/app/blobs/uploads/");
    const first = await ask(registry, "PATCH", pathOf(start), bytes.subarray(0, 10));
    expect([first.status, first.headers.range]).toEqual([202, "0-5"]);
    const next = await ask(registry, "PATCH", pathOf(first), bytes.subarray(10, 20), { "content-range": "10-19" });
    expect([next.status, next.headers.range]).toEqual([416, "0-5"]);
  });

  it("cuts an upload and keeps what came", async () => {
    const registry = await faultyRegistry([{ on: "upload.chunk", times: 1, fault: "cut-request", after: 1000 }]);
    const start = await ask(registry, "POST", "/v2/app/blobs/uploads/");
    await expect(ask(registry, "PATCH", pathOf(start), Buffer.alloc(1 << 20))).rejects.toThrow();
    expect((await ask(registry, "GET", pathOf(start))).headers.range).toBe("0-999");
    registry.setFaults({ on: "upload.status", fault: "forget" });
    expect((await ask(registry, "GET", pathOf(start))).status).toBe(404);
  });

  it("sends uploads elsewhere, and refuses small chunks", async () => {
    const registry = await faultyRegistry([
      { on: "upload.start", fault: "location", to: "http://127.0.0.9:1{path}" },
      { on: "upload", fault: "min-chunk", bytes: 100 },
    ]);
    const start = await ask(registry, "POST", "/v2/app/blobs/uploads/");
    expect(start.headers.location).toMatch(/^http:\/\/127\.0\.0\.9:1\/v2\/app\/blobs\/uploads\//);
    expect(start.headers["oci-chunk-min-length"]).toBe("100");
    expect((await ask(registry, "PATCH", pathOf(start), Buffer.alloc(99))).status).toBe(400);
    expect((await ask(registry, "PATCH", pathOf(start), Buffer.alloc(100))).status).toBe(202);
  });

  it("does the work and hides the answer", async () => {
    const registry = await registryWith([{ on: "manifest.put", fault: "drop", performed: true }]);
    const type = { "content-type": image.descriptor.mediaType };
    await expect(ask(registry, "PUT", "/v2/app/manifests/2", image.bytes, type)).rejects.toThrow();
    expect(registry.content.repository("app").tags.get("2")).toBe(image.descriptor.digest);
  });

  it("has no referrers, and says so by what it leaves out", async () => {
    const signature = makeImage({ layers: [], subject: image.descriptor, artifactType: "application/x.signature" });
    const registry = await registryWith([]);
    const path = `/v2/app/referrers/${image.descriptor.digest}`;
    const put = () => putImage(signature, registry, "app");
    await put();
    const listed = JSON.parse((await ask(registry, "GET", path)).body.toString());
    expect(listed.manifests).toMatchObject([
      { digest: signature.descriptor.digest, artifactType: "application/x.signature" },
    ]);
    registry.setFaults({ on: "any", fault: "no-referrers" });
    expect((await ask(registry, "GET", path)).status).toBe(404);
  });

  it("pages for ever", async () => {
    const registry = await registryWith([], { pageSize: 1 });
    registry.content.add("app", image, "2");
    const first = await ask(registry, "GET", "/v2/app/tags/list");
    expect([JSON.parse(first.body.toString()).tags, first.headers.link]).toEqual([
      ["1"],
      '</v2/app/tags/list?n=1&last=1>; rel="next"',
    ]);
    registry.setFaults({ on: "tags", fault: "paging", how: "loop" });
    expect((await ask(registry, "GET", "/v2/app/tags/list")).headers.link).toBe('</v2/app/tags/list>; rel="next"');
  });
});

describe("the cutting proxy", () => {
  it("passes everything on where nothing is planned", async () => {
    const registry = await faultyRegistry();
    const proxy = await cuttingProxy(registry.host);
    const big = makeImage({ layers: [noiseLayer(3 << 20, "a")] });
    await putImage(big, proxy, "app", "1");
    const { digest, size } = big.layers[0]!;
    expect((await ask(proxy, "GET", `/v2/app/blobs/${digest}`)).body.equals(big.blobs.get(digest)!)).toBe(true);
    expect(proxy.passed.down).toBeGreaterThan(size);
  });

  it("cuts, changes and repeats where it was told to", async () => {
    const registry = await registryWith([]);
    const head = (await readAll(registry.url)).indexOf("\r\n\r\n") + 4;
    const proxy = await cuttingProxy(registry.url);
    proxy.setPlan(() => [{ direction: "down", at: head + 10, does: "flip" }]);
    const flipped = (await ask(proxy, "GET", blobPath)).body;
    expect([flipped[10]! ^ bytes[10]!, flipped.subarray(11).equals(bytes.subarray(11))]).toEqual([1, true]);
    proxy.setPlan(() => [{ direction: "down", at: head + 10, does: "duplicate", bytes: 3 }]);
    const doubled = (await readAll(proxy.url)).subarray(head);
    expect(doubled.subarray(7, 13)).toEqual(Buffer.concat([bytes.subarray(7, 10), bytes.subarray(7, 10)]));
    proxy.setPlan((nth) => (nth === 0 ? [{ direction: "down", at: 100, does: "reset" }] : []));
    await expect(ask(proxy, "GET", blobPath)).rejects.toThrow();
    expect((await ask(proxy, "GET", blobPath)).body).toEqual(bytes);
    expect(proxy.happened.map(({ does }) => does)).toEqual(["flip", "duplicate", "reset"]);
  });

  it("plans the same for the same seed, and another thing for each connection", () => {
    const plans = (seed: number) => Array.from({ length: 50 }, (_, nth) => randomPlan(seed, { within: 1e6 })(nth));
    expect(plans(7)).toEqual(plans(7));
    expect(plans(7)).not.toEqual(plans(8));
    const events = plans(7).flat();
    expect(new Set(events.map(({ does }) => does))).toEqual(new Set(["cut", "reset", "delay", "duplicate"]));
  });
});

function fault(what: FaultAction): Fault {
  return { on: "blob.get", ...what };
}

function pathOf({ headers }: PlainAnswer): string {
  const { pathname, search } = new URL(headers.location!, "http://registry");
  return `${pathname}${search}`;
}

/** Everything that comes for a GET of the blob, head and all. */
async function readAll(url: string): Promise<Buffer> {
  const { connect } = await import("node:net");
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${blobPath} HTTP/1.1\r\nHost: ${"x".repeat(20)}\r\nConnection: close\r\n\r\n`);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What of an answer the specification speaks of. */
function comparable({ status, headers, body }: PlainAnswer) {
  const named = ["content-length", "content-range", "docker-content-digest", "link"];
  const said = status >= 400 ? {} : Object.fromEntries(named.map((name) => [name, headers[name]]));
  const isJson = /json/.test(headers["content-type"] ?? "") && body.length > 0;
  const text = isJson ? JSON.parse(body.toString()) : undefined;
  const code = text?.errors?.[0]?.code;
  return {
    status,
    ...(code
      ? { code }
      : {
          ...said,
          "content-length": isJson ? undefined : said["content-length"],
          body: text ?? body.toString("base64"),
        }),
  };
}
