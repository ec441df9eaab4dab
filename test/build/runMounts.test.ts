import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  contextCopy,
  freshCaches,
  type MountLookups,
  requestMounts,
  runMountsOf,
  sshEnvironment,
} from "../../src/build/runMounts.js";
import type { PlannedSource } from "../../src/cache/runMounts.js";
import { composeCopy } from "../../src/compose/compose.js";
import { openLocalContext } from "../../src/context/local.js";
import { OpenLayers } from "../../src/image/layers.js";
import type { FileState, RunStep } from "../../src/plan/graph.js";
import { Store } from "../../src/store/store.js";
import { listTree, treeOf } from "../layer/helpers.js";
import { put, scratch } from "./helpers.js";

const place = { file: "Dockerfile", text: "x", range: { start: { line: 1, column: 0 }, end: { line: 1, column: 1 } } };
const IMAGE: FileState = { kind: "image", base: "b" };
const CONTEXT: FileState = { kind: "context", name: "" };

/** A step with these mounts; `from` is what all of them name, if they name something. */
function stepOf(mounts: readonly string[], more: Partial<RunStep> = {}): RunStep {
  return {
    ...{ kind: "run", id: 3, stage: 1, label: "[2/3] RUN x", place, parent: { kind: "scratch" }, ignoreCache: false },
    ...{ args: ["true"], env: ["PATH=/bin"], proxyEnv: [], cwd: "/w", user: "", devices: [], mounts },
    mountSources: mounts.map((mount) =>
      /from=/.test(mount) ? IMAGE : /^type=(?!bind)/.test(mount) ? undefined : CONTEXT,
    ),
    platform: { os: "linux", architecture: "amd64" },
    ...more,
  };
}

const planned = (...mounts: string[]) => runMountsOf(stepOf(mounts));
const targets = (...mounts: string[]) => planned(...mounts).map(({ target }) => target);

const given: MountLookups = {
  tree: ({ path }) => ({ layers: [], path }),
  secret: (id) => (id === "x" ? Buffer.from("value\n") : id === "nul" ? Buffer.from("a\0b") : undefined),
  agent: async (id) => (id === "default" ? "/agent" : undefined),
  fresh: ({ id }) => id === "anew",
};
const requested = (...mounts: string[]) => requestMounts(planned(...mounts), given);

describe("targets", () => {
  test("are joined with the working directory and cleaned; without one it is that directory itself", () => {
    expect(targets("target=a/../b/", "target=/x//y/.", "type=tmpfs")).toEqual(["/w", "/w/b", "/x/y"]);
    expect(targets("target=../../..//q")).toEqual(["/q"]);
  });

  test.each(["target=.", "target=..", "", "target=x/.."])("the root itself is none: %j", (fields) => {
    const step = stepOf([`type=bind,${fields}`.replace(/,$/, "")], { cwd: "/" });
    expect(() => runMountsOf(step)).toThrow('invalid mount target "/"');
  });

  test("of secrets and agents have their defaults, where agents are numbered as they are written", () => {
    expect(targets("type=secret,id=a/b", "type=ssh", "type=ssh,id=q,target=/s", "type=ssh,id=r")).toEqual([
      ...["/run/buildkit/ssh_agent.0", "/run/buildkit/ssh_agent.2", "/run/secrets/b", "/s"],
    ]);
    expect(targets("type=secret,target=rel/s", "type=secret,id=x,env=X")).toEqual(["/w/rel/s", undefined]);
  });

  test("are in an order in which what lies in another comes after it", () => {
    const nested = targets("type=cache,target=/a/b/c", "type=tmpfs,target=/run", "type=secret,id=x", "target=/a");
    expect(nested).toEqual(["/a", "/a/b/c", "/run", "/run/secrets/x"]);
  });

  test("that are used twice show the last mount", () => {
    expect(planned("type=tmpfs,target=/t", "type=tmpfs,target=/t/,size=1m")).toEqual([
      { kind: "tmpfs", target: "/t", size: 1 << 20, readOnly: false },
    ]);
  });
});

describe("a bind mount", () => {
  test("shows the main context, or what from names; its source cannot leave that", async () => {
    expect(planned("source=../../a/./b,target=/m", "from=x,target=/n,rw")).toEqual([
      { kind: "bind", target: "/m", source: { from: CONTEXT, path: "a/b" }, writable: false },
      { kind: "bind", target: "/n", source: { from: IMAGE, path: "" }, writable: true },
    ]);
    expect((await requested("from=x,source=/link,target=/n")).mounts).toEqual([
      { type: "bind", target: "/n", source: { layers: [], path: "link" }, writable: false },
    ]);
  });
});

