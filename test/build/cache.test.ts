import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Files, layersOf, outcomes, Project } from "./helpers.js";

const FILES: Files = { f: "F", g: "G", "d/x": "X", "d/sub/y": "Y", ".dockerignore": "ignored\n", ignored: "1" };

/** Builds twice with a change in between; tells what became of each step the second time. */
async function twice(first: string, change: (project: Project) => string | undefined): Promise<string[]> {
  const project = new Project(FILES);
  await project.build(first);
  const second = change(project) ?? first;
  return outcomes(await project.build(second));
}

describe("an unchanged build", () => {
  test("answers every step from the cache and gives the same digest, whatever the time", async () => {
    const project = new Project(FILES);
    const dockerfile =
      "FROM scratch AS a\nWORKDIR /w\nCOPY . .\nFROM scratch\nCOPY --from=a /w /v\nCOPY <<E /e\nhi\nE\nLABEL a=b\n";
    const first = await project.build(dockerfile, { tags: ["t:1"] });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const second = await project.build(dockerfile, { tags: ["t:1"] });
    expect(second.digest).toBe(first.digest);
    expect(second.steps.map(({ outcome }) => outcome)).toEqual(["cached", "cached", "cached", "cached"]);
    expect(project.events.filter((event) => event.type === "end" && event.outcome === "cached")).toHaveLength(4);
  });

  test("does not need the layers' contents: only that they are there", async () => {
    const project = new Project(FILES);
    const first = await project.build("FROM scratch\nCOPY . /x\n");
    const blob = join(project.store, "blobs/sha256", layersOf(first)[0]!.slice(7));
    chmodSync(blob, 0o644);
    writeFileSync(blob, Buffer.alloc(statSync(blob).size));
    expect(outcomes(await project.build("FROM scratch\nCOPY . /x\n"))).toEqual(["COPY . /x: cached"]);
  });

  test("a layer whose blob is gone or of another size is made again", async () => {
    const project = new Project(FILES);
    const first = await project.build("FROM scratch\nCOPY . /x\n");
    unlinkSync(join(project.store, "blobs/sha256", layersOf(first)[0]!.slice(7)));
    const second = await project.build("FROM scratch\nCOPY . /x\n");
    expect(outcomes(second)).toEqual(["COPY . /x: done"]);
    expect(layersOf(second)).toEqual(layersOf(first));
  });
});

describe("what a later COPY does not look at", () => {
  test.each([
    "ENV A=2",
    "ARG A=2",
    "LABEL a=2",
    "USER 7",
    'SHELL ["/bin/x", "-c"]',
    "EXPOSE 81",
    'CMD ["x"]',
    'ENTRYPOINT ["x"]',
    "HEALTHCHECK NONE",
    "STOPSIGNAL 9",
    "VOLUME /v",
    "ONBUILD RUN x",
    "MAINTAINER me",
  ])("%s before it changes nothing", async (line) => {
    expect(await twice("FROM scratch\nLABEL a=1\nCOPY f /f\n", () => `FROM scratch\n${line}\nCOPY f /f\n`)).toEqual([
      "COPY f /f: cached",
    ]);
  });

  test("a file that is only touched", async () => {
    expect(await twice("FROM scratch\nCOPY . /x\n", ({ dir }) => void utimesSync(join(dir, "f"), 1, 1))).toEqual([
      "COPY . /x: cached",
    ]);
  });

  test("an ignored file, and an ignore file that ignores the same", async () => {
    const change = (project: Project): undefined =>
      project.put({ ignored: "2", ".dockerignore": "# no more\nignored\nnever/*\n" }) as undefined;
    expect(await twice("FROM scratch\nCOPY d /x\n", change)).toEqual(["COPY d /x: cached"]);
  });

  test("a file that it does not copy", async () => {
    expect(await twice("FROM scratch\nCOPY d /x\n", (project) => project.put({ g: "other" }) as undefined)).toEqual([
      "COPY d /x: cached",
    ]);
  });

  test("a mode that --chmod replaces", async () => {
    const change = ({ dir }: Project): undefined => void chmodSync(join(dir, "d/x"), 0o600) as undefined;
    expect(await twice("FROM scratch\nCOPY --chmod=644 d/x /x\n", change)).toEqual(["COPY --chmod=644 d/x /x: cached"]);
    expect(await twice("FROM scratch\nCOPY --chmod=go+r d/x /x\n", change)).toEqual([
      "COPY --chmod=go+r d/x /x: cached",
    ]);
    expect(await twice("FROM scratch\nCOPY --chmod=u+x d/x /x\n", change)).toEqual(["COPY --chmod=u+x d/x /x: done"]);
  });

  test("the folder that a file comes from", async () => {
    const change = ({ dir }: Project): string => {
      mkdirSync(join(dir, "elsewhere"));
      renameSync(join(dir, "d/x"), join(dir, "elsewhere/x"));
      return "FROM scratch\nCOPY elsewhere/x /t/\n";
    };
    expect(await twice("FROM scratch\nCOPY d/x /t/\n", change)).toEqual(["COPY elsewhere/x /t/: cached"]);
  });

  test("an owner that is spelled otherwise, and a build argument that no ARG names", async () => {
    const project = new Project(FILES);
    await project.build("FROM scratch\nCOPY --chown=0 f /f\n");
    const second = await project.build("FROM scratch\nCOPY --chown=root:root f /f\n", {
      buildArgs: { NOBODY: "asks" },
    });
    expect(outcomes(second)[0]).toMatch(/cached$/);
  });

  test("its parent, with --link", async () => {
    expect(
      await twice("FROM scratch\nCOPY g /g\nCOPY --link f /f\n", (project) => project.put({ g: "other" }) as undefined),
    ).toEqual(["COPY g /g: done", "COPY --link f /f: cached"]);
  });
});

