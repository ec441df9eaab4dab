/** `nacre pull` as people and programs see it. */
import { describe, expect, test } from "vitest";
import { shortDigest } from "../../src/oci/digest.js";
import { faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { makeImage, makeIndex, noiseLayer } from "../registry/servers/images.js";
import { nacre, type RunSettings, tempDirectory } from "./invocation.js";

const [amd64, arm64] = [makeImage(), makeImage({ config: { architecture: "arm64" } })];
const index = makeIndex([arm64, amd64]);

/** A registry with an image under `some/app`, and `nacre pull` with a store of its own. */
async function workplace() {
  const registry = await faultyRegistry();
  registry.content.add("some/app", index, "1");
  registry.content.add("some/app", index, "latest");
  const home = tempDirectory();
  const env = { NACRE_HOME: `${home}/store`, HOME: home, DOCKER_DEFAULT_PLATFORM: "linux/amd64" };
  const run = (argv: readonly string[], settings: RunSettings = {}) =>
    nacre(argv, { ...settings, env: { ...env, ...settings.env } });
  return { registry, name: `${registry.host}/some/app`, run };
}

describe("nacre pull", () => {
  test("prints Docker's lines", async () => {
    const { name, run } = await workplace();
    const first = await run(["pull", name]);
    const lines = first.stdout.trimEnd().split("\n");
    expect(lines.slice(0, 2)).toEqual(["Using default tag: latest", "latest: Pulling from some/app"]);
    for (const { digest } of amd64.layers) {
      const states = lines.filter((line) => line.startsWith(shortDigest(digest)));
      expect(states.map((line) => line.split(": ")[1])).toEqual([
        "Pulling fs layer",
        "Download complete",
        "Pull complete",
      ]);
    }
    const digest = index.descriptor.digest;
    expect(lines.slice(-3)).toEqual([
      `Digest: ${digest}`,
      `Status: Downloaded newer image for ${name}:latest`,
      `${name}:latest`,
    ]);
    expect([first.code, first.stderr]).toEqual([0, ""]);
    expect((await run(["pull", `${name}:latest`])).stdout).toBe(
      `latest: Pulling from some/app\nDigest: ${digest}\nStatus: Image is up to date for ${name}:latest\n${name}:latest\n`,
    );
    expect((await run(["image", "pull", `${name}@${digest}`])).stdout).toContain(
      `${name}@${digest}: Pulling from some/app\nDigest: ${digest}\n`,
    );
    expect((await run(["image", "ls", name])).stdout.split("\n").slice(1, 3)).toEqual([
      expect.stringMatching(/some\/app +(latest|<none>) /),
      expect.stringMatching(/some\/app +(latest|<none>) /),
    ]);
  });

  test("tells what was there already", async () => {
    const { registry, name, run } = await workplace();
    await run(["pull", name]);
    registry.content.add("some/app", makeImage({ config: { author: "another" } }), "2");
    const { stdout } = await run(["pull", `${name}:2`]);
    expect(stdout.split("\n").filter((line) => line.includes("Already exists"))).toHaveLength(2);
    expect(stdout).not.toContain("Download complete");
  });

  test("prints the name alone, or JSON", async () => {
    const { name, run } = await workplace();
    expect((await run(["pull", "-q", `${name}:1`, name])).stdout).toBe(`${name}:1\n${name}:latest\n`);
    const { stdout } = await run(["pull", "--format=json", "--platform", "linux/arm64", `${name}:1`]);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ Name: `${name}:1`, Digest: index.descriptor.digest, ManifestDigest: arm64.descriptor.digest },
      ...{ Platform: "linux/arm64", Status: "new" },
      Layers: arm64.layers.map(({ digest, size }) => ({ Digest: digest, Size: size, Outcome: "exists" })),
    });
  });

  test("shows each layer on a terminal, and its lines after that", async () => {
    const { name, run } = await workplace();
    const { stdout, stderr } = await run(["pull", name], { columns: 100 });
    for (const { digest } of amd64.layers) expect(stderr).toContain(shortDigest(digest));
    expect(stdout).not.toContain("Pull complete");
    expect(stdout).toContain("Status: Downloaded newer image");
  });

  test("takes all platforms", async () => {
    const { registry, name, run } = await workplace();
    registry.content.add("some/app", makeIndex([amd64, makeImage({ layers: [noiseLayer(99, "z")] })]), "two");
    const { stdout } = await run(["pull", "--all-platforms", "--format=json", `${name}:two`]);
    expect(JSON.parse(stdout).Layers).toHaveLength(3);
    expect(JSON.parse(stdout).StoredDigest).toBe(JSON.parse(stdout).Digest);
  });

  test("asks no one where that is not wanted", async () => {
    const { registry, name, run } = await workplace();
    const none = await run(["pull", "--offline", name]);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("is not in the store for linux/amd64")]);
    await run(["pull", "-q", name]);
    registry.requests.length = 0;
    for (const flag of ["--offline", "--policy=missing", "--policy=never"]) {
      expect((await run(["pull", flag, name])).stdout).toContain("Status: Image is up to date");
    }
    expect(registry.requests).toEqual([]);
  });

  test.each<[readonly string[], number, RegExp]>([
    [["NAME:9"], 1, /NAME:9 is not in the registry/],
    [
      ["--platform=linux/s390x", "NAME"],
      1,
      /has no image for linux\/s390x[\s\S]*it has images for linux\/arm64, linux\/amd64/,
    ],
    [["--platform=x/y/z/w", "NAME"], 2, /not a platform/],
    [["--policy=often", "NAME"], 2, /--policy is always, missing, never/],
    [["--jobs=0", "NAME"], 2, /--jobs/],
    [["--platform=linux/amd64", "--all-platforms", "NAME"], 2, /exclude each other/],
    [["NAME", "Upper"], 1, /lower case/],
    [[], 2, /image/],
  ])("says what is wrong: %j", async (argv, code, message) => {
    const { registry, name, run } = await workplace();
    const words = argv.map((word) => word.replace("NAME", name));
    const outcome = await run(["pull", ...words]);
    expect(outcome.stderr).toMatch(new RegExp(message.source.replace("NAME", name)));
    expect(outcome.code).toBe(code);
    if (argv.includes("Upper")) expect(registry.requests).toEqual([]);
  });
});
