/** Secrets that are kept for registries: what hostile names, helpers and files can reach, and where values can be seen. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { type CredentialOptions, credentialStore } from "../../src/registry/credentials.js";
import { login, logout } from "../../src/registry/login.js";
import type { Credentials } from "../../src/registry/types.js";
import { isNacreError } from "../../src/support/errors.js";
import { nacre } from "../cli/invocation.js";
import { type ConfigWorld, configWorld } from "../registry/configWorld.js";

const DOCKER = "~/.docker/config.json";
const CANARY = "canary-7f3a9";

function find(world: ConfigWorld, host: string, options: CredentialOptions = {}): Promise<Credentials | undefined> {
  return credentialStore(world.env(), { root: world.root, ...options }).find(host);
}

/** A helper that notes that it was started. @returns says if it was */
function trap(world: ConfigWorld, suffix = "trap"): () => boolean {
  const mark = join(world.home, "started");
  world.helper(suffix, `touch ${mark}; cat >/dev/null; printf '{"Username":"u","Secret":"s"}'`);
  return () => existsSync(mark);
}

/** Everything that an error can show. */
function allOf(error: unknown): string {
  if (!isNacreError(error)) throw error;
  const shown = [
    inspect(error, { depth: 9, showHidden: true }),
    JSON.stringify(error),
    error.stack,
    error.hint,
    String(error.cause),
  ];
  return `${shown.join("\n")}\n${JSON.stringify(error.facts)}\n${inspect(error.cause, { depth: 9 })}`;
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error,
  );
}

describe("a helper", () => {
  it("is never started for what is no host", async () => {
    const world = configWorld();
    const wasStarted = trap(world);
    world.write(DOCKER, JSON.stringify({ credsStore: "trap" }));
    const hosts = [
      "a\nb",
      "a\rb",
      "a\0b",
      "a;b",
      "a b",
      "$(x)",
      "a`x`",
      "-x",
      "a/b",
      "a\u2028b",
      "\u202ea",
      "",
      ".",
      "a".repeat(300),
    ];
    for (const host of hosts) {
      await expect(find(world, host)).rejects.toMatchObject({ code: "CREDENTIALS" });
      // Of a URL, its host is meant.
      if (host !== "a/b") await expect(logout(host, { env: world.env(), root: world.root })).rejects.toThrow();
    }
    expect(wasStarted()).toBe(false);
  });

  it("is not started by a name that leads elsewhere", async () => {
    const world = configWorld();
    const wasStarted = trap(world);
    for (const suffix of [
      "../trap",
      "x/../../bin/docker-credential-trap",
      "trap;x",
      "trap x",
      "trap\n",
      "$(trap)",
      "",
      "a".repeat(200),
    ]) {
      for (const config of [{ credsStore: suffix }, { credHelpers: { "r.example": suffix } }]) {
        world.write(DOCKER, JSON.stringify(config));
        const outcome = await find(world, "r.example").catch((error: unknown) => error);
        if (suffix === "") expect(outcome).toBeUndefined();
        else
          expect(outcome).toMatchObject({
            code: "CREDENTIALS",
            message: expect.stringContaining("is not the name of"),
          });
      }
    }
    expect(wasStarted()).toBe(false);
  });

  it("is not taken from the working directory", async () => {
    const world = configWorld();
    trap(world);
    world.write(DOCKER, JSON.stringify({ credsStore: "trap" }));
    const { env } = world.env();
    const programs = relative(process.cwd(), env.PATH!.split(":")[0]!);
    for (const path of ["", ".", ":", programs, "/nowhere"]) {
      const poor = { ...world.env(), env: { ...env, PATH: path } };
      await expect(credentialStore(poor, { root: world.root }).find("r.example")).rejects.toThrow("is not on PATH");
    }
  });

  it("is ended when it takes too long, with all that it has started", async () => {
    const world = configWorld();
    const pids = join(world.home, "pids");
    world.helper("slow", `sleep 1000 & echo $! $$ >${pids}; wait`);
    world.write(DOCKER, JSON.stringify({ credsStore: "slow" }));
    const slow = find(world, "r.example", { helperLimits: { time: 300 } });
    await expect(slow).rejects.toMatchObject({ message: "docker-credential-slow: no answer within 0.3 s" });
    for (const pid of readFileSync(pids, "utf8").trim().split(" ").map(Number)) await ended(pid);
  });

  it("is ended when it says too much", async () => {
    const world = configWorld();
    world.helper("loud", "exec cat /dev/zero");
    world.write(DOCKER, JSON.stringify({ credsStore: "loud" }));
    await expect(find(world, "r.example")).rejects.toMatchObject({
      message: "docker-credential-loud: its answer is longer than 1048576 bytes",
    });
  });

  it("cannot smuggle headers into a request", async () => {
    const world = configWorld();
    const answers = [
      { Username: "<token>", Secret: "a\r\nX-Evil: 1" },
      { Username: "<token>", Secret: "a b" },
      { Username: "a\nb", Secret: "x" },
      { Username: "a", Secret: "x\0y" },
    ];
    for (const answer of answers) {
      world.write("answer", JSON.stringify(answer));
      world.helper("evil", `cat ${join(world.root, "answer")}`);
      world.write(DOCKER, JSON.stringify({ credsStore: "evil" }));
      await expect(find(world, "r.example")).rejects.toMatchObject({ code: "CREDENTIALS" });
    }
  });
});

