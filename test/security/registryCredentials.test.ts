/** What registries, and whoever they send a client to, may try to learn from it. */
import * as http from "node:http";
import { describe, expect, test } from "vitest";
import { checkRealm } from "../../src/registry/authRealm.js";
import type { Credentials } from "../../src/registry/types.js";
import { listen } from "../context/downloadServer.js";
import { basic, blobOf, clientWorld, failureOf, listAll, noise, readAll, sourceOf } from "../registry/clientWorld.js";
import { makeAuthority } from "../registry/servers/certificates.js";
import type { Fault } from "../registry/servers/faults.js";
import { type FaultyRegistry, faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { makeImage } from "../registry/servers/images.js";

const CANARY = "c4nary-p4ssword";
const users = { ann: CANARY };
const image = makeImage();
const blob = noise(50_000);
const SECRET_HEADERS = ["authorization", "cookie", "proxy-authorization", "x-secret"];

/** A registry that wants a password, and a stranger that wants one too. */
async function two(...faults: readonly Fault[]) {
  const home = await faultyRegistry(faults, { auth: { kind: "bearer", users } });
  home.content.add("app", image, "1");
  const stranger = await faultyRegistry([{ on: "any", fault: "headers", set: { "set-cookie": "a=b" } }], {
    ...{ host: "127.0.0.2", auth: { kind: "basic", users } },
  });
  stranger.content.add("app", image, "1");
  const world = clientWorld({
    endpoint: { headers: { "X-Secret": CANARY } },
    credentials: { [home.host]: basic("ann", CANARY), [stranger.host]: basic("ann", CANARY) },
  });
  return { home, stranger, ...world, client: world.open(home.host, "app", "push") };
}

/** The stranger was asked, and learned nothing; for it no credentials were looked up. */
function assertNothingLearned(stranger: FaultyRegistry, lookups: readonly string[]): void {
  expect(stranger.requests.length).toBeGreaterThan(0);
  for (const { headers, url } of stranger.requests) {
    for (const name of SECRET_HEADERS) expect(headers).not.toHaveProperty(name);
    expect(JSON.stringify([headers, url])).not.toContain(CANARY);
  }
  expect(lookups).not.toContain(stranger.host);
}

describe("credentials do not go to another host", () => {
  const cases: readonly (readonly [
    string,
    Fault["on"],
    (client: Awaited<ReturnType<typeof two>>["client"]) => Promise<unknown>,
  ])[] = [
    ["a manifest", "manifest.get", (client) => client.manifest("1")],
    ["what a manifest is", "manifest.head", (client) => client.resolve("1")],
    ["a blob", "blob.get", (client) => readAll(client.blob(image.layers[0]!))],
    ["whether a blob is there", "blob.head", (client) => client.blobSize(image.layers[0]!.digest)],
    ["the tags", "tags", (client) => listAll(client.tags())],
    ["a pushed manifest", "manifest.put", (client) => client.putManifest("2", image.descriptor.mediaType, image.bytes)],
    ["an upload", "upload.start", (client) => client.upload(blobOf(blob), sourceOf(blob))],
  ];

  test.each(cases)("%s is redirected, and the 401 there is the end", async (_, on, work) => {
    const { home, stranger, lookups, client } = await two();
    // Once let in, so that there is a token to lose.
    await client.resolve("1");
    home.setFaults({ on, fault: "redirect", to: `${stranger.url}{path}` });
    expect(await failureOf(work(client))).toMatchObject({ code: "DENIED" });
    assertNothingLearned(stranger, lookups);
  });

  test("nor back from there, nor on another port or under another name of the same one", async () => {
    const { home, stranger, client } = await two();
    await client.resolve("1");
    stranger.setFaults({ on: "any", fault: "redirect", to: `${home.url}{path}` });
    home.setFaults({ on: "manifest.get", fault: "redirect", to: `${stranger.url}{path}`, times: 1 });
    const before = home.requests.length;
    expect(await failureOf(client.manifest("1"))).toMatchObject({ code: "DENIED" });
    expect(home.requests.slice(before).map(({ headers }) => headers.authorization === undefined)).toEqual([
      false,
      true,
    ]);
    const port = home.host.split(":")[1];
    home.setFaults({ on: "manifest.get", fault: "redirect", to: `http://localhost:${port}{path}`, times: 1 });
    await failureOf(client.manifest("1"));
    expect(home.requests.at(-1)!.headers).not.toHaveProperty("authorization");
    expect(home.requests.at(-1)!.headers).not.toHaveProperty("x-secret");
  });

  test("where an upload goes on", async () => {
    const { home, stranger, lookups, client } = await two();
    await client.resolve("1");
    home.setFaults({ on: "upload.start", fault: "location", to: `${stranger.url}{path}` });
    expect(await failureOf(client.upload(blobOf(blob), sourceOf(blob)))).toMatchObject({ code: "DENIED" });
    expect(stranger.lines("upload.cancel").length).toBe(1);
    assertNothingLearned(stranger, lookups);
  });

  test("where a layer is said to be", async () => {
    const { home, stranger, lookups, client } = await two();
    const urls = [`http://ann:${CANARY}@${stranger.host}/v2/app/blobs/${blobOf(blob).digest}`];
    expect(await failureOf(readAll(client.blob({ ...blobOf(blob), urls })))).toMatchObject({ code: "DENIED" });
    expect(home.requests.length).toBeGreaterThan(0);
    assertNothingLearned(stranger, lookups);
  });

  test("where the next page is", async () => {
    const { home, stranger, client } = await two();
    home.content.add("app", image, "2");
    home.setFaults({ on: "tags", fault: "paging", how: "other-host", to: stranger.url });
    await listAll(client.tags()).catch(() => {});
    expect(stranger.requests).toEqual([]);
  });

  test("where a token server sends its clients", async () => {
    for (const kind of ["basic", "identity"] as const) {
      const credentials: Credentials = kind === "basic" ? basic("ann", CANARY) : { kind: "identity", token: CANARY };
      const { stranger, home } = await two();
      home.setFaults({ on: "token", fault: "redirect", to: `${stranger.url}{path}`, status: 307 });
      const { open, lookups } = clientWorld({ credentials: { [home.host]: credentials } });
      const failure = await failureOf(open(home.host).manifest("1"));
      expect(failure.code).toMatch(/DENIED|NETWORK/);
      // What carries the secret in its body is not sent on at all.
      if (kind === "identity") expect(stranger.requests).toEqual([]);
      else assertNothingLearned(stranger, lookups);
    }
  });
});

test("no message holds a secret, even if the registry says it", async () => {
  const echo: Fault = {
    ...{ on: "manifest", fault: "instead" },
    answer: (request, response) => {
      const header = request.headers.authorization ?? "";
      const said = `${header} ${Buffer.from(header.slice(6), "base64")}`;
      return header === ""
        ? !!response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end()
        : !!response.writeHead(403).end(JSON.stringify({ errors: [{ code: "DENIED", message: said }] }));
    },
  };
  const registry = await faultyRegistry([echo]);
  const { open, warnings } = clientWorld({ credentials: { [registry.host]: basic("ann", CANARY) } });
  const error = await open(registry.host)
    .manifest("1")
    .catch((failure: unknown) => failure);
  const shown = JSON.stringify([error, (error as Error).message, (error as Error).stack, warnings]);
  expect(shown).toContain("access is refused");
  for (const secret of [CANARY, Buffer.from(`ann:${CANARY}`).toString("base64")]) expect(shown).not.toContain(secret);
});

/** A registry out in the wide world, as a proxy here answers for it. */
async function publicRegistry(
  realm: string,
  more: (url: string, response: http.ServerResponse) => boolean = () => false,
) {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(`${request.headers.host}${request.url}`);
    if (more(request.url!, response)) return;
    response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service="x"` }).end();
  });
  const port = await listen(server);
  const world = clientWorld({
    endpoint: { base: new URL("http://registry.test") },
    env: { HTTP_PROXY: `http://127.0.0.1:${port}` },
    credentials: { "registry.test": basic("ann", CANARY) },
  });
  return { asked, world, client: world.open("registry.test") };
}

