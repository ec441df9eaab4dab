/** Images that are pushed without a tag: to the real docker-registry, read back by skopeo. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { untaggedNames } from "../../src/output/untagged.js";
import { nacre, tempDirectory } from "../cli/invocation.js";
import { startRegistry, type TestRegistry } from "../registry/servers/dockerRegistry.js";
import { makeImage, skopeo, writeLayout } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";

const image = makeImage();
const { digest } = image.descriptor;
const OTHER = `sha256:${"0".repeat(64)}`;

describe.skipIf(toolMissing("docker-registry") || toolMissing("skopeo"))("an image that is pushed by digest", () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry.stop());

  /** Commands with a store of their own, which has the image `app:1`. */
  async function workplace() {
    const home = tempDirectory();
    const run = (...argv: readonly string[]) => nacre(argv, { env: { NACRE_HOME: `${home}/store`, HOME: home } });
    await run("load", "-q", "-t", "app:1", writeLayout(image));
    writeFileSync(join(home, "f"), "content");
    writeFileSync(join(home, "Dockerfile"), "FROM scratch\nCOPY f /\n");
    return { home, run };
  }
  const tags = async (repository: string): Promise<unknown> => {
    const answer = await fetch(`${registry.url}/v2/${repository}/tags/list`);
    return answer.ok ? ((await answer.json()) as { tags: unknown }).tags : undefined;
  };
  const rawDigest = async (name: string): Promise<string> => {
    const text = await skopeo(
      "inspect",
      "--no-tags",
      "--tls-verify=false",
      "--format",
      "{{.Digest}}",
      `docker://${name}`,
    );
    return text.trim();
  };

  test("has no tag, and its digest is in the last line", async () => {
    const { run } = await workplace();
    const name = `${registry.host}/plain`;
    const { code, stdout, stderr } = await run("push", "--by-digest", "app:1", name);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.split("\n").at(-2)).toBe(`${name}: digest: ${digest} size: ${image.bytes.length}`);
    expect(await rawDigest(`${name}@${digest}`)).toBe(digest);
    expect(await tags("plain")).toBeFalsy();
    expect((await run("push", "--by-digest", "-q", "app:1", name)).stdout).toBe(`${name}@${digest}\n`);
    const json = JSON.parse((await run("push", "--by-digest", "--format", "json", "app:1", name)).stdout);
    expect(json).toMatchObject({ Name: `${name}@${digest}`, Digest: digest });
  });

  test("may be named by its digest, which has to be right", async () => {
    const { run } = await workplace();
    const name = `${registry.host}/named`;
    expect((await run("push", "-q", "app:1", `${name}@${digest}`, `${name}:2`)).stdout).toBe(
      `${name}@${digest}\n${name}:2\n`,
    );
    expect(await tags("named")).toEqual(["2"]);
    const { code, stderr } = await run("push", "app:1", `${registry.host}/wrong@${OTHER}`);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`is ${digest} as it is pushed, not ${OTHER}`)]);
    expect(await tags("wrong")).toBeFalsy();
  });

  test("goes to the repository of its own name where no other is given", async () => {
    const { run } = await workplace();
    const name = `${registry.host}/own`;
    await run("tag", "app:1", `${name}:1`);
    expect((await run("push", "--by-digest", "-q", `${name}:1`)).stdout).toBe(`${name}@${digest}\n`);
    expect(await tags("own")).toBeFalsy();
    expect(await run("push", "--by-digest", "--all-tags", name)).toMatchObject({ code: 2 });
  });

  test("comes from a build as docker's matrix builds do it, and files tell its digest", async () => {
    const { run, home } = await workplace();
    const name = `${registry.host}/built`;
    const [iid, metadata] = [join(home, "iid"), join(home, "metadata.json")];
    const output = `type=image,name=${name},push-by-digest=true,name-canonical=true,push=true`;
    const layout = join(home, "layout");
    const { code, stderr } = await run(
      ...["build", "--iidfile", iid, "--metadata-file", metadata, "-t", "kept:1"],
      ...["-o", `type=oci,dest=${layout},tar=false,compression=uncompressed`, "-o", output, home],
    );
    expect([code, stderr.includes("ERROR")]).toEqual([0, false]);
    const pushed = readFileSync(iid, "utf8");
    expect(await rawDigest(`${name}@${pushed}`)).toBe(pushed);
    expect(await tags("built")).toBeFalsy();
    expect(JSON.parse(readFileSync(metadata, "utf8"))).toMatchObject({ "containerimage.digest": pushed });
    // The store knows it by that digest, though it keeps another form of it.
    const [{ RepoDigests, RepoTags }] = JSON.parse((await run("inspect", `${name}@${pushed}`)).stdout);
    expect(RepoTags).toContain("kept:1");
    expect(RepoDigests).toContain(`${name}@${pushed}`);
    await registry.restart({});
    const before = registry.log();
    writeFileSync(join(home, "Dockerfile"), `FROM ${name}@${pushed}\nLABEL a=b\n`);
    expect((await run("build", "-q", home)).code).toBe(0);
    expect(registry.log()).toBe(before);
  });

  test("keeps its name by digest in the store alone where nothing is pushed", async () => {
    const { run, home } = await workplace();
    await run("build", "-q", "-o", "type=image,name=here/app:2,name-canonical=true", home);
    const [{ RepoTags, RepoDigests }] = JSON.parse((await run("inspect", "here/app:2")).stdout);
    expect(RepoDigests).toHaveLength(1);
    expect((await run("inspect", RepoDigests[0])).code).toBe(0);
    expect(RepoTags).toContain("here/app:2");
  });

  test("is not pushed under a tag too", async () => {
    const { run, home } = await workplace();
    const { code, stderr } = await run(
      "build",
      "-o",
      `type=image,name=${registry.host}/a:1,push-by-digest=true,push=true`,
      home,
    );
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(`can't push tagged ref ${registry.host}/a:1 by digest`),
    ]);
    expect(await run("push", "--by-digest", "app:1", `${registry.host}/a:1`)).toMatchObject({ code: 2 });
  });
});

test("names of repositories are read, each once", () => {
  expect(untaggedNames(["app", "localhost:5000/x", `app@${digest}`])).toEqual({
    repositories: ["docker.io/library/app", "localhost:5000/x"],
    expected: new Map([["docker.io/library/app", digest]]),
  });
  expect(() => untaggedNames([`app:1@${digest}`])).toThrow("can't push tagged ref");
  expect(() => untaggedNames([`app@${digest}`, `app@${OTHER}`])).toThrow("two digests");
});
