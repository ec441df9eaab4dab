/** Logging in: what is asked of token servers, for whom, how often, and what a refusal says. */
import { describe, expect, test } from "vitest";
import { coversScopes, mergeScopes, parseChallenges, scopesOf } from "../../src/registry/authChallenge.js";
import { pingRegistry } from "../../src/registry/registries.js";
import { toolMissing } from "../setup/tools.js";
import { basic, blobOf, clientWorld, failureOf, listAll, noise, sourceOf } from "./clientWorld.js";
import { REGISTRY_USERS, startRegistry } from "./servers/dockerRegistry.js";
import { faultyRegistry } from "./servers/faultyRegistry.js";
import { makeImage } from "./servers/images.js";
import { startTokenServer } from "./servers/tokenServer.js";

const image = makeImage();
const users = { ann: "s3cret, of ann" };
const blob = noise(1000);

describe("challenges", () => {
  const read = (...headers: string[]) =>
    parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

  test("are told apart, whatever stands in their quotes and between them", () => {
    expect(read('Bearer realm="https://a/t?x=1,2",service="a \\"b\\", c",scope="repository:a/b:pull,push"')).toEqual([
      ["bearer", { realm: "https://a/t?x=1,2", service: 'a "b", c', scope: "repository:a/b:pull,push" }],
    ]);
    expect(read('Negotiate, Basic realm="x", bearer Realm=y ,service = "z"', "NTLM TlRMTVNTUAAC=")).toEqual([
      ["negotiate", {}],
      ["basic", { realm: "x" }],
      ["bearer", { realm: "y", service: "z" }],
      ["ntlm", {}],
    ]);
  });

  test("that are no challenges do no harm, and take no time", () => {
    for (const text of ["", ",,,", '"', "Bearer realm", 'Bearer realm="', "=", "a=b", `Bearer ${"a=".repeat(8000)}`]) {
      expect(() => read(text)).not.toThrow();
    }
    read(`${"a ".repeat(8000)}"`, `x ${"\\".repeat(16_000)}`, `x y="${"\\a".repeat(8000)}`, " ,".repeat(8000));
  });

  test("ask for scopes whose names may hold a port", () => {
    const [challenge] = parseChallenges([
      'Bearer realm=x,scope="repository:host:5000/a:pull,push registry:catalog:* bad :: repository:b:pull"',
    ]);
    const scopes = scopesOf(challenge!);
    expect(scopes).toEqual(["repository:host:5000/a:pull,push", "registry:catalog:*", "repository:b:pull"]);
    expect(mergeScopes(scopes, ["repository:b:push"]).at(-1)).toBe("repository:b:pull,push");
    expect(coversScopes(["repository:b:push,pull"], ["repository:b:pull"])).toBe(true);
    expect(coversScopes(["repository:a:pull"], ["repository:b:pull"])).toBe(false);
  });
});

