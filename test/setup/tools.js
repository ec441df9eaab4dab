/**
 * The programs that tests use to check nacre's work with something that nacre's authors did not write: their name, the
 * Debian package that has them, and which tests need them. Plain JavaScript, so that `pretest` can run it as it stands.
 */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * @typedef {object} Tool
 * @property {string} name as on PATH
 * @property {string} package the Debian package that has it
 * @property {string} tests what is tested with it
 */

/** @type {readonly Tool[]} */
export const tools = [
  { name: "tar", package: "tar", tests: "the tar codec, layers, archives" },
  { name: "bash", package: "bash", tests: "the conformance cases" },
  { name: "python3", package: "python3", tests: "the conformance cases, the tar codec" },
  { name: "bsdtar", package: "libarchive-tools", tests: "the tar codec" },
  { name: "gzip", package: "gzip", tests: "compression, the conformance cases" },
  { name: "bzip2", package: "bzip2", tests: "ADD of bzip2 archives" },
  { name: "xz", package: "xz-utils", tests: "ADD of xz archives" },
  { name: "zstd", package: "zstd", tests: "compression, ADD of zstd archives" },
  { name: "skopeo", package: "skopeo", tests: "images and archives as other tools read them" },
  { name: "umoci", package: "umoci", tests: "images and layouts as other tools read them" },
  { name: "busybox", package: "busybox-static", tests: "images that hold a program" },
  { name: "getfattr", package: "attr", tests: "extended attributes" },
  { name: "setfattr", package: "attr", tests: "extended attributes" },
  { name: "setcap", package: "libcap2-bin", tests: "file capabilities" },
  { name: "unshare", package: "util-linux", tests: "RUN, other users and full disks" },
  { name: "setpriv", package: "util-linux", tests: "RUN" },
  { name: "crun", package: "crun", tests: "RUN at the level oci" },
  { name: "runc", package: "runc", tests: "RUN at the level oci" },
  { name: "newuidmap", package: "uidmap", tests: "RUN without root" },
  { name: "ssh-agent", package: "openssh-client", tests: "ssh mounts of RUN" },
  { name: "docker-registry", package: "docker-registry", tests: "registries: pull, push, log in" },
  { name: "git", package: "git", tests: "the project's own rules, archives made by git, git sources" },
];

/**
 * Absolute path of a program on PATH, or undefined. Debian keeps some (setcap) where ordinary users do not look.
 * @param {string} name
 */
export function findTool(name) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find(isProgram);
}

/**
 * True if a program of the table is not there: for `describe.skipIf(toolMissing("skopeo"))`.
 * @param {string} name
 */
export function toolMissing(name) {
  if (!tools.some((tool) => tool.name === name)) throw new Error(`${name} is not in the table of test/setup/tools.js`);
  return findTool(name) === undefined;
}

/**
 * The path of a program that a test cannot do without; the error names its package.
 * @param {string} name
 */
export function requireTool(name) {
  const path = findTool(name);
  if (path) return path;
  const known = tools.find((tool) => tool.name === name);
  throw new Error(`${name} is not installed${known ? `: Debian has it in the package ${known.package}` : ""}`);
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
