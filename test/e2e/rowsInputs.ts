/** Rows about what steps are built on and copy from: bases, stages, contexts, downloads, git. */
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { commit, gitFolder, serveGit } from "../context/gitServer.js";
import { startRegistry } from "../registry/servers/dockerRegistry.js";
import type { Row, World } from "./rows.js";

const BASE = "nacre-e2e-base:{token}";
const STAGED = `FROM ${BASE} AS one\nRUN echo run\nFROM ${BASE} AS two\nCOPY f /f\nFROM ${BASE} AS three\nCOPY --link f /l\nFROM box\nCOPY --from=one /token /1\nCOPY --from=two /token /2\nCOPY --from=three /token /3\n`;
const CHAINED = { "RUN echo run": "made", "COPY f": "made", "COPY --link": "cached", "COPY --from": "cached" } as const;
const REUSED = {
  "RUN echo run": "cached",
  "COPY f": "cached",
  "COPY --link": "cached",
  "COPY --from": "cached",
} as const;

const base =
  (lines: string) =>
  async (world: World): Promise<void> => {
    await world.build(`FROM nacre-e2e-box\nCOPY token /token\n${lines}\n`, ["-t", BASE]);
  };

const bases: Row[] = [
  {
    name: "base, other files",
    before: STAGED,
    prepare: base("COPY f /base"),
    change: base("COPY g /base"),
    expected: CHAINED,
    fewer: { "COPY --link": "Docker without containerd's store takes --link as absent" },
  },
  {
    name: "base, another config on the same layers",
    before: STAGED,
    prepare: base("LABEL a=1"),
    change: base("LABEL a=2"),
    expected: REUSED,
  },
  {
    name: "base, the same layers with another environment",
    before: STAGED,
    prepare: base("ENV A=1"),
    change: base("ENV A=2"),
    expected: { ...REUSED, "RUN echo run": "made" },
  },
  {
    name: "base, the same image under another name",
    before: STAGED,
    after: STAGED.replaceAll(BASE, "nacre-e2e-other:{token}"),
    prepare: base("LABEL a=1"),
    change: (world) =>
      world
        .build("FROM nacre-e2e-box\nCOPY token /token\nLABEL a=1\n", ["-t", "nacre-e2e-other:{token}"])
        .then(() => {}),
    expected: REUSED,
  },
];

const FROM = "FROM box AS from\nRUN {run}\nFROM box\nCOPY --from=from {copy}\n";
const from = (run: string, copy = "/o /o"): string => FROM.replace("{run}", run).replace("{copy}", copy);

function remade(
  name: string,
  runs: readonly [string, string],
  answer: "cached" | "made",
  copies?: readonly [string, string],
  fewer?: string,
): Row {
  const [before, after] = [from(runs[0], copies?.[0]), from(runs[1], copies?.[1])];
  const run = runs[0] === runs[1] ? "cached" : "made";
  const less = fewer === undefined ? {} : { fewer: { COPY: fewer } };
  return { name: `COPY --from, ${name}`, before, after, expected: { RUN: run, COPY: answer }, ...less };
}

const MAKE = "mkdir /o; cat /token > /o/t";