describe.skipIf(toolMissing("docker-registry"))("with the real registry", () => {
  test("user name and password open it where it asks for them", async () => {
    const registry = await startRegistry({ htpasswd: true });
    for (const [user, password] of Object.entries(REGISTRY_USERS)) {
      const { open } = clientWorld({ credentials: { [registry.host]: basic(user, password) } });
      expect(await open(registry.host, "app", "push").upload(blobOf(blob), sourceOf(blob))).toMatch(/uploaded|exists/);
    }
    const wrong = clientWorld({ credentials: { [registry.host]: basic("ann", "wrong") } }).open(registry.host);
    expect(await failureOf(wrong.manifest("1"))).toMatchObject({
      code: "DENIED",
      hint: expect.stringMatching(/account/),
    });
    const nobody = await failureOf(clientWorld().open(registry.host).manifest("1"));
    expect(nobody).toMatchObject({
      code: "DENIED",
      hint: `check the name; private images need: nacre login ${registry.host}`,
    });
  });

  test("tokens open it: anonymous ones for reading, a user's for writing, an identity token's too", async () => {
    const server = await startTokenServer({ users });
    const registry = await startRegistry({ token: server });
    const { open, registries } = clientWorld({ credentials: { [registry.host]: basic("ann", users.ann) } });
    const client = open(registry.host, "team/app", "push");
    for (const [digest, bytes] of image.blobs) await client.upload({ digest, size: bytes.length }, sourceOf(bytes));
    await client.putManifest("1", image.descriptor.mediaType, image.bytes);
    expect(server.requests.map(({ user, scopes }) => [user, scopes])).toEqual([
      ["ann", [{ type: "repository", name: "team/app", actions: ["pull", "push"] }]],
    ]);
    expect(await listAll(registries.catalog(registry.host))).toEqual(["team/app"]);
    const stranger = clientWorld().open(registry.host, "team/app");
    expect(await stranger.resolve("1")).toBeDefined();
    expect(server.requests.at(-1)).toMatchObject({ user: undefined, method: "GET" });
    const token = server.identityToken("ann");
    const known = clientWorld({ credentials: { [registry.host]: { kind: "identity", token } } });
    expect(await known.open(registry.host, "team/app", "push").resolve("1")).toBeDefined();
    expect(server.requests.at(-1)).toMatchObject({ user: "ann", method: "POST" });
    expect(server.requests.at(-1)!.fields.get("scope")).toBe("repository:team/app:pull,push");
  });

  test("a mount asks for reading the other repository too", async () => {
    const server = await startTokenServer({ users });
    const registry = await startRegistry({ token: server });
    const { open } = clientWorld({ credentials: { [registry.host]: basic("ann", users.ann) } });
    await open(registry.host, "a", "push").upload(blobOf(blob), sourceOf(blob));
    const client = open(registry.host, "b", "push");
    expect(await client.mount(blobOf(blob).digest, "a")).toBe(true);
    expect(await client.blobSize(blobOf(blob).digest)).toBe(blob.length);
    expect(server.requests.at(-2)!.scopes.map(({ name }) => name)).toEqual(["b", "a"]);
    expect(await client.mount(blobOf(noise(5)).digest, "a")).toBe(false);
  });

  test("a login is tried without a repository", async () => {
    const [plain, server] = [await startRegistry({ htpasswd: true }), await startTokenServer({ users })];
    const withTokens = await startRegistry({ token: server });
    const ping = (host: string, password: string, user = "ann") =>
      pingRegistry(
        host,
        { env: {}, now: Date.now, warn: () => {} },
        {
          endpoints: (_, repository) => [
            {
              ...{ base: new URL(`http://${host}`), repository, answers: "all", insecure: false },
              capabilities: new Set(["resolve", "pull", "push"] as const),
            },
          ],
        },
        { find: async () => basic(user, password) },
      );
    await ping(plain.host, REGISTRY_USERS.ann);
    await ping(withTokens.host, users.ann);
    for (const { host } of [plain, withTokens])
      expect(await failureOf(ping(host, "s3cret!"))).toMatchObject({ code: "DENIED" });
    const failure = JSON.stringify(await failureOf(ping(withTokens.host, "s3cret!")));
    expect(failure).not.toContain("s3cret");
  });
});