describe("a cache", () => {
  const cache = (fields: string) => planned(`type=cache,${fields}`)[0];

  test("is named by its target as typed, unless it has an id", () => {
    expect(cache("target=./a/")).toMatchObject({ target: "/w/a", id: "a", named: false });
    expect(cache("target=/w/a")).toMatchObject({ target: "/w/a", id: "/w/a", named: false });
    expect(cache("target=/w/a,id=/w/a")).toMatchObject({ named: false });
    expect(cache("target=/w/a,id=../../x")).toMatchObject({ id: "../../x", named: true });
    expect(runMountsOf(stepOf(["type=cache,target=/a"]), "ci")).toMatchObject([{ id: "/a", namespace: "ci" }]);
  });

  test("has a first content only where a source is named; an owner counts only without one", () => {
    const usual = { mode: 0o755, uid: 0, gid: 0 };
    expect(cache("target=/c")).toMatchObject({ seed: undefined, owner: usual });
    expect(cache("target=/c,uid=5,mode=0700")).toMatchObject({
      seed: undefined,
      owner: { mode: 0o700, uid: 5, gid: 0 },
    });
    expect(cache("target=/c,from=x")).toMatchObject({ seed: { from: IMAGE, path: "" }, owner: usual });
    expect(cache("target=/c,from=x,source=/d,uid=5")).toMatchObject({ seed: { from: IMAGE, path: "d" }, owner: usual });
    expect(cache("target=/c,from=x,uid=5")).toMatchObject({ seed: undefined, owner: { mode: 0o755, uid: 5, gid: 0 } });
    expect(() => cache("target=/c,source=/sub")).toThrow("open /sub: no such file or directory");
  });

  test("is asked for as the sandbox wants it", async () => {
    const { mounts } = await requested("type=cache,target=/c,sharing=locked,ro,from=x,source=d,id=anew");
    expect(mounts).toEqual([
      {
        ...{ type: "cache", target: "/c", id: "anew", sharing: "locked", readOnly: true, fresh: true },
        ...{ seed: { layers: [], path: "d" }, owner: { mode: 0o755, uid: 0, gid: 0 } },
      },
    ]);
  });

  test("starts anew in all steps of a build if one of them that names it ignores the cache", () => {
    const [a, b] = [stepOf(["type=cache,target=/a"], { ignoreCache: true }), stepOf(["type=cache,target=/b"])];
    const isFresh = freshCaches([a, b]);
    expect(["/a", "/b"].map((id) => isFresh({ id }))).toEqual([true, false]);
  });
});

describe("a secret", () => {
  test("is a file, 0400 and root's unless said otherwise", async () => {
    const { mounts, secretEnv } = await requested(
      "type=secret,id=x",
      "type=secret,id=x,target=/s,mode=0444,uid=3,gid=4",
      "type=secret,id=none",
    );
    const content = Buffer.from("value\n");
    expect(mounts).toEqual([
      { type: "secret", target: "/run/secrets/none", content: undefined, mode: 0o400, uid: 0, gid: 0 },
      { type: "secret", target: "/run/secrets/x", content, mode: 0o400, uid: 0, gid: 0 },
      { type: "secret", target: "/s", content, mode: 0o444, uid: 3, gid: 4 },
    ]);
    expect(secretEnv.size).toBe(0);
  });

  test("is an environment variable, or both; the last of a name counts, even if it was not given", async () => {
    const { mounts, secretEnv } = await requested(
      ...["type=secret,id=x,env=A", "type=secret,id=x,env=B,target=/b", "type=secret,id=none,env=C"],
      ...["type=secret,id=x,env=D", "type=secret,id=none,env=D"],
    );
    expect(mounts.map(({ target }) => target)).toEqual(["/b"]);
    expect([...secretEnv].sort()).toEqual([
      ["A", "value\n"],
      ["B", "value\n"],
      ["C", ""],
      ["D", ""],
    ]);
  });

  test("that is required and was not given, or cannot be a variable, fails the step without its value", async () => {
    for (const fields of ["id=q,required", "id=q,env=Q,required=true"]) {
      await expect(requested(`type=secret,${fields}`)).rejects.toMatchObject({
        ...{ code: "MOUNT", message: "secret q: not found", hint: expect.stringContaining("--secret id=q") },
      });
    }
    await expect(requested("type=secret,id=nul,env=A")).rejects.toThrow(
      "secret nul cannot be the environment variable A",
    );
  });
});

