import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { environmentNotes } from "../../src/cli/commands/buildEnvironment.js";
import { type BuildOptions, makeBuildRequest, type RequestSources } from "../../src/cli/commands/buildRequest.js";
import type { BuildRequest } from "../../src/index.js";
import type { NacreError } from "../../src/support/errors.js";
import { errorOf, rejectionOf } from "./errors.js";

const stream = new PassThrough();

function sourcesOf(env: Record<string, string> = {}, stdin = ""): RequestSources {
  return {
    // No one's configuration of the docker command has a say here.
    env: { DOCKER_CONFIG: "/nonexistent", ...env },
    stdout: { stream, isTTY: false },
    readStdin: async () => Buffer.from(stdin, "latin1"),
    stdin: async function* () {
      yield Buffer.from(stdin, "latin1");
    },
  };
}

function make(options: BuildOptions, env: Record<string, string> = {}, stdin = ""): Promise<BuildRequest> {
  return makeBuildRequest(".", options, sourcesOf(env, stdin));
}

describe("the request of nacre build", () => {
  test("without flags asks for nothing but the context", async () => {
    const request = await make({});
    expect(request).toEqual({
      context: ".",
      tags: [],
      buildArgs: {},
      buildContexts: {},
      env: { DOCKER_CONFIG: "/nonexistent" },
      labels: {},
      annotations: {},
      noCache: false,
      noCacheFilter: [],
      offline: false,
      pull: false,
      allow: [],
      hosts: [],
      limits: { ulimits: [] },
      outputs: [],
      reproducible: false,
    });
  });

  const compression = { type: "gzip" as const, force: false };
  const pushed = { type: "registry" as const, compression, rewriteTimestamp: false, annotations: new Map() };
  const docker = { type: "engine" as const, engine: "docker" as const };
  const rows: [string, BuildOptions, Partial<BuildRequest>][] = [
    ["-f", { file: "sub/Dockerfile" }, { dockerfile: { kind: "file", path: "sub/Dockerfile" } }],
    ["an empty -f", { file: "" }, { dockerfile: undefined }],
    ["-f with a URL", { file: "https://x/y" }, { dockerfile: { kind: "url", url: "https://x/y" } }],
    ["--offline", { offline: true }, { offline: true }],
    ["--pull", { pull: true }, { pull: true }],
    ["--push and --load", { push: true, load: true }, { outputs: [pushed, { ...pushed, ...docker }] }],
    ["--lock", { lock: true }, { lock: "write" }],
    ["--locked with a file", { locked: true, lockFile: "l" }, { lock: "hold", lockFile: "l" }],
    ["-t", { tag: ["hello", "r.example:5000/a/b:2"] }, { tags: ["hello:latest", "r.example:5000/a/b:2"] }],
    ["--target", { target: "final" }, { target: "final" }],
    ["--build-arg", { buildArg: ["A=1", "B=x=y", "C=", "A=2"] }, { buildArgs: { A: "2", B: "x=y", C: "" } }],
    ["--build-context", { buildContext: ["base=oci-layout://x:1"] }, { buildContexts: { base: "oci-layout://x:1" } }],
    ["--label", { label: ["a=b=c", "bare"] }, { labels: { a: "b=c", bare: "" } }],
    ["--annotation", { annotation: ["a=1", "manifest:b=2"] }, { annotations: { a: "1", b: "2" } }],
    ["an annotation with a colon", { annotation: ["org:x=1"] }, { annotations: { "org:x": "1" } }],
    ["--platform", { platform: ["linux/arm64"] }, { platform: "linux/arm64" }],
    ["--no-cache", { cache: false }, { noCache: true }],
    ["--no-cache-filter", { cacheFilter: ["a,b", "c"] }, { noCacheFilter: ["a", "b", "c"] }],
    ["--network", { network: "none" }, { network: "none" }],
    ["--isolation", { isolation: "chroot" }, { isolation: "chroot" }],
    ["--allow", { allow: ["network.host,security.insecure"] }, { allow: ["network.host", "security.insecure"] }],
    ["--add-host", { addHost: ["db:10.0.0.5", "v6=[::1]"] }, { hosts: hosts("db", "10.0.0.5", "v6", "::1") }],
    ["--shm-size, in binary units as docker has them", { shmSize: "64m" }, { shmSize: 64 << 20 }],
    ["--memory", { memory: "1.5g" }, { limits: { memory: 1.5 * 2 ** 30 } }],
    ["--memory-swap", { memorySwap: "-1" }, { limits: { memorySwap: -1 } }],
    ["--cpus", { cpus: "1.5" }, { limits: { cpus: 1.5 } }],
    ["docker's quota and period", { cpuQuota: "50000", cpuPeriod: "200000" }, { limits: { cpus: 0.25 } }],
    ["--cpuset-cpus", { cpusetCpus: "0-2,4" }, { limits: { cpusetCpus: "0-2,4" } }],
    ["--pids-limit", { pidsLimit: "64" }, { limits: { pids: 64 } }],
    ["--step-timeout", { stepTimeout: "1m30s" }, { limits: { timeout: 90_000 } }],
    ["--step-timeout in seconds", { stepTimeout: "90" }, { limits: { timeout: 90_000 } }],
    ["--ulimit", { ulimit: ["nofile=1:2", "core=unlimited"] }, { limits: { ulimits: ulimits() } }],
    ["--secret", { secret: ["id=a,src=b"] }, { secrets: ["id=a,src=b"] }],
    ["--ssh", { ssh: ["default"] }, { ssh: ["default"] }],
    ["--iidfile", { iidfile: "id" }, { iidFile: "id" }],
    ["--metadata-file", { metadataFile: "m.json" }, { metadataFile: "m.json" }],
    ["--reproducible", { reproducible: true }, { reproducible: true }],
    ["--store", { store: "/s" }, { store: "/s" }],
    ["--jobs", { jobs: "3" }, { jobs: 3 }],
    ["-o type=image", { tag: ["a"], output: ["type=image,name=b"] }, { tags: ["a:latest", "b:latest"], outputs: [] }],
    ["-o", { output: ["out"] }, { outputs: [{ type: "local", destination: { kind: "path", path: "out" } }] }],
  ];
  test.each(rows)("%s is passed on", async (_name, options, expected) => {
    expect(await make(options)).toMatchObject(expected);
  });

  test("a build argument without value comes from the environment, and is left out where it is not there", async () => {
    const request = await make({ buildArg: ["HOME_PAGE", "MISSING", "EMPTY"] }, { HOME_PAGE: "x", EMPTY: "" });
    expect(request.buildArgs).toEqual({ HOME_PAGE: "x", EMPTY: "" });
  });

  test("an argument named __proto__ is an argument like others", async () => {
    const request = await make({ buildArg: ["__proto__=x"] });
    expect(Object.entries(request.buildArgs ?? {})).toEqual([["__proto__", "x"]]);
  });

  test("a Dockerfile from standard input keeps bytes that are not UTF-8", async () => {
    const request = await make({ file: "-" }, {}, "FROM a\xff\n");
    expect(request.dockerfile).toEqual({ kind: "text", text: "FROM a\udcff\n", name: "-" });
  });

  test("SOURCE_DATE_EPOCH is read from the environment", async () => {
    expect((await make({}, { SOURCE_DATE_EPOCH: "1700000000" })).sourceDateEpoch).toBe(1_700_000_000);
    expect((await make({}, { SOURCE_DATE_EPOCH: "0" })).sourceDateEpoch).toBe(0);
    expect((await make({}, { SOURCE_DATE_EPOCH: "" })).sourceDateEpoch).toBeUndefined();
  });

  test.each(["yesterday", "1.5", "-1", "1e9", " 5", "999999999999"])(
    "SOURCE_DATE_EPOCH=%s is refused",
    async (text) => {
      const error = await rejectionOf(() => make({}, { SOURCE_DATE_EPOCH: text }));
      expect(error.code).toBe("USAGE");
      expect(error.message).toContain("SOURCE_DATE_EPOCH");
    },
  );

  const refused: [string, BuildOptions, string][] = [
    ["a tag in upper case", { tag: ["Hello"] }, "lower case"],
    ["a tag with a digest", { tag: [`a@sha256:${"0".repeat(64)}`] }, "digest"],
    ["a build argument without name", { buildArg: ["=x"] }, "no name"],
    ["a context without source", { buildContext: ["base"] }, "not key=value"],
    ["an annotation without value", { annotation: ["a"] }, "not key=value"],
    ["an annotation of an index", { annotation: ["index:a=1"] }, "single image"],
    ["an annotation of one platform", { annotation: ["manifest[linux/amd64]:a=1"] }, "single image"],
    ["a label without key", { label: ["=x"] }, "no key"],
    ["two platforms", { platform: ["linux/amd64,linux/arm64"] }, "several platforms"],
    ["two platform flags", { platform: ["linux/amd64", "linux/arm64"] }, "several platforms"],
    ["a platform that is none", { platform: ["a b"] }, "not a platform"],
    ["a network that is none", { network: "hots" }, "did you mean host?"],
    ["no jobs", { jobs: "0" }, "--jobs"],
    ["--lock with --locked", { lock: true, locked: true }, "contradict"],
    ["half a job", { jobs: "1.5" }, "--jobs"],
    ["two outputs to standard output", { output: ["-", "type=oci,dest=-"] }, "cannot both"],
    ["quiet with an output to standard output", { output: ["-"], quiet: true }, "cannot both"],
    ["progress=quiet with one", { output: ["-"], progress: "quiet" }, "cannot both"],
  ];
  test.each(refused)("%s is refused", async (_name, options, part) => {
    const error = await rejectionOf(() => make(options));
    expect(["USAGE", "REFERENCE_INVALID"]).toContain(error.code);
    expect(`${error.message} ${error.hint}`).toContain(part);
  });

  test("a context that is missing is refused", async () => {
    const error = await rejectionOf(() => makeBuildRequest(undefined, {}, sourcesOf()));
    expect(error.code).toBe("USAGE");
    expect(error.message).toContain("needs the path");
  });

  test("the context and the Dockerfile cannot both come from standard input", async () => {
    const error = await rejectionOf(() => makeBuildRequest("-", { file: "-" }, sourcesOf()));
    expect(error.message).toBe("can't use stdin for both build context and dockerfile");
  });
});

