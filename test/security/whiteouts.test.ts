/** Whiteouts in every form that was ever used to delete what is not theirs. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { tarOf } from "../archive/images.js";
import { nacre } from "../cli/invocation.js";
import { dir, emptyFiles, file, hardlink, layer, symlink } from "./layers.js";
import { bringIn, freshDirectory, imageFiles, listing, makeProbe } from "./world.js";

const probe = makeProbe();
const H = probe.path;
afterEach(() => probe.expectUntouched());

const BASE = layer(dir("a"), file("a/one", "1"), file("a/two", "2"), dir("b"), file("b/three", "3"));
const ALL = ["a/", "a/one", "a/two", "b/", "b/three"];

describe("a whiteout", () => {
  test.each([
    ["removes a file of a lower layer", [file("a/.wh.one", "")], ["a/", "a/two", "b/", "b/three"]],
    ["removes a directory of a lower layer", [file(".wh.a", "")], ["b/", "b/three"]],
    ["with a name that is not there removes nothing", [file("a/.wh.four", "")], ALL],
    ["never removes what its own layer brings, after it", [file("a/.wh.one", ""), file("a/one", "new")], ALL],
    ["never removes what its own layer brings, before it", [file("a/one", "new"), file("a/.wh.one", "")], ALL],
    ["that is opaque removes what lower layers have", [file("a/.wh..wh..opq", "")], ["a/", "b/", "b/three"]],
    [
      "that is opaque spares its own layer, in any order",
      [file("a/new", "x"), file("a/.wh..wh..opq", ""), file("a/newer", "x")],
      ["a/", "a/new", "a/newer", "b/", "b/three"],
    ],
    ["that is opaque at the root removes all", [file(".wh..wh..opq", "")], []],
  ] as const)("%s", async (_, members, files) => {
    expect(await bringIn("oci tar", [BASE, layer(...members)])).toEqual({ files });
  });

  test.each([
    ["of the directory itself", [file("a/.wh..", "")]],
    ["of the parent", [file("a/.wh...", "")]],
    ["of nothing", [file("a/.wh.", "")]],
    ["of nothing at the root", [file(".wh.", "")]],
    ["of the parent at the root", [file(".wh...", "")]],
    ["of the parent, with a file below", [file("a/.wh.../x", "")], ["a/.wh.../", "a/.wh.../x"]],
    ["with a backslash", [file("a/.wh...\\x", "")]],
    [
      "that is an opaque directory",
      [dir("a/.wh..wh..opq"), file("a/.wh..wh..opq/x", "")],
      ["a/.wh..wh..opq/", "a/.wh..wh..opq/x"],
    ],
    ["that is a directory", [dir("a/.wh.one"), file("a/.wh.one/x", "")], ["a/.wh.one/", "a/.wh.one/x"]],
    ["that is a symlink", [symlink("a/.wh.one", H)]],
    ["through a symlink that leads out", [symlink("d", H), file("d/.wh.f", "")]],
    ["opaque through a symlink that leads out", [symlink("d", H), file("d/.wh..wh..opq", "")]],
    ["through a symlink upwards", [symlink("d", "../.."), file("d/.wh.b", "")]],
    ["of a hard link's target", [file("x", "1"), hardlink("y", "x"), file(".wh.x", "")]],
    ["of aufs", [file(".wh..wh.aufs", ""), dir(".wh..wh.plnk"), dir(".wh..wh.orph")]],
  ] as [string, Buffer[], string[]?][])(
    "%s is confined or refused, and loses no other file",
    async (_, members, parents = []) => {
      const { refused, files } = await bringIn("oci tar", [BASE, layer(...members)]);
      if (refused === undefined) {
        const spared = ALL.filter((path) => path !== "a/one" && path !== "a/two" && !path.startsWith("b/"));
        expect(files).toEqual(expect.arrayContaining(spared));
        // A member that lies below such a name makes a directory of it, as containerd does.
        expect(files!.filter((path) => path.includes(".wh."))).toEqual(parents);
      } else expect(refused).toMatch(/ERROR: .*(whiteout|invalid|\.wh\.)/);
    },
  );
});

test("in an archive that is added reach the layer as they are, and mean there what they mean in any layer", async () => {
  const { files } = await bringIn("ADD", [BASE, layer(symlink("d", H), file("d/.wh.f", ""), file("a/.wh.one", ""))]);
  expect(files).toEqual(expect.arrayContaining(ALL.filter((name) => name !== "a/one")));
  expect(files).not.toContain("a/one");
  expect(files).not.toContain("a/.wh.one");
});

test("a hundred thousand whiteouts take no longer for each than a few do", async () => {
  const root = freshDirectory();
  const names = Array.from({ length: 100_000 }, (_, i) => `n${i}`);
  const layers = ["d/", "d/.wh."].map((prefix) => layer(emptyFiles(names.map((name) => prefix + name))));
  writeFileSync(join(root, "image.tar"), tarOf(imageFiles(layers)));
  writeFileSync(join(root, "Dockerfile"), "FROM evil:1\n");
  const env = { NACRE_HOME: join(root, "store") };
  expect(await nacre(["load", join(root, "image.tar")], { env })).toMatchObject({ code: 0 });
  expect(await nacre(["build", "-q", "-o", join(root, "out"), root], { env })).toMatchObject({ code: 0 });
  expect(listing(join(root, "out"))).toEqual(["d/"]);
});