describe("an agent", () => {
  test("is a socket where one was given", async () => {
    const { mounts } = await requested("type=ssh", "type=ssh,id=other", "type=ssh,target=s,mode=0666,uid=7");
    expect(mounts).toEqual([
      { type: "ssh", target: "/run/buildkit/ssh_agent.0", agentSocket: "/agent", mode: 0o600, uid: 0, gid: 0 },
      { type: "ssh", target: "/w/s", agentSocket: "/agent", mode: 0o666, uid: 7, gid: 0 },
    ]);
    await expect(requested("type=ssh,id=b,required")).rejects.toMatchObject({
      ...{ code: "MOUNT", message: "unset ssh forward key b", hint: expect.stringContaining("--ssh b=") },
    });
  });

  test("is named in the environment by the first socket that is written, unless there is a name already", () => {
    expect(sshEnvironment(stepOf(["type=ssh,id=z,target=s", "type=ssh"]))).toEqual(["SSH_AUTH_SOCK=/w/s"]);
    expect(sshEnvironment(stepOf(["type=tmpfs,target=/t", "type=ssh"]))).toEqual([
      "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0",
    ]);
    expect(sshEnvironment(stepOf(["type=ssh"], { env: ["SSH_AUTH_SOCK=/mine"] }))).toEqual([]);
    expect(sshEnvironment(stepOf([]))).toEqual([]);
  });
});

describe("what a mount shows of a context", () => {
  test("is composed with its own name, mode and content, links followed first", async () => {
    const dir = scratch();
    put(dir, {
      ...{ f: "F", "dir/sub/x": "X", "dir/a*[b]?": "star", "dir/axbc": "not it", ldir: { link: "dir" } },
      ...{ lf: { link: "dir/sub/../../f" }, "dir/**": "stars", "dir/b\\s": "back", "dir/sub/y": { link: "x" } },
    });
    chmodSync(join(dir, "dir"), 0o750);
    chmodSync(join(dir, "f"), 0o640);
    mkdirSync(join(dir, "empty"), { mode: 0o700 });
    const store = await Store.open(join(scratch(), "store"));
    try {
      const context = await openLocalContext({ root: dir });
      const compose = async (path: string): Promise<string[]> => {
        const source: PlannedSource = { from: CONTEXT, path };
        const { copy, path: at } = contextCopy(stepOf([]), source, context);
        await context.prepare([context.root]);
        const env = { store, parent: treeOf(), now: 99, warn: () => {} };
        const layer = await composeCopy(copy, context, env);
        const tree = await new OpenLayers(store).tree([
          { diffId: layer.diffId, descriptor: { mediaType: "x", digest: layer.diffId, size: layer.size } },
        ]);
        await tree.prepare([tree.root]);
        return [at, ...listTree(tree).filter((line) => !/^m\/? /.test(line))];
      };
      expect(await compose("f")).toEqual(["/m/f", expect.stringMatching(/^m\/f .*640/)]);
      expect(await compose("lf")).toEqual(["/m/f", expect.stringMatching(/^m\/f .*640/)]);
      const whole = await compose("dir");
      expect(whole[0]).toBe("/m/dir");
      expect(whole[1]).toMatch(/^m\/dir\/? .*750/);
      expect(whole).toHaveLength(9);
      expect(await compose("ldir")).toEqual(whole);
      expect((await compose("ldir/sub"))[0]).toBe("/m/sub");
      expect(await compose("empty")).toEqual(["/m/empty", expect.stringMatching(/^m\/empty\/? .*700/)]);
      for (const name of ["a*[b]?", "**", "b\\s"]) {
        const lines = await compose(`dir/${name}`);
        expect(lines).toHaveLength(2);
        expect(lines[0]).toBe(`/m/${name}`);
      }
      const everything = await compose("");
      expect(everything[0]).toBe("/m");
      expect(everything.join()).toContain("m/dir/sub/x");
      for (const missing of ["nope", "dir/nope", "f/x"]) {
        await expect(compose(missing)).rejects.toMatchObject({ code: "MOUNT", message: `"/${missing}": not found` });
      }
    } finally {
      await store.close();
    }
  });
});
