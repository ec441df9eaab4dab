/** Rows about RUN: its text and its mounts. */
import type { Row } from "./rows.js";

function text(name: string, before: string, after: string, answer: "cached" | "made"): Row {
  return {
    name: `RUN, ${name}`,
    before: `FROM box\n${before}\n`,
    after: `FROM box\n${after}\n`,
    expected: { RUN: answer },
  };
}

const texts: Row[] = [
  text("another command", "RUN echo 1", "RUN echo 2", "made"),
  text("another blank between words", "RUN echo 1", "RUN echo  1", "made"),
  text("blanks at its ends", "RUN echo 1", "RUN   echo 1  ", "cached"),
  text("a keyword in small letters", "RUN echo 1", "run echo 1", "cached"),
  text("a comment in its middle", "RUN echo 1 && \\\n  echo 2", "RUN echo 1 && \\\n# why\n  echo 2", "cached"),
  text("a blank line in its middle", "RUN echo 1 && \\\n  echo 2", "RUN echo 1 && \\\n\n  echo 2", "cached"),
  text("a line joined", "RUN echo 1 && \\\necho 2", "RUN echo 1 && echo 2", "cached"),
  text("another indentation", "RUN echo 1 && \\\n  echo 2", "RUN echo 1 && \\\n    echo 2", "made"),
  text("another escape character", "RUN echo 1 && \\\necho 2", "RUN echo 1 && echo 2", "cached"),
  text("a comment of the shell", "RUN echo 1 # one", "RUN echo 1 # two", "made"),
  text("exec form of the same", "RUN echo 1", 'RUN ["/bin/sh", "-c", "echo 1"]', "cached"),
  text("a heredoc's body", "RUN <<E\necho 1\nE", "RUN <<E\necho 2\nE", "made"),
  text("a comment in a heredoc", "RUN <<E\necho 1\nE", "RUN <<E\n# why\necho 1\nE", "made"),
  text("a heredoc's name", "RUN <<E\necho 1\nE", "RUN <<F\necho 1\nF", "cached"),
  text("a heredoc's quotes", "RUN <<E\necho 1\nE", "RUN <<'E'\necho 1\nE", "cached"),
  text("a script's body", "RUN <<E\n#!/bin/sh\necho 1\nE", "RUN <<E\n#!/bin/sh\necho 2\nE", "made"),
  text("a script's name", "RUN <<E\n#!/bin/sh\necho 1\nE", "RUN <<F\n#!/bin/sh\necho 1\nF", "made"),
  text("--network", "RUN echo 1", "RUN --network=none echo 1", "made"),
  text("a new one after it", "RUN echo 1", "RUN echo 1\nENV A=1\nUSER 7", "cached"),
];

const bind = (more = "", command = "cat /m/x") =>
  `FROM box\nRUN --mount=type=bind,source=d,target=/m${more} ${command}\n`;
const cache = (more = "") => `FROM box\nRUN --mount=type=cache,id={token},target=/c${more} echo 1\n`;
const secret = (more = "") => `FROM box\nRUN --mount=type=secret,id=one${more} echo 1\n`;
const SECRET = ["--secret", "id=one,src={top}/secret"];

