/** Hostile layers as directories for RUN: nothing of them comes to lie outside, and overlayfs shows what the index says. */
import * as fs from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { isNacreError } from "../../src/support/errors.js";
import { newStore } from "../archive/images.js";
import { overlayView, putLayers, snapshotsOf, treeView } from "../sandbox/overlay.js";
import { toolMissing } from "../setup/tools.js";
import { canMount } from "../store/helpers.js";
import { pax } from "../tar/craft.js";
import { dir, emptyFiles, file, hardlink, header, layer, symlink } from "./layers.js";
import { makeProbe } from "./world.js";

const probe = makeProbe();
const H = probe.path;
afterEach(() => probe.expectUntouched());

const up = (path: string) => "../".repeat(30) + path.slice(1);
const chain = (length: number): Buffer[] =>
  Array.from({ length }, (_, i) => symlink(`s${i}`, i === length - 1 ? H : `s${i + 1}`));
const node = (name: string, flag: string, mode = 0o666): Buffer =>
  header({ name, flag, mode, devMajor: 1, devMinor: 3 });

/** Layers of images, lowest first. Some are refused when they are loaded; none may do any harm. */
const HOSTILE: Readonly<Record<string, readonly Buffer[]>> = {
  "names upwards": [layer(file("../x", "1"), file(`a/${up(H)}/f`, "2"), file("a/b/../../../x", "3"))],
  "absolute names": [layer(file(`${H}/f`, "1"), file(`//${H}/new`, "2"), dir(`${H}/sub`))],
  "odd names": [
    layer(file("..\\x", "1"), file("a/./b//c", "2"), file("...", "3"), dir("-C"), file("-C/--to-command=sh", "x")),
  ],
  "a file through a symlink": [layer(symlink("d", H), file("d/f", "evil"), file("d/new", "evil"))],
  "a file through a symlink upwards": [layer(symlink("d", up(H)), file("d/f", "evil"))],
  "a file through a symlink of the layer below": [
    layer(symlink("d", H)),
    layer(file("d/f", "evil"), file("d/sub/new", "evil")),
  ],
  "a directory through a symlink of the layer below": [
    layer(symlink("d", H)),
    layer(dir("d/sub"), node("d/sub/g", "3")),
  ],
  "whiteouts through a symlink of the layer below": [
    layer(symlink("d", H)),
    layer(file("d/.wh.f"), file("d/sub/.wh.g"), file("d/.wh..wh..opq")),
  ],
  "a chain of symlinks": [layer(...chain(30)), layer(file("s0/f", "evil"))],
  "a loop of symlinks": [layer(symlink("a", "b"), symlink("b", "a")), layer(file("a/f", "evil"))],
  "a directory replaced by a symlink and written to": [
    layer(dir("d"), file("d/a"), symlink("d", H), file("d/f", "evil")),
  ],
  "a symlink replaced by a directory": [layer(symlink("d", H)), layer(dir("d"), file("d/f", "evil"))],
  "the root as a symlink": [layer(symlink(".", H), file("f", "evil"))],
  "hard links to outside": [layer(hardlink("h", `${H}/f`), file("h", "evil"))],
  "hard links upwards": [layer(hardlink("h", up(`${H}/f`)))],
  "hard links through a symlink": [layer(symlink("d", H), hardlink("h", "d/f"), file("h", "evil"))],
  "hard links to a symlink that leads out": [
    layer(symlink("s", `${H}/f`), hardlink("h", "s")),
    layer(file("h", "evil")),
  ],
  "hard links through a symlink of the layer below": [layer(symlink("d", H)), layer(hardlink("h", "d/f"))],
  "hard links to itself, a later one, a directory": [layer(hardlink("h", "h"))],
  "a hard link to a whiteout": [layer(file("a")), layer(file(".wh.a"), hardlink("h", "a"))],
  "whiteouts of nothing and of directories upwards": [layer(file(".wh."))],
  "whiteouts of dots": [layer(dir("d"), file("d/.wh..."), file("d/.wh.."))],
  "an opaque marker that is a directory": [
    layer(dir("d"), file("d/f")),
    layer(dir("d"), dir("d/.wh..wh..opq"), file("d/g")),
  ],
  "whiteouts of names of their own layer": [layer(file("a", "1")), layer(file("a", "2"), file(".wh.a"))],
  "very many whiteouts": [layer(file("x")), layer(emptyFiles(Array.from({ length: 20_000 }, (_, i) => `.wh.${i}`)))],
  "devices, pipes and whiteouts by hand": [
    layer(file("gone"), dir("etc")),
    layer(node("null", "3"), node("etc/passwd", "6"), node("sda", "4", 0o4777)),
  ],
  "attributes of overlayfs": [
    layer(dir("d"), file("d/f", "1")),
    layer(
      pax(["SCHILY.xattr.trusted.overlay.redirect", H], ["SCHILY.xattr.trusted.overlay.opaque", "y"]),
      dir("d"),
      pax(["SCHILY.xattr.trusted.overlay.redirect", `${H}/f`], ["SCHILY.xattr.trusted.overlay.metacopy", ""]),
      file("m"),
      pax(["SCHILY.xattr.security.selinux", "x"], ["SCHILY.xattr.system.posix_acl_access", "x"]),
      file("n"),
      pax(["SCHILY.xattr.user.on-a-symlink", "x"], ["SCHILY.xattr.nonsense", "x"]),
      symlink("s", H),
    ),
  ],
  "modes and owners of what symlinks lead to": [
    layer(symlink("d", H), header({ name: "d/sub", flag: "5", mode: 0o777, uid: 1, gid: 1 })),
    layer(header({ name: "d", flag: "5", mode: 0o777, uid: 1 })),
  ],
  "a name that no file system holds": [layer(pax(["path", "n".repeat(300)]), file("x"))],
  "doubled members of different types": [
    layer(file("a", "1"), symlink("a", H), dir("a"), file("a/f", "3"), symlink("a", H)),
  ],
};

describe.skipIf(!canMount() || toolMissing("unshare") || toolMissing("python3"))("snapshots of hostile layers", () => {
  test.each(Object.entries(HOSTILE))("%s", async (_name, tars) => {
    const store = await newStore();
    const directory = join(store.path, "..");
    const beside = fs.readdirSync(directory);
    const opened = snapshotsOf(store);
    try {
      const layers = await putLayers(store, tars);
      const directories = await opened.snapshots.directories(layers);
      for (const one of directories) expect(one.startsWith(`${store.path}/snapshots/`)).toBe(true);
      const tree = await opened.open.tree(layers);
      expect(overlayView(directories)).toEqual(treeView(tree));
    } catch (error) {
      // Refused: by the loader, or where no directory can hold it.
      if (!isNacreError(error)) throw error;
      expect(["TAR_INVALID", "CONTENT_INVALID", "COPY_CONFLICT"]).toContain(error.code);
    } finally {
      opened.close();
    }
    expect(fs.readdirSync(directory)).toEqual(beside);
    expect(fs.readdirSync(join(store.path, "tmp")).filter((name) => name.startsWith("t."))).toEqual([]);
  });
});
