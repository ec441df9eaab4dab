/** `nacre build --call outline|targets|subrequests.describe`: what is printed, beside what docker buildx 0.29 printed for the same file. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { type CallFormat, runDescribe, runOutline, runTargets } from "../../src/cli/commands/outline.js";
import type { Invocation } from "../../src/cli/invocation.js";
import type { BuildRequest } from "../../src/index.js";
import { tempDirectory } from "./invocation.js";

const DOCKERFILE = `# VERSION the version of it
ARG VERSION=1.2
ARG BASE=debian:\${VERSION}
# unused thing
ARG UNUSED=3
ARG NOVAL
# base is the base
FROM python:3.12 AS base
ARG VERSION
ARG NOVAL
# OWN own arg
ARG OWN=x-$VERSION
ARG OTHER=$OWN-y TWO=$OTHER
ARG TARGETARCH
ARG HTTP_PROXY
RUN --mount=type=secret,id=tok,required --mount=type=secret,target=/x/y --mount=type=ssh echo
FROM debian AS unreached
ARG UN=1
RUN --mount=type=secret,id=nope true
# final the thing
FROM base as final
ARG LAST=$VERSION
ENV X=1
RUN --mount=type=secret,id=tok true
CMD foo
`;

/** What a call prints; `stderr` is what it says beside. */
async function call(
  run: (invocation: Invocation, request: BuildRequest, format: CallFormat) => Promise<void>,
  format: CallFormat,
  more: Partial<BuildRequest> & { readonly text?: string } = {},
): Promise<{ stdout: string; stderr: string }> {
  const top = tempDirectory();
  mkdirSync(join(top, "context"));
  writeFileSync(join(top, "Dockerfile"), more.text ?? DOCKERFILE);
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const { signal } = new AbortController();
  const invocation: Invocation = { stdin: Readable.from([]), stdout, stderr, env: {}, now: Date.now, signal };
  const dockerfile = { kind: "file", path: join(top, "Dockerfile") } as const;
  const request = { context: join(top, "context"), dockerfile, store: join(top, "store"), ...more };
  await run(invocation, request, format);
  const text = (stream: PassThrough): string => (stream.read() as Buffer | null)?.toString() ?? "";
  return { stdout: text(stdout), stderr: text(stderr) };
}

describe("an outline", () => {
  it("is printed in Docker's tables", async () => {
    const { stdout, stderr } = await call(runOutline, "text");
    expect(stdout).toBe(
      [
        "TARGET:      final",
        "DESCRIPTION: the thing",
        "",
        "BUILD ARG    VALUE     DESCRIPTION",
        "VERSION      1.2       the version of it",
        "NOVAL                  ",
        "OWN          x-1.2     own arg",
        "OTHER        x-1.2-y   ",
        "TWO          x-1.2-y   ",
        "HTTP_PROXY             ",
        "LAST         1.2       ",
        "",
        "SECRET   REQUIRED",
        "y        ",
        "tok      ",
        "",
        "SSH       REQUIRED",
        "default   ",
        "",
        "",
      ].join("\n"),
    );
    expect(stderr).toBe(
      "note: not in the store: python:3.12; the variables and ONBUILD triggers of such a base are not looked at\n",
    );
  });

  it("has the members of Docker's JSON in its order", async () => {
    const { stdout } = await call(runOutline, "json", {
      text: "FROM a AS x\nARG V=\nRUN --mount=type=ssh,required \\\n true\n",
    });
    const at = (...lines: number[]) => ({ ranges: lines.map((line) => ({ start: { line }, end: { line } })) });
    expect(stdout).toBe(
      `${JSON.stringify({
        name: "x",
        args: [{ name: "V", location: at(2) }],
        ssh: [{ name: "default", required: true, location: at(3, 4) }],
        sources: [Buffer.from("FROM a AS x\nARG V=\nRUN --mount=type=ssh,required \\\n true\n").toString("base64")],
      })}\n`,
    );
  });

  it("takes target and build arguments into account, and needs no store", async () => {
    const { stdout } = await call(runOutline, "text", { target: "BASE", buildArgs: { OWN: "zz" } });
    expect(stdout).toContain("TARGET:      base\nDESCRIPTION: is the base\n");
    expect(stdout).toContain("OWN          zz      own arg\nOTHER        zz-y    \n");
    expect(stdout).toContain("tok      true\n");
  });

  it("lists caches, which Docker's leaves out, after all that Docker's has", async () => {
    const text = "FROM scratch\nRUN --mount=type=cache,target=/c --mount=type=cache,id=i,target=/d true\n";
    expect((await call(runOutline, "text", { text })).stdout).toBe("CACHE\n/c\ni\n\n");
    expect(JSON.parse((await call(runOutline, "json", { text })).stdout)).toMatchObject({
      cache: [{ ID: "/c" }, { ID: "i" }],
    });
  });
});

describe("targets", () => {
  it("are printed in Docker's table", async () => {
    const { stdout } = await call(runTargets, "text");
    expect(stdout).toBe(
      "TARGET          DESCRIPTION\nbase            is the base\nunreached       \nfinal (default) the thing\n",
    );
    expect((await call(runTargets, "text", { text: "FROM a\nFROM b\n" })).stdout).toBe(
      "TARGET    DESCRIPTION\n          \n(default) \n",
    );
  });

  it("have the members of Docker's JSON in its order", async () => {
    const text = "# b it\nFROM --platform=$BUILDPLATFORM a:$V AS B\nFROM b\n";
    const at = (line: number) => ({ ranges: [{ start: { line }, end: { line } }] });
    expect((await call(runTargets, "json", { text })).stdout).toBe(
      `${JSON.stringify({
        targets: [
          { name: "b", description: "it", base: "a:$V", platform: "$BUILDPLATFORM", location: at(2) },
          { default: true, base: "b", location: at(3) },
        ],
        sources: [Buffer.from(text).toString("base64")],
      })}\n`,
    );
  });
});

describe("the calls that there are", () => {
  const describeCalls = (invocation: Invocation, _request: BuildRequest, format: CallFormat) =>
    runDescribe(invocation, format);

  it("are listed as Docker lists them", async () => {
    expect((await call(describeCalls, "text")).stdout).toBe(
      [
        "NAME                 VERSION DESCRIPTION",
        "outline              1.0.0   List all parameters current build target supports",
        "targets              1.0.0   List all targets current build supports",
        "subrequests.describe 1.0.0   List available subrequest types",
        "",
      ].join("\n"),
    );
    const listed = JSON.parse((await call(describeCalls, "json")).stdout) as Record<string, unknown>[];
    expect(listed.map(({ name, opts }) => [name, opts])).toEqual([
      ["frontend.outline", [{ name: "target", description: "Target build stage" }]],
      ["frontend.targets", []],
      ["frontend.subrequests.describe", null],
    ]);
    expect(Object.keys(listed[0]!)).toEqual([
      ...["name", "version", "type", "description", "opts", "inputs", "metadata", "refs"],
    ]);
  });
});
