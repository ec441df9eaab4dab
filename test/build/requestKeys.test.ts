/**
 * Each option of a build, changed by itself, and the steps whose keys change with it. Whoever adds an option has to say
 * here what it does to keys: without that this file does not compile.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { previewBuild } from "../../src/build/preview.js";
import type { BuildRequest } from "../../src/build/request.js";
import type { RunLimits } from "../../src/sandbox/types.js";
import { put } from "./helpers.js";

/** Steps of the Dockerfile below. */
type StepName = "RUN" | "WORKDIR" | "COPY" | "FROM";

/** Values of an option, and the steps that are keyed otherwise with them. FROM is the copy from the stage of RUN. */
type Verdict<T> =
  | { readonly values: readonly T[]; readonly changes: readonly StepName[] }
  | { readonly notAsked: string };
type Verdicts<T> = { readonly [K in keyof T]-?: Verdict<T[K]> | readonly Verdict<T[K]>[] };

const RAN: readonly StepName[] = ["RUN", "FROM"];
const ALL: readonly StepName[] = ["RUN", "WORKDIR", "COPY", "FROM"];
const NONE: readonly StepName[] = [];

const DOCKERFILE = `FROM scratch AS run
ARG A
RUN --mount=type=secret,id=s --mount=type=ssh --mount=type=cache,target=/c --mount=type=bind,source=d,target=/m true
FROM scratch
ARG A
WORKDIR /w
COPY f d /x/
COPY --from=run /x /y
`;
const FILES = { f: "F", "d/x": "X", "d/y": "Y", ignore: "d/y\n" };

let top = "";

function requestVerdicts(): Verdicts<BuildRequest> {
  const at = (name: string): string => join(top, name);
  const text = (more: string) => ({ kind: "text" as const, text: DOCKERFILE + more });
  return {
    context: [
      { values: [at("same")], changes: NONE },
      { values: [at("other")], changes: ["RUN", "COPY", "FROM"] },
    ],
    dockerfile: [
      { values: [{ ...text(""), name: "Other" }, text("# more\nLABEL a=b\nCMD x\n")], changes: NONE },
      { values: [{ kind: "text", text: DOCKERFILE.replace("true", "false") }], changes: RAN },
    ],
    ignoreFile: { values: [at("context/ignore")], changes: ["RUN", "COPY", "FROM"] },
    tags: { values: [["a:1"]], changes: NONE },
    canonicalNames: { values: [["a"]], changes: NONE },
    target: { values: ["run"], changes: NONE },
    name: { values: ["another"], changes: NONE },
    program: { values: ["2"], changes: NONE },
    ignoreSyntax: { values: [true], changes: NONE },
    buildArgs: [
      { values: [{ A: "1" }, { A: "" }, { BUILDKIT_SANDBOX_HOSTNAME: "h" }], changes: RAN },
      { values: [{ BUILDKIT_CACHE_MOUNT_NS: "n" }], changes: RAN },
      { values: [{ B: "1" }, { HTTP_PROXY: "x" }, { no_proxy: "x" }, { SOURCE_DATE_EPOCH: "5" }], changes: NONE },
    ],
    buildContexts: [
      { values: [{ unused: at("other") }], changes: NONE },
      { values: [{ run: at("other") }], changes: ["FROM"] },
    ],
    labels: { values: [{ a: "b" }], changes: NONE },
    annotations: { values: [{ a: "b" }], changes: NONE },
    platform: { values: ["linux/s390x", "linux/arm/v7"], changes: RAN },
    noCache: { values: [true], changes: NONE },
    noCacheFilter: { values: [["run"]], changes: NONE },
    pull: { values: [true], changes: NONE },
    lock: { values: ["write"], changes: NONE },
    lockFile: { values: [at("lock")], changes: NONE },
    offline: { values: [true], changes: NONE },
    network: { values: ["none"], changes: RAN },
    outputs: { values: [[{ type: "local", destination: { kind: "path", path: at("out") } }]], changes: NONE },
    iidFile: { values: [at("iid")], changes: NONE },
    metadataFile: { values: [at("metadata")], changes: NONE },
    sourceDateEpoch: { values: [5], changes: NONE },
    reproducible: { values: [true], changes: ALL },
    env: { values: [{ A: "1", PATH: "/" }], changes: NONE },
    store: { values: [at("store2")], changes: NONE },
    housekeeping: { notAsked: "nothing is tidied up before steps are keyed" },
    isolation: {
      notAsked: "what a level cannot keep counts, not which one it is: losses, in test/cache/mutations.test.ts",
    },
    allow: { values: [["network.host"], ["security.insecure"]], changes: NONE },
    hosts: { values: [[{ name: "a", ip: "10.0.0.1" }]], changes: RAN },
    shmSize: [
      { values: [1 << 20], changes: RAN },
      { values: [64 << 20], changes: NONE },
    ],
    limits: { notAsked: "one by one, below" },
    secrets: { values: [[`id=s,src=${at("secret")}`], ["id=t,env=PATH"]], changes: NONE },
    ssh: { values: [[]], changes: NONE },
    onFailedRun: { values: [async () => {}], changes: NONE },
    jobs: { values: [1], changes: NONE },
    emit: { values: [() => {}], changes: NONE },
    signal: { values: [new AbortController().signal], changes: NONE },
  };
}

