/** What is right for each odd image, worked out by hand from how it is made. */
import { localPlatform } from "../../../src/oci/platform.js";
import { DEPTH, deepPath, ODD_NAMES, type OddName } from "./images.js";

/** What commands have to say about an image. */
export interface Expected {
  /** No command can open it, and this is why. */
  readonly refused?: RegExp;
  /** It opens, but its files cannot be seen, and this is why. */
  readonly unreadable?: RegExp;
  /** Because it is damaged, not because that is how it is kept. */
  readonly isDamaged?: boolean;
  /** What cannot be read lies below the probe, which is found without. */
  readonly isBelow?: boolean;
  readonly layers?: number;
  /** Instructions, newest first. Undefined: the history tells nothing of that layer. */
  readonly history?: readonly (string | undefined)[];
  /** What a container sees: `TYPE PATH`; byte strings. */
  readonly files?: readonly string[];
  /** A file, what is in it, and the layers that wrote something at its path. */
  readonly probe?: { readonly path: string; readonly content: string; readonly layers: readonly number[] };
  /** Bytes that layers store, and those that nobody sees. */
  readonly waste?: { readonly stored: number; readonly reclaimable: number };
  /** Files of a comparison with the plain image (etc, etc/motd): what is added, removed and changed. Undefined: the same. */
  readonly changes?: { readonly added: number; readonly removed: number; readonly changed: number };
  /** `SEVERITY CLASS` of all findings, sorted. */
  readonly findings: readonly string[];
}

const MOTD = { path: "etc/motd", content: "hello\n", layers: [0] };
const PLAIN_FILES = ["dir etc", "file etc/motd"];
const PLAIN: Expected = {
  ...{ layers: 1, history: ["layer 0"], files: PLAIN_FILES, probe: MOTD },
  ...{ waste: { stored: 6, reclaimable: 0 }, findings: [] },
};
const TWO: Expected = { ...PLAIN, layers: 2, history: ["layer 1", "layer 0"] };
const ARCHITECTURE = localPlatform().architecture === "arm64" ? "arm64" : "amd64";
const deepDirectories = Array.from(
  { length: DEPTH },
  (_, at) =>
    `dir ${deepPath
      .split("/")
      .slice(0, at + 1)
      .join("/")}`,
);

