/** A small world for hostile images: every way in, every way out, and a directory beside that no one may touch. */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { type Member, tarOf } from "../archive/images.js";
import { nacre, type Outcome } from "../cli/invocation.js";

const made: string[] = [];
afterAll(() => {
  for (const path of made) fs.rmSync(path, { recursive: true, force: true });
});

/** A directory that goes when the test file is done. */
export function freshDirectory(): string {
  const path = fs.mkdtempSync(join(tmpdir(), "nacre-security-"));
  made.push(path);
  return path;
}

/** A directory of the host that hostile input aims at. */
export interface Probe {
  readonly path: string;
  /** Fails unless everything in it is as it was, to the last byte, time, link count and inode. */
  expectUntouched(): void;
}

/** Makes a probe with a file, a directory and a symlink in it. */
export function makeProbe(): Probe {
  const path = join(freshDirectory(), "H");
  fs.mkdirSync(join(path, "sub"), { recursive: true });
  fs.writeFileSync(join(path, "f"), "precious", { mode: 0o640 });
  fs.writeFileSync(join(path, "sub", "g"), "more");
  fs.symlinkSync("f", join(path, "link"));
  const before = snapshot(path);
  return { path, expectUntouched: () => expect(snapshot(path)).toEqual(before) };
}

function snapshot(path: string): unknown[] {
  const { ino, mode, uid, gid, size, nlink, mtimeNs, ctimeNs } = fs.lstatSync(path, { bigint: true });
  const own = [path, ino, mode, uid, gid, size, nlink, mtimeNs, ctimeNs].map(String);
  if ((Number(mode) & 0o170000) === 0o100000) return [...own, fs.readFileSync(path, "utf8")];
  if ((Number(mode) & 0o170000) !== 0o040000) return own;
  return [...own, ...fs.readdirSync(path).map((name) => snapshot(join(path, name)))];
}

export const sha256 = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex");

/** The blobs and documents of an image, as files of an OCI image layout that is a docker-archive too. */
export function imageFiles(layers: readonly Buffer[], name = "evil:1"): Member[] {
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
  });
  const pointer = (mediaType: string, bytes: Buffer | string) => ({
    mediaType,
    digest: `sha256:${sha256(bytes)}`,
    size: Buffer.byteLength(bytes),
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: pointer("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map((layer) => pointer("application/vnd.oci.image.layer.v1.tar", layer)),
  });
  const entry = {
    ...pointer("application/vnd.oci.image.manifest.v1+json", manifest),
    annotations: { "io.containerd.image.name": `docker.io/library/${name}`, "org.opencontainers.image.ref.name": "1" },
  };
  const blobs = new Map([...layers, config, manifest].map((bytes) => [sha256(bytes), bytes]));
  return [
    { path: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    { path: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests: [entry] }) },
    ...[...blobs].map(([hex, content]) => ({ path: `blobs/sha256/${hex}`, content })),
  ];
}

/** A docker-archive as old `docker save` writes it. */
export function dockerArchive(layers: readonly Buffer[], name = "evil:1"): Buffer {
  const config = imageFiles(layers, name).find(({ content }) => String(content).startsWith('{"architecture"'))!
    .content!;
  const paths = layers.map((layer, i) => `${i}-${sha256(layer)}/layer.tar`);
  const manifest = [{ Config: `${sha256(config)}.json`, RepoTags: [name], Layers: paths }];
  return tarOf([
    { path: `${sha256(config)}.json`, content: config },
    ...layers.map((content, i) => ({ path: paths[i]!, content })),
    { path: "manifest.json", content: JSON.stringify(manifest) },
  ]);
}

/** Writes files below a directory. */
export function writeFiles(root: string, files: readonly Member[]): string {
  for (const { path, content = "" } of files) {
    fs.mkdirSync(join(root, path, ".."), { recursive: true });
    fs.writeFileSync(join(root, path), content);
  }
  return root;
}

/** The ways in which strangers' layers come. `rootfs` takes a single layer. */
export const WAYS_IN = ["oci tar", "oci directory", "docker-archive", "rootfs", "oci-layout base", "ADD"] as const;
export type WayIn = (typeof WAYS_IN)[number];

/** What became of an image. */
export interface Fate {
  /** The message that refused it, or undefined if it was taken. */
  readonly refused?: string;
  /** Paths in it, as `type=local` writes them, with `/` after directories and ` -> target` after symlinks. */
  readonly files?: readonly string[];
}