describe("what a later COPY looks at", () => {
  const missing: [string, string, (project: Project) => string | undefined][] = [
    ["a content", "COPY . /x", (p) => p.put({ "d/x": "Z" }) as undefined],
    ["a mode", "COPY . /x", (p) => void chmodSync(join(p.dir, "d/x"), 0o755)],
    ["the mode of a directory below", "COPY . /x", (p) => void chmodSync(join(p.dir, "d"), 0o700)],
    ["a new file", "COPY . /x", (p) => p.put({ new: "" }) as undefined],
    ["a new empty directory", "COPY . /x", (p) => void mkdirSync(join(p.dir, "empty"))],
    ["a removed file", "COPY . /x", (p) => void unlinkSync(join(p.dir, "g"))],
    ["a renamed file", "COPY . /x", (p) => void renameSync(join(p.dir, "g"), join(p.dir, "h"))],
    [
      "a file that became a symlink to the same content",
      "COPY d /x",
      (p) => p.put({ "d/x": { link: "../f" } }) as undefined,
    ],
    [
      "a file that became a hard link of another",
      "COPY . /x",
      (p) => {
        p.put({ g: "F" });
        unlinkSync(join(p.dir, "g"));
        linkSync(join(p.dir, "f"), join(p.dir, "g"));
        return undefined;
      },
    ],
    ["a name that a wildcard matches", "COPY [fg] /x/", (p) => void renameSync(join(p.dir, "g"), join(p.dir, "f2"))],
    [
      "the name of a file",
      "COPY f /t/",
      (p) => {
        renameSync(join(p.dir, "f"), join(p.dir, "f9"));
        return "FROM scratch\nCOPY f9 /t/\n";
      },
    ],
    ["the destination", "COPY f /t/", () => "FROM scratch\nCOPY f /u/\n"],
    ["--chown", "COPY f /t/", () => "FROM scratch\nCOPY --chown=1 f /t/\n"],
    ["--chmod", "COPY f /t/", () => "FROM scratch\nCOPY --chmod=600 f /t/\n"],
    ["the order of sources", "COPY f g /t", () => "FROM scratch\nCOPY g f /t\n"],
    [
      "an ignore rule that takes a file away",
      "COPY . /x",
      (p) => p.put({ ".dockerignore": "ignored\ng\n" }) as undefined,
    ],
    ["a heredoc's body", "COPY <<E /e\n1\nE", () => "FROM scratch\nCOPY <<E /e\n2\nE\n"],
    ["a heredoc's name", "COPY <<E /e/\n1\nE", () => "FROM scratch\nCOPY <<F /e/\n1\nF\n"],
    ["an argument that its text uses", "ARG A=f\nCOPY $A /t", () => "FROM scratch\nARG A=g\nCOPY $A /t\n"],
    [
      "the working directory that it is relative to",
      "WORKDIR /a\nCOPY f .",
      () => "FROM scratch\nWORKDIR /b\nCOPY f .\n",
    ],
    ["ADD that unpacks", "COPY f /t", () => "FROM scratch\nADD f /t\n"],
  ];
  test.each(missing)("%s", async (_, line, change) => {
    const steps = await twice(`FROM scratch\n${line}\n`, change);
    expect(steps.at(-1)).toMatch(/: done$/);
  });

  test("its parent: an earlier step that ran again runs what follows, and nothing beside", async () => {
    const dockerfile =
      "FROM scratch AS a\nCOPY f /f\nFROM scratch AS b\nCOPY g /g\nFROM a\nCOPY d /d\nCOPY --from=b /g /h\n";
    const project = new Project(FILES);
    await project.build(dockerfile);
    project.put({ f: "new" });
    const steps = (await project.build(dockerfile)).steps.map(
      ({ label, outcome }) => `${label.replace(/^.*\] /, "")}: ${outcome}`,
    );
    expect(new Set(steps)).toEqual(
      new Set(["COPY f /f: done", "COPY d /d: done", "COPY --from=b /g /h: done", "COPY g /g: cached"]),
    );
  });

  test("the base image's digest, but not with --link", async () => {
    const project = new Project(FILES);
    const steps = async (content: string): Promise<string[]> => {
      project.put({ "base/b": content });
      await project.build("FROM scratch\nCOPY base /\n", { tags: ["base:1"] });
      return outcomes(await project.build("FROM base:1\nCOPY f /f\nCOPY --link g /g\n"));
    };
    await steps("one");
    expect(await steps("two")).toEqual(["COPY f /f: done", "COPY --link g /g: cached"]);
    expect(await steps("one")).toEqual(["COPY f /f: cached", "COPY --link g /g: cached"]);
  });
});

