/** `nacre push` and `nacre copy` as people and programs see them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { makeImage, makeIndex, writeLayout } from "../registry/servers/images.js";
import { nacre, tempDirectory } from "./invocation.js";

const image = makeImage();
const { digest } = image.descriptor;
const diffIds: readonly string[] = JSON.parse(
  image.blobs.get(JSON.parse(image.bytes.toString()).config.digest)!.toString(),
).rootfs.diff_ids;
const ids = diffIds.map((diffId) => diffId.slice(7, 19));

/** A registry, and commands with a store of their own that has an image of the name. */
async function workplace(...names: readonly string[]) {
  const registry = await faultyRegistry();
  const home = tempDirectory();
  const run = (...argv: readonly string[]) => nacre(argv, { env: { NACRE_HOME: `${home}/store`, HOME: home } });
  for (const name of names) {
    expect((await run("load", "-q", "-t", name.replace("HOST", registry.host), writeLayout(image))).code).toBe(0);
  }
  return { registry, home, run, host: registry.host };
}

describe("nacre push", () => {
  test("prints Docker's lines", async () => {
    const { run, host } = await workplace("HOST/me/app:1");
    const first = await run("push", `${host}/me/app:1`);
    const lines = first.stdout.trimEnd().split("\n");
    expect(lines[0]).toBe(`The push refers to repository [${host}/me/app]`);
    expect(lines.slice(1, -1).sort()).toEqual(ids.map((id) => `${id}: Pushed`).sort());
    expect(lines.at(-1)).toBe(`1: digest: ${digest} size: ${image.bytes.length}`);
    expect([first.code, first.stderr]).toEqual([0, ""]);
    const again = await run("image", "push", `${host}/me/app:1`);
    for (const id of ids) expect(again.stdout).toContain(`${id}: Layer already exists\n`);
    const other = await run("push", `${host}/me/app:1`, `${host}/other/app`);
    for (const id of ids) expect(other.stdout).toContain(`${id}: Mounted from me/app\n`);
    expect(other.stdout).toContain(`latest: digest: ${digest} size: `);
  });

  test("shows bars on a terminal, and the lines below them", async () => {
    const { host, home } = await workplace("HOST/app:1");
    const env = { NACRE_HOME: `${home}/store`, HOME: home };
    const { stdout, stderr } = await nacre(["push", `${host}/app:1`], { env, columns: 100 });
    expect(stdout).toContain(`1: digest: ${digest}`);
    for (const id of ids) expect(stderr).toContain(`pushing ${id} to ${host}/app`);
  });

  test("prints the name alone, or JSON", async () => {
    const { run, host } = await workplace("app:1");
    expect((await run("push", "-q", "app:1", `${host}/a`)).stdout).toBe(`${host}/a:latest\n`);
    const json = JSON.parse((await run("push", "--format", "json", "app:1", `${host}/b:2`)).stdout);
    expect(json).toMatchObject({ Name: `${host}/b:2`, Digest: digest, Size: image.bytes.length });
    expect(json.Layers.map((layer: { ID: string; Outcome: string }) => [layer.ID, layer.Outcome])).toEqual(
      diffIds.map((diffId) => [diffId, "mounted"]),
    );
  });

  test("pushes all tags of a repository", async () => {
    const { run, host, registry } = await workplace("HOST/app:1", "HOST/app:2", "HOST/other:1");
    expect((await run("push", "--all-tags", `${host}/app`)).code).toBe(0);
    expect([...registry.content.repositories.keys()]).toEqual(["app"]);
    expect([...registry.content.repository("app").tags.keys()]).toEqual(["1", "2"]);
    expect(await run("push", "-a", `${host}/app:1`)).toMatchObject({ code: 2 });
    expect(await run("push", "-a", `${host}/none`)).toMatchObject({ code: 1 });
  });

  test("says what is wrong", async () => {
    const { run, host, registry } = await workplace("HOST/app:1");
    expect((await run("push", `${host}/none`)).stderr).toContain("no image");
    expect((await run("push", digest)).stderr).toContain("hint: write nacre push");
    expect(await run("push", `${host}/app:1`, "--jobs", "0")).toMatchObject({ code: 2 });
    registry.setFaults({ on: "upload", fault: "status", status: 403 });
    const denied = await run("push", `${host}/app:1`);
    expect([denied.code, denied.stderr]).toEqual([1, expect.stringContaining("log in first")]);
  });
});

describe("nacre copy", () => {
  test("tells what became of each blob, and the digest", async () => {
    const { run, host, home, registry } = await workplace();
    const index = makeIndex([image, makeImage({ config: { architecture: "arm64" } })]);
    registry.content.add("app", index, "1");
    const layout = join(home, "layout");
    const { stdout, code } = await run("copy", "--all", `${host}/app:1`, `oci:${layout}:v1`);
    const blobs = new Set(index.children.flatMap((child) => [...child.blobs.keys()]));
    for (const blob of blobs) expect(stdout).toContain(`${blob.slice(7, 19)}: Copied\n`);
    expect(stdout.split("\n").slice(-3)).toEqual([
      `Copied ${host}/app:1 to oci:${layout}:v1`,
      `digest: ${index.descriptor.digest} size: ${index.bytes.length}`,
      "",
    ]);
    expect(code).toBe(0);
    const quiet = await run("copy", "-q", "--platform", "linux/arm64", `${host}/app:1`, "store:mine:1");
    expect(quiet).toMatchObject({ code: 0, stdout: `${index.children[1]!.descriptor.digest}\n` });
    const json = JSON.parse(
      (await run("copy", "--format", "json", "store:mine:1", `${host}/new:1`, "--platform", "linux/arm64")).stdout,
    );
    expect(json).toMatchObject({ Digest: index.children[1]!.descriptor.digest, To: `${host}/new:1` });
    expect(JSON.parse(readFileSync(join(layout, "index.json"), "utf8")).manifests).toHaveLength(1);
  });

  test("says what is wrong", async () => {
    const { run, host } = await workplace();
    expect(await run("copy", `${host}/app:1`)).toMatchObject({ code: 2 });
    expect((await run("copy", "dokcer://a", "oci:b")).stderr).toContain("did you mean docker://?");
    expect((await run("copy", `${host}/app:1`, "store:a")).stderr).toContain("check its name and tag");
    expect((await run("copy", "store:none", `${host}/a`)).code).toBe(1);
    expect((await run("copy", "--all", "--platform", "linux/amd64", "a", "b")).code).toBe(2);
  });
});
