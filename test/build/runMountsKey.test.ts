import { describe, expect, test } from "vitest";
import { runMountsOf } from "../../src/build/runMounts.js";
import { contextMountDigest, type MountIdentities, runMountIngredients } from "../../src/cache/runMounts.js";
import { openLocalContext } from "../../src/context/local.js";
import type { FileState, RunStep } from "../../src/plan/graph.js";
import { canonicalJson } from "../../src/support/json.js";
import { put, scratch } from "./helpers.js";

const place = { file: "Dockerfile", text: "x", range: { start: { line: 1, column: 0 }, end: { line: 1, column: 1 } } };
const CONTEXT: FileState = { kind: "context", name: "" };

function stepOf(mounts: readonly string[], cwd: string): RunStep {
  return {
    ...{ kind: "run", id: 0, stage: 0, label: "RUN", place, parent: { kind: "scratch" }, ignoreCache: false },
    ...{ args: ["true"], env: [], proxyEnv: [], cwd, user: "", devices: [], mounts },
    mountSources: mounts.map((mount) => {
      const from = /from=(\d)/.exec(mount)?.[1];
      if (from !== undefined) return { kind: "step", id: Number(from) };
      return mount.includes("type=bind") ? CONTEXT : undefined;
    }),
    platform: { os: "linux", architecture: "amd64" },
  };
}

const identities: MountIdentities = {
  input: (from) => ({ kind: "step", key: from.kind === "step" ? `key of ${from.id}` : "?" }),
  content: async (context, path) => `${context}:${{ f: "same", f2: "same", g: "other" }[path]}`,
};

async function key(mounts: readonly string[], { cwd = "/w", namespace = "" } = {}): Promise<string> {
  return canonicalJson(await runMountIngredients(runMountsOf(stepOf(mounts, cwd), namespace), identities));
}

const [cache, secret, ssh] = ["type=cache,target=/c", "type=secret,id=x", "type=ssh"];
const [bind, tmpfs] = ["type=bind,source=f,target=/x", "type=tmpfs,target=/t"];

describe("a step is another one with", () => {
  test.each<[string, string, string]>([
    ["the target of a cache", cache, "type=cache,target=/c2"],
    ["a cache that is not named by its target", cache, `${cache},id=a`],
    ["a cache that is not shared", cache, `${cache},sharing=locked`],
    ["the mode of a cache", cache, `${cache},mode=0700`],
    ["the owner of a cache", cache, `${cache},uid=5`],
    ["a cache that is only read", cache, `${cache},ro`],
    ["a first content of a cache", cache, `${cache},from=1,source=/d`],
    ["another first content of a cache", `${cache},from=1`, `${cache},from=2`],
    ["the id of a secret", "type=secret,id=x,target=/s", "type=secret,id=y,target=/s"],
    ["a secret that is required", secret, `${secret},required`],
    ["the mode of a secret", secret, `${secret},mode=0444`],
    ["the target of a secret", secret, `${secret},target=/q`],
    ["the variable of a secret", `${secret},env=A`, `${secret},env=B`],
    ["the id of a secret in a variable", `${secret},env=A`, "type=secret,id=y,env=A"],
    ["a secret in a variable that is required", `${secret},env=A`, `${secret},env=A,required`],
    ["the id of an agent", ssh, `${ssh},id=other`],
    ["the mode of an agent's socket", ssh, `${ssh},mode=0666`],
    ["the target of an agent's socket", ssh, `${ssh},target=/q`],
    ["an agent that is required", ssh, `${ssh},required`],
    ["what is bound from the context", bind, "type=bind,source=g,target=/x"],
    ["where it is bound", bind, "type=bind,source=f,target=/y"],
    ["a bind that can be written", bind, `${bind},rw`],
    ["what is bound from another stage", "type=bind,from=1,target=/x", "type=bind,from=2,target=/x"],
    ["the path in another stage", "type=bind,from=1,source=a,target=/x", "type=bind,from=1,source=b,target=/x"],
    ["the size of a tmpfs", tmpfs, `${tmpfs},size=1m`],
    ["a tmpfs that is only read", tmpfs, `${tmpfs},ro`],
  ])("%s", async (_, a, b) => {
    expect(await key([a])).not.toBe(await key([b]));
  });

  test("a name space for caches", async () => {
    expect(await key([cache])).not.toBe(await key([cache], { namespace: "ci" }));
  });
});

describe("a step is the same, as in BuildKit, with", () => {
  test.each<[string, string[], string[]]>([
    ["another id of a cache that has one", [`${cache},id=a1`], [`${cache},id=a2`]],
    ["another way of keeping others out of a cache", [`${cache},sharing=private`], [`${cache},sharing=locked`]],
    [
      "defaults written out",
      [cache, secret, ssh],
      [`${cache},id=/c,sharing=shared,mode=0755,uid=0`, `${secret},target=/run/secrets/x,ro`, `${ssh},id=default`],
    ],
    ["another part of a first content", [`${cache},from=1,source=/d`], [`${cache},from=1,source=/d/sub`]],
    ["the same content elsewhere in the context", [bind], ["type=bind,source=f2,target=/x"]],
    ["mounts in another order", [bind, cache, secret], [secret, cache, bind]],
    ["a target that is relative", ["type=tmpfs,target=t"], ["type=tmpfs,target=/w/t/."]],
  ])("%s", async (_, a, b) => {
    expect(await key(a)).toBe(await key(b));
  });
});

test("content of a context counts without its name, its own directory's mode, and its times", async () => {
  const dir = scratch();
  put(dir, { "a/x": "1", "a/y": { mode: 0o755, content: "2" }, f: "F", link: { link: "a" } });
  put(dir, { "b/x": "1", "b/y": { mode: 0o755, content: "2" }, g: "F", "c/x": "1", "d/x": "1", "d/y": "2" });
  const context = await openLocalContext({ root: dir });
  const digest = (path: string) => contextMountDigest(context, path);
  const [a, b, c, d, link] = await Promise.all(["a", "b", "c", "d", "link"].map(digest));
  expect([b, link]).toEqual([a, a]);
  expect(new Set([a, c, d]).size).toBe(3);
  expect(await digest("f")).toBe(await digest("g"));
  expect(await digest("f")).not.toBe(await digest("a/x"));
  await expect(digest("nope")).rejects.toMatchObject({ code: "MOUNT", message: '"/nope": not found' });
});

test("no value of a secret can be asked for while keys are made", async () => {
  const planned = runMountsOf(stepOf([secret, `${secret},env=A`, ssh], "/"));
  const never: MountIdentities = {
    input: () => Promise.reject(new Error()),
    content: () => Promise.reject(new Error()),
  };
  await expect(runMountIngredients(planned, never)).resolves.toHaveLength(3);
});
