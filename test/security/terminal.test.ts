/** Names and texts of strangers must not drive the terminal that shows them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tarOf } from "../archive/images.js";
import { nacre, type Outcome } from "../cli/invocation.js";
import { file, layer } from "./layers.js";
import { freshDirectory, imageFiles, writeFiles } from "./world.js";

/** Clears the screen, sets the title, rings, goes back over the line, turns the direction of writing. */
const EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\rok\u202e";
/** What nacre itself writes on a terminal: colours, cursor up, first column, clear below. */
const OWN = /\x1b\[(?:\d*m|\d+A|1?G|0?J)/g;

function expectHarmless({ stdout, stderr }: Outcome): void {
  for (const text of [stdout, stderr]) {
    const rest = text.replace(OWN, "");
    expect(rest).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
  }
}

interface World {
  readonly root: string;
  /** Runs a command, expects its output to be harmless, whichever form it has. */
  show(...argv: string[]): Promise<Outcome[]>;
}

function makeWorld(): World {
  const root = freshDirectory();
  const env = { NACRE_HOME: join(root, "store") };
  mkdirSync(join(root, "context"));
  return {
    root,
    show: async (...argv) => {
      const outcomes = [await nacre(argv, { env }), await nacre(argv, { env, columns: 70 })];
      for (const outcome of outcomes) expectHarmless(outcome);
      return outcomes;
    },
  };
}

/** Runs a build of this Dockerfile in a context with an evil file in it. */
async function build(dockerfile: string, ...flags: string[]): Promise<Outcome[]> {
  const { root, show } = makeWorld();
  writeFileSync(join(root, "context", `name${EVIL}`), "x");
  writeFileSync(join(root, "context", "Dockerfile"), dockerfile);
  return [
    ...(await show("build", ...flags, join(root, "context"))),
    ...(await show("build", "--progress=rawjson", ...flags, join(root, "context"))),
  ];
}

describe("a build shows harmlessly", () => {
  test.each([
    ["instructions that work", `FROM scratch\nLABEL a="${EVIL.replace("\r", "")}"\nCOPY . /\n`],
    [
      "sources that are missing",
      `FROM scratch\nCOPY ["no${EVIL.replaceAll("\x1b", "\\u001b").replace("\x07", "\\u0007").replace("\r", "\\r")}", "/"]\n`,
    ],
    ["unknown instructions", `FROM scratch\nCO${EVIL.replace("\r", "")}PY . /\n`],
    ["unknown stages", `FROM scratch\nCOPY --from=no${EVIL.replace("\r", "")} . /\n`],
    ["names of stages", `FROM scratch AS st\x1b[2Jage\nCOPY . /\n`],
    ["names of bases", `FROM no\x1b[2J:1\n`],
    ["unknown flags", `FROM scratch\nCOPY --\x1b[2J=1 . /\n`],
    ["owners", `FROM scratch\nCOPY --chown=\x1b[2Jme . /\n`],
    ["heredocs", `FROM scratch\nCOPY <<"\x1b[2J" /x\n\x1b]0;owned\x07\n\x1b[2J\n`],
    ["directives", `# syntax=\x1b[2J\n# escape=\x1b\nFROM scratch\n`],
    ["arguments", `ARG A=\x1b[2J\nFROM \${A:?\x1b]0;owned\x07}x\${A}\n`],
  ])("%s", async (_, dockerfile) => {
    expect((await build(dockerfile)).length).toBe(4);
  });

  test("flags of the command", async () => {
    const dockerfile = "FROM scratch\nCOPY . /\n";
    for (const flags of [
      ["--target", `x${EVIL}`],
      ["-t", `x${EVIL}`],
      ["-o", `type=${EVIL}`],
      ["-o", `type=local,dest=/proc/${EVIL}`],
      ["--build-arg", EVIL],
      ["--label", `a=${EVIL}`],
      ["--build-context", `x=${EVIL}`],
      ["-f", EVIL],
      ["--platform", EVIL],
      [`--${EVIL}`],
      [EVIL],
    ])
      await build(dockerfile, ...flags);
  });

  test("patterns of the ignore file", async () => {
    const { root, show } = makeWorld();
    writeFileSync(join(root, "context", ".dockerignore"), `[\x1b[2J\n`);
    writeFileSync(join(root, "context", "Dockerfile"), "FROM scratch\nCOPY . /\n");
    await show("build", join(root, "context"));
  });
});

describe("images from elsewhere are shown harmlessly", () => {
  test("their files, labels, history and annotations", async () => {
    const { root, show } = makeWorld();
    const files = imageFiles([layer(file(`name\x1b[2J`, "x"))]).map((member) => ({ ...member }));
    writeFileSync(join(root, "image.tar"), tarOf(files));
    const [loaded] = await show("load", join(root, "image.tar"));
    expect(loaded!.code).toBe(0);
    writeFileSync(join(root, "Dockerfile"), `FROM evil:1\nLABEL "\x1b[2J"="\x1b]0;owned\x07"\nCOPY no /\n`);
    for (const argv of [["image", "ls"], ["inspect", "evil:1"], ["build", root], ["check"], ["info"], ["prune", "-f"]])
      await show(...argv);
    writeFileSync(join(root, "Dockerfile"), `FROM evil:1\nLABEL "\x1b[2J"="\x1b]0;owned\x07"\n`);
    await show("build", "-t", "labelled:1", root);
    await show("inspect", "labelled:1");
  });

  test("their names, digests and platforms, where they are wrong", async () => {
    const { root, show } = makeWorld();
    const members = imageFiles([layer(file("f", "x"))]);
    const evil = JSON.stringify(EVIL).slice(1, -1);
    const swaps: readonly [string, string][] = [
      ["docker.io/library/evil:1", `docker.io/library/${evil}:1`],
      ["sha256:", `sha256:${evil}`],
      ["application/vnd.oci.image.manifest.v1+json", evil],
      ["schemaVersion", evil],
    ];
    for (const [i, [from, to]] of swaps.entries()) {
      const changed = members.map((member) =>
        member.path === "index.json" ? { ...member, content: String(member.content).replaceAll(from, to) } : member,
      );
      const directory = writeFiles(join(root, `layout${i}`), changed);
      await show("load", directory);
      await show("load", "--name", EVIL, directory);
    }
    for (const command of ["inspect", "rm", "save", "tag"]) await show(command, EVIL, "x");
    await show("load", join(root, EVIL));
    await show("image", EVIL);
  });

  test("an archive's members, where they are wrong", async () => {
    const { root, show } = makeWorld();
    writeFileSync(join(root, "a.tar"), layer(file("d\x1b[2J", "x"), file("d\x1b[2J/f", "x")));
    const loaded = await show("load", "--rootfs", "-t", "x:1", join(root, "a.tar"));
    expect(loaded.map(({ code }) => code)).toEqual([1, 1]);
  });
});