const LIMITS: Verdicts<RunLimits> = {
  ulimits: { values: [[{ name: "nofile", soft: 1000, hard: 2000 }]], changes: RAN },
  memory: { values: [1 << 30], changes: NONE },
  memorySwap: { values: [2 ** 31, -1], changes: NONE },
  cpus: { values: [1.5], changes: NONE },
  cpuShares: { values: [512], changes: NONE },
  cpusetCpus: { values: ["0"], changes: NONE },
  pids: { values: [100], changes: NONE },
  timeout: { values: [60_000], changes: NONE },
};

/** Keys by the first word of the instruction; FROM for the copy from a stage. */
async function keysOf(request: BuildRequest): Promise<ReadonlyMap<StepName, string>> {
  const { steps } = await previewBuild(request);
  return new Map(
    steps.map(({ instruction, key }): [StepName, string] => {
      const name = instruction.startsWith("COPY --from") ? "FROM" : (instruction.split(" ")[0] as StepName);
      return [name, key ?? "none"];
    }),
  );
}

function told<T>(verdicts: Verdict<T> | readonly Verdict<T>[]): readonly Verdict<T>[] {
  return Array.isArray(verdicts) ? verdicts : [verdicts as Verdict<T>];
}

/** What vitest lists; the compiler sees to it that each option is among the verdicts. */
const OPTIONS = Object.keys(requestVerdicts()) as (keyof BuildRequest)[];

describe("keys", () => {
  let usual: BuildRequest;
  let keys: ReadonlyMap<StepName, string>;

  beforeAll(async () => {
    top = mkdtempSync(join(tmpdir(), "nacre-keys-"));
    for (const name of ["context", "same", "other"]) put(join(top, name), FILES);
    put(join(top, "other"), { "d/y": "another", x: "X" });
    put(top, { secret: "1" });
    usual = {
      context: join(top, "context"),
      dockerfile: { kind: "text", text: DOCKERFILE },
      store: join(top, "store"),
      env: {},
      // Quickest to find out about.
      isolation: "chroot",
    };
    keys = await keysOf(usual);
  });

  afterAll(() => rmSync(top, { recursive: true, force: true }));

  async function check(change: Partial<BuildRequest>, changes: readonly StepName[], what: string): Promise<void> {
    const now = await keysOf({ ...usual, ...change });
    const changed = [...now].filter(([name, key]) => keys.get(name) !== key).map(([name]) => name);
    expect(changed.sort(), what).toEqual([...changes].sort());
  }

  test.each(OPTIONS)("change with the option %s as they should", async (name) => {
    for (const verdict of told(requestVerdicts()[name] as Verdict<unknown>)) {
      if ("notAsked" in verdict) continue;
      for (const value of verdict.values) await check({ [name]: value }, verdict.changes, JSON.stringify(value));
    }
  });

  test.each(Object.entries(LIMITS))("change with the limit %s as they should", async (name, verdicts) => {
    for (const verdict of told(verdicts as Verdict<unknown>)) {
      if ("notAsked" in verdict) continue;
      for (const value of verdict.values) await check({ limits: { [name]: value } }, verdict.changes, `${value}`);
    }
  });

  test("change with the time of --reproducible, whoever gives it", async () => {
    const one = await keysOf({ ...usual, reproducible: true });
    const other = await keysOf({ ...usual, reproducible: true, sourceDateEpoch: 5 });
    const argument = await keysOf({ ...usual, reproducible: true, buildArgs: { SOURCE_DATE_EPOCH: "5" } });
    expect([...one.keys()].filter((name) => one.get(name) === other.get(name))).toEqual([]);
    expect([...argument]).toEqual([...other]);
  });

  test("change with the names of hosts, and not with their addresses", async () => {
    const at = (name: string, ip: string) => keysOf({ ...usual, hosts: [{ name, ip }] });
    const one = await at("a", "10.0.0.1");
    expect([...(await at("a", "10.0.0.2"))]).toEqual([...one]);
    expect((await at("b", "10.0.0.1")).get("RUN")).not.toBe(one.get("RUN"));
  });
});
