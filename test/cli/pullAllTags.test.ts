/** `nacre pull --all-tags`, from the real docker-registry and from one that fails. */
import { describe, expect, test } from "vitest";
import { startRegistry } from "../registry/servers/dockerRegistry.js";
import { faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { makeImage, makeIndex, noiseLayer, putImage } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";
import { nacre, tempDirectory } from "./invocation.js";

const shared = noiseLayer(2000, "shared");
const [one, two] = [makeImage({ layers: [shared] }), makeImage({ layers: [shared, noiseLayer(1000, "two")] })];

function command() {
  const home = tempDirectory();
  const env = { NACRE_HOME: `${home}/store`, HOME: home, DOCKER_DEFAULT_PLATFORM: "linux/amd64" };
  return (...argv: readonly string[]) => nacre(argv, { env });
}

describe.skipIf(toolMissing("docker-registry"))("all tags of a repository", () => {
  test("are pulled with docker's lines, and shared layers once", async () => {
    const [registry, run] = [await startRegistry(), command()];
    await putImage(one, registry, "me/app", "1");
    await putImage(two, registry, "me/app", "2");
    const name = `${registry.host}/me/app`;
    const { code, stdout, stderr } = await run("pull", "-a", name);
    const lines = stdout.split("\n");
    expect([code, stderr]).toEqual([0, ""]);
    expect(lines.filter((line) => !line.includes("Download complete") && !line.includes("Pulling fs layer"))).toEqual([
      "2: Pulling from me/app",
      expect.stringContaining(": Pull complete"),
      expect.stringContaining(": Pull complete"),
      `Digest: ${two.descriptor.digest}`,
      "1: Pulling from me/app",
      expect.stringContaining(": Already exists"),
      `Digest: ${one.descriptor.digest}`,
      `Status: Downloaded newer image for ${name}`,
      name,
      "",
    ]);
    expect((await run("pull", "--all-tags", name)).stdout).toBe(
      `2: Pulling from me/app\nDigest: ${two.descriptor.digest}\n1: Pulling from me/app\nDigest: ${one.descriptor.digest}\n` +
        `Status: Image is up to date for ${name}\n${name}\n`,
    );
    expect((await run("pull", "-aq", name)).stdout).toBe(`${name}\n`);
    const json = (await run("pull", "-a", "--format", "json", name)).stdout.trimEnd().split("\n");
    expect(json.map((line) => JSON.parse(line).Name)).toEqual([`${name}:2`, `${name}:1`]);
    expect((await run("images", "--format", "json", name)).stdout.match(/"Tag":"[12]"/g)).toHaveLength(2);
  });
});

describe("all tags of a repository", () => {
  test("come as far as they can, and what failed is told of each", async () => {
    const [registry, run] = [await faultyRegistry(), command()];
    registry.content.add("app", one, "1");
    registry.content.add("app", makeIndex([makeImage({ config: { architecture: "s390x" } })]), "2");
    registry.content.add("app", two, "3");
    const name = `${registry.host}/app`;
    const { code, stdout, stderr } = await run("pull", "-a", name, `${registry.host}/none`, "-q");
    expect([code, stdout]).toEqual([1, `${name}\n`]);
    expect(stderr.match(/ERROR:.*/g)).toEqual([
      expect.stringContaining(`${name}:2 was not pulled: `),
      expect.stringContaining(`/none`),
    ]);
    expect((await run("images", "-q")).stdout.trimEnd().split("\n")).toHaveLength(2);
  });

  test("are those of the platform that is asked for", async () => {
    const [registry, run] = [await faultyRegistry(), command()];
    const arm = makeImage({ config: { architecture: "arm64" } });
    registry.content.add("app", makeIndex([one, arm]), "1");
    const { stdout } = await run("pull", "-a", "--platform", "linux/arm64", "--format", "json", `${registry.host}/app`);
    expect(JSON.parse(stdout)).toMatchObject({ ManifestDigest: arm.descriptor.digest, Platform: "linux/arm64" });
  });

  test.each([
    [["-a", "app:1"], "tag can't be used with --all-tags/-a"],
    [["-a", `app@sha256:${"0".repeat(64)}`], "tag can't be used with --all-tags/-a"],
    [["-a", "--offline", "app"], "--all-tags asks the registry"],
    [["-a", "--policy", "missing", "app"], "--all-tags asks the registry"],
  ])("cannot be had with %j", async (argv, message) => {
    const { code, stderr } = await command()("pull", ...argv);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe("RepoDigests of a pulled image", () => {
  test("name what pulls it again: the image index, where one was asked for", async () => {
    const [registry, run] = [await faultyRegistry(), command()];
    const index = makeIndex([one, makeImage({ config: { architecture: "arm64" } })]);
    registry.content.add("app", index, "1");
    const name = `${registry.host}/app`;
    await run("pull", "-q", `${name}:1`);
    const [{ RepoDigests, Descriptor }] = JSON.parse((await run("inspect", `${name}:1`)).stdout);
    expect(RepoDigests).toEqual([`${name}@${index.descriptor.digest}`]);
    expect(Descriptor.digest).toBe(one.descriptor.digest);
    for (const argv of [["pull", "-q"], ["inspect"], ["tag"]]) {
      const more = argv[0] === "tag" ? ["here:1"] : [];
      expect((await run(...argv, RepoDigests[0], ...more)).code).toBe(0);
    }
  });
});
