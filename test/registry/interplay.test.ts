/** One registry, several tools: what nacre pushes skopeo and umoci take apart, and what they push nacre builds on. */
import { execFileSync } from "node:child_process";
import { copyFileSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, test } from "vitest";
import { nacre, tempDirectory } from "../cli/invocation.js";
import { requireTool, toolMissing } from "../setup/tools.js";
import { canMount } from "../store/helpers.js";
import { digestOf } from "./clientWorld.js";
import { startRegistry, type TestRegistry } from "./servers/dockerRegistry.js";
import { makeImage, makeIndex, pushWithSkopeo, putImage, skopeo, type TestImage } from "./servers/images.js";

let registry: TestRegistry;
beforeAll(async () => {
  if (!toolMissing("docker-registry")) registry = await startRegistry();
});

const isRoot = process.getuid?.() === 0;
const onLoopback = ["--tls-verify=false"];

/** nacre with a store of its own. */
function place() {
  const home = tempDirectory();
  const env = { PATH: process.env.PATH ?? "", HOME: home, NACRE_HOME: join(home, "store"), BUILDKIT_PROGRESS: "none" };
  const run = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await nacre(argv, { env });
    expect([code, stderr]).toEqual([0, stderr]);
    return stdout.trim();
  };
  return { home, run };
}

/** A context for builds, with a file that belongs to someone. */
function contextOf(home: string, dockerfile: string): string {
  const context = join(home, "context");
  mkdirSync(context);
  writeFileSync(join(context, "file"), "from the context\n");
  writeFileSync(join(context, "Dockerfile"), dockerfile);
  return context;
}

const raw = (name: string): Promise<string> =>
  skopeo("inspect", "--raw", ...onLoopback, `docker://${registry.host}/${name}`);
const digestAt = async (name: string): Promise<string> => digestOf(Buffer.from(await raw(name)));
const configAt = async (name: string) =>
  JSON.parse(await skopeo("inspect", "--config", ...onLoopback, `docker://${registry.host}/${name}`)) as {
    readonly config: { readonly Env?: string[]; readonly WorkingDir?: string };
    readonly rootfs: { readonly diff_ids: string[] };
  };

