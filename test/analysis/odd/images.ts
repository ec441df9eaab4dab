/** Odd images, one builder each: the file system and the documents of images that tools have really made, or could be made to harm. */
import { execFileSync } from "node:child_process";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as types from "../../../src/oci/mediaTypes.js";
import { type Member, tempDir } from "../../archive/images.js";
import { ancientArchive, oldArchive, symlinkedArchive } from "./archives.js";
import * as formats from "./formats.js";
import {
  addImage,
  addIndex,
  type Blobs,
  CREATED,
  digestOf,
  gzipLayer,
  json,
  keep,
  layoutOf,
  tarLayer,
  writeLayout,
} from "./rawImage.js";

const { PLAIN } = formats;
const dir = (path: string): Member => ({ path, type: "dir", mode: 0o755 });
const plainHistory = (...lines: readonly string[]) => lines.map((created_by) => ({ created: CREATED, created_by }));

/** Names that drive terminals, break lines and leave markup; the last is not UTF-8. */
export const ODD_NAMES = [
  "esc\x1b[31mred\x07",
  "line\nbreak",
  "<img src=x onerror=alert(1)>",
  "=cmd()",
  "bidi\xe2\x80\xaeexe",
  "caf\xe9",
] as const;

const dockerLayer = (members: readonly Member[]) => ({ ...gzipLayer(members), mediaType: types.DOCKER_LAYER_GZIP });

/** As kaniko writes them: no comments, a layer for each instruction, directories removed by whiteouts. */
function kaniko(): string {
  const layers = [
    [
      dir("app"),
      dir("app/cache"),
      { path: "app/cache/big", content: "x".repeat(1000) },
      { path: "app/keep", content: "keep\n" },
    ],
    [dir("app"), { path: "app/.wh.cache" }],
  ];
  const history = ["COPY . /app", "RUN rm -rf /app/cache"].map((created_by) => ({
    author: "kaniko",
    created: CREATED,
    created_by,
  }));
  return layoutOf({ layers: layers.map(dockerLayer), docker: true, config: { history } });
}

/** As buildah writes them: zstd, and instructions without layers in between. */
function buildah(): string {
  const empty = (created_by: string) => ({ created: CREATED, created_by, empty_layer: true });
  const history = [
    { created: CREATED, created_by: "/bin/sh -c #(nop) ADD file:1 in / ", comment: "FROM scratch" },
    empty("/bin/sh -c #(nop) ENV A=b"),
    { created: CREATED, created_by: "/bin/sh -c make", comment: "" },
    empty('/bin/sh -c #(nop) CMD ["/bin/sh"]'),
  ];
  return layoutOf({
    layers: [formats.zstdLayer(PLAIN), formats.zstdLayer([{ path: "made", content: "made\n" }])],
    config: { history },
  });
}

/** The manifest of Docker before 2016, with its signature. */
function schema1(): string {
  const blobs: Blobs = new Map();
  const manifest = {
    ...{ schemaVersion: 1, name: "library/odd", tag: "1", architecture: "amd64" },
    fsLayers: [{ blobSum: digestOf("") }],
    history: [{ v1Compatibility: '{"id":"a"}' }],
    signatures: [{ header: { alg: "ES256" }, signature: "x", protected: "e30" }],
  };
  const root = keep(blobs, "application/vnd.docker.distribution.manifest.v1+prettyjws", json(manifest));
  return `oci:${writeLayout(blobs, [root])}`;
}

