/** Rows about COPY of files of the context. */
import { chmodSync, cpSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { Row, World } from "./rows.js";

type Change = (world: World) => void;

function copy(name: string, line: string, change: Change, answer: "cached" | "made", more: Partial<Row> = {}): Row {
  return { name: `COPY, ${name}`, before: `FROM box\n${line}\n`, change, expected: { COPY: answer }, ...more };
}

function words(name: string, before: string, after: string, answer: "cached" | "made", more: Partial<Row> = {}): Row {
  return {
    name: `COPY, ${name}`,
    before: `FROM box\n${before}\n`,
    after: `FROM box\n${after}\n`,
    expected: { COPY: answer },
    ...more,
  };
}

const rename =
  (from: string, to: string): Change =>
  (world) =>
    renameSync(world.path(from), world.path(to));

const checkout: Change = (world) => {
  const before = world.dir;
  world.dir = world.directory();
  cpSync(before, world.dir, { recursive: true, preserveTimestamps: false });
};

const STALE = "what Docker takes from its cache is not what it would make";
const NO_MERGE = "Docker without containerd's store takes --link as absent";
const NO_NAME = "the name of a directory goes nowhere";
const SAME_OWNER = "it is the same owner";
const OVERRIDDEN = "--chmod replaces the mode that differs";

const contents: Row[] = [
  copy("a file touched", "COPY f /f", (world) => utimesSync(world.path("f"), 1, 1), "cached"),
  copy("a directory touched", "COPY d /d", (world) => utimesSync(world.path("d/sub"), 1, 1), "cached"),
  copy("a file written anew with the same content", "COPY f /f", (world) => world.put({ f: "f {token}" }), "cached"),
  copy("a fresh checkout of the same", "COPY . /x", checkout, "cached"),
  copy("another content", "COPY . /x", (world) => world.put({ "d/sub/y": "other {token}" }), "made"),
  copy("another content of what is not copied", "COPY d /d", (world) => world.put({ g: "other {token}" }), "cached"),
  copy("a new file", "COPY d /d", (world) => world.put({ "d/new": "n" }), "made"),
  copy("a new empty directory", "COPY d /d", (world) => mkdirSync(world.path("d/empty")), "made"),
  copy("a removed file", "COPY d /d", (world) => rmSync(world.path("d/sub/y")), "made"),
  copy("a renamed file in a directory", "COPY d /d", rename("d/x", "d/z"), "made"),
  copy(
    "a file that became a directory",
    "COPY . /x",
    (world) => {
      rmSync(world.path("f"));
      mkdirSync(world.path("f"));
    },
    "made",
  ),
  copy("another target of a link", "COPY d /d", (world) => world.put({ "d/l": { link: "sub/y" } }), "made", {
    files: { "d/l": { link: "x" } },
  }),
  copy(
    "a link to another file of the same content, copied itself",
    "COPY l /l",
    (world) => world.put({ l: { link: "f2" } }),
    "cached",
    {
      files: { f2: "f {token}", l: { link: "f" } },
    },
  ),
  copy(
    "a link in place of a directory of the same content",
    "COPY d /d",
    (world) => {
      renameSync(world.path("d"), world.path("e"));
      symlinkSync("e", world.path("d"));
    },
    "cached",
  ),
  copy(
    "a hard link in place of a file of the same content",
    "COPY d /d",
    (world) => {
      rmSync(world.path("d/two"));
      linkSync(world.path("d/one"), world.path("d/two"));
    },
    "made",
    { files: { "d/one": "1 {token}", "d/two": "1 {token}" }, more: { COPY: STALE } },
  ),
  copy(
    "a file and a new hard link of it elsewhere",
    "COPY d /d",
    (world) => linkSync(world.path("d/x"), world.path("beside")),
    "cached",
  ),
];

const modes: Row[] = [
  copy("the mode of a file", "COPY f /f", (world) => chmodSync(world.path("f"), 0o755), "made"),
  copy("the mode of a file in a directory", "COPY d /d", (world) => chmodSync(world.path("d/x"), 0o600), "made"),
  copy(
    "the mode of a directory in a directory",
    "COPY d /d",
    (world) => chmodSync(world.path("d/sub"), 0o700),
    "made",
    { more: { COPY: STALE } },
  ),
  copy("the sticky bit of a directory", "COPY d /d", (world) => chmodSync(world.path("d/sub"), 0o1755), "made", {
    more: { COPY: STALE },
  }),
  copy("the set-user bit of a file", "COPY d /d", (world) => chmodSync(world.path("d/x"), 0o4644), "made"),
  copy("the mode of the directory that is copied", "COPY d /d", (world) => chmodSync(world.path("d"), 0o700), "cached"),
  copy(
    "the mode of the directory that a file is copied from",
    "COPY d/x /x",
    (world) => chmodSync(world.path("d"), 0o700),
    "cached",
  ),
  copy("the mode of the context itself", "COPY . /x", (world) => chmodSync(world.dir, 0o700), "cached"),
  copy(
    "a mode that --chmod replaces",
    "COPY --chmod=644 f /f",
    (world) => chmodSync(world.path("f"), 0o600),
    "cached",
    {
      fewer: { COPY: OVERRIDDEN },
    },
  ),
  copy(
    "modes of a directory that --chmod replaces",
    "COPY --chmod=755 d /d",
    (world) => {
      chmodSync(world.path("d/x"), 0o600);
      chmodSync(world.path("d/sub"), 0o700);
    },
    "cached",
    { fewer: { COPY: OVERRIDDEN } },
  ),
  copy("a mode with --chown", "COPY --chown=7:7 f /f", (world) => chmodSync(world.path("f"), 0o600), "made"),
  copy("a mode with a changed umask, --link", "COPY --link f /f", (world) => chmodSync(world.path("f"), 0o664), "made"),
];

const ignored: Row[] = [
  copy("another content of an ignored file", "COPY . /x", (world) => world.put({ "d/x": "other" }), "cached", {
    files: { ".dockerignore": "d\n" },
  }),
  copy("a new ignored file", "COPY . /x", (world) => world.put({ "d/new.log": "1" }), "cached", {
    files: { ".dockerignore": "**/*.log\n" },
  }),
  copy(
    "an ignore file that ignores the same",
    "COPY d /d",
    (world) => world.put({ ".dockerignore": "# why\ng\nnever\n" }),
    "cached",
    {
      files: { ".dockerignore": "g\n" },
    },
  ),
  copy("an ignore file that ignores more", "COPY d /d", (world) => world.put({ ".dockerignore": "d/sub\n" }), "made", {
    files: { ".dockerignore": "g\n" },
  }),
];

const names: Row[] = [
  copy("a renamed match of a wildcard", "COPY *.txt /t/", rename("a.txt", "c.txt"), "made", {
    files: { "a.txt": "a {token}", "b.txt": "b {token}" },
  }),
  copy("a renamed match, the only one of a wildcard", "COPY *.txt /t/", rename("a.txt", "c.txt"), "made", {
    files: { "a.txt": "a {token}" },
  }),
  copy("a new file that a wildcard does not match", "COPY *.txt /t/", (world) => world.put({ "c.md": "c" }), "cached", {
    files: { "a.txt": "a {token}" },
  }),
  words("the same file from another directory", "COPY d/x /t/", "COPY e/x /t/", "cached", {
    files: { "e/x": "x {token}" },
  }),
  words("the same file under another name", "COPY f /t/", "COPY f2 /t/", "made", { files: { f2: "f {token}" } }),
  words("the same file under another name, to a name", "COPY f /t", "COPY f2 /t", "made", {
    files: { f2: "f {token}" },
  }),
  words("the same directory under another name", "COPY d /t/", "COPY e /t/", "cached", {
    files: { "e/x": "x {token}", "e/sub/y": "y {token}" },
    fewer: { COPY: NO_NAME },
  }),
  words("a source word with ./", "COPY f /t/", "COPY ./f /t/", "cached"),
  words("a source word with a slash before it", "COPY f /t/", "COPY /f /t/", "cached"),
  words("the JSON form", "COPY f /t/", 'COPY ["f", "/t/"]', "cached"),
  words("another destination", "COPY f /t/", "COPY f /u/", "made"),
  words("a destination with a slash after it", "COPY f /t", "COPY f /t/", "made"),
  words("another order of sources", "COPY f g /t/", "COPY g f /t/", "made"),
  words("two steps in place of one", "COPY f /t/\nCOPY g /t/", "COPY f g /t/", "made"),
  words("a destination relative to WORKDIR", "COPY f /f", "COPY f f", "cached"),
];

const flags: Row[] = [
  words("--chown", "COPY f /f", "COPY --chown=7 f /f", "made"),
  words("--chown, the group that goes without saying", "COPY --chown=7 f /f", "COPY --chown=7:7 f /f", "cached", {
    fewer: { COPY: SAME_OWNER },
  }),
  words("--chown, what is so anyway", "COPY --chown=0:0 f /f", "COPY --chown=0 f /f", "cached", {
    fewer: { COPY: SAME_OWNER },
  }),
  words("--chmod", "COPY --chmod=644 f /f", "COPY --chmod=600 f /f", "made"),
  words("--chmod, another number of noughts", "COPY --chmod=644 f /f", "COPY --chmod=0644 f /f", "cached"),
  words("--link", "COPY f /f", "COPY --link f /f", "made", { more: { COPY: NO_MERGE } }),
  words("ADD in its place", "COPY f /f", "ADD f /f", "made", { expected: { ADD: "made" } }),
  words("another step before it", "COPY g /g\nCOPY f /f", "COPY g /h\nCOPY f /f", "made"),
  words("another step before it, --link", "COPY g /g\nCOPY --link f /f", "COPY g /h\nCOPY --link f /f", "made", {
    expected: { "COPY g": "made", "COPY --link": "cached" },
    fewer: { "COPY --link": NO_MERGE },
  }),
  words("a heredoc's body", "COPY <<E /e\n1 {token}\nE", "COPY <<E /e\n2 {token}\nE", "made"),
  words("a heredoc's name", "COPY <<E /e\n1 {token}\nE", "COPY <<F /e\n1 {token}\nF", "made"),
  words("a heredoc's quotes", "COPY <<E /e\n1 {token}\nE", "COPY <<'E' /e\n1 {token}\nE", "cached"),
];

const archive = (world: World, name: string, time: number): void => {
  world.put({ "packed/p": "p {token}" });
  utimesSync(world.path("packed/p"), time, time);
  const { execFileSync } = process.getBuiltinModule("node:child_process");
  execFileSync("tar", ["-cf", join(world.dir, name), "-C", world.dir, "packed"]);
};

const archives: Row[] = [
  {
    name: "ADD of an archive, packed again with other times",
    before: "FROM box\nADD a.tar /a\n",
    prepare: (world) => archive(world, "a.tar", 1_700_000_000),
    change: (world) => archive(world, "a.tar", 1_600_000_000),
    expected: { ADD: "made" },
  },
  {
    name: "ADD of an archive, touched",
    before: "FROM box\nADD a.tar /a\n",
    prepare: (world) => archive(world, "a.tar", 1_700_000_000),
    change: (world) => utimesSync(world.path("a.tar"), 1, 1),
    expected: { ADD: "cached" },
  },
];

/** Rows about files of the context. */
export const FILE_ROWS: readonly Row[] = [...contents, ...modes, ...ignored, ...names, ...flags, ...archives];