function umoci(...args: string[]): void {
  execFileSync(requireTool("umoci"), args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** What umoci unpacks: content or target, mode and owner by path. */
async function unpacked(home: string, name: string): Promise<Record<string, string>> {
  const layout = join(home, `layout-${name.replaceAll("/", "-")}`);
  // umoci knows no zstd, and no types but OCI's.
  const flags = ["--src-tls-verify=false", "--format=oci", "--dest-compress-format=gzip", "--dest-compress"];
  await skopeo("copy", "-q", ...flags, `docker://${registry.host}/${name}:1`, `oci:${layout}:x`);
  umoci("unpack", ...(isRoot ? [] : ["--rootless"]), "--image", `${layout}:x`, `${layout}-bundle`);
  return filesBelow(join(`${layout}-bundle`, "rootfs"));
}

function filesBelow(root: string, below = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = join(below, name);
    const { mode, uid, gid } = lstatSync(join(root, path));
    const stat = lstatSync(join(root, path));
    if (stat.isDirectory()) Object.assign(found, filesBelow(root, path));
    else if (stat.isSymbolicLink()) found[path] = `-> ${readlinkSync(join(root, path))}`;
    else if (stat.size < 100) {
      const owner = isRoot ? `${uid}:${gid} ` : "";
      found[path] = `${(mode & 0o7777).toString(8)} ${owner}${readFileSync(join(root, path), "utf8")}`;
    }
  }
  return found;
}

const owned = (mode: string, owner: string, text: string): string => `${mode} ${isRoot ? `${owner} ` : ""}${text}`;

describe.skipIf(["docker-registry", "skopeo", "umoci"].some(toolMissing))("what nacre pushes", () => {
  test.each([
    ["gzip", "compression=gzip"],
    ["zstd", "compression=zstd"],
    ["plain", "compression=none"],
  ])("is for skopeo and umoci what was built: %s", async (kind, option) => {
    const { home, run } = place();
    const dockerfile = "FROM scratch\nCOPY --chmod=4751 --chown=7:8 file /a/b\nCOPY file /c\nWORKDIR /w\nENV A=b\n";
    const name = `nacre/${kind}`;
    const output = `type=registry,name=${registry.host}/${name}:1,${option}`;
    const printed = await run("build", "-q", "-o", output, contextOf(home, dockerfile));
    expect(await digestAt(`${name}:1`)).toBe(printed);
    expect(await configAt(`${name}:1`)).toMatchObject({
      config: { Env: [expect.stringMatching(/^PATH=/), "A=b"], WorkingDir: "/w" },
    });
    expect(await unpacked(home, name)).toEqual({
      "a/b": owned("4751", "7:8", "from the context\n"),
      c: owned("644", "0:0", "from the context\n"),
    });
    await assertDiffIds(home, name);
  });

  /** Whatever a layer is compressed with: what skopeo unpacks of it is what the config says. */
  async function assertDiffIds(home: string, name: string): Promise<void> {
    const { rootfs } = await configAt(`${name}:1`);
    const to = join(home, "decompressed");
    await skopeo(
      ...["copy", "-q", "--src-tls-verify=false", "--dest-decompress"],
      ...[`docker://${registry.host}/${name}:1`, `dir:${to}`],
    );
    const found = readdirSync(to).map((file) => digestOf(readFileSync(join(to, file))));
    expect(found).toEqual(expect.arrayContaining(rootfs.diff_ids));
  }

  it("comes back as it was: to skopeo's layout, from there to another place, and pulled by nacre", async () => {
    const { home, run } = place();
    const name = `${registry.host}/nacre/round`;
    const digest = await run("build", "-q", "-t", `${name}:1`, "--push", contextOf(home, "FROM scratch\nCOPY . /\n"));
    const layout = `oci:${join(home, "layout")}:x`;
    await skopeo("copy", "-q", "--preserve-digests", "--src-tls-verify=false", `docker://${name}:1`, layout);
    await skopeo("copy", "-q", "--preserve-digests", "--dest-tls-verify=false", layout, `docker://${name}-again:2`);
    expect(await place().run("pull", `${name}-again:2`)).toContain(`Digest: ${digest}`);
  });
});

describe.skipIf(["docker-registry", "skopeo", "umoci"].some(toolMissing))("what others push", () => {
  /** An image that umoci has made, with busybox in it. */
  function madeByUmoci(home: string): string {
    const layout = join(home, "made");
    const file = join(home, "made-file");
    writeFileSync(file, "from umoci\n", { mode: 0o640 });
    umoci("init", "--layout", layout);
    umoci("new", "--image", `${layout}:x`);
    const rootless = isRoot ? [] : ["--rootless"];
    umoci("insert", ...rootless, "--image", `${layout}:x`, file, "/etc/made");
    const shell = join(home, "shell");
    copyFileSync(requireTool("busybox"), shell);
    umoci("insert", ...rootless, "--image", `${layout}:x`, shell, "/bin/sh");
    umoci("config", "--image", `${layout}:x`, "--config.env", "MADE=umoci", "--config.workingdir", "/made");
    return `oci:${layout}:x`;
  }

  test.each([
    ["gzip", ["--dest-compress", "--dest-compress-format=gzip"]],
    ["zstd", ["--dest-compress", "--dest-compress-format=zstd"]],
    ["plain", ["--dest-decompress"]],
    ["v2s2", ["--format=v2s2"]],
  ])("nacre pulls with its digest and builds on: %s", async (kind, flags) => {
    const { home, run } = place();
    const base = `others/${kind}`;
    const to = ["--dest-tls-verify=false", ...flags, madeByUmoci(home), `docker://${registry.host}/${base}:1`];
    await skopeo("copy", "-q", ...to);
    expect(await run("pull", `${registry.host}/${base}:1`)).toContain(`Digest: ${await digestAt(`${base}:1`)}`);
    const from = `FROM ${registry.host}/${base}:1\nCOPY --from=${registry.host}/${base}:1 /etc/made again\nCOPY file /f\n`;
    const step = canMount() ? 'RUN ["/bin/sh", "-c", "echo $MADE > ran"]\n' : "";
    const name = `onto/${kind}`;
    await run("build", "-q", "-t", `${registry.host}/${name}:1`, "--push", contextOf(home, from + step));
    const [below, above] = [await configAt(`${base}:1`), await configAt(`${name}:1`)];
    expect(above.rootfs.diff_ids.slice(0, below.rootfs.diff_ids.length)).toEqual(below.rootfs.diff_ids);
    expect(await unpacked(home, name)).toEqual({
      "etc/made": owned("640", "0:0", "from umoci\n"),
      f: owned("644", "0:0", "from the context\n"),
      "made/again": owned("640", "0:0", "from umoci\n"),
      ...(step === "" ? {} : { "made/ran": owned("644", "0:0", "umoci\n") }),
    });
  });

  it("nacre takes the image out of an index with attestations, or all of it", async () => {
    const image = makeImage();
    const index = makeIndex([image, attestationOf(image)]);
    await pushWithSkopeo(index, registry, "others/attested:1");
    const one = await place().run("pull", `${registry.host}/others/attested:1`, "--platform", "linux/amd64");
    expect(one).toContain(`Digest: ${index.descriptor.digest}`);
    const { run } = place();
    await run("pull", "--all-platforms", `${registry.host}/others/attested:1`);
    await run("push", `${registry.host}/others/attested:1`, `${registry.host}/others/attested-again:1`);
    expect(await raw("others/attested-again:1")).toBe(index.bytes.toString());
  });

  it("of Docker's types keeps its digests where it is pushed on", async () => {
    const index = makeIndex(
      [makeImage({ docker: true }), makeImage({ docker: true, config: { architecture: "arm64" } })],
      true,
    );
    await putImage(index, registry, "others/list", "1");
    const { run } = place();
    await run("pull", "--all-platforms", `${registry.host}/others/list:1`);
    await run("push", `${registry.host}/others/list:1`, `${registry.host}/others/list-again:1`);
    expect(await raw("others/list-again:1")).toBe(index.bytes.toString());
  });

  /** As buildx attaches provenance: an entry without a platform that names the manifest it is about. */
  function attestationOf(image: TestImage): TestImage {
    const made = makeImage({ config: { os: "unknown", architecture: "unknown" } });
    const annotations = {
      "vnd.docker.reference.digest": image.descriptor.digest,
      "vnd.docker.reference.type": "attestation-manifest",
    };
    return { ...made, descriptor: { ...made.descriptor, annotations } };
  }
});
