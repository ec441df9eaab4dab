import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { renderExcerpt } from "../../src/dockerfile/excerpt.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { type Files, Project } from "./helpers.js";

const FILES: Files = {
  "src/app.js": "x",
  "src/lib/deep/util.js": "u",
  "README.md": "r",
  "docs/guide.md": "g",
  "a.log": "l",
  "notes [1].log": "l",
  ".dockerignore": "# what is made\n*.log\n!b.log\nvendor\n",
  "vendor/x/y.go": "y",
};

/** Builds what must fail. @param make prepares the directory of the context */
async function failure(dockerfile: string, files: Files = FILES, make?: (dir: string) => void): Promise<NacreError> {
  const project = new Project(files);
  make?.(project.dir);
  const error = await project.build(dockerfile.replaceAll("<dir>", project.dir)).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isNacreError(error)) throw new Error(`expected a NacreError, got ${String(error)}`);
  return new Proxy(error, {
    get: (target, key) => {
      const value = Reflect.get(target, key);
      return key === "hint" ? String(value).replaceAll(project.dir, "<dir>") : value;
    },
  });
}

const copy = (line: string): string => `FROM scratch\n${line}\n`;

describe("a source that is not in the context: the hint says", () => {
  const cases: readonly (readonly [title: string, line: string, message: string, hint: string | RegExp])[] = [
    ["a near name", "COPY src/ap.js /", '"/src/ap.js": not found in the build context', "did you mean src/app.js?"],
    [
      "a near directory",
      "COPY scr/app.js /",
      '"/scr/app.js": not found in the build context',
      "did you mean src/app.js?",
    ],
    [
      "that letter case counts",
      "COPY Readme.md /",
      '"/Readme.md": not found in the build context',
      "did you mean README.md? Upper and lower case are different names",
    ],
    [
      "letter case of a directory",
      "COPY SRC/App.js /",
      '"/SRC/App.js": not found in the build context',
      "did you mean src/app.js? Upper and lower case are different names",
    ],
    [
      "the same name elsewhere",
      "COPY util.js /",
      '"/util.js": not found in the build context',
      "there is src/lib/deep/util.js",
    ],
    [
      "the line that ignores it",
      "COPY a.log /",
      '"/a.log": not found in the build context',
      ".dockerignore, line 2 (*.log), keeps it out of the context; remove that line, or add below it: !a.log",
    ],
    [
      "the line that ignores a directory above it",
      "COPY vendor/x/y.go /",
      '"/vendor/x/y.go": not found in the build context',
      ".dockerignore, line 4 (vendor), keeps it out of the context; remove that line, or add below it: !vendor/x/y.go",
    ],
    [
      "nothing of ignore rules for what is not there anyway",
      "COPY none.log /",
      '"/none.log": not found in the build context',
      "paths are relative to the root of the build context",
    ],
    [
      "that .. stops at the root",
      "COPY ../nothing-there/x /",
      '"/nothing-there/x": not found in the build context',
      /^"\.\.\/nothing-there\/x" leads out of the build context: \.\. stops at its root; put the files below the context, or give their directory with --build-context NAME=DIR and copy with COPY --from=NAME$/,
    ],
    [
      "that a file is no directory",
      "COPY src/app.js/x /",
      '"/src/app.js/x": not found in the build context',
      "src/app.js is not a directory",
    ],
    [
      "that / is the context's root",
      "COPY <dir>/src/app.js /",
      "not found in the build context",
      "a leading / means the root of the context: write src/app.js",
    ],
    [
      "that / is not this machine's",
      "COPY /etc/passwd /",
      '"/etc/passwd": not found in the build context',
      "a leading / means the root of the context, not of this machine; give /etc with --build-context NAME=/etc to copy from it",
    ],
    [
      "what a variable has become",
      "ARG WHERE\nCOPY $WHERE/app.js /",
      '"/app.js": not found in the build context',
      '$WHERE/app.js has become "/app.js"; there is src/app.js',
    ],
    [
      "that / separates directories",
      "COPY src\\app.js /",
      '"/srcapp.js": not found in the build context',
      /^write src\/app\.js: directories are separated by \//,
    ],
  ];
  test.each(cases)("%s", async (_, line, message, hint) => {
    const error = await failure(copy(line));
    expect(error.code).toBe("SOURCE_NOT_FOUND");
    expect(error.message).toContain(message);
    if (typeof hint === "string") expect(error.hint).toBe(hint);
    else expect(error.hint).toMatch(hint);
  });

  test("what a symlink leads to", async () => {
    const error = await failure(copy("COPY link/x /"), FILES, (dir) => symlinkSync("../beside", join(dir, "link")));
    expect(error.hint).toBe(
      "link is a symlink to ../beside, which is /beside/x there; links are followed inside the build context only",
    );
  });

  test("that there is a file beside the context", async () => {
    const beside = new Project({ x: "" });
    const name = beside.dir.slice(beside.dir.lastIndexOf("/") + 1);
    const error = await failure(copy(`COPY ../${name}/x /`));
    expect(error.hint).toContain(
      `${beside.dir}/x is there: build with a context that holds both, or give --build-context NAME=${beside.dir} and copy with COPY --from=NAME`,
    );
  });

  test("that the context is empty", async () => {
    expect((await failure(copy("COPY x /"), {})).hint).toBe("the build context has no files");
  });
});