describe("a token server", () => {
  const near = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]", "169.254.169.254", "10.0.0.1"];
  const odd = [
    "2130706433",
    "0177.0.0.1",
    "0x7f.1",
    "127.1",
    "0.0.0.0",
    "[::]",
    "x.localhost",
    "192.168.1.1",
    "127%E3%80%820%E3%80%820%E3%80%821",
    "a:b@127.0.0.1",
  ];

  test.each([...near, ...odd])("of a public registry is not at %s: nothing is sent", async (host) => {
    const canary = await faultyRegistry();
    const port = canary.host.split(":")[1];
    const { asked, client } = await publicRegistry(`http://${host}:${port}/token`);
    const failure = await failureOf(client.manifest("1"));
    expect(failure).toMatchObject({ code: "NETWORK", message: expect.stringContaining("for a token to") });
    expect(asked).toEqual(["registry.testhttp://registry.test/v2/app/manifests/1"]);
    expect(canary.requests).toEqual([]);
  });

  test("does not send its clients there either", async () => {
    const canary = await faultyRegistry();
    const { asked, client } = await publicRegistry("http://auth.test/token", (url, response) => {
      if (!url.startsWith("http://auth.test/")) return false;
      return !!response.writeHead(302, { location: `${canary.url}/token` }).end();
    });
    expect(await failureOf(client.manifest("1"))).toMatchObject({ code: "NETWORK" });
    expect(asked.length).toBe(2);
    expect(canary.requests).toEqual([]);
  });

  test("of a registry with https has https too", async () => {
    const authority = makeAuthority();
    const canary = await faultyRegistry();
    const auth = { kind: "bearer", users, realm: `${canary.url}/token` } as const;
    const registry = await faultyRegistry([], { tls: authority, auth });
    const endpoint = { base: new URL(registry.url), tls: { ca: [authority.ca] } };
    const { open } = clientWorld({ endpoint, credentials: { [registry.host]: basic("ann", CANARY) } });
    const failure = await failureOf(open(registry.host).manifest("1"));
    expect(failure).toMatchObject({ code: "NETWORK", message: expect.stringContaining("read along") });
    expect(canary.requests).toEqual([]);
  });

  test("is where the registry is, or no nearer", () => {
    const owner = { base: new URL("https://r.example"), insecure: false, reach: "public" } as const;
    const refuses = (realm: string, change: object = {}) =>
      expect(() => checkRealm(realm, { ...owner, ...change }), realm).toThrow(/sends its clients for a token to/);
    for (const realm of ["https://u:p@a.example/", "https://u@a.example/", "http://a.example/", "", "x", "file:///x"])
      refuses(realm);
    for (const host of ["127。0。0。1", "１２７.0.0.1", "0X7F000001"]) refuses(`https://${host}/`);
    refuses(`https://a.example/${"x".repeat(5000)}`);
    refuses("https://169.254.169.254/", { reach: "loopback", base: new URL("https://127.0.0.1:5000") });
    refuses("https://127.0.0.1/", { reach: "private", base: new URL("https://10.0.0.1") });
    const own = { reach: "loopback", base: new URL("https://127.0.0.1:5000") } as const;
    expect(checkRealm("https://127.0.0.1:5000/t", { ...owner, ...own }).pathname).toBe("/t");
    expect(checkRealm("https://127.0.0.1:5001/t", { ...owner, ...own }).port).toBe("5001");
    expect(checkRealm("http://auth.example/", { ...owner, insecure: true }).host).toBe("auth.example");
  });
});