const mounts: Row[] = [
  {
    name: "bind mount, another file beside what is bound",
    before: bind(),
    change: (world) => world.put({ f: "other {token}" }),
    expected: { RUN: "cached" },
  },
  {
    name: "bind mount, another content",
    before: bind(),
    change: (world) => world.put({ "d/x": "other {token}" }),
    expected: { RUN: "made" },
  },
  {
    name: "bind mount, written anew with the same content",
    before: bind(),
    change: (world) => world.put({ "d/x": "x {token}" }),
    expected: { RUN: "cached" },
  },
  {
    name: "bind mount, the same files elsewhere",
    files: { "e/x": "x {token}", "e/sub/y": "y {token}" },
    before: bind(),
    after: bind().replace("source=d", "source=e"),
    expected: { RUN: "cached" },
  },
  {
    name: "bind mount, another target",
    before: bind("", "true"),
    after: bind("", "true").replace("/m", "/n"),
    expected: { RUN: "made" },
  },
  { name: "bind mount, writable", before: bind(), after: bind(",rw"), expected: { RUN: "made" } },
  {
    name: "bind mount of a stage, made again with the same files",
    before:
      "FROM box AS from\nRUN echo 1; mkdir /o; cat /token > /o/t\nFROM box\nRUN --mount=from=from,source=/o,target=/m cat /m/t\n",
    after:
      "FROM box AS from\nRUN echo 2; mkdir /o; cat /token > /o/t\nFROM box\nRUN --mount=from=from,source=/o,target=/m cat /m/t\n",
    expected: { "RUN echo 2": "made", "RUN --mount": "cached" },
  },
  {
    name: "bind mount of a stage, made again with other files",
    before:
      "FROM box AS from\nRUN mkdir /o; echo 1 > /o/t\nFROM box\nRUN --mount=from=from,source=/o,target=/m cat /m/t\n",
    after:
      "FROM box AS from\nRUN mkdir /o; echo 2 > /o/t\nFROM box\nRUN --mount=from=from,source=/o,target=/m cat /m/t\n",
    expected: { "RUN mkdir": "made", "RUN --mount": "made" },
  },
  {
    name: "cache mount, another content",
    before: cache(),
    change: (world) =>
      world
        .build(
          `${cache().replace("FROM box", "FROM nacre-e2e-box")}RUN --mount=type=cache,id={token},target=/c echo new > /c/n\n`,
        )
        .then(() => {}),
    expected: { RUN: "cached" },
  },
  {
    name: "cache mount, another id",
    before: cache(),
    after: cache().replace("id={token}", "id=x{token}"),
    expected: { RUN: "cached" },
  },
  {
    name: "cache mount, another target",
    before: cache(),
    after: cache().replace("=/c", "=/e"),
    expected: { RUN: "made" },
  },
  { name: "cache mount, another mode", before: cache(), after: cache(",mode=0700"), expected: { RUN: "made" } },
  {
    name: "cache mount, another way of sharing",
    before: cache(),
    after: cache(",sharing=locked"),
    expected: { RUN: "cached" },
  },
  {
    name: "cache mount by its target, named",
    before: "FROM box\nRUN --mount=type=cache,target=/c{token} echo 1\n",
    after: "FROM box\nRUN --mount=type=cache,target=/c{token},id=n echo 1\n",
    expected: { RUN: "made" },
  },
  {
    name: "tmpfs mount, another size",
    before: "FROM box\nRUN --mount=type=tmpfs,target=/t,size=1m echo 1\n",
    after: "FROM box\nRUN --mount=type=tmpfs,target=/t,size=2m echo 1\n",
    expected: { RUN: "made" },
  },
  {
    name: "secret, another value",
    before: secret(),
    flags: SECRET,
    prepare: (world) => world.putBeside({ secret: "1" }),
    change: (world) => world.putBeside({ secret: "2" }),
    expected: { RUN: "cached" },
  },
  {
    name: "secret, no longer given",
    before: secret(),
    flagsBefore: SECRET,
    prepare: (world) => world.putBeside({ secret: "1" }),
    expected: { RUN: "cached" },
  },
  {
    name: "secret, another id",
    before: secret(",target=/s"),
    after: secret(",target=/s").replace("id=one", "id=two"),
    expected: { RUN: "made" },
  },
  { name: "secret, another target", before: secret(), after: secret(",target=/s"), expected: { RUN: "made" } },
  { name: "secret, another mode", before: secret(), after: secret(",mode=0444"), expected: { RUN: "made" } },
  { name: "secret, as a variable", before: secret(",env=A"), after: secret(",env=B"), expected: { RUN: "made" } },
  {
    name: "mounts, another order",
    before: "FROM box\nRUN --mount=type=tmpfs,target=/a --mount=type=tmpfs,target=/b echo 1\n",
    after: "FROM box\nRUN --mount=type=tmpfs,target=/b --mount=type=tmpfs,target=/a echo 1\n",
    expected: { RUN: "cached" },
  },
  {
    name: "agent, another id",
    before: "FROM box\nRUN --mount=type=ssh,target=/a echo 1\n",
    after: "FROM box\nRUN --mount=type=ssh,target=/a,id=x echo 1\n",
    expected: { RUN: "made" },
  },
];

/** Rows about RUN. */
export const RUN_ROWS: readonly Row[] = [...texts, ...mounts];