function multiPlatform(): string {
  const blobs: Blobs = new Map();
  const made = (architecture: string, variant?: string) => {
    const layer = gzipLayer([{ path: `is-${architecture}`, content: "" }, ...PLAIN]);
    const platform = { os: "linux", architecture, ...(variant ? { variant } : {}) };
    return {
      ...addImage(blobs, { layers: [layer], config: { architecture, ...(variant ? { variant } : {}) } }),
      platform,
    };
  };
  const images = [made("amd64"), made("arm64", "v8")];
  const attestations = images.map(({ digest }) => {
    const statement = json({ _type: "https://in-toto.io/Statement/v0.1", subject: digest });
    const layer = { blob: statement, mediaType: "application/vnd.in-toto+json", diffId: digestOf(statement) };
    const config = {
      architecture: "unknown",
      os: "unknown",
      created: undefined,
      config: undefined,
      history: undefined,
    };
    const annotations = { "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest };
    return {
      ...addImage(blobs, { layers: [layer], config }),
      platform: { os: "unknown", architecture: "unknown" },
      annotations,
    };
  });
  return `oci:${writeLayout(blobs, [addIndex(blobs, [...images, ...attestations])])}`;
}

function nestedIndex(): string {
  const blobs: Blobs = new Map();
  const image = {
    ...addImage(blobs, { layers: [gzipLayer(PLAIN)] }),
    platform: { os: "linux", architecture: "amd64" },
  };
  const inner = addIndex(blobs, [image]);
  return `oci:${writeLayout(blobs, [addIndex(blobs, [inner])])}`;
}

function artifact(): string {
  const blobs: Blobs = new Map();
  const chart = keep(blobs, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", formats.noise(300));
  const config = keep(blobs, "application/vnd.cncf.helm.config.v1+json", json({ name: "chart", version: "1.0.0" }));
  const manifest = { schemaVersion: 2, mediaType: types.OCI_MANIFEST, config, layers: [chart] };
  return `oci:${writeLayout(blobs, [keep(blobs, types.OCI_MANIFEST, json(manifest))])}`;
}

const DUPLICATES: readonly Member[] = [
  dir("etc"),
  { path: "etc/motd", content: "first, and longer\n" },
  { path: "./etc/motd", content: "last\n" },
  { path: "x", content: "a file" },
  { path: "x", type: "symlink", link: "etc/motd", mode: 0o777 },
];

const OPAQUE = [
  [dir("a"), { path: "a/old", content: "old\n" }, { path: "rest", content: "rest\n" }],
  // After a member that it must not hide, and in a directory that is new.
  [
    dir("a"),
    { path: "a/new", content: "new\n" },
    { path: "a/.wh..wh..opq" },
    dir("fresh"),
    { path: "fresh/.wh..wh..opq" },
  ],
  // At the root: everything below is hidden.
  [{ path: ".wh..wh..opq" }, { path: "top", content: "top\n" }],
];

const LINKS = [
  [dir("etc"), { path: "etc/motd", content: "hello\n" }],
  [{ path: "hard", type: "hardlink", link: "etc/motd" }],
  [{ path: "etc/.wh.motd" }, { path: "harder", type: "hardlink", link: "hard" }],
] as const;

/** 1 GiB of holes with a few bytes at the end, as GNU tar stores it. */
function sparse(): string {
  const root = tempDir();
  const file = join(root, "huge");
  writeFileSync(file, "head");
  truncateSync(file, 1 << 28);
  writeFileSync(file, "tail", { flag: "a" });
  const tar = join(tempDir(), "layer.tar");
  const flags = [
    "--sparse",
    "--format=posix",
    "--pax-option=delete=atime,delete=ctime",
    "--mtime=@0",
    "--owner=0",
    "--group=0",
  ];
  execFileSync("tar", [...flags, "-cf", tar, "-C", root, "huge"]);
  return layoutOf({ layers: [tarLayer(readFileSync(tar))] });
}

const DEVICES: readonly Member[] = [
  dir("dev"),
  { path: "dev/null", type: "char", mode: 0o666, devMajor: 1, devMinor: 3 },
  { path: "dev/sda", type: "block", mode: 0o660, devMajor: 8, devMinor: 0 },
  { path: "dev/pipe", type: "fifo", mode: 0o600 },
  // What overlayfs would take for a whiteout.
  { path: "dev/zero-zero", type: "char", mode: 0, devMajor: 0, devMinor: 0 },
  { path: "plain", content: "plain\n" },
];

/** Directories in the path of {@link deepPath}. */
export const DEPTH = 200;
/** A path that is longer than PATH_MAX would let one name it at once on some systems, and deeper than recursion likes. */
export const deepPath = `${Array.from({ length: DEPTH }, (_, at) => `d${at}`).join("/")}/leaf`;

/** Every odd image by its name: the builder gives what commands are told to find it by. */
export const ODD_IMAGES = {
  "docker-archive before 1.10": ancientArchive,
  "old docker-archive": oldArchive,
  "docker-archive with symlinked layers": symlinkedArchive,
  "kaniko-like": kaniko,
  "buildah-like": buildah,
  estargz: () => layoutOf({ layers: [formats.estargzLayer(PLAIN)] }),
  zstd: () => layoutOf({ layers: [formats.zstdLayer(PLAIN)] }),
  "zstd:chunked": () => layoutOf({ layers: [formats.zstdChunkedLayer(PLAIN)] }),
  "docker schema 2": () => layoutOf({ layers: [dockerLayer(PLAIN)], docker: true }),
  "docker schema 1": schema1,
  "platforms with attestations": multiPlatform,
  "nested index": nestedIndex,
  artifact,
  "no history": () => layoutOf({ layers: [gzipLayer(PLAIN)], config: { history: undefined } }),
  "more history than layers": () =>
    layoutOf({ layers: [gzipLayer(PLAIN)], config: { history: plainHistory("one", "two", "three") } }),
  "less history than layers": () =>
    layoutOf({
      layers: [gzipLayer(PLAIN), gzipLayer([{ path: "b", content: "b" }])],
      config: { history: plainHistory("one") },
    }),
  empty: () =>
    layoutOf({ layers: [], config: { history: [{ created: CREATED, created_by: 'CMD ["/x"]', empty_layer: true }] } }),
  "duplicate entries": () => layoutOf({ layers: [gzipLayer(DUPLICATES)] }),
  "whiteouts of nothing": () =>
    layoutOf({ layers: [gzipLayer(PLAIN), gzipLayer([{ path: ".wh.gone" }, { path: "etc/.wh.never" }])] }),
  "opaque directories": () => layoutOf({ layers: OPAQUE.map(gzipLayer) }),
  "foreign layers": () => layoutOf({ layers: [formats.foreignLayer(), gzipLayer(PLAIN)] }),
  "encrypted layers": () => layoutOf({ layers: [gzipLayer(PLAIN), formats.encryptedLayer()] }),
  "gzip called tar": () => layoutOf({ layers: [formats.mislabelled("gzip as tar")] }),
  "tar called gzip": () => layoutOf({ layers: [formats.mislabelled("tar as gzip")] }),
  "truncated blob": () => layoutOf({ layers: [gzipLayer(PLAIN), formats.truncatedLayer()] }),
  "corrupt blob": () => layoutOf({ layers: [gzipLayer(PLAIN), formats.corruptLayer()] }),
  "wrong diffID": () => layoutOf({ layers: [formats.otherDiffId()] }),
  "odd names": () =>
    layoutOf({
      layers: [gzipLayer(ODD_NAMES.map((path) => ({ path, content: "odd\n" })))],
      config: {
        history: plainHistory("RUN echo \x1b[31m <script>alert(1)</script>\n|a|"),
        config: { Cmd: ["\x1b[2J"], Env: ["A=\x1b]0;owned\x07"], Labels: { "<b>": "\x1b[1m\u202e" } },
      },
    }),
  "hard links across layers": () => layoutOf({ layers: LINKS.map(gzipLayer) }),
  "sparse file": sparse,
  devices: () => layoutOf({ layers: [gzipLayer(DEVICES)] }),
  "deep paths": () => layoutOf({ layers: [gzipLayer([{ path: deepPath, content: "deep\n" }])] }),
  "no rootfs": () => layoutOf({ layers: [gzipLayer(PLAIN)], config: { rootfs: undefined } }),
  "too few diffIDs": () =>
    layoutOf({
      layers: [gzipLayer(PLAIN), gzipLayer([{ path: "b" }])],
      config: { rootfs: { type: "layers", diff_ids: [gzipLayer(PLAIN).diffId] } },
    }),
} as const satisfies Readonly<Record<string, () => string>>;

/** The name of an odd image. */
export type OddName = keyof typeof ODD_IMAGES;
