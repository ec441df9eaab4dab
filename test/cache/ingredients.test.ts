import { describe, expect, test } from "vitest";
import { ingredientsOf, type KeyInputs, keyOf, type RunInputs } from "../../src/cache/ingredients.js";
import { digestOfHex } from "../../src/oci/digest.js";
import type { CopyStep, RunStep, Step, WorkdirStep } from "../../src/plan/graph.js";

const place = { file: "Dockerfile", text: "x", range: { start: { line: 1, column: 0 }, end: { line: 1, column: 1 } } };
const base = { id: 3, stage: 1, label: "[2/3] X", place, parent: { kind: "scratch" }, ignoreCache: false } as const;
const copy: CopyStep = {
  ...base,
  kind: "copy",
  keyword: "COPY",
  from: { kind: "context", name: "" },
  sources: ["a"],
  heredocs: [{ name: "E", content: "body" }],
  destination: "/d/",
  chown: "app:staff",
  chmod: "0755",
  exclude: ["*.md"],
  link: false,
  parents: false,
};
const workdir: WorkdirStep = { ...base, kind: "workdir", path: "/w", user: "app" };
const run: RunStep = {
  ...base,
  kind: "run",
  args: ["/bin/sh", "-c", "true"],
  script: { name: "E", content: "#!/bin/sh" },
  env: ["PATH=/bin", "A=1"],
  proxyEnv: ["http_proxy=x"],
  cwd: "/",
  user: "root",
  network: "none",
  security: "sandbox",
  devices: ["vendor.com/class=dev"],
  mounts: ["type=tmpfs,target=/t"],
  mountSources: [undefined],
  platform: { os: "linux", architecture: "amd64" },
};
const inputs: KeyInputs = {
  parent: { kind: "step", key: "1".repeat(64) },
  sources: { kind: "context", words: [{ matches: [{ name: "a", digest: "2" }] }] },
  mtime: undefined,
};
const from = { kind: "image", digest: digestOfHex("a".repeat(64)), platform: "linux/amd64" } as const;

const key = (step: Step, more: Partial<KeyInputs> = {}): string => keyOf(ingredientsOf(step, { ...inputs, ...more }));