describe("the environment of Docker's commands", () => {
  const config = (text: string): string => {
    const dir = mkdtempSync(join(tmpdir(), "nacre-config-"));
    writeFileSync(join(dir, "config.json"), text);
    onTestFinished(() => rmSync(dir, { recursive: true }));
    return dir;
  };

  test("gives the platform where no flag does", async () => {
    const env = { DOCKER_DEFAULT_PLATFORM: "linux/arm64" };
    expect((await make({}, env)).platform).toBe("linux/arm64");
    expect((await make({ platform: ["linux/386"] }, env)).platform).toBe("linux/386");
  });

  test("gives the proxies of config.json as arguments, except those that are given", async () => {
    const DOCKER_CONFIG = config('{"proxies":{"default":{"httpProxy":"http://p","noProxy":"a,b","x":1},"tcp://h":{}}}');
    const { buildArgs } = await make({ buildArg: ["http_proxy=mine"] }, { DOCKER_CONFIG });
    expect(buildArgs).toEqual({ http_proxy: "mine", HTTP_PROXY: "http://p", NO_PROXY: "a,b", no_proxy: "a,b" });
  });

  test.each(["{", "3", '{"proxies":3}'])("a config.json of %s is told of by name", async (text) => {
    const DOCKER_CONFIG = config(text);
    const error = await rejectionOf(() => make({}, { DOCKER_CONFIG }));
    expect(error.message).toContain(join(DOCKER_CONFIG, "config.json"));
  });

  test("is remarked upon where it asks for what has no effect", () => {
    expect(environmentNotes({ DOCKER_BUILDKIT: "1", BUILDX_BUILDER: "default" })).toEqual([]);
    const notes = environmentNotes({ DOCKER_BUILDKIT: "0", BUILDX_BUILDER: "b", BUILDKIT_HOST: "tcp://x" });
    expect(notes.map((text) => text.split(":")[0])).toEqual(["DOCKER_BUILDKIT", "BUILDX_BUILDER", "BUILDKIT_HOST"]);
  });

  test("is refused where it demands a policy that would not be held", () => {
    const error = errorOf(() => environmentNotes({ EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: "p.json" }));
    expect(error.code).toBe("USAGE");
  });
});