/** Waits for a process to be gone, or to be only waited for by its parent. */
async function ended(pid: number): Promise<void> {
  for (;;) {
    const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "latin1") : "";
    if (stat === "" || /\) [ZX] /.test(stat)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("a secret", () => {
  it("is in nothing that shows credentials", async () => {
    const world = configWorld();
    const entries = {
      "basic.example": { username: "ann", password: CANARY },
      "identity.example": { identitytoken: CANARY },
      "bearer.example": { registrytoken: CANARY },
    };
    world.write(DOCKER, JSON.stringify({ auths: entries }));
    const store = credentialStore(world.env(), { root: world.root });
    for (const host of Object.keys(entries)) {
      const found = (await store.find(host))!;
      expect(found.kind === "basic" ? found.password : found.token).toBe(CANARY);
      const shown = [
        ...[
          JSON.stringify({ found }),
          inspect(found),
          inspect({ found, store }, { depth: 9, showHidden: true, getters: true }),
        ],
        ...[String(found), JSON.stringify({ ...found }), JSON.stringify(store), inspect(structuredClone({ ...found }))],
      ];
      for (const text of shown) expect(text).not.toContain(CANARY);
    }
  });

  it.each<[string, (world: ConfigWorld) => void]>([
    [
      "a file that is no JSON",
      (world) => world.write(DOCKER, `{"auths": {"r.example": {"auth": "${CANARY}"}} ${CANARY}`),
    ],
    ["a file that is one bad word", (world) => world.write(DOCKER, CANARY)],
    ["an entry of the wrong type", (world) => world.write(DOCKER, `{"auths": {"r.example": "${CANARY}"}}`)],
    ["an auth that is no base64", (world) => world.write(DOCKER, `{"auths": {"r.example": {"auth": "u:${CANARY}"}}}`)],
    [
      "an auth without a colon",
      (world) => world.write(DOCKER, `{"auths": {"r.example": {"auth": "${btoa(CANARY)}"}}}`),
    ],
    [
      "a password with a line break",
      (world) => world.write(DOCKER, `{"auths": {"r.example": {"username": "u", "password": "${CANARY}\\n"}}}`),
    ],
    [
      "a token with a blank",
      (world) => world.write(DOCKER, `{"auths": {"r.example": {"registrytoken": "${CANARY} x"}}}`),
    ],
    ["auths of the wrong type", (world) => world.write(DOCKER, `{"auths": "${CANARY}"}`)],
    [
      "a helper that fails with its answer",
      (world) => failing(world, `printf '{"Username":"u","Secret":"${CANARY}"}'; exit 1`),
    ],
    [
      "a helper that answers with half a document",
      (world) => failing(world, `printf '{"Username":"u","Secret":"${CANARY}'`),
    ],
    [
      "a helper that answers with wrong types",
      (world) => failing(world, `printf '{"Username":"u","Secret":["${CANARY}"]}'`),
    ],
  ])("is in no error for %s", async (_what, prepare) => {
    const world = configWorld();
    prepare(world);
    const shown = allOf(await failureOf(find(world, "r.example")));
    expect(shown).not.toContain(CANARY);
    expect(shown).not.toContain(btoa(CANARY));
    const outcome = await nacre(["--debug", "logout", "r.example"], { env: commandEnv(world) });
    expect(outcome.stdout + outcome.stderr).not.toContain(CANARY);
  });

  it("is in no file but the one that keeps it, which is its owner's alone", async () => {
    const world = configWorld();
    const umask = process.umask(0);
    try {
      const env = world.env();
      await login(
        { host: "r.example", username: "ann", password: CANARY },
        { env, root: world.root, check: async () => {} },
      );
    } finally {
      process.umask(umask);
    }
    const kept = join(world.home, ".docker/config.json");
    expect(filesWith(world, CANARY)).toEqual([]);
    expect(filesWith(world, Buffer.from(`ann:${CANARY}`).toString("base64"))).toEqual([kept]);
    expect((statSync(kept).mode & 0o777).toString(8)).toBe("600");
    expect((statSync(join(world.home, ".docker")).mode & 0o777).toString(8)).toBe("700");
    expect(world.warnings.join()).not.toContain(CANARY);
  });

  it("is in nothing that a login says that fails while it is kept", async () => {
    const world = configWorld();
    const env = world.env();
    const attempt = () =>
      login({ host: "r.example", username: "ann", password: CANARY }, { env, root: world.root, check: async () => {} });
    world.helper("echo", "cat; cat >&2; exit 1");
    world.write(DOCKER, JSON.stringify({ credsStore: "echo" }));
    expect(allOf(await failureOf(attempt()))).not.toContain(CANARY);
    world.write(DOCKER, "{");
    expect(allOf(await failureOf(attempt()))).not.toContain(CANARY);
    mkdirSync(join(world.home, "directory"));
    const nowhere = { ...env, env: { ...env.env, REGISTRY_AUTH_FILE: join(world.home, "directory") } };
    const blocked = login(
      { host: "r.example", username: "ann", password: CANARY },
      { env: nowhere, root: world.root, check: async () => {} },
    );
    expect(allOf(await failureOf(blocked))).not.toContain(CANARY);
    expect(filesWith(world, CANARY)).toEqual([]);
  });
});

function failing(world: ConfigWorld, script: string): void {
  world.helper("fail", `cat >/dev/null; ${script}`);
  world.write(DOCKER, JSON.stringify({ credsStore: "fail" }));
}

function commandEnv(world: ConfigWorld): Record<string, string> {
  return { HOME: world.home, PATH: world.env().env.PATH!, NACRE_HOME: join(world.home, "store") };
}

function filesWith(world: ConfigWorld, text: string): string[] {
  const files = [world.root, world.home].flatMap((directory) =>
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  return files.filter((file) => readFileSync(file, "latin1").includes(text));
}

describe("a configuration file", () => {
  it("that is a named pipe is not waited for", async () => {
    const world = configWorld();
    mkdirSync(join(world.home, ".docker"));
    execFileSync("mkfifo", [join(world.home, ".docker/config.json")]);
    await expect(find(world, "r.example")).rejects.toMatchObject({
      code: "CREDENTIALS",
      message: expect.stringContaining("it is not a file"),
    });
  });

  it("that has no end, or is nested without end, is given up", async () => {
    const world = configWorld();
    world.write(DOCKER, `{"auths":${"[".repeat(2 << 20)}`);
    await expect(find(world, "r.example")).rejects.toMatchObject({ code: "CREDENTIALS" });
    world.write(DOCKER, " ".repeat(5 << 20));
    await expect(find(world, "r.example")).rejects.toMatchObject({
      message: expect.stringContaining("larger than 4 MiB"),
    });
  });

  it("with keys that mean something to JavaScript means nothing by them", async () => {
    const world = configWorld();
    const entry = `{"auth":"${Buffer.from("u:p").toString("base64")}"}`;
    world.write(
      DOCKER,
      `{"auths":{"__proto__":${entry},"constructor":${entry},"r.example":${entry}},"__proto__":{"credsStore":"x"}}`,
    );
    expect(await find(world, "r.example")).toMatchObject({ username: "u" });
    expect(await find(world, "constructor.example")).toBeUndefined();
    await login(
      { host: "s.example", username: "a", password: "b" },
      { env: world.env(), root: world.root, check: async () => {} },
    );
    const text = readFileSync(join(world.home, ".docker/config.json"), "utf8");
    expect(text.match(/__proto__/g)).toHaveLength(2);
    expect(await find(world, "s.example")).toMatchObject({ username: "a" });
  });
});