describe("asking for less of the cache", () => {
  const dockerfile = "FROM scratch AS one\nWORKDIR /w\nCOPY f /f\nFROM one\nCOPY g /g\n";

  test("--no-cache makes COPY again, not WORKDIR, and the result is the same", async () => {
    const project = new Project(FILES);
    const first = await project.build(dockerfile);
    const second = await project.build(dockerfile, { noCache: true });
    expect(second.steps.map(({ label, outcome }) => `${label.replace(/^.*\] /, "")}: ${outcome}`).sort()).toEqual([
      "COPY f /f: done",
      "COPY g /g: done",
      "WORKDIR /w: cached",
    ]);
    expect(new Set(layersOf(second))).toEqual(new Set(layersOf(first)));
  });

  test("--no-cache-filter reaches the named stage only", async () => {
    const project = new Project(FILES);
    await project.build(dockerfile);
    const second = await project.build(dockerfile, { noCacheFilter: ["one"] });
    const steps = second.steps.map(({ label, outcome }) => `${label.replace(/^.*\] /, "")}: ${outcome}`).sort();
    expect(steps).toEqual(["COPY f /f: done", "COPY g /g: cached", "WORKDIR /w: cached"]);
  });
});

describe("records", () => {
  test("a poisoned record is never a hit", async () => {
    const project = new Project(FILES);
    await project.build("FROM scratch\nCOPY f /f\n");
    const records = join(project.store, "records");
    for (const shard of readdirSync(records)) {
      for (const name of readdirSync(join(records, shard))) {
        const file = join(records, shard, name);
        writeFileSync(file, "{}");
        rmSync(file);
        writeFileSync(file, Buffer.alloc(300, 0x41));
      }
    }
    expect(outcomes(await project.build("FROM scratch\nCOPY f /f\n"))).toEqual(["COPY f /f: done"]);
  });

  test("two projects with the same files share layers, wherever they lie", async () => {
    const one = new Project(FILES);
    const two = new Project(FILES, one.store);
    const first = await one.build("FROM scratch\nCOPY . /x\n");
    const second = await two.build("FROM scratch\nCOPY . /x\n");
    const third = await two.build("FROM scratch\nCOPY . /x\n");
    expect(outcomes(third)).toEqual(["COPY . /x: cached"]);
    expect(layersOf(third)).toHaveLength(1);
    expect(first.steps[0]!.outcome).toBe("done");
    expect(second.steps).toHaveLength(1);
  });
});

describe("a copied file whose name means a whiteout", () => {
  test("is told of, and means the same to a later build, whichever index is there", async () => {
    const project = new Project({ "d/.wh.gone": "", "d/kept": "k", "low/d/gone": "g" });
    const dockerfile = "FROM scratch\nCOPY low /\nCOPY d /d\n";
    const first = await project.build(dockerfile, { tags: ["t:1"] });
    expect(first.warnings.map(({ rule }) => rule)).toContain("ReservedName");
    const before = await project.files(first);
    rmSync(join(project.store, "indexes"), { recursive: true });
    expect(await project.files(first)).toEqual(before);
    expect(before).toEqual(["d dir 755", "d/kept file 644 k"]);
  });
});