describe("a public registry", () => {
  test.each(["127.0.0.1", "localhost", "169.254.169.254", "2852039166"])(
    "does not send its clients to %s",
    async (host) => {
      const canary = await faultyRegistry();
      const location = `http://${host}:${canary.host.split(":")[1]}/v2/`;
      const { client } = await publicRegistry("", (_, response) => !!response.writeHead(307, { location }).end());
      for (const work of [client.manifest("1"), readAll(client.blob(blobOf(blob))), listAll(client.tags())]) {
        const failure = await failureOf(work);
        expect(failure).toMatchObject({
          code: "NETWORK",
          message: expect.stringContaining("a public server redirects"),
        });
      }
      expect(canary.requests).toEqual([]);
    },
  );

  test("does not let its clients upload there, or fetch layers from there", async () => {
    const canary = await faultyRegistry();
    const { client } = await publicRegistry("", (url, response) => {
      if (url.includes("/uploads/")) return !!response.writeHead(202, { location: `${canary.url}/x` }).end();
      return !!response.writeHead(404).end();
    });
    expect(await failureOf(client.upload(blobOf(blob), sourceOf(blob)))).toMatchObject({ code: "NETWORK" });
    const urls = [`${canary.url}/x`];
    expect(await failureOf(readAll(client.blob({ ...blobOf(blob), urls })))).toMatchObject({ code: "NETWORK" });
    expect(canary.requests).toEqual([]);
  });
});

describe("https", () => {
  async function secure(...faults: readonly Fault[]) {
    const authority = makeAuthority();
    const registry = await faultyRegistry(faults, { tls: authority });
    registry.content.add("app", image, "1");
    const endpoint = { base: new URL(registry.url), tls: { ca: [authority.ca] } };
    return { registry, client: clientWorld({ endpoint }).open(registry.host, "app", "push") };
  }

  test("is not left for http, by a redirect or by an upload", async () => {
    const canary = await faultyRegistry();
    const { registry, client } = await secure({ on: "manifest", fault: "redirect", to: `${canary.url}{path}` });
    expect(await failureOf(client.manifest("1"))).toMatchObject({ code: "NETWORK", message: /https/ });
    registry.setFaults({ on: "upload.start", fault: "location", to: `${canary.url}{path}` });
    expect(await failureOf(client.upload(blobOf(blob), sourceOf(blob)))).toMatchObject({ code: "NETWORK" });
    expect(canary.requests).toEqual([]);
  });

  test("is kept for an upload whose registry takes itself for plain http", async () => {
    const { registry, client } = await secure();
    const to = `http://${registry.host}{path}`;
    registry.setFaults({ on: ["upload.start", "upload.chunk"], fault: "location", to });
    expect(await client.upload(blobOf(blob), sourceOf(blob))).toBe("uploaded");
  });

  test("without a trusted certificate is nothing, and http is not tried in its place", async () => {
    const registry = await faultyRegistry([], { tls: makeAuthority() });
    const endpoint = { base: new URL(registry.url), tls: { ca: [makeAuthority().ca] } };
    const failure = await failureOf(clientWorld({ endpoint }).open(registry.host).manifest("1"));
    expect(failure).toMatchObject({ code: "NETWORK", message: expect.stringContaining("not trusted") });
    const plain = await faultyRegistry();
    const base = new URL(`https://${plain.host}`);
    await failureOf(clientWorld({ endpoint: { base } }).open(plain.host).manifest("1"));
    expect(plain.requests).toEqual([]);
  });
});
