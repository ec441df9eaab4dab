/** Names, symlinks and hard links that lead out: what comes of them stays inside, or is refused. */
import { afterEach, describe, expect, test } from "vitest";
import { dir, file, hardlink, layer, symlink } from "./layers.js";
import { bringIn, makeProbe, WAYS_IN, type WayIn } from "./world.js";

const probe = makeProbe();
const H = probe.path;
/** The probe's path as directories inside the image: where a confined path through a symlink to it leads. */
const INSIDE = H.slice(1);
const insideDirectories = INSIDE.split("/").map((_, i, parts) => `${parts.slice(0, i + 1).join("/")}/`);
/** Symlinks s0 to s1, s1 to s2 and so on; the last one leads out. */
const chain = (length: number): Buffer[] =>
  Array.from({ length }, (_, i) => symlink(`s${i}`, i === length - 1 ? H : `s${i + 1}`));

afterEach(() => probe.expectUntouched());

/** Layers, and the files that come of them. */
const CONFINED: Readonly<Record<string, readonly [layers: readonly Buffer[], files: readonly string[]]>> = {
  "a symlink and a file through it": [
    [layer(symlink("d", H), file("d/f", "evil"))],
    [`d -> ${H}`, ...insideDirectories, `${INSIDE}/f`],
  ],
  "a symlink in one layer and a file through it in the next": [
    [layer(symlink("d", H)), layer(file("d/f", "evil"), file("d/new", "evil"))],
    [`d -> ${H}`, ...insideDirectories, `${INSIDE}/f`, `${INSIDE}/new`],
  ],
  "a symlink that the next layer replaces by a directory": [
    [layer(symlink("d", H)), layer(dir("d"), file("d/f", "evil"))],
    ["d/", "d/f"],
  ],
  "a directory that is replaced by a symlink between two files": [
    [layer(dir("d"), file("d/a", "1"), symlink("d", H), file("d/f", "evil"))],
    [`d -> ${H}`, ...insideDirectories, `${INSIDE}/f`],
  ],
  "a symlink upwards and a file through it": [
    [layer(symlink("d", "../../../.."), file("d/f", "evil"))],
    ["d -> ../../../..", "f"],
  ],
  "a hard link to a symlink that leads out, and a file in its place": [
    [layer(symlink("d", `${H}/f`), hardlink("h", "d"), file("h", "evil"))],
    [`d -> ${H}/f`, "h"],
  ],
  "a file that is written over by a hard link and again": [
    [layer(file("a", "1"), file("h", "2"), hardlink("h", "a"), file("h", "333"))],
    ["a", "h"],
  ],
  "doubled members of different types": [
    [layer(file("a", "1"), file("a", "22"), dir("a"), file("a/b", "3"))],
    ["a/", "a/b"],
  ],
};

const REFUSED: Readonly<Record<string, readonly [layers: readonly Buffer[], message: RegExp]>> = {
  "a file in the place of the root": [[layer(file(".", "x"))], /"\." is invalid: the root/],
  "a symlink in the place of the root": [
    [layer(symlink(".", H), file("f", "evil"))],
    /the root can only be a directory/,
  ],
  "a symlink named /": [[layer(symlink("/", H), file("f", "evil"))], /the root can only be a directory/],
  "a symlink named ./": [[layer(symlink("./", H), file("f", "evil"))], /the root can only be a directory/],
  "a member without a name": [[layer(file("", "x"))], /has no name/],
  "parents that are symlinks in a loop": [
    [layer(symlink("d", "e"), symlink("e", "d"), file("d/f", "x"))],
    /"d\/f" is invalid: its parents are symlinks in a loop/,
  ],
  "a chain of 300 symlinks as a parent": [
    [layer(...chain(300), file("s0/f", "x"))],
    /"s0\/f" is invalid: its parents are symlinks in a loop/,
  ],
  "a file below a file": [[layer(file("d", "1"), file("d/e", "2"))], /d above it is not a directory/],
  "a hard link to an absolute path": [[layer(hardlink("h", `${H}/f`))], /hard link h leads to/],
  "a hard link to a relative path": [[layer(hardlink("h", "package.json"))], /hard link h leads to "package.json"/],
  "a hard link through a symlink": [[layer(symlink("d", H), hardlink("h", "d/f"))], /hard link h leads to "d\/f"/],
  "a hard link to a later member": [
    [layer(hardlink("h", "later"), file("later", "x"))],
    /hard link h leads to "later"/,
  ],
  "a hard link to itself": [[layer(hardlink("h", "h"))], /hard link h leads to "h"/],
  "a hard link to a directory": [[layer(dir("d"), hardlink("h", "d"))], /hard link to a directory/],
  "a hard link to nothing": [[layer(hardlink("h", ""))], /a link has no target/],
};

describe.each(["oci tar", "ADD"] as const)("taken in by %s", (way) => {
  test.each(Object.entries(CONFINED))("%s stays inside", async (_, [layers, files]) => {
    expect(await bringIn(way, layers)).toEqual({ files: [...files].sort() });
  });

  test.each(Object.entries(REFUSED))("%s is refused", async (_, [layers, message]) => {
    expect((await bringIn(way, layers)).refused).toMatch(message);
  });
});

const others = WAYS_IN.filter((way): way is WayIn => way !== "oci tar" && way !== "ADD");
test.each(others)("taken in by %s, a layer has the same fate", async (way) => {
  const [layers, files] = CONFINED["a symlink and a file through it"]!;
  expect(await bringIn(way, layers)).toEqual({ files: [...files].sort() });
  const [root, message] = REFUSED["a symlink in the place of the root"]!;
  expect((await bringIn(way, root)).refused).toMatch(message);
  const [out, leadsTo] = REFUSED["a hard link to an absolute path"]!;
  expect((await bringIn(way, out)).refused).toMatch(leadsTo);
});

describe("names that lead upwards or are absolute", () => {
  const members = ["../x", "a/../../y", "/etc/z", "..\\w", "a/b/../../../v"].map((name) => file(name, "1"));

  test("in a layer are taken as below the root, as container runtimes do", async () => {
    expect(await bringIn("oci tar", [layer(...members)])).toEqual({ files: ["..\\w", "etc/", "etc/z", "v", "x", "y"] });
  });

  test("in an archive that is added are refused if they lead out", async () => {
    expect((await bringIn("ADD", [layer(...members)])).refused).toMatch(/"\.\.\/x" in the archive leads out/);
    expect(await bringIn("ADD", [layer(members[2]!, members[3]!)])).toEqual({ files: ["..\\w", "etc/", "etc/z"] });
  });
});

test("a chain of 40 symlinks, as long as kernels follow, stays inside", async () => {
  const { files } = await bringIn("oci tar", [layer(...chain(40), file("s0/f", "evil"))]);
  expect(files).toContain(`${INSIDE}/f`);
});

test("a hard link to a whiteout is refused", async () => {
  const layers = [layer(file("a", "1")), layer(file(".wh.a", ""), hardlink("h", ".wh.a"))];
  expect((await bringIn("oci tar", layers)).refused).toMatch(/hard link h leads to/);
});

test("what a lower layer has under its symlinks can be linked to, though it leads out on a host", async () => {
  const layers = [layer(symlink("d", `${H}/f`)), layer(hardlink("h", "d"))];
  expect(await bringIn("oci tar", layers)).toEqual({ files: [`d -> ${H}/f`, `h -> ${H}/f`] });
});
