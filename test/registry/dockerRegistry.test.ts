/** What the tests' registry, token server and images say of themselves, checked with skopeo and plain requests. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { makeAuthority } from "./servers/certificates.js";
import { REGISTRY_USERS, startRegistry } from "./servers/dockerRegistry.js";
import { ask, makeImage, makeIndex, pushWithSkopeo, putImage, skopeo, skopeoFlags } from "./servers/images.js";
import { startTokenServer } from "./servers/tokenServer.js";

describe.skipIf(toolMissing("docker-registry") || toolMissing("skopeo"))("the registry of the tests", () => {
  const image = makeImage();

  it("takes an image from skopeo and gives it back byte for byte", async () => {
    const registry = await startRegistry();
    const index = makeIndex([image, makeImage({ config: { architecture: "arm64" } })]);
    await pushWithSkopeo(index, registry, "some/app:1");
    const raw = await skopeo("inspect", "--raw", ...skopeoFlags(registry, ""), `docker://${registry.host}/some/app:1`);
    expect(raw).toBe(index.bytes.toString());
    expect(registry.log()).toContain("PUT /v2/some/app/manifests/1");
  });

  it("keeps what it has over a crash and a restart, on the same port", async () => {
    const registry = await startRegistry();
    await putImage(image, registry, "app", "1");
    await registry.kill();
    await expect(ask(registry, "GET", "/v2/")).rejects.toThrow("ECONNREFUSED");
    await registry.restart({ readOnly: true });
    expect((await ask(registry, "GET", "/v2/app/manifests/1", undefined, ACCEPT)).body).toEqual(image.bytes);
    await expect(putImage(image, registry, "other", "1")).rejects.toThrow("405");
    expect(existsSync(registry.storage)).toBe(true);
    await registry.stop();
    expect(existsSync(registry.storage)).toBe(false);
  });

  it("has TLS by an authority of its own, and asks clients for theirs", async () => {
    const clientAuthority = makeAuthority("authority of clients");
    const [open, strict] = await Promise.all([startRegistry({ tls: true }), startRegistry({ clientAuthority })]);
    await pushWithSkopeo(image, open, "app:1");
    await expect(ask({ ...open, ca: undefined }, "GET", "/v2/")).rejects.toThrow(/certificate/);
    await expect(ask({ ...open, ca: strict.ca }, "GET", "/v2/")).rejects.toThrow(/certificate/);
    await expect(ask(strict, "GET", "/v2/")).rejects.toThrow();
  });

  it("lets in by name and password", async () => {
    const registry = await startRegistry({ htpasswd: true });
    const refused = await ask(registry, "GET", "/v2/");
    expect([refused.status, refused.headers["www-authenticate"]]).toEqual([401, 'Basic realm="the tests"']);
    for (const login of Object.entries(REGISTRY_USERS).map((pair) => pair.join(":"))) {
      const authorization = `Basic ${Buffer.from(login).toString("base64")}`;
      expect((await ask({ ...registry, authorization }, "GET", "/v2/")).status).toBe(200);
    }
    await pushWithSkopeo(image, { ...registry, login: `ann:${REGISTRY_USERS.ann}` }, "app:1");
  });

  it("lets in by the tokens of the token server, for what they are good for", async () => {
    const tokens = await startTokenServer({ users: { ann: "secret" } });
    const registry = await startRegistry({ token: tokens });
    await pushWithSkopeo(image, { ...registry, login: "ann:secret" }, "app:1");
    await expect(pushWithSkopeo(image, { ...registry, login: "ann:wrong" }, "app:2")).rejects.toThrow();
    await expect(pushWithSkopeo(makeImage({ compression: "none" }), registry, "app:2")).rejects.toThrow();
    await skopeo("inspect", ...skopeoFlags(registry, ""), `docker://${registry.host}/app:1`);
    const seen = tokens.requests.map(({ user, status, scopes }) => [user, status, scopes[0]?.actions.join()]);
    expect(seen).toContainEqual(["ann", 200, "pull,push"]);
    expect(seen).toContainEqual([undefined, 401, "pull,push"]);
    expect(seen.at(-1)).toEqual([undefined, 200, "pull"]);
  });

  it("fetches from another registry what it is asked for, and keeps it", async () => {
    const tokens = await startTokenServer({
      users: { ann: "secret" },
      grant: (user, { actions }) => (user ? actions : []),
    });
    const origin = await startRegistry({ token: tokens });
    const authorization = `Bearer ${tokens.sign([{ type: "repository", name: "app", actions: ["pull", "push"] }])}`;
    await putImage(image, { ...origin, authorization }, "app", "1");
    const mirrorOf = { url: origin.url, username: "ann", password: "secret" };
    const mirror = await startRegistry({ mirrorOf });
    const { digest } = image.layers[0]!;
    expect((await ask(mirror, "GET", `/v2/app/blobs/${digest}`)).body).toEqual(image.blobs.get(digest));
    expect((await ask(mirror, "GET", "/v2/app/manifests/1", undefined, ACCEPT)).body).toEqual(image.bytes);
  });

  it("deletes where it may", async () => {
    const registry = await startRegistry({ delete: true, relativeUrls: true });
    await putImage(image, registry, "app", "1");
    const path = `/v2/app/manifests/${image.descriptor.digest}`;
    expect((await ask(registry, "DELETE", path)).status).toBe(202);
    expect((await ask(registry, "GET", path, undefined, ACCEPT)).status).toBe(404);
  });

  it("leaves no process behind", async () => {
    const registry = await startRegistry();
    await registry.stop();
    const port = Number(registry.host.split(":")[1]).toString(16).toUpperCase().padStart(4, "0");
    expect(readFileSync("/proc/net/tcp", "utf8")).not.toMatch(new RegExp(`:${port} [0-9A-F:]+ 0A`));
  });
});

describe("the token server of the tests", () => {
  it("answers GET and POST, with refresh tokens for those who ask", async () => {
    const server = await startTokenServer({ users: { ann: "secret" }, expiresIn: 60 });
    const scope = "repository:a/b:pull,push";
    const form = { grant_type: "password", username: "ann", password: "secret", access_type: "offline", scope };
    const post = (fields: Record<string, string>) =>
      fetch(server.realm, { method: "POST", body: new URLSearchParams(fields) });
    const first = await tokenOf(post(form));
    expect(first).toMatchObject({ expires_in: 60, refresh_token: expect.any(String) });
    const again = { grant_type: "refresh_token", refresh_token: first.refresh_token!, scope };
    const second = await tokenOf(post(again));
    expect(claims(second.access_token)).toMatchObject({
      sub: "ann",
      access: [{ type: "repository", name: "a/b", actions: ["pull", "push"] }],
    });
    const anonymous = await tokenOf(fetch(`${server.realm}?scope=${scope}`));
    expect(claims(anonymous.token).access).toEqual([{ type: "repository", name: "a/b", actions: ["pull"] }]);
    expect(server.requests.map(({ method, user }) => [method, user])).toEqual([
      ["POST", "ann"],
      ["POST", "ann"],
      ["GET", undefined],
    ]);
  });
});

const ACCEPT = {
  accept: "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json",
};

async function tokenOf(answer: Promise<Response>): Promise<Record<string, string>> {
  return (await (await answer).json()) as Record<string, string>;
}

function claims(token: string | undefined) {
  return JSON.parse(Buffer.from(token!.split(".")[1]!, "base64url").toString());
}