describe("a source that another stage makes", () => {
  const stages = (line: string): string =>
    `FROM scratch AS build\nWORKDIR /app\nCOPY src src/\nCOPY README.md /out/\nFROM scratch\n${line}\n`;

  test("is guessed from the stage's WORKDIR", async () => {
    const error = await failure(stages("COPY /app/dist /"));
    expect(error.hint).toBe(
      "the stage build has the WORKDIR /app: to copy what it made, write COPY --from=build /app/dist …",
    );
  });

  test("is guessed from what a command writes", async () => {
    const text =
      "FROM scratch AS compiled\nWORKDIR /src\nRUN go build -o bin/server .\nFROM scratch\nCOPY bin/server /\n";
    expect((await failure(text)).hint).toBe(
      "the stage compiled makes /src/bin/server in line 3: to copy what it made, write COPY --from=compiled /src/bin/server …",
    );
  });

  test("is a last resort where nothing else explains it", async () => {
    expect((await failure(stages("COPY zzzzzz /"))).hint).toBe(
      "if another stage makes it, name that stage: --from=build",
    );
  });

  test("is not mentioned in the first stage", async () => {
    expect((await failure(copy("COPY zzzzzz /"))).hint).not.toContain("stage");
  });
});

describe("a source that is not in the stage that --from names: the hint says", () => {
  const from = (line: string): string => `FROM scratch AS build\nWORKDIR /app\nCOPY src src/\nFROM scratch\n${line}\n`;

  test("that sources begin at the root, not at WORKDIR", async () => {
    const error = await failure(from("COPY --from=build src /"));
    expect(error.message).toBe('"/src": not found in the stage build');
    expect(error.hint).toMatch(/^did you mean \/app\/src\? Sources begin at \/, not at the stage's WORKDIR/);
  });

  test("near names with their paths from the root", async () => {
    expect((await failure(from("COPY --from=build /app/src/ap.js /"))).hint).toBe("did you mean /app/src/app.js?");
    expect((await failure(from("COPY --from=0 /App/src /"))).hint).toBe(
      "did you mean /app/src? Upper and lower case are different names",
    );
  });

  test("that the context has it", async () => {
    const error = await failure(from("COPY --from=build docs/guide.md /"));
    expect(error.hint).toBe("the build context has docs/guide.md: leave --from out to copy that");
  });
});

test("the place is the word that is missing, wherever it stands in the instruction", async () => {
  const excerpt = async (dockerfile: string): Promise<string> => renderExcerpt((await failure(dockerfile)).place!);
  expect(await excerpt(copy("COPY src/app.js nope.js README.md /"))).toBe(
    [
      "Dockerfile:2",
      "--------------------",
      "   1 |     FROM scratch",
      "   2 | >>> COPY src/app.js nope.js README.md /",
      "     |                     ^^^^^^^",
      "--------------------",
    ].join("\n"),
  );
  expect(await excerpt("FROM scratch\nCOPY --chown=0 \\\n  src/app.js \\\n  nope.js \\\n  /\n")).toContain(
    "   4 | >>>   nope.js \\\n     |       ^^^^^^^\n",
  );
  expect(await excerpt(copy('COPY ["src/app.js", "nope.js", "/"]'))).toContain("^^^^^^^^^\n");
  const staged = "FROM scratch AS a\nCOPY src /src/\nFROM scratch\nCOPY --from=a /src/app.js /src/nope.js /\n";
  expect(await excerpt(staged)).toContain("     |                               ^^^^^^^^^^^^\n");
});

test("a bind mount of a file that is not there is explained in the same way", async () => {
  const error = await failure(copy("RUN --mount=type=bind,source=a.log,target=/a true"));
  expect(error.code).toBe("MOUNT");
  expect(error.hint).toContain(".dockerignore, line 2 (*.log)");
});
