import { afterEach, describe, expect, test, vi } from "vitest";
import type { BuildRequest, BuildResult } from "../../src/index.js";
import { nacre } from "./invocation.js";

const requests = vi.hoisted((): unknown[] => []);

vi.mock("../../src/index.js", async () => ({
  ...(await vi.importActual<object>("../../src/store/configLimits.js")),
  defaultStorePath: (env: Record<string, string>) => env.NACRE_HOME,
  build: async (request: BuildRequest): Promise<Partial<BuildResult>> => {
    requests.push(request);
    return { digest: `sha256:${"a".repeat(64)}` as never, names: [], steps: [], warnings: [] };
  },
}));

afterEach(() => {
  requests.length = 0;
});

async function requestOf(...argv: string[]): Promise<BuildRequest> {
  const { code, stderr } = await nacre(["build", "--progress=none", ...argv], { env: { NACRE_HOME: "/home/store" } });
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return requests[0] as BuildRequest;
}

describe("each flag of nacre build reaches the request", () => {
  const rows: [string[], Partial<BuildRequest>][] = [
    [[], { context: ".", noCache: false, noCacheFilter: [], reproducible: false, store: "/home/store" }],
    [["-f", "D"], { dockerfile: { kind: "file", path: "D" } }],
    [["--file=D"], { dockerfile: { kind: "file", path: "D" } }],
    [["-t", "a", "--tag", "b:2"], { tags: ["a:latest", "b:2"] }],
    [["--target", "x"], { target: "x" }],
    [["--build-arg", "A=1", "--build-arg=B=2"], { buildArgs: { A: "1", B: "2" } }],
    [["--build-context", "x=dir"], { buildContexts: { x: "dir" } }],
    [["--label", "a=1", "--label", "b"], { labels: { a: "1", b: "" } }],
    [["--annotation", "a=1"], { annotations: { a: "1" } }],
    [["--platform", "linux/arm64"], { platform: "linux/arm64" }],
    [["--no-cache"], { noCache: true }],
    [["--no-cache=true"], { noCache: true }],
    [["--no-cache=false"], { noCache: false }],
    [["--no-cache-filter", "a", "--no-cache-filter", "b,c"], { noCacheFilter: ["a", "b", "c"], noCache: false }],
    [["--network", "host"], { network: "host" }],
    [["-o", "out"], { outputs: [{ type: "local", destination: { kind: "path", path: "out" } }] }],
    [
      ["--output", "a", "-o", "b"],
      {
        outputs: [
          { type: "local", destination: { kind: "path", path: "a" } },
          { type: "local", destination: { kind: "path", path: "b" } },
        ],
      },
    ],
    [["--iidfile", "i"], { iidFile: "i" }],
    [["--metadata-file", "m"], { metadataFile: "m" }],
    [["--reproducible"], { reproducible: true }],
    [["--store", "/s"], { store: "/s" }],
    [["--jobs", "2"], { jobs: 2 }],
    [["--provenance=false", "--sbom=false"], {}],
    [["--push=false", "--load=0"], {}],
  ];
  test.each(rows)("%j", async (flags, expected) => {
    expect(await requestOf(...flags, ".")).toMatchObject(expected);
  });

  test("--store may stand before the command too", async () => {
    await nacre(["--store", "/s", "build", "--progress=none", "."]);
    expect(requests[0]).toMatchObject({ store: "/s" });
  });

  test("a path that begins with a dash follows two dashes", async () => {
    expect(await requestOf("--", "-dir")).toMatchObject({ context: "-dir" });
  });
});

describe("what nacre build prints", () => {
  test("with -q: only the digest, to standard output", async () => {
    for (const flag of ["-q", "--quiet", "--progress=quiet"]) {
      const { stdout, stderr } = await nacre(["build", flag, "."], { env: { NACRE_HOME: "/s" } });
      expect(stdout).toBe(`sha256:${"a".repeat(64)}\n`);
      expect(stderr).toBe("");
    }
  });

  test("notes about flags without effect go to standard error", async () => {
    const { stdout, stderr } = await nacre(["build", "--compress", "--progress=none", "."], {
      env: { NACRE_HOME: "/s" },
    });
    expect(stderr).toMatch(/^note: --compress: .*\n$/);
    expect(stdout).toBe("");
  });

  test("with rawjson every line of standard error is JSON", async () => {
    const { stderr } = await nacre(["build", "--compress", "."], {
      env: { NACRE_HOME: "/s", BUILDKIT_PROGRESS: "rawjson" },
    });
    const lines = stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string });
    expect(lines.map(({ type }) => type)).toEqual(["note", "result"]);
  });
});