/** By the image's name. */
export const EXPECTED: Readonly<Record<OddName, Expected>> = {
  "docker-archive before 1.10": { refused: /docker-archive without manifest\.json/, findings: ["error document"] },
  "old docker-archive": {
    ...TWO,
    files: [...PLAIN_FILES, "file late"],
    waste: { stored: 13, reclaimable: 0 },
    changes: { added: 1, removed: 0, changed: 0 },
  },
  "docker-archive with symlinked layers": {
    ...TWO,
    layers: 3,
    history: ["layer 2", "layer 1", "layer 0"],
    files: [...PLAIN_FILES, "file late"],
    probe: { ...MOTD, layers: [0, 2] },
    // The third layer is the first one again.
    waste: { stored: 19, reclaimable: 6 },
    changes: { added: 1, removed: 0, changed: 0 },
  },
  "kaniko-like": {
    ...TWO,
    history: ["RUN rm -rf /app/cache", "COPY . /app"],
    files: ["dir app", "file app/keep"],
    probe: { path: "app/keep", content: "keep\n", layers: [0] },
    waste: { stored: 1005, reclaimable: 1000 },
    changes: { added: 2, removed: 2, changed: 0 },
  },
  "buildah-like": {
    ...TWO,
    history: ["CMD", "make", "ENV", "ADD"],
    files: [...PLAIN_FILES, "file made"],
    waste: { stored: 11, reclaimable: 0 },
    changes: { added: 1, removed: 0, changed: 0 },
  },
  // Out of an archive all of it is read, and its table of contents is a file like others.
  estargz: {
    ...{ layers: 1, history: ["layer 0"], files: [...PLAIN_FILES, "file stargz.index.json"], probe: MOTD },
    ...{ changes: { added: 1, removed: 0, changed: 0 }, findings: [] },
  },
  zstd: PLAIN,
  "zstd:chunked": PLAIN,
  "docker schema 2": PLAIN,
  "docker schema 1": { refused: /schema 1 manifest/, findings: ["error document"] },
  "platforms with attestations": {
    ...PLAIN,
    files: [...PLAIN_FILES, `file is-${ARCHITECTURE}`],
    changes: { added: 1, removed: 0, changed: 0 },
  },
  "nested index": PLAIN,
  artifact: {
    refused: /no container image but an artifact of the type application\/vnd\.cncf/,
    findings: ["note unchecked"],
  },
  "no history": { ...PLAIN, history: [undefined], findings: ["note history"] },
  "more history than layers": { ...PLAIN, history: ["three", "two", "one"], findings: ["warning history"] },
  "less history than layers": {
    ...TWO,
    history: [undefined, "one"],
    files: ["file b", ...PLAIN_FILES],
    waste: { stored: 7, reclaimable: 0 },
    changes: { added: 1, removed: 0, changed: 0 },
    findings: ["warning history"],
  },
  empty: {
    ...{ layers: 0, history: ['CMD ["/x"]'], files: [], waste: { stored: 0, reclaimable: 0 } },
    ...{ changes: { added: 0, removed: 2, changed: 0 }, findings: ["note document"] },
  },
  "duplicate entries": {
    ...PLAIN,
    files: [...PLAIN_FILES, "symlink x"],
    probe: { ...MOTD, content: "last\n" },
    waste: { stored: 5, reclaimable: 0 },
    changes: { added: 1, removed: 0, changed: 1 },
    findings: ["warning duplicate", "warning duplicate"],
  },
  "whiteouts of nothing": { ...TWO, findings: ["note whiteout", "note whiteout"] },
  "opaque directories": {
    ...{ layers: 3, history: ["layer 2", "layer 1", "layer 0"], files: ["file top"] },
    probe: { path: "top", content: "top\n", layers: [2] },
    ...{ waste: { stored: 17, reclaimable: 13 }, changes: { added: 1, removed: 2, changed: 0 }, findings: [] },
  },
  "foreign layers": {
    ...TWO,
    isBelow: true,
    unreadable: /kept elsewhere than the image/,
    findings: ["note unchecked", "note unchecked"],
  },
  "encrypted layers": { ...TWO, unreadable: /is encrypted/, findings: ["note unchecked", "note unchecked"] },
  // What the bytes are decides.
  "gzip called tar": { ...PLAIN, findings: ["error media-type"] },
  "tar called gzip": { ...PLAIN, findings: ["error media-type"] },
  "truncated blob": {
    ...TWO,
    isDamaged: true,
    unreadable: /damaged|bytes instead of/,
    findings: ["error blob"],
  },
  "corrupt blob": { ...TWO, isDamaged: true, unreadable: /damaged|not what its digest says/, findings: ["error blob"] },
  "wrong diffID": { ...PLAIN, isDamaged: true, unreadable: /has the content sha256:/, findings: ["error diff-id"] },
  "odd names": {
    ...{ layers: 1, history: ["RUN echo \x1b[31m <script>alert(1)</script>\n|a|"] },
    files: ODD_NAMES.map((path) => `file ${path}`),
    probe: { path: ODD_NAMES[0], content: "odd\n", layers: [0] },
    ...{
      waste: { stored: 24, reclaimable: 0 },
      changes: { added: 6, removed: 2, changed: 0 },
      findings: ["note name"],
    },
  },
  "hard links across layers": {
    ...{ layers: 3, history: ["layer 2", "layer 1", "layer 0"], files: ["dir etc", "file hard", "file harder"] },
    probe: { path: "harder", content: "hello\n", layers: [2] },
    // The one content stays reachable by its later names.
    ...{ waste: { stored: 6, reclaimable: 0 }, changes: { added: 2, removed: 1, changed: 0 }, findings: [] },
  },
  "sparse file": {
    layers: 1,
    history: ["layer 0"],
    files: ["file huge"],
    changes: { added: 1, removed: 2, changed: 0 },
    findings: [],
  },
  devices: {
    ...{ layers: 1, history: ["layer 0"] },
    files: ["dir dev", "char dev/null", "fifo dev/pipe", "block dev/sda", "char dev/zero-zero", "file plain"],
    probe: { path: "plain", content: "plain\n", layers: [0] },
    ...{ waste: { stored: 6, reclaimable: 0 }, changes: { added: 6, removed: 2, changed: 0 }, findings: [] },
  },
  "deep paths": {
    ...{ layers: 1, history: ["layer 0"], files: [...deepDirectories, `file ${deepPath}`] },
    probe: { path: deepPath, content: "deep\n", layers: [0] },
    ...{ waste: { stored: 5, reclaimable: 0 }, changes: { added: DEPTH + 1, removed: 2, changed: 0 }, findings: [] },
  },
  "no rootfs": { refused: /malformed at rootfs/, findings: ["error document"] },
  "too few diffIDs": { refused: /lists 1 layers?, its manifest 2/, findings: ["error diff-id"] },
};