/**
 * Takes layers in, copies files into `d`, `d/e` and `etc` of what came of it, and writes it out in every form. However
 * that ends, the store is sound afterwards, no image has a name that was not to have one, and no bug came to light.
 */
export async function bringIn(way: WayIn, layers: readonly Buffer[]): Promise<Fate> {
  const root = freshDirectory();
  const env = { NACRE_HOME: join(root, "store") };
  const run = (...argv: string[]) => nacre(argv, { env });
  fs.mkdirSync(join(root, "context"));
  fs.writeFileSync(join(root, "context", "file"), "from the context");
  layers.forEach((layer, i) => {
    fs.writeFileSync(join(root, "context", `${i}.tar`), layer);
  });
  const loaded = await take(way, layers, root, run);
  expectSane(loaded);
  if (loaded.code !== 0) {
    expect((await run("image", "ls", "-q")).stdout).toBe("");
    expect((await run("check")).code).toBe(0);
    return { refused: loaded.stderr };
  }
  const fate = await writeOut(way, root, run);
  expect((await run("check")).stdout).toContain("the store is sound");
  return fate;
}

async function take(
  way: WayIn,
  layers: readonly Buffer[],
  root: string,
  run: (...argv: string[]) => Promise<Outcome>,
): Promise<Outcome> {
  const archive = join(root, "archive");
  switch (way) {
    case "oci tar":
      fs.writeFileSync(archive, tarOf(imageFiles(layers)));
      return run("load", archive);
    case "oci directory":
      return run("load", writeFiles(archive, imageFiles(layers)));
    case "docker-archive":
      fs.writeFileSync(archive, dockerArchive(layers));
      return run("load", archive);
    case "rootfs":
      return run("load", "--rootfs", "-t", "evil:1", join(root, "context", "0.tar"));
    case "oci-layout base": {
      writeFiles(archive, imageFiles(layers));
      fs.writeFileSync(join(root, "Base"), "FROM base\n");
      const base = `base=oci-layout://${archive}:1`;
      return run("build", "-t", "evil:1", "--build-context", base, "-f", join(root, "Base"), join(root, "context"));
    }
    case "ADD": {
      const adds = layers.map((_, i) => `ADD ${i}.tar /\n`).join("");
      fs.writeFileSync(join(root, "Base"), `FROM scratch\n${adds}`);
      return run("build", "-t", "evil:1", "-f", join(root, "Base"), join(root, "context"));
    }
  }
}

async function writeOut(way: WayIn, root: string, run: (...argv: string[]) => Promise<Outcome>): Promise<Fate> {
  const out = (name: string) => join(root, name);
  const plain = await run("save", "-o", out("saved.tar"), "evil:1");
  expectSane(plain);
  fs.writeFileSync(out("Plain"), "FROM evil:1\n");
  const outputs = ["type=tar,dest=t.tar", "type=oci,compression=none,dest=o.tar", "type=docker,dest=d.tar"];
  const specs = ["type=local,dest=l", ...outputs].flatMap((spec) => ["-o", spec.replace("dest=", `dest=${root}/`)]);
  const written = await run("build", "-q", "-f", out("Plain"), ...specs, out("context"));
  expectSane(written);
  for (const destination of ["d", "d/e/", "etc"]) {
    fs.writeFileSync(out("Copy"), `FROM evil:1\nCOPY --chown=evil file ${destination}\nWORKDIR /d/w\n`);
    const copied = await run("build", "-q", "-f", out("Copy"), "-o", `type=local,dest=${out("c")}`, out("context"));
    expectSane(copied);
    fs.rmSync(out("c"), { recursive: true, force: true });
  }
  if (written.code !== 0) return { refused: `${way}: ${written.stderr}` };
  return { files: listing(out("l")) };
}

/** However a command ends, it must not be through a bug of ours. */
function expectSane({ code, stderr }: Outcome): void {
  expect(stderr).not.toMatch(/internal error|TypeError|RangeError|undefined|\[object|\n\s+at /);
  expect([0, 1]).toContain(code);
  if (code === 1) expect(stderr).toContain("ERROR: ");
}

/** Paths below a directory, sorted. */
export function listing(root: string, below = ""): string[] {
  return fs
    .readdirSync(join(root, below), { withFileTypes: true })
    .flatMap((entry) => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) return [`${path}/`, ...listing(root, path)];
      return [entry.isSymbolicLink() ? `${path} -> ${fs.readlinkSync(join(root, path))}` : path];
    })
    .sort();
}