describe("wrong usage ends with 2 and helps", () => {
  test.each([
    [["bulid"], "ERROR: unknown command: bulid\nhint: did you mean build?"],
    [["image", "lss"], "ERROR: unknown command: lss\nhint: did you mean ls?"],
    [["build", "--taget", "x", "."], "ERROR: unknown flag: --taget\nhint: did you mean --target?"],
    [["build", "--zzzzzz", "."], "ERROR: unknown flag: --zzzzzz\nhint: see: nacre build --help"],
    [["build"], "ERROR: nacre build needs the path of a context directory"],
    [["build", "a", "b"], "ERROR: too many arguments"],
    [["build", "-t"], "argument missing"],
    [["build", "--progress", "plian", "."], "did you mean plain?"],
    [["build", "--progress", "tty", "."], "needs a terminal"],
    [["build", "--isolation", "namespace", "."], "did you mean namespaces?"],
    [["build", "--memory", "lots", "."], "not a size"],
    [["build", "--debug-shell", "--on-failure", "ask", "."], "contradict each other"],
    [["build", "--debug-shell", "."], "needs a terminal"],
    [["logs", "--format", "yaml"], "--format is text or json"],
    [["image", "ls", "--format", "{{.ID"], "template parsing error"],
    [["image", "ls", "--size", "big"], "--size is unpacked, content or disk"],
    [["history", "--format", "tabel", "x"], "did you mean table?"],
    [["image", "ls", "--format", "jsn"], "did you mean json?"],
    [["prune", "--max-size", "many"], "not a size"],
    [["prune", "--all", "--max-size", "1GB"], "--all leaves nothing"],
    [["load"], "nacre load needs an archive"],
    [["load", "--rootfs", "x.tar"], "add --tag NAME"],
    [["inspect"], "missing required argument"],
    [["inspect", "--raw", "layers", "x"], "--raw is manifest or config"],
    [["save", "--format", "oci-dir", "x"], "needs a directory"],
    [["save", "--compression-level", "3", "x"], "without --compression"],
  ])("%j", async (argv, message) => {
    const { code, stderr, stdout } = await nacre(argv, { env: { NACRE_HOME: "/nowhere" } });
    expect(stderr).toContain(message);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(requests).toEqual([]);
  });

  test("a group without a command prints its help", async () => {
    const { code, stderr } = await nacre(["image"]);
    expect(code).toBe(2);
    expect(stderr).toContain("Usage: nacre image COMMAND");
  });
});

describe("help", () => {
  test.each([[["--help"]], [["help"]], [[]]])("%j lists every command", async (argv) => {
    const { code, stdout } = await nacre(argv);
    expect(code).toBe(0);
    for (const name of [
      "build",
      "image",
      "load",
      "save",
      "tag",
      "rm",
      "history",
      "inspect",
      "info",
      "check",
      "prune",
      "version",
    ]) {
      expect(stdout).toMatch(new RegExp(`^ +${name}\\b`, "m"));
    }
  });

  const commands = [
    "build",
    "image ls",
    "images",
    "history",
    "image history",
    "load",
    "save",
    "tag",
    "rm",
    "image rm",
    "inspect",
    "info",
    "check",
    "prune",
  ];
  test.each(commands)("nacre %s --help has a usage and examples", async (command) => {
    const { code, stdout } = await nacre([...command.split(" "), "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: nacre ${command}`);
    expect(stdout).toContain("Examples:\n  nacre ");
    expect(stdout).toContain("--store <dir>");
  });

  test("nacre version and --version agree", async () => {
    const version = (await nacre(["version"])).stdout;
    expect(version).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await nacre(["--version"])).stdout).toBe(version);
  });
});
