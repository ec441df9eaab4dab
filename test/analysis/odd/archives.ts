/** Odd docker-archives. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tarOf, tempDir } from "../../archive/images.js";
import { CREATED, digestOf } from "./rawImage.js";

const FIRST = tarOf([
  { path: "etc", type: "dir", mode: 0o755 },
  { path: "etc/motd", content: "hello\n" },
]);
const SECOND = tarOf([{ path: "late", content: "second\n" }]);

/** The directory of one layer, as Docker wrote it until 2023. */
function writeLayer(root: string, id: string, tar: Buffer, parent?: string): string {
  const directory = join(root, id);
  mkdirSync(directory);
  writeFileSync(join(directory, "VERSION"), "1.0");
  writeFileSync(
    join(directory, "json"),
    JSON.stringify({ id, created: CREATED, os: "linux", ...(parent ? { parent } : {}) }),
  );
  writeFileSync(join(directory, "layer.tar"), tar);
  return `${id}/layer.tar`;
}

function writeArchive(root: string): string {
  const file = join(tempDir(), "image.tar");
  execFileSync("tar", ["-cf", file, "-C", root, "."]);
  return `docker-archive:${file}`;
}

function writeDocuments(root: string, tars: readonly Buffer[], paths: readonly string[]): void {
  const config = {
    ...{ architecture: "amd64", os: "linux", created: CREATED, config: { Cmd: ["/bin/sh"] } },
    rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
    history: tars.map((_, at) => ({ created: CREATED, created_by: `layer ${at}` })),
  };
  writeFileSync(join(root, "config.json"), JSON.stringify(config));
  const image = { Config: "config.json", RepoTags: ["odd:1"], Layers: paths };
  writeFileSync(join(root, "manifest.json"), JSON.stringify([image]));
}

/** Before Docker 1.10: layers with their own configs, `repositories`, and no manifest.json. */
export function ancientArchive(): string {
  const root = tempDir();
  const [first, second] = ["a".repeat(64), "b".repeat(64)];
  writeLayer(root, first!, FIRST);
  writeLayer(root, second!, SECOND, first);
  writeFileSync(join(root, "repositories"), JSON.stringify({ odd: { 1: second } }));
  return writeArchive(root);
}

/** From 1.10 to 24: both `repositories` and manifest.json. */
export function oldArchive(): string {
  const root = tempDir();
  const [first, second] = ["a".repeat(64), "b".repeat(64)];
  const paths = [writeLayer(root, first!, FIRST), writeLayer(root, second!, SECOND, first)];
  writeFileSync(join(root, "repositories"), JSON.stringify({ odd: { 1: second } }));
  writeDocuments(root, [FIRST, SECOND], paths);
  return writeArchive(root);
}

/** A layer that the image has twice is a symlink to its first place. */
export function symlinkedArchive(): string {
  const root = tempDir();
  const paths = [writeLayer(root, "one", FIRST), writeLayer(root, "two", SECOND)];
  mkdirSync(join(root, "three"));
  symlinkSync("../one/layer.tar", join(root, "three/layer.tar"));
  writeDocuments(root, [FIRST, SECOND, FIRST], [...paths, "three/layer.tar"]);
  return writeArchive(root);
}