function hosts(...words: readonly string[]): { name: string; ip: string }[] {
  return words.flatMap((name, i) => (i % 2 === 0 ? [{ name, ip: words[i + 1]! }] : []));
}

function ulimits(): { name: string; soft: number; hard: number }[] {
  return [
    { name: "nofile", soft: 1, hard: 2 },
    { name: "core", soft: -1, hard: -1 },
  ];
}

describe("values of RUN's flags that are wrong", () => {
  test.each<[BuildOptions, string]>([
    [{ isolation: "docker" }, "--isolation"],
    [{ allow: ["network.hots"] }, "did you mean network.host?"],
    [{ addHost: ["db"] }, "name:address"],
    [{ addHost: ["db:not an address"] }, "name:address"],
    [{ ulimit: ["nofiles=1"] }, "did you mean nofile?"],
    [{ ulimit: ["nofile=3:2"] }, "soft limit is above"],
    [{ ulimit: ["nofile=-1:2"] }, "soft limit is above"],
    [{ shmSize: "0" }, "no room"],
    [{ cpus: "0" }, "number of processors"],
    [{ cpus: "1", cpuQuota: "1000" }, "say the same"],
    [{ cpusetCpus: "a" }, "list of processors"],
    [{ cpuShares: "1" }, "from 2 to 262144"],
    [{ pidsLimit: "none" }, "from 1"],
    [{ stepTimeout: "soon" }, "not a duration"],
    [{ stepTimeout: "0s" }, "leaves no time"],
  ])("%j is refused", async (options, words) => {
    const error = await make(options).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).toMatchObject({ code: "USAGE" });
    expect(`${(error as NacreError).message} ${(error as NacreError).hint}`).toContain(words);
  });
});
