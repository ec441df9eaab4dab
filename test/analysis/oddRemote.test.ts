/** Odd images in a registry: what commands say of them is the same as of the layout that they came from. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { isIndexType } from "../../src/oci/mediaTypes.js";
import { toByteString } from "../../src/support/bytes.js";
import { nacre } from "../cli/invocation.js";
import { startRegistry, type TestRegistry } from "../registry/servers/dockerRegistry.js";
import { ask } from "../registry/servers/images.js";
import { EXPECTED } from "./odd/expected.js";
import { ODD_IMAGES, type OddName } from "./odd/images.js";
import type { RawDescriptor } from "./odd/rawImage.js";

/** Those that a registry cannot have, or not like this: it compares digests, and takes no layers from elsewhere. */
const NOT_REMOTE: ReadonlySet<OddName> = new Set<OddName>([
  ...(["docker-archive before 1.10", "old docker-archive", "docker-archive with symlinked layers"] as const),
  ...(["docker schema 1", "truncated blob", "corrupt blob", "foreign layers"] as const),
]);
const NAMES = (Object.keys(ODD_IMAGES) as OddName[]).filter((name) => !NOT_REMOTE.has(name));

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  for (const [at, name] of NAMES.entries()) await push(ODD_IMAGES[name]().slice("oci:".length), `odd/${at}`);
});

/** Puts a layout as it is: blobs first, then what points at them, innermost first. */
async function push(directory: string, repository: string): Promise<void> {
  const read = (digest: string): Buffer => readFileSync(join(directory, "blobs/sha256", digest.slice(7)));
  for (const hex of readdirSync(join(directory, "blobs/sha256"))) {
    const start = await ask(registry, "POST", `/v2/${repository}/blobs/uploads/`);
    const place = new URL(start.headers.location ?? "", registry.url);
    place.searchParams.set("digest", `sha256:${hex}`);
    expect((await ask(registry, "PUT", `${place.pathname}${place.search}`, read(`sha256:${hex}`))).status).toBe(201);
  }
  const put = async ({ digest, mediaType }: RawDescriptor, reference: string): Promise<void> => {
    const bytes = read(digest);
    if (isIndexType(mediaType)) {
      const { manifests } = JSON.parse(bytes.toString()) as { manifests: RawDescriptor[] };
      for (const child of manifests) await put(child, child.digest);
    }
    const answer = await ask(registry, "PUT", `/v2/${repository}/manifests/${reference}`, bytes, {
      "content-type": mediaType,
    });
    expect(answer.status, answer.body.toString()).toBe(201);
  };
  const { manifests } = JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as {
    manifests: RawDescriptor[];
  };
  await put(manifests[0]!, "1");
}

test.each(NAMES)("%s", async (name) => {
  const { refused, unreadable, layers, files, probe, waste, findings } = EXPECTED[name];
  const spec = `docker://${registry.host}/odd/${NAMES.indexOf(name)}:1`;
  const run = (...argv: string[]) => nacre(argv, { env: { HOME: "/nonexistent" } });

  const verified = await run("verify", "--format", "json", spec);
  const report = JSON.parse(verified.stdout) as { place: string; findings: { severity: string; class: string }[] };
  expect(report.place).toBe("registry");
  expect(report.findings.map((one) => `${one.severity} ${one.class}`).sort()).toEqual([...findings].sort());

  const inspected = await run("inspect", spec);
  if (refused !== undefined) {
    expect(inspected).toMatchObject({ code: 1, stderr: expect.stringMatching(refused) });
    return;
  }
  expect((JSON.parse(inspected.stdout) as { Layers: unknown[] }[])[0]!.Layers).toHaveLength(layers!);

  const tree = await run("tree", "--depth", "all", "--format", "json", spec);
  if (unreadable !== undefined) {
    expect(tree).toMatchObject({ code: 1, stderr: expect.stringMatching(unreadable) });
    return;
  }
  const listed = tree.stdout
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => JSON.parse(line) as { type: string; path: string });
  const paths = listed
    .filter(({ path }) => path !== "/")
    .map(({ type, path }) => `${type} ${toByteString(path).slice(1)}`);
  expect(paths.sort()).toEqual([...files!].sort());
  if (waste) expect(JSON.parse((await run("waste", "--format", "json", spec)).stdout)).toMatchObject(waste);
  if (probe) {
    const cat = await run("cat", spec, Buffer.from(probe.path, "latin1").toString());
    expect([cat.code, cat.stdout]).toEqual([0, probe.content]);
  }
});
