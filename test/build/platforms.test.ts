/** Builds for other machines than this one, and what the arguments that steer the builder do. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { OutputRequest } from "../../src/build/request.js";
import { localPlatform } from "../../src/oci/platform.js";
import { listBuilds } from "../../src/store/builds.js";
import { Store } from "../../src/store/store.js";
import type { NacreEvent } from "../../src/support/events.js";
import { toolMissing } from "../setup/tools.js";
import { Project, scratch } from "./helpers.js";

const BASES = fileURLToPath(new URL("../../testdata/conformance/base", import.meta.url));
const base = (tag: string): Record<string, string> => ({ base: `oci-layout://${BASES}:${tag}` });
/** Two that this machine can be told from. */
const FOREIGN = localPlatform().architecture === "s390x" ? "riscv64" : "s390x";
/** Whether a program for another machine is started by the kernel here depends on the machine. */
const emulates = (architecture: string): boolean =>
  spawnSync("sh", ["-c", 'cat "$0"/* 2>/dev/null', "/proc/sys/fs/binfmt_misc"]).stdout.includes(`qemu-${architecture}`);

const notes = (project: Project): string[] =>
  project.events.flatMap((event: NacreEvent) => (event.type === "note" ? [event.rule] : []));

describe("a build for another machine", () => {
  const foreignBase = async (project: Project): Promise<Record<string, string>> => {
    const dest = join(scratch(), "layout");
    const platform = `linux/${FOREIGN}`;
    const destination = { kind: "path", path: dest } as const;
    const compression = { type: "none", force: false } as const;
    const output = {
      type: "oci",
      destination,
      tar: false,
      compression,
      rewriteTimestamp: false,
      annotations: new Map(),
    } as const;
    await project.build("FROM scratch\nCOPY file /bin/sh\n", { platform, outputs: [output] });
    return { foreign: `oci-layout://${dest}` };
  };

  test("needs no emulation as long as it only copies", async () => {
    const project = new Project({ file: "x" });
    const result = await project.build("FROM base\nCOPY file /opt/current/\nWORKDIR /w\n", {
      platform: "linux/arm64",
      buildContexts: base("arm64"),
    });
    expect(await project.files(result)).toContain("opt/app/file file 644 x");
  });

  test.skipIf(emulates(FOREIGN) || toolMissing("unshare"))(
    "is refused before anything is executed where a RUN would need an emulator that is not there",
    async () => {
      const project = new Project({ file: "x" });
      const buildContexts = await foreignBase(project);
      const text = "FROM scratch AS first\nCOPY file /f\nFROM foreign AS app\nCOPY --from=first /f /f\nRUN make\n";
      const failed = project.build(text, { platform: `linux/${FOREIGN}`, buildContexts });
      await expect(failed).rejects.toMatchObject({
        code: "ISOLATION",
        message: expect.stringMatching(new RegExp(`^the stage app: programs for linux/${FOREIGN} cannot be executed`)),
        hint: expect.stringContaining("FROM --platform=$BUILDPLATFORM"),
        place: { range: { start: { line: 5 } } },
      });
      expect(project.events.some((event) => event.type === "start" && event.id.startsWith("step:"))).toBe(false);
    },
  );

  test("says where it is named that an image index has nothing for it", async () => {
    const failed = new Project().build("# x\nFROM base\n", { platform: "linux/s390x", buildContexts: base("many") });
    await expect(failed).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
      hint: "it has linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64, linux/386, windows/amd64",
      place: { range: { start: { line: 2 } } },
    });
  });
});

describe("BUILDKIT_MULTI_PLATFORM=1", () => {
  const output = (type: "oci" | "docker", path: string): OutputRequest => ({
    ...{ type, destination: { kind: "path", path }, tar: false, rewriteTimestamp: false, annotations: new Map() },
    compression: { type: "none", force: false },
  });

  test("wraps the one manifest of an OCI output into an image index", async () => {
    const project = new Project({ f: "f" });
    const path = join(scratch(), "out");
    const buildArgs = { BUILDKIT_MULTI_PLATFORM: "1" };
    const result = await project.build("FROM scratch\nCOPY f /f\n", {
      ...{ buildArgs, platform: "linux/arm64", tags: ["x:1"] },
      outputs: [output("oci", path)],
    });
    const read = (digest: string): { mediaType: string; manifests: Record<string, unknown>[] } =>
      JSON.parse(readFileSync(join(path, "blobs", digest.replace(":", "/")), "utf8"));
    const top = JSON.parse(readFileSync(join(path, "index.json"), "utf8")).manifests;
    expect(top).toMatchObject([{ mediaType: "application/vnd.oci.image.index.v1+json", digest: result.digest }]);
    expect(top[0].platform).toBeUndefined();
    const index = read(result.digest);
    expect(index.manifests).toMatchObject([
      { digest: result.descriptor.digest, platform: { os: "linux", architecture: "arm64" } },
    ]);
    expect(result.steps.map(({ label }) => label)).toEqual(["[linux/arm64 1/1] COPY f /f"]);
  });

  test("is refused for a docker archive, which holds no image index", async () => {
    const outputs = [output("docker", join(scratch(), "out"))];
    const failed = new Project({ f: "f" }).build("FROM scratch\nCOPY f /f\n", {
      buildArgs: { BUILDKIT_MULTI_PLATFORM: "1" },
      outputs,
    });
    await expect(failed).rejects.toMatchObject({
      code: "OUTPUT",
      message: "docker exporter does not currently support exporting manifest lists",
    });
  });
});

describe("what is asked for in vain", () => {
  test("is noted once, and is no warning", async () => {
    const project = new Project({ f: "f" });
    const buildArgs = { BUILDKIT_INLINE_CACHE: "1", BUILDKIT_SBOM_SCAN_STAGE: "1" };
    const { warnings } = await project.build("# syntax=docker/dockerfile:1\nFROM scratch\nCOPY f /f\n", { buildArgs });
    expect(notes(project)).toEqual(["SyntaxIgnored", "InlineCacheIgnored", "SbomScanIgnored"]);
    expect(warnings).toEqual([]);
  });

  test("is refused where the file is for another frontend, even if it is no Dockerfile at all", async () => {
    const project = new Project();
    await expect(project.build("// syntax=example.com/front\n{}\n")).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: "the syntax example.com/front asks for a frontend that nacre is not",
      place: { range: { start: { line: 1 } } },
    });
    await project.build("# syntax=example.com/front\nFROM scratch\n", { ignoreSyntax: true });
    expect(notes(project)).toEqual(["SyntaxIgnored"]);
  });
});

test("BUILDKIT_BUILD_NAME is what the history of builds calls the build", async () => {
  const project = new Project({ f: "f" });
  await project.build("FROM scratch\nCOPY f /f\n", { buildArgs: { BUILDKIT_BUILD_NAME: "nightly" } });
  const store = await Store.open(project.store);
  try {
    expect(listBuilds(store).map(({ title }) => title)).toEqual(["nightly"]);
  } finally {
    await store.close();
  }
});

test("a stage may stand for an image: --build-context NAME=target:STAGE", async () => {
  const project = new Project({ f: "f" });
  mkdirSync(join(project.dir, "d"));
  const text = "FROM vendor/tools:2 AS app\nCOPY f /app\nFROM scratch AS tools\nCOPY f /tool\nFROM app\n";
  const result = await project.build(text, { buildContexts: { "vendor/tools:2": "target:tools" } });
  expect(await project.files(result)).toEqual(["app file 644 f", "tool file 644 f"]);
});
