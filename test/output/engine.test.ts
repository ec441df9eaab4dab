/** Images into local engines: where those are, what they are sent, and what they answer. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadIntoEngine } from "../../src/archive/engine.js";
import { engineAddress } from "../../src/archive/engineAddress.js";
import { loadImage } from "../../src/image/image.js";
import { loadBuilt } from "../../src/output/engineLoad.js";
import { NacreError } from "../../src/support/errors.js";
import { sha256Hex } from "../../src/support/hash.js";
import { newStore, putImage, SOME_LAYERS, tempDir } from "../archive/images.js";
import { failureOf } from "../registry/clientWorld.js";
import { digestOf, skopeo } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";
import { engineServer } from "./engineServer.js";
import { envOf } from "./images.js";

const FORM = { compression: { type: "gzip", force: false }, rewriteTimestamp: false, annotations: new Map() } as const;

async function* bytes(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe("loading a build into an engine", () => {
  it.skipIf(toolMissing("skopeo"))("sends the archive that docker load takes", async () => {
    const [store, engine] = [await newStore(), await engineServer()];
    const image = loadImage(store, await putImage(store, SOME_LAYERS));
    const world = { env: { DOCKER_HOST: `unix://${engine.socket}` } };
    const { loaded, image: exported } = await loadBuilt(FORM, image, envOf(store), "docker", world);
    expect(loaded).toEqual(["docker.io/library/some:1"]);
    const file = join(tempDir(), "archive.tar");
    writeFileSync(file, engine.archives.get("docker.io/library/some:1")!);
    const config = await skopeo("inspect", "--config", "--raw", `docker-archive:${file}:some:1`);
    expect(digestOf(Buffer.from(config))).toBe(exported.configDigest);
  });

  it("tells the engine's own words where it refuses, and the archive's failure where that fails", async () => {
    const engine = await engineServer();
    const world = { env: { DOCKER_HOST: `unix://${engine.socket}` } };
    engine.refuse("no space left on device");
    expect(await failureOf(loadIntoEngine(bytes("x"), "docker", world))).toMatchObject({
      ...{ code: "OUTPUT", message: "Docker cannot load the image: no space left on device" },
    });
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1 << 20);
      throw new NacreError("CONTENT_INVALID", "the layer is damaged");
    };
    expect(await failureOf(loadIntoEngine(broken(), "docker", world))).toMatchObject({
      message: "the layer is damaged",
    });
    const store = await newStore();
    const image = loadImage(store, await putImage(store, SOME_LAYERS));
    const failure = await failureOf(loadBuilt(FORM, image, envOf(store, { index: true }), "docker", world));
    expect(failure.message).toContain("manifest lists");
  });

  it("says where no one answers", async () => {
    const socket = join(tempDir(), "none.sock");
    const failure = await failureOf(loadIntoEngine(bytes("x"), "docker", { env: { DOCKER_HOST: `unix://${socket}` } }));
    expect(failure).toMatchObject({ code: "NETWORK", hint: expect.stringContaining("DOCKER_HOST=") });
    expect(failure.message).toContain(`unix://${socket}`);
  });

  it("starts podman where it has no socket", async () => {
    const directory = tempDir();
    const program = join(directory, "podman");
    writeFileSync(program, `#!/bin/sh\ncat > '${directory}/got'\necho "Loaded image: localhost/some:1"\n`);
    chmodSync(program, 0o755);
    const env = { XDG_RUNTIME_DIR: directory, PATH: `${directory}:${process.env.PATH}` };
    expect(await loadIntoEngine(bytes("an ", "archive"), "podman", { env })).toEqual(["localhost/some:1"]);
    writeFileSync(program, "#!/bin/sh\ncat > /dev/null\necho 'it is broken' >&2\nexit 125\n");
    const failure = await failureOf(loadIntoEngine(bytes("x"), "podman", { env }));
    expect(failure).toMatchObject({ code: "OUTPUT", message: "podman load failed: it is broken" });
  });
});

describe("the address of an engine", () => {
  const config = tempDir();
  mkdirSync(join(config, "contexts/meta", sha256Hex("far")), { recursive: true });
  writeFileSync(join(config, "config.json"), JSON.stringify({ currentContext: "far" }));
  writeFileSync(
    join(config, "contexts/meta", sha256Hex("far"), "meta.json"),
    JSON.stringify({ Name: "far", Endpoints: { docker: { Host: "unix:///far.sock" } } }),
  );

  it.each([
    ["docker", {}, "unix:///var/run/docker.sock"],
    ["docker", { DOCKER_HOST: "unix:///x.sock" }, "unix:///x.sock"],
    ["docker", { DOCKER_HOST: "tcp://127.0.0.1:2375" }, "tcp://127.0.0.1:2375"],
    ["docker", { DOCKER_CONFIG: config }, "unix:///far.sock"],
    ["docker", { DOCKER_CONFIG: config, DOCKER_CONTEXT: "default" }, "unix:///var/run/docker.sock"],
    ["docker", { DOCKER_CONFIG: config, DOCKER_HOST: "unix:///x.sock" }, "unix:///x.sock"],
    ["podman", { XDG_RUNTIME_DIR: "/nowhere" }, "unix:///nowhere/podman/podman.sock"],
    ["podman", {}, "unix:///run/podman/podman.sock"],
    ["podman", { CONTAINER_HOST: "unix:///p.sock" }, "unix:///p.sock"],
  ] as const)("of %s with %o is %s", (engine, env, shown) => {
    expect(engineAddress(engine, { HOME: "/nowhere", ...env }).shown).toBe(shown);
  });

  it("is refused where it cannot be used", async () => {
    const address = async (env: Record<string, string>) => engineAddress("docker", { HOME: "/nowhere", ...env });
    expect(await failureOf(address({ DOCKER_HOST: "ssh://host" }))).toMatchObject({
      hint: expect.stringContaining("ssh -L"),
    });
    expect(await failureOf(address({ DOCKER_HOST: "nonsense" }))).toMatchObject({ code: "USAGE" });
    expect(await failureOf(address({ DOCKER_CONTEXT: "none" }))).toMatchObject({
      message: expect.stringContaining('"none"'),
    });
    expect((await address({ DOCKER_HOST: "tcp://h:2376", DOCKER_TLS_VERIFY: "1" })).origin).toBe("https://h:2376");
  });
});