describe("tokens", () => {
  /** A registry that takes each token for what the token server gives it for. */
  async function tokenWorld(options: Parameters<typeof startTokenServer>[0] = {}, grown = false) {
    const server = await startTokenServer({ users, ...options });
    const claims = (header = "") =>
      JSON.parse(Buffer.from(header.split(".")[1] ?? "e30", "base64url").toString() || "{}");
    const registry = await faultyRegistry([
      {
        ...{ on: "any", fault: "instead" },
        answer: (request, response) => {
          const { access = [], exp = 0 } = claims(request.headers.authorization);
          const has = access.filter(({ name }: { name: string }) => name === request.repository);
          const wanted = grown ? ["pull", "delete"] : ["pull"];
          if (exp * 1000 > Date.now() && wanted.every((one) => has[0]?.actions.includes(one))) return false;
          const scope = `repository:${request.repository}:${wanted.join(",")}`;
          const challenge = `Bearer realm="${server.realm}",service="${server.service}",scope="${scope}"`;
          response.writeHead(401, { "www-authenticate": ['Basic realm="x"', challenge] }).end();
          return true;
        },
      },
    ]);
    for (const name of ["a", "b"]) registry.content.add(name, image, "1");
    return { server, registry };
  }

  test("are asked for once, however many want one, and never used for another repository", async () => {
    const { server, registry } = await tokenWorld();
    const { open } = clientWorld();
    await Promise.all(Array.from({ length: 20 }, () => open(registry.host, "a").resolve("1")));
    expect(server.requests.length).toBe(1);
    await open(registry.host, "b").resolve("1");
    expect(server.requests.map(({ scopes }) => scopes.map(({ name }) => name))).toEqual([["a"], ["b"]]);
    // What the registry wants is known by then: nothing is refused any more.
    expect(registry.requests.slice(-1)[0]!.status).toBe(200);
    expect(registry.requests.filter(({ headers }) => !headers.authorization).length).toBeLessThanOrEqual(20);
  });

  test("are renewed before they end; without a word they hold a minute", async () => {
    for (const [expiresIn, holds] of [
      [100, 79],
      [undefined, 47],
    ] as const) {
      const { server, registry } = await tokenWorld(expiresIn === undefined ? {} : { expiresIn });
      let now = 0;
      const client = clientWorld({ now: () => now }).open(registry.host, "a");
      await client.resolve("1");
      now = holds * 1000;
      await client.resolve("1");
      expect(server.requests.length).toBe(1);
      now += 2000;
      await client.resolve("1");
      expect(server.requests.length).toBe(2);
    }
  });

  test("are asked for again when the registry wants more of them, its own words first, and once", async () => {
    const { server, registry } = await tokenWorld({ grant: (_, { actions }) => actions }, true);
    const client = clientWorld().open(registry.host, "a", "push");
    await client.resolve("1");
    expect(server.requests.at(-1)!.scopes).toEqual([
      { type: "repository", name: "a", actions: ["pull", "delete", "push"] },
    ]);
    const asked = server.requests.length;
    await client.resolve("1");
    expect(server.requests.length).toBe(asked);
    const refusing = await tokenWorld({ grant: () => [] });
    const failure = await failureOf(clientWorld().open(refusing.registry.host, "a").resolve("1"));
    expect(failure).toMatchObject({ code: "DENIED" });
    expect(refusing.registry.requests.length).toBeLessThanOrEqual(3);
  });

  test("that the registry takes no more are asked for anew", async () => {
    const registry = await faultyRegistry([], { auth: { kind: "bearer", users } });
    registry.content.add("app", image, "1");
    const client = clientWorld({ credentials: { [registry.host]: basic("ann", users.ann) } }).open(registry.host);
    await client.resolve("1");
    registry.revokeTokens();
    expect(await client.resolve("1")).toBeDefined();
  });

  test("come by GET where the server does not know POST, under either name", async () => {
    const { server, registry } = await tokenWorld({ post: false, field: "access_token" });
    const credentials = { [registry.host]: { kind: "identity", token: "refresh" } as const };
    await failureOf(clientWorld({ credentials }).open(registry.host, "a").resolve("1"));
    expect(server.requests.map(({ method }) => method)).toEqual(["POST", "GET"]);
    expect(await clientWorld().open(registry.host, "a").resolve("1")).toBeDefined();
  });

  test("that were given as such are sent as they are", async () => {
    const { server, registry } = await tokenWorld();
    const token = server.sign([{ type: "repository", name: "a", actions: ["pull"] }]);
    const { open } = clientWorld({ credentials: { [registry.host]: { kind: "bearer", token } } });
    expect(await open(registry.host, "a").resolve("1")).toBeDefined();
    expect(await failureOf(open(registry.host, "b").resolve("1"))).toMatchObject({ code: "DENIED" });
    expect(server.requests).toEqual([]);
  });

  test("that are none are told apart", async () => {
    for (const body of ["", "x", "{}", "null", '{"token":"a\\nb: c"}', '{"token":5}', "[]"]) {
      const { registry } = await tokenWorld({ instead: (_, response) => !!response.end(body) });
      const failure = await failureOf(clientWorld().open(registry.host, "a").resolve("1"));
      expect(failure).toMatchObject({ code: "NETWORK", message: expect.stringContaining("no token") });
    }
  });

  test("are waited for as all else is", async () => {
    let times = 0;
    const { registry } = await tokenWorld({
      instead: (_, response) => times++ < 2 && !!response.writeHead(503).end(),
    });
    expect(await clientWorld().open(registry.host, "a").resolve("1")).toBeDefined();
  });
});

test("credentials are looked up once, for the host that they are kept for", async () => {
  const registry = await faultyRegistry([], { auth: { kind: "basic", users } });
  const mirror = await faultyRegistry([], { auth: { kind: "basic", users } });
  for (const { content } of [registry, mirror]) content.add("app", image, "1");
  const { open, lookups } = clientWorld({
    mirrors: [{ base: new URL(mirror.url) }],
    credentials: { [registry.host]: basic("ann", users.ann) },
  });
  const client = open(registry.host);
  expect(await client.resolve("1")).toBeDefined();
  expect(await client.manifest("1")).toBeDefined();
  expect([...new Set(lookups)].sort()).toEqual([mirror.host, registry.host].sort());
  expect(lookups.length).toBe(2);
  for (const { headers } of mirror.requests) expect(headers.authorization).toBeUndefined();
});
