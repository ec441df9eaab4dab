/** The second chance: steps whose inputs were made again with the same outcome. */
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import type { BuildResult } from "../../src/build/request.js";
import { requireTool, toolMissing } from "../setup/tools.js";
import { layersOf, Project } from "./helpers.js";

/** `COPY f /f: content` and the like, in the order of the Dockerfile; `made` for what was not answered. */
function answers(result: BuildResult): string[] {
  const number = (label: string): string => label.replace(/^\[(?:(\S+) )?(\d+)\/\d+\].*$/, "$1 $2");
  return [...result.steps]
    .sort((a, b) => (number(a.label) < number(b.label) ? -1 : 1))
    .map(({ label, outcome, by }) => `${label.replace(/^\[.*?\] /, "")}: ${outcome === "cached" ? by : "made"}`);
}

const STAGED = "FROM scratch AS a\nCOPY f g /x/\nFROM scratch\nCOPY --from=a /x/f /f\nCOPY --from=a /x/g /g\n";

describe("COPY from a stage that was made again", () => {
  test("hits where the files that it takes are the same, and misses where they are not", async () => {
    const project = new Project({ f: "F", g: "G" });
    const first = await project.build(STAGED);
    project.put({ g: "changed" });
    const second = await project.build(STAGED);
    expect(answers(second)).toEqual([
      "COPY f g /x/: made",
      "COPY --from=a /x/f /f: content",
      "COPY --from=a /x/g /g: made",
    ]);
    expect(await project.files(second)).toEqual(["f file 644 F", "g file 644 changed"]);
    const ofF = (result: BuildResult) => result.steps.find(({ label }) => label.includes("/x/f"))?.layer?.diffId;
    expect(ofF(second)).toBe(ofF(first));
  });

  test("is known by its definition from then on", async () => {
    const project = new Project({ f: "F", g: "G" });
    await project.build(STAGED);
    project.put({ g: "changed" });
    await project.build(STAGED);
    expect(answers(await project.build(STAGED))).toEqual([
      "COPY f g /x/: definition",
      "COPY --from=a /x/f /f: definition",
      "COPY --from=a /x/g /g: definition",
    ]);
  });

  test.each([
    ["a mode", (project: Project) => chmodSync(join(project.dir, "f"), 0o600)],
    ["the content", (project: Project) => project.put({ f: "other" })],
  ])("misses where %s of a file that it takes has changed", async (_what, change) => {
    const project = new Project({ f: "F", g: "G" });
    await project.build(STAGED);
    change(project);
    expect(answers(await project.build(STAGED))[1]).toBe("COPY --from=a /x/f /f: made");
  });

  test("tells platforms apart, and owners, modes and destinations", async () => {
    const project = new Project({ f: "F" });
    const text = (more: string) => `FROM scratch AS a\nCOPY f /x/\nFROM scratch\nCOPY --from=a ${more}\n`;
    await project.build(text("/x/f /f"));
    for (const more of ["/x/f /g", "--chown=7 /x/f /f", "--chmod=600 /x/f /f"]) {
      expect(answers(await project.build(text(more)))[1]).toBe(`COPY --from=a ${more}: made`);
    }
  });
});

describe("what is built on a layer that was made again", () => {
  const TEXT = "FROM scratch\nCOPY f /f\nCOPY g /g\n";

  /** Removes the records of one step, and its layer. */
  function forget(project: Project, diffId: string): void {
    unlinkSync(join(project.store, "blobs/sha256", diffId.slice(7)));
  }

  test("stays where the layer came out the same", async () => {
    const project = new Project({ f: "F", g: "G" });
    const first = await project.build(TEXT);
    forget(project, layersOf(first)[0]!);
    const second = await project.build(TEXT);
    expect(answers(second)).toEqual(["COPY f /f: made", "COPY g /g: definition"]);
  });

  test("stays where only times differ", async () => {
    const project = new Project({ f: "F", g: "G" });
    const first = await project.build(TEXT);
    forget(project, layersOf(first)[0]!);
    project.put({ f: "F" });
    rmSync(join(project.dir, "f"));
    project.put({ f: "F" });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    project.put({ f: "G" });
    project.put({ f: "F" });
    const second = await project.build(TEXT);
    expect(layersOf(second)[0]).not.toBe(layersOf(first)[0]);
    expect(answers(second)).toEqual(["COPY f /f: made", "COPY g /g: content"]);
    expect(answers(await project.build(TEXT))).toEqual(["COPY f /f: definition", "COPY g /g: definition"]);
  });
});

const noRun = process.getuid?.() !== 0 || ["busybox", "unshare", "setpriv", "tar"].some(toolMissing);