const stages: Row[] = [
  remade("a stage made again with the same files", [`echo 1; ${MAKE}`, `echo 2; ${MAKE}`], "cached"),
  remade("a stage made again with other files", [`${MAKE}; echo 1 > /o/n`, `${MAKE}; echo 2 > /o/n`], "made"),
  remade("a stage made again, other files beside", [`${MAKE}; echo 1 > /n`, `${MAKE}; echo 2 > /n`], "cached"),
  remade("a stage made again with another mode", [`${MAKE}; chmod 600 /o/t`, `${MAKE}; chmod 640 /o/t`], "made"),
  remade("a stage made again with another owner", [`${MAKE}; chown 1 /o/t`, `${MAKE}; chown 2 /o/t`], "made"),
  remade(
    "the mode of the directory that is copied",
    [`${MAKE}; chmod 700 /o`, `${MAKE}; chmod 750 /o`],
    "cached",
    undefined,
    "it goes nowhere",
  ),
  remade(
    "another owner that --chown replaces",
    [`${MAKE}; chown 1 /o/t`, `${MAKE}; chown 2 /o/t`],
    "cached",
    ["--chown=7 /o /o", "--chown=7 /o /o"],
    "--chown replaces the owner that differs",
  ),
  remade(
    "the same file of another directory",
    [`${MAKE}; mkdir /p; cat /token > /p/t`, `${MAKE}; mkdir /p; cat /token > /p/t`],
    "cached",
    ["/o/t /x/", "/p/t /x/"],
  ),
  remade("another file of the same content", [`${MAKE}; cat /token > /o/u`, `${MAKE}; cat /token > /o/u`], "made", [
    "/o/t /x/",
    "/o/u /x/",
  ]),
  {
    name: "a stage renamed",
    before: "FROM box AS one\nCOPY f /f\nFROM box\nCOPY --from=one /f /f\n",
    after: "FROM box AS two\nCOPY f /f\nFROM box\nCOPY --from=two /f /f\n",
    expected: { "COPY f": "cached", "COPY --from": "cached" },
  },
  {
    name: "a stage added that nothing needs",
    before: "FROM box\nCOPY f /f\nRUN echo run\n",
    after: "FROM box AS never\nRUN echo never\nFROM box\nCOPY f /f\nRUN echo run\n",
    expected: { "COPY f": "cached", RUN: "cached" },
  },
  {
    name: "a parent made again with the same files",
    before: "FROM box\nRUN echo 1; cat /token > /t\nCOPY f /f\nRUN echo run\n",
    after: "FROM box\nRUN echo 2; cat /token > /t\nCOPY f /f\nRUN echo run\n",
    expected: { "RUN echo 2": "made", "COPY f": "cached", "RUN echo run": "cached" },
    fewer: { "COPY f": "the parent came out the same", "RUN echo run": "the parent came out the same" },
  },
];

const contexts: Row[] = [
  {
    name: "named context, another content",
    before: "FROM box\nCOPY --from=more m /m\n",
    flags: ["--build-context", "more={top}"],
    prepare: (world) => world.putBeside({ m: "1 {token}" }),
    change: (world) => world.putBeside({ m: "2 {token}" }),
    expected: { COPY: "made" },
  },
  {
    name: "named context, another file beside",
    before: "FROM box\nCOPY --from=more m /m\n",
    flags: ["--build-context", "more={top}"],
    prepare: (world) => world.putBeside({ m: "1 {token}" }),
    change: (world) => world.putBeside({ n: "2 {token}" }),
    expected: { COPY: "cached" },
  },
  {
    name: "named context in place of the main one",
    before: "FROM box\nCOPY f /f\n",
    after: "FROM box\nCOPY --from=more f /f\n",
    flagsAfter: ["--build-context", "more={top}"],
    change: (world) => world.putBeside({ f: "f {token}" }),
    expected: { COPY: "cached" },
  },
];