describe("a key changes with everything that can change the layer", () => {
  const copies: [string, Partial<CopyStep>][] = [
    ["the destination", { destination: "/d" }],
    ["the owner", { chown: "app" }],
    ["no owner", { chown: undefined }],
    ["the mode", { chmod: "0644" }],
    ["a heredoc's name", { heredocs: [{ name: "F", content: "body" }] }],
    ["a heredoc's body", { heredocs: [{ name: "E", content: "other" }] }],
    ["a further heredoc", { heredocs: [...copy.heredocs, { name: "F", content: "" }] }],
    ["--link", { link: true }],
    ["--parents", { parents: true }],
    ["ADD, which unpacks", { keyword: "ADD" }],
  ];
  test.each(copies)("COPY: %s", (_, change) => expect(key({ ...copy, ...change })).not.toBe(key(copy)));

  const runs: [string, Partial<RunStep>][] = [
    ["the command", { args: ["/bin/sh", "-c", "false"] }],
    ["where its words are divided", { args: ["/bin/sh", "-c true"] }],
    ["the script", { script: { name: "E", content: "#!/bin/bash" } }],
    ["no script", { script: undefined }],
    ["a variable", { env: ["PATH=/bin", "A=2"] }],
    ["the order of variables", { env: ["A=1", "PATH=/bin"] }],
    ["the working directory", { cwd: "/w" }],
    ["the user", { user: "app" }],
    ["the network", { network: "host" }],
    ["the security mode", { security: "insecure" }],
    ["a device", { devices: [] }],
    ["the platform", { platform: { os: "linux", architecture: "arm64" } }],
    ["the platform's variant", { platform: { os: "linux", architecture: "arm64", variant: "v9" } }],
  ];
  test.each(runs)("RUN: %s", (_, change) => expect(key({ ...run, ...change })).not.toBe(key(run)));

  const observed: RunInputs = {
    mounts: [{ type: "tmpfs", target: "/t" }],
    hostname: "h",
    hosts: [{ name: "a", ip: "10.0.0.1" }],
    ulimits: [{ name: "nofile", soft: 1, hard: 2 }],
    shmSize: undefined,
    losses: [],
  };
  test.each<[string, Partial<RunInputs>]>([
    ["a mount", { mounts: [{ type: "tmpfs", target: "/u" }] }],
    ["no mount", { mounts: [] }],
    ["the host name", { hostname: "other" }],
    ["a name in /etc/hosts", { hosts: [{ name: "b", ip: "10.0.0.1" }] }],
    ["a limit", { ulimits: [{ name: "nofile", soft: 1, hard: 3 }] }],
    ["the size of /dev/shm", { shmSize: 1 << 20 }],
    ["what the sandbox cannot keep", { losses: ["owners"] }],
  ])("RUN: %s", (_, change) => {
    expect(key(run, { run: { ...observed, ...change } })).not.toBe(key(run, { run: observed }));
  });

  test.each<[string, Partial<WorkdirStep>]>([
    ["the path", { path: "/v" }],
    ["the user", { user: "root" }],
  ])("WORKDIR: %s", (_, change) => expect(key({ ...workdir, ...change })).not.toBe(key(workdir)));

  test.each<[string, Partial<KeyInputs>]>([
    ["the parent step", { parent: { kind: "step", key: "3".repeat(64) } }],
    ["a base image in its place", { parent: from }],
    ["the base's platform", { parent: { ...from, platform: "linux/arm64" } }],
    ["no parent at all", { parent: undefined }],
    ["nothing below", { parent: { kind: "scratch" } }],
    ["the content of a source", { sources: { kind: "context", words: [{ matches: [{ name: "a", digest: "3" }] }] } }],
    ["the name of a source", { sources: { kind: "context", words: [{ matches: [{ name: "b", digest: "2" }] }] } }],
    ["a source that is a directory", { sources: { kind: "context", words: [{ matches: [{ digest: "2" }] }] } }],
    [
      "one word in place of two",
      { sources: { kind: "context", words: [{ matches: [{ name: "a", digest: "2" }] }, { matches: [] }] } },
    ],
    [
      "names that are links of each other",
      { sources: { kind: "context", words: [{ matches: [{ name: "a", digest: "2" }], shared: [["0:", "1:"]] }] } },
    ],
    ["a source in an image", { sources: { kind: "paths", from, words: ["a"], exclude: [] } }],
    ["a fixed time", { mtime: 0 }],
    ["another fixed time", { mtime: 1 }],
  ])("inputs: %s", (_, change) => expect(key(copy, change)).not.toBe(key(copy)));

  test("no two kinds of steps share a key", () => {
    expect(new Set([copy, workdir, run].map((step) => key(step))).size).toBe(3);
  });
});

describe("a key does not change with what the layer cannot show", () => {
  test.each<[string, Partial<CopyStep>]>([
    ["the number of the step and the stage", { id: 9, stage: 2 }],
    ["its label and place", { label: "[5/9] Y", place: { ...place, file: "Other" } }],
    ["how the source word is spelled: contents are in the inputs", { sources: ["./a"] }],
    ["whether the cache is asked", { ignoreCache: true }],
    ["--exclude, where the contents are known", { exclude: [] }],
  ])("COPY: %s", (_, change) => expect(key({ ...copy, ...change })).toBe(key(copy)));

  test.each([
    ["0", "root"],
    ["0:0", "root:root"],
    ["07", "7:7"],
    ["7", "7:007"],
    [":5", "root:5"],
  ])("the owner %s is %s", (a, b) => {
    expect(key({ ...copy, chown: a })).toBe(key({ ...copy, chown: b }));
  });

  test("an owner's name is not its number: only the image knows", () => {
    expect(key({ ...copy, chown: "app" })).not.toBe(key({ ...copy, chown: "1000" }));
  });

  test("COPY in place of ADD that does not unpack", () => {
    expect(key({ ...copy, keyword: "ADD", unpack: false })).toBe(key(copy));
  });

  test("RUN: proxy arguments", () => {
    expect(key({ ...run, proxyEnv: [] })).toBe(key(run));
  });

  test("RUN: the address of a host in /etc/hosts", () => {
    const seen = (ip: string): RunInputs => ({
      ...{ mounts: [], hostname: "h", hosts: [{ name: "a", ip }], ulimits: [], shmSize: undefined, losses: [] },
    });
    expect(key(run, { run: seen("10.0.0.1") })).toBe(key(run, { run: seen("10.0.0.2") }));
  });

  test("WORKDIR: another spelling of the path, and of root", () => {
    expect(key({ ...workdir, path: "/w/" })).toBe(key(workdir));
    expect(key({ ...workdir, user: "" })).toBe(key({ ...workdir, user: "root" }));
  });
});