describe.skipIf(noRun)("RUN", () => {
  const BASE = "FROM scratch AS base\nCOPY --chmod=0755 bin /bin\n";

  function project(): Project {
    const made = new Project({ f: "F\n" });
    mkdirSync(join(made.dir, "bin"));
    for (const name of ["sh", "cat", "echo", "wc"]) {
      copyFileSync(requireTool("busybox"), join(made.dir, "bin", name));
    }
    return made;
  }

  it("that gives the same again leaves what follows cached", async () => {
    const made = project();
    const text = (what: string) => `${BASE}COPY f /f\nRUN cat /f ${what} > /g\nRUN wc -c /g > /h\nCOPY f /i\n`;
    await made.build(text(""));
    const second = await made.build(text("/f | cat /f"));
    expect(answers(second).slice(2)).toEqual([
      "RUN cat /f /f | cat /f > /g: made",
      "RUN wc -c /g > /h: content",
      "COPY f /i: content",
    ]);
    expect(second.steps.at(-1)?.layer).toBeDefined();
  });

  it("that gives something else does not", async () => {
    const made = project();
    const text = (what: string) => `${BASE}COPY f /f\nRUN cat /f ${what} > /g\nRUN wc -c /g > /h\nCOPY f /i\n`;
    await made.build(text(""));
    expect(answers(await made.build(text("/f"))).slice(3)).toEqual(["RUN wc -c /g > /h: made", "COPY f /i: made"]);
  });

  it.each([
    ["USER", "USER 7"],
    ["WORKDIR", "WORKDIR /bin"],
    ["SHELL", 'SHELL ["/bin/sh", "-ec"]'],
    ["environment", "ENV A=1"],
    ["an argument", "ARG A=1"],
  ])("never shares a key with one that differs only in %s", async (_what, instruction) => {
    const made = project();
    const text = (before: string) => `${BASE}${before}\nRUN echo > /tmp-file\n`;
    await made.build(`${BASE}RUN ["/bin/sh", "-c", "echo > /g"]\n`);
    await made.build(text("LABEL a=b"));
    const other = await made.build(text(instruction)).catch(() => undefined);
    // Whoever is not root may not write there: it was executed at any rate.
    if (other) expect(answers(other).at(-1)).toMatch(/: made$/);
  });

  it("takes a bind of a stage by what it shows", async () => {
    const made = project();
    made.put({ g: "G\n" });
    const text = `${BASE}FROM scratch AS files\nCOPY f g /x/\nFROM base\nRUN --mount=from=files,source=/x/f,target=/m cat /m > /out\n`;
    await made.build(text);
    made.put({ g: "changed" });
    expect(answers(await made.build(text)).at(-1)).toMatch(/^RUN .*: content$/);
    made.put({ f: "changed" });
    expect(answers(await made.build(text)).at(-1)).toMatch(/^RUN .*: made$/);
  });

  it("anew in a stage of --no-cache-filter is what all that stand on it see", async () => {
    const made = project();
    const text = `${BASE}FROM base AS a\nRUN cat /proc/sys/kernel/random/uuid > /f\nFROM base AS b\nRUN cat /proc/sys/kernel/random/uuid > /g\nFROM a AS c\nRUN cat /f > /h\nFROM base\nCOPY --from=a /f /f\nCOPY --from=b /g /g\nCOPY --from=c /h /h\n`;
    const seen = async (result: BuildResult) =>
      (await made.files(result)).filter((line) => /^[fgh] /.test(line)).map((line) => line.split(" ")[3]);
    const [f, g] = await seen(await made.build(text));
    const filtered = await seen(await made.build(text, { noCacheFilter: ["a"] }));
    expect(filtered[0]).not.toBe(f);
    expect(filtered).toEqual([filtered[0], g, filtered[0]]);
    // The stage alone, anew: a later build keeps what goes together (as BuildKit does).
    await made.build(text, { noCache: true, target: "a" });
    const later = await seen(await made.build(text));
    expect(later[0]).toBe(later[2]);
    expect(later[1]).toBe(g);
  });

  it("leaves no record that names a layer which goes with another one below", async () => {
    const made = project();
    const text = `${BASE}RUN cat /proc/sys/kernel/random/uuid > /f\nRUN cat /f > /g\n`;
    await made.build(text);
    await made.build(text, { noCache: true });
    const both = await made.files(await made.build(text));
    const content = (name: string) => both.find((line) => line.startsWith(`${name} `))?.split(" ")[3];
    expect(content("f")).toBe(content("g"));
    expect(readdirSync(join(made.store, "records")).length).toBeGreaterThan(0);
  });
});