/** A server whose answer and its date can be changed. */
async function serve(world: World): Promise<{ body: string; modified: string; tag: string }> {
  const answer = { body: "body {token}", modified: "Tue, 03 Jan 2023 04:05:06 GMT", tag: "" };
  const server = createServer((_request, response) => {
    const { modified, tag } = answer;
    const headers = { ...(modified ? { "last-modified": modified } : {}), ...(tag ? { etag: tag } : {}) };
    response.writeHead(200, headers).end(world.text(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  world.set("http", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  world.atEnd(() => new Promise<void>((resolve) => void server.close(() => resolve()).closeAllConnections()));
  return answer;
}

function download(
  name: string,
  change: (answer: { body: string; modified: string; tag: string }) => void,
  answer: "cached" | "made",
  more: Partial<Row> = {},
): Row {
  let served: { body: string; modified: string; tag: string };
  return {
    name: `ADD of a URL, ${name}`,
    before: "FROM box\nADD {http}/f /d/\n",
    prepare: async (world) => {
      served = await serve(world);
    },
    change: () => change(served),
    expected: { ADD: answer },
    ...more,
  };
}

const downloads: Row[] = [
  download("unchanged", () => {}, "cached"),
  download(
    "another content",
    (answer) => {
      answer.body = "other {token}";
    },
    "made",
  ),
  download(
    "the same content, dated anew",
    (answer) => {
      answer.modified = "Wed, 04 Jan 2023 04:05:06 GMT";
    },
    "cached",
  ),
  download(
    "the same content under another ETag",
    (answer) => {
      answer.tag = '"2"';
    },
    "cached",
  ),
  download("the same content under another name", () => {}, "made", { after: "FROM box\nADD {http}/g /d/\n" }),
  download("the same content at another path", () => {}, "cached", { after: "FROM box\nADD {http}/x/f /d/\n" }),
  download("--chown", () => {}, "made", { after: "FROM box\nADD --chown=7 {http}/f /d/\n" }),
  download("--chmod", () => {}, "made", { after: "FROM box\nADD --chmod=644 {http}/f /d/\n" }),
];

function repository(
  name: string,
  change: (folder: string) => void,
  answer: "cached" | "made",
  more: Partial<Row> = {},
): Row {
  let folder = "";
  return {
    name: `ADD of a git repository, ${name}`,
    before: "FROM box\nADD {http}/app.git /app\n",
    prepare: async (world) => {
      const root = gitFolder();
      folder = join(root, "app");
      commit(folder, { "src/a": `a ${world.token}`, b: `b ${world.token}` });
      const { origin } = await serveGit(root);
      world.set("http", origin);
    },
    change: () => change(folder),
    expected: { ADD: answer },
    ...more,
  };
}

const repositories: Row[] = [
  repository("unchanged", () => {}, "cached"),
  repository("a commit with other files", (folder) => void commit(folder, { b: "other" }), "made"),
  repository("a commit with the same files", (folder) => void commit(folder, {}, "nothing"), "cached"),
  repository(
    "another branch at the same commit",
    (folder) => void execFileSync("git", ["-C", folder, "branch", "same"]),
    "cached",
    {
      after: "FROM box\nADD {http}/app.git#same /app\n",
    },
  ),
  repository("a commit beside the folder that is taken", (folder) => void commit(folder, { b: "other" }), "cached", {
    before: "FROM box\nADD {http}/app.git#:src /app\n",
  }),
];

const PULLED = "{registry}/base:1";

/** A base of this release, in a registry, too, if it is pushed. */
async function release(world: World, name: string, push: boolean): Promise<void> {
  const text = `FROM nacre-e2e-box\nCOPY token /token\nCOPY ${name} /release\n`;
  await world.build(text, ["-t", PULLED, ...(push ? ["--push"] : [])]);
}

function pulled(name: string, flagsAfter: readonly string[], answer: "cached" | "made"): Row {
  return {
    name: `a base that is a newer one in its registry${name}`,
    before: `FROM ${PULLED}\nRUN echo run\nCOPY f /f\n`,
    flagsAfter,
    prepare: async (world) => {
      const registry = await startRegistry();
      world.atEnd(() => registry.stop());
      world.set("registry", registry.host);
      await release(world, "f", true);
    },
    change: async (world) => {
      await release(world, "g", true);
      // Here it is the old one still.
      await release(world, "f", false);
    },
    expected: { RUN: answer, COPY: answer },
  };
}

const pulls: Row[] = [pulled("", [], "cached"), pulled(", with --pull", ["--pull"], "made")];

/** Rows about bases, stages, contexts and sources elsewhere. */
export const INPUT_ROWS: readonly Row[] = [...bases, ...stages, ...contexts, ...downloads, ...repositories, ...pulls];
