/** Image layouts with very many files, written straight as tars: the same bytes on every machine. */
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {object} LargeImage
 * @property {number} layers
 * @property {number} files in all layers
 * @property {number} bytes of all files
 */

const FILES_PER_DIRECTORY = 25;
/** Every so many-th file of a layer replaces one of the layer below; every so many-th is removed there. */
const [REPLACED, REMOVED] = [20, 50];

/**
 * Writes an image: each layer has new files, replaces some of the layer below and removes some there.
 * @param {string} layout its directory
 * @param {LargeImage} shape
 */
export function writeLargeImage(layout, { layers, files, bytes }) {
  const folder = join(layout, "blobs/sha256");
  mkdirSync(folder, { recursive: true });
  const perLayer = Math.floor(files / layers);
  const size = Math.floor(bytes / files);
  const stored = Array.from({ length: layers }, (_, layer) => writeLayer(folder, layer, perLayer, size));
  const config = keep(folder, {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: stored.map(({ digest }) => digest) },
    history: stored.map((_, layer) => ({ created_by: `RUN step ${layer}` })),
  });
  const manifest = keep(folder, {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers: stored.map((layer) => ({ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer })),
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(layout, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, ...manifest }] }),
  );
}

/** @param {string} folder @param {object} document */
function keep(folder, document) {
  const bytes = Buffer.from(JSON.stringify(document));
  const hex = createHash("sha256").update(bytes).digest("hex");
  writeFileSync(join(folder, hex), bytes);
  return { digest: `sha256:${hex}`, size: bytes.length };
}

/** @param {string} folder @param {number} layer @param {number} count @param {number} size */
function writeLayer(folder, layer, count, size) {
  const path = join(folder, `layer-${layer}`);
  const tar = new Tar(openSync(path, "w"));
  const content = Buffer.alloc(size, `layer ${layer} `);
  let last = "";
  for (let at = 0; at < count; at++) {
    const isReplaced = layer > 0 && at % REPLACED === 0;
    const directory = directoryOf(isReplaced ? layer - 1 : layer, at);
    if (directory !== last) tar.add(`${directory}/`, Buffer.alloc(0));
    last = directory;
    content.writeUInt32LE(at, 0);
    tar.add(`${directory}/file-${at}.js`, content);
    if (layer > 0 && at % REMOVED === 1) tar.add(`${directoryOf(layer - 1, at)}/.wh.file-${at}.js`, Buffer.alloc(0));
  }
  const { digest, size: whole } = tar.end();
  renameSync(path, join(folder, digest.slice(7)));
  return { digest, size: whole };
}

/** @param {number} layer @param {number} at */
function directoryOf(layer, at) {
  const number = Math.floor(at / FILES_PER_DIRECTORY);
  return `srv/part-${layer}/group-${number >> 6}/package-${number}`;
}

/** Plain ustar members, gathered before they are written. */
class Tar {
  #fd;
  #hash = createHash("sha256");
  /** @type {Buffer[]} */
  #chunks = [];
  #gathered = 0;
  #size = 0;

  /** @param {number} fd */
  constructor(fd) {
    this.#fd = fd;
  }

  /** @param {string} name a directory's ends with a slash @param {Buffer} content */
  add(name, content) {
    const header = Buffer.alloc(512);
    const isDirectory = name.endsWith("/");
    header.write(name, 0, 100, "latin1");
    header.write(isDirectory ? "0000755\0" : "0000644\0", 100);
    header.write("0000000\x000000000\0", 108);
    header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("14000000000\0        ", 136);
    header.write(isDirectory ? "5" : "0", 156);
    header.write("ustar\x0000", 257, "latin1");
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
    );
    this.#push(header);
    if (content.length === 0) return;
    const padded = Buffer.alloc(Math.ceil(content.length / 512) * 512);
    content.copy(padded);
    this.#push(padded);
  }

  /** @param {Buffer} bytes */
  #push(bytes) {
    this.#chunks.push(bytes);
    this.#gathered += bytes.length;
    if (this.#gathered >= 4 << 20) this.#flush();
  }

  #flush() {
    const bytes = Buffer.concat(this.#chunks);
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    this.#size += bytes.length;
    this.#chunks = [];
    this.#gathered = 0;
  }

  end() {
    this.#push(Buffer.alloc(1024));
    this.#flush();
    fsyncSync(this.#fd);
    closeSync(this.#fd);
    return { digest: `sha256:${this.#hash.digest("hex")}`, size: this.#size };
  }
}
