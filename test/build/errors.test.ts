import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkStore } from "../../src/store/check.js";
import { Store } from "../../src/store/store.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { Project, scratch } from "./helpers.js";

const FILES = {
  f: "F",
  "src/app.js": "x",
  "d/x": "X",
  ".dockerignore": "# none\n*.log\n",
  "a.log": "",
  "bad.tar.gz": "\x1f\x8b\x08\x00garbage",
};

/** Builds what must fail; the store must be whole after it and hold no name. */
async function failure(dockerfile: string, request: Parameters<Project["build"]>[1] = {}): Promise<NacreError> {
  const project = new Project(FILES);
  // What a registry far away says is no one's business here.
  const error = await project.build(dockerfile, { tags: ["t:1"], offline: true, ...request }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isNacreError(error)) throw new Error(`expected a NacreError, got ${String(error)}`);
  const store = await Store.open(project.store);
  expect(store.listReferences()).toEqual([]);
  expect((await checkStore(store)).problems).toEqual([]);
  await store.close();
  return error;
}

describe("a build that cannot succeed says what, where and what to do", () => {
  const cases: [
    string,
    string,
    { readonly code: string; readonly line?: number; readonly message: RegExp; readonly hint?: RegExp },
  ][] = [
    [
      "a missing file",
      "FROM scratch\n\nCOPY src/ap.js /x\n",
      { code: "SOURCE_NOT_FOUND", line: 3, message: /"\/src\/ap.js": not found/, hint: /did you mean src\/app.js/ },
    ],
    [
      "an ignored file",
      "FROM scratch\nCOPY a.log /x\n",
      { code: "SOURCE_NOT_FOUND", line: 2, message: /not found/, hint: /\.dockerignore, line 2/ },
    ],
    [
      "a path out of the context",
      "FROM scratch\nCOPY ../../etc/passwd /x\n",
      {
        code: "SOURCE_NOT_FOUND",
        line: 2,
        message: /"\/etc\/passwd": not found/,
        hint: /leads out of the build context/,
      },
    ],
    [
      "an unknown instruction",
      "FROM scratch\nCOPPY f /\n",
      { code: "DOCKERFILE_SYNTAX", line: 2, message: /unknown instruction: COPPY/i, hint: /COPY/ },
    ],
    [
      "an unknown flag",
      "FROM scratch\nCOPY --chwon=1 f /\n",
      { code: "DOCKERFILE_SYNTAX", line: 2, message: /unknown flag: --chwon/, hint: /chown/ },
    ],
    [
      "an unknown stage",
      "FROM scratch AS base\nFROM scratch\nCOPY --from=bsae f /\n",
      { code: "BASE_NOT_FOUND", line: 3, message: /bsae/ },
    ],
    [
      "a later stage",
      "FROM scratch AS first\nCOPY --from=later /f /\nFROM scratch AS later\nFROM first\n",
      { code: "PLAN_INVALID", line: 2, message: /later/ },
    ],
    [
      "a stage that copies from itself",
      "FROM scratch AS me\nCOPY --from=me /f /\n",
      { code: "PLAN_INVALID", line: 2, message: /circular dependency/ },
    ],
    [
      "a base that is not there",
      "FROM nowhere/to-be-found:1\nCOPY f /\n",
      { code: "BASE_NOT_FOUND", line: 1, message: /nowhere\/to-be-found:1/, hint: /nacre load/ },
    ],
    ["a malformed base name", "FROM UPPER\n", { code: "PLAN_INVALID", line: 1, message: /UPPER/ }],
    [
      "RUN --device",
      "FROM scratch\nCOPY f /\nRUN --device=vendor.example/x=y true\n",
      { code: "UNSUPPORTED", line: 3, message: /--device/ },
    ],
    [
      "RUN that wants all privileges",
      "FROM scratch\nCOPY f /\nRUN --security=insecure true\n",
      { code: "NOT_ALLOWED", line: 3, message: /security.insecure is not allowed/ },
    ],
    [
      "a file onto a directory",
      "FROM scratch\nCOPY d /t/f/\nCOPY f /t/\n",
      { code: "COPY_CONFLICT", line: 3, message: /cannot replace to directory/ },
    ],
    [
      "a directory onto a file",
      "FROM scratch\nCOPY f /t\nCOPY d /t\n",
      { code: "COPY_CONFLICT", line: 3, message: /cannot copy to non-directory/ },
    ],
    [
      "a malformed mode",
      "FROM scratch\nCOPY --chmod=9 f /t\n",
      { code: "PLAN_INVALID", line: 2, message: /invalid chmod parameter: '9'/ },
    ],
  ];
  test.each(cases)("%s", async (_, dockerfile, expected) => {
    const error = await failure(dockerfile);
    expect(error).toMatchObject({ code: expected.code, message: expect.stringMatching(expected.message) });
    if (expected.line) expect(error.place?.range.start.line).toBe(expected.line);
    if (expected.hint) expect(error.hint).toMatch(expected.hint);
  });

  test("an unknown target", async () => {
    expect(await failure("FROM scratch AS release\nCOPY f /\n", { target: "relaese" })).toMatchObject({
      code: "PLAN_INVALID",
      message: expect.stringMatching(/relaese/),
    });
  });

  test("a context that is not there", async () => {
    const project = new Project();
    await expect(project.build("FROM scratch\n", { context: join(project.dir, "nope") })).rejects.toMatchObject({
      code: "CONTEXT_UNREADABLE",
    });
  });

  test("a missing Dockerfile", async () => {
    const project = new Project();
    await expect(project.build("", { dockerfile: undefined })).rejects.toMatchObject({
      code: "DOCKERFILE_MISSING",
      hint: expect.stringContaining("-f"),
    });
    await expect(
      project.build("", { dockerfile: { kind: "file", path: join(project.dir, "Nope") } }),
    ).rejects.toMatchObject({ code: "DOCKERFILE_MISSING" });
  });

  test.each([
    ["a digest", `name@sha256:${"0".repeat(64)}`],
    ["upper case", "Name:1"],
    ["nothing", ":1"],
  ])("a tag with %s", async (_, tag) => {
    const project = new Project(FILES);
    await expect(project.build("FROM scratch\n", { tags: [tag] })).rejects.toMatchObject({ code: "REFERENCE_INVALID" });
  });

  test("a damaged archive, and nothing of it stays", async () => {
    const project = new Project();
    writeFileSync(join(project.dir, "cut.tar"), Buffer.concat([Buffer.from(tarHeader("a", 5000)), Buffer.alloc(100)]));
    await expect(project.build("FROM scratch\nADD cut.tar /x/\n")).rejects.toMatchObject({ code: "TAR_INVALID" });
    expect(readdirSync(join(project.store, "tmp"))).toEqual([]);
  });

  test("a named context that is not there", async () => {
    const project = new Project(FILES);
    await expect(project.build("FROM scratch\n", { buildContexts: { x: "/no/such/dir" } })).rejects.toMatchObject({
      code: "CONTEXT_UNREADABLE",
    });
  });

  test("an output directory that is not there is found before anything is built", async () => {
    const project = new Project(FILES);
    await expect(
      project.build("FROM scratch\nCOPY f /\n", { iidFile: join(project.dir, "no/iid") }),
    ).rejects.toMatchObject({ code: "OUTPUT" });
  });

  test("an output that cannot be written leaves no name and no half file", async () => {
    const project = new Project(FILES);
    const dest = join(scratch(), "missing", "image.tar");
    const output = {
      type: "oci" as const,
      destination: { kind: "path" as const, path: dest },
      tar: true,
      compression: { type: "gzip" as const, force: false },
      rewriteTimestamp: false,
      annotations: new Map<string, string>(),
    };
    await expect(project.build("FROM scratch\nCOPY f /\n", { tags: ["t:1"], outputs: [output] })).rejects.toMatchObject(
      { code: "OUTPUT" },
    );
    const store = await Store.open(project.store);
    expect(store.listReferences()).toEqual([]);
    await store.close();
  });

  test("an unwritable or foreign store", async () => {
    const foreign = scratch();
    writeFileSync(join(foreign, "mine"), "precious");
    const project = new Project(FILES, foreign);
    await expect(project.build("FROM scratch\nCOPY f /\n")).rejects.toMatchObject({ code: "STORE" });
    expect(readdirSync(foreign)).toEqual(["mine"]);
    const file = join(scratch(), "file");
    writeFileSync(file, "");
    await expect(new Project(FILES, file).build("FROM scratch\n")).rejects.toMatchObject({ code: "STORE" });
  });

  test("a build that is cancelled ends with CANCELLED and leaves a whole store", async () => {
    const abort = new AbortController();
    const project = new Project(FILES);
    mkdirSync(join(project.dir, "many"));
    for (let i = 0; i < 500; i++) writeFileSync(join(project.dir, "many", String(i)), "x".repeat(1000));
    const running = project.build("FROM scratch\nCOPY . /x\n", {
      signal: abort.signal,
      emit: (event) => event.type === "start" && abort.abort(),
    });
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    const store = await Store.open(project.store);
    expect((await checkStore(store)).problems).toEqual([]);
    await store.close();
  });
});

/** A ustar header block of a file. */
function tarHeader(name: string, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write("0000644\0", 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write("0", 156);
  block.write("ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
