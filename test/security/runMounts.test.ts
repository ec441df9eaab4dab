/** Mounts of a step that are meant to show, or to change, more than they name: CVE-2024-1753, CVE-2024-9407. */
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dir, file, layer, symlink } from "./layers.js";
import { cannotRun, LEVELS, RunWorld } from "./runWorld.js";
import { makeProbe } from "./world.js";

/** Names with everything that separates, escapes or begins something in the languages on the way to mount(2). */
const ODD = [
  "a,b",
  "c:d",
  "e f",
  "g\\h",
  "i#j",
  "k=l",
  "lowerdir=x",
  "m'n",
  'o"p',
  "\\040q",
  "r\tr",
  "s;t",
  "$(id)",
  "-rf",
];

describe.skipIf(cannotRun)("a bind mount", () => {
  const world = new RunWorld();
  const probe = makeProbe();
  beforeAll(async () => {
    await world.load();
    await world.load(
      "source:1",
      layer(
        ...[symlink("root-link", "/"), symlink("up", "../../../../.."), symlink("probe", probe.path)],
        ...[symlink("proc-link", "/proc/self/root"), symlink("loop", "loop"), dir("d"), file("d/f", "from the image")],
        ...[symlink("d/up", "../../d"), symlink("d/probe", `${probe.path}/f`)],
      ),
    );
    await world.load("odd:1", layer(...ODD.flatMap((name) => [dir(name), file(`${name}/here`, name)])));
    fs.symlinkSync(probe.path, join(world.context, "to-probe"));
    fs.mkdirSync(join(world.context, "c"));
  });
  afterAll(() => world.expectSound());

  describe.each(LEVELS)("%s", (level) => {
    test.each(["/root-link", "/up", "/up/../..", "/d/up/../..", "../../..", "/d/../../../.."])(
      "of the image's %s shows the image's root, and nothing above it",
      async (source) => {
        const output = await world.run(
          `FROM box:1\nRUN --mount=from=source:1,source=${source},target=/m ls -A /m; cat /m/d/f\n`,
          { level, args: ["--no-cache"] },
        );
        expect(output).toContain("root-link");
        expect(output.at(-1)).toBe("from the image");
        expect(output).not.toContain("home");
      },
    );

    test("of a symlink in it stays a symlink of the step's root", async () => {
      const output = await world.run(
        `FROM box:1\nRUN --mount=from=source:1,target=/m cat /m/probe/f /m/d/probe 2>/dev/null || echo nothing; ls /m/root-link/\n`,
        { level, args: ["--no-cache"] },
      );
      expect(output).toContain("nothing");
      expect(output).toContain("m");
      probe.expectUntouched();
    });

    test("is read-only unless it is said to be written to; then no one else sees what is written", async () => {
      const tries =
        "(echo x >/m/d/f) 2>/dev/null && echo WROTE; rm /m/d/f 2>/dev/null && echo REMOVED; mkdir /m/new 2>/dev/null && echo MADE; chmod 777 /m 2>/dev/null && echo CHANGED; mount -o remount,rw /m 2>/dev/null && echo REMOUNTED; unshare -Urm mount -o remount,rw,bind /m 2>/dev/null && echo REVEALED; cat /m/d/f";
      const bind = "--mount=from=source:1,target";
      const output = await world
        .run(
          [
            "FROM box:1",
            `RUN ${bind}=/m ${tries}`,
            `RUN ${bind}=/m ${bind}=/w,rw echo >>/w/d/f; echo changed >/w/d/f; rm /w/up; cat /m/d/f; echo; cat /w/d/f`,
            `RUN ${bind}=/w,rw ${bind}=/v,rw echo one >/w/d/f; cat /v/d/f; echo; ls /w/up >/dev/null && echo again`,
            "COPY --from=source:1 /d /copied",
            "RUN cat /copied/f; ls -d /w /v /m 2>/dev/null; true",
            "RUN true",
            "",
          ].join("\n"),
          { level, args: ["--no-cache"] },
        )
        .catch((error: Error) => [error.message]);
      const kept = "from the image";
      expect(output.filter((line) => line !== "")).toEqual([kept, kept, "changed", kept, "again", kept]);
    });
  });

  test.each([
    ["/probe", /"\/probe": not found/],
    ["/d/probe", /"\/d\/probe": not found/],
    ["/proc-link", /"\/proc-link": not found/],
    ["/loop", /too many levels of symbolic links/],
    ["/d/f/x", /"\/d\/f\/x": not found/],
  ])("of the image's %s is refused: nothing of the machine is there", async (source, expected) => {
    const { message, hint } = await world.fail(
      `FROM box:1\nRUN --mount=from=source:1,source=${source},target=/m ls -A /m; cat /m\n`,
    );
    expect(message).toMatch(expected);
    expect(hint).not.toBe("");
    probe.expectUntouched();
  });

  test.each(["/to-probe", "../..", "c/../../..", "c/../to-probe/sub"])(
    "of the context's %s shows nothing outside the context",
    async (source) => {
      const { code, text } = await world.build(
        `FROM box:1\nRUN --mount=source=${source},target=/m ls -AR /m; cat /m/f /m/g 2>/dev/null; true\n`,
        { args: ["--no-cache"] },
      );
      expect(text).not.toMatch(/precious|more/);
      if (code === 0) expect(text).toMatch(/to-probe/);
      probe.expectUntouched();
    },
  );

  test("takes names of any kind for what they are", async () => {
    for (const level of LEVELS) {
      for (const name of ODD) {
        const value = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const mount = ["from=odd:1", value(`source=/${name}`), value(`target=/at/${name}`)].join(",");
        const dockerfile = `# escape=\`\nFROM box:1\nRUN --mount=${mount} cat /at/*/here; echo; cut -d' ' -f5 /proc/self/mountinfo | grep -c ^/at\n`;
        const { code, text } = await world.build(dockerfile, { level, args: ["--no-cache"] });
        // Blanks end a flag, and a dollar begins a variable: those are told of. The others are names.
        if (code !== 0) {
          expect(text, name).toMatch(/ERROR: .*(field|mount|unknown|quote|parse|substitution|invalid|not found|flag)/i);
          continue;
        }
        expect(text, name).toContain(name.replace("\t", " "));
        expect(text, name).toMatch(/^#\d+ [\d.]+ 1$/m);
      }
    }
  });

  test("has no options but those that it may have", async () => {
    for (const option of [
      "bind-propagation=shared",
      "dev",
      "suid",
      "exec",
      "z",
      "upperdir=/etc",
      "rw=maybe",
      "size=1",
    ]) {
      const { message } = await world.fail(`FROM box:1\nRUN --mount=type=bind,from=box:1,target=/m,${option} true\n`);
      expect(message, option).toMatch(/unexpected key|invalid|must be|not (allowed|supported)|unknown/);
    }
  });
});
