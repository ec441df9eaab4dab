/** --iidfile and --metadata-file. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Project, scratch } from "./helpers.js";

test("--iidfile holds the image's digest and nothing else, not even a line's end", async () => {
  const project = new Project({ f: "f" });
  const iidFile = join(scratch(), "iid");
  const { digest } = await project.build("FROM scratch\nCOPY f /f\n", { iidFile });
  expect(readFileSync(iidFile, "utf8")).toBe(digest);
});

test("--metadata-file tells of the image under BuildKit's names", async () => {
  const project = new Project({ f: "f" });
  const metadataFile = join(scratch(), "m.json");
  const text = "FROM scratch AS Upper\nCOPY f /f\n";
  const result = await project.build(text, { metadataFile, tags: ["one:1", "two:2"] });
  const metadata = JSON.parse(readFileSync(metadataFile, "utf8"));
  expect(metadata).toEqual({
    "containerimage.config.digest": result.configDigest,
    "containerimage.descriptor": result.descriptor,
    "containerimage.digest": result.digest,
    "image.name": "docker.io/library/one:1,docker.io/library/two:2",
    "nacre.warnings": JSON.parse(JSON.stringify(result.warnings)),
  });
  expect(metadata["nacre.warnings"]).toMatchObject([{ rule: "StageNameCasing" }]);
});

test("both speak of the image that an output wrote, where there is one", async () => {
  const project = new Project({ f: "f" });
  const [iidFile, metadataFile] = [join(scratch(), "iid"), join(scratch(), "m.json")];
  const result = await project.build("FROM scratch\nCOPY f /f\n", {
    ...{ iidFile, metadataFile },
    outputs: [
      {
        ...{ type: "oci", tar: true, destination: { kind: "path", path: join(scratch(), "o.tar") } },
        ...{ compression: { type: "gzip", force: false }, rewriteTimestamp: false, annotations: new Map() },
      },
    ],
  });
  expect(result.exported).toBeDefined();
  expect(readFileSync(iidFile, "utf8")).toBe(result.exported?.digest);
  expect(JSON.parse(readFileSync(metadataFile, "utf8"))).toMatchObject({
    "containerimage.digest": result.exported?.digest,
    "containerimage.descriptor": result.exported,
    "nacre.codecs": [expect.stringMatching(/^zlib-/)],
  });
});
