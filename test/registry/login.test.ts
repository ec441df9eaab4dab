/** Logging in and out: what is tried first, where credentials are kept, and what stays as it was. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { credentialStore } from "../../src/registry/credentials.js";
import { login, logout } from "../../src/registry/login.js";
import type { Login, LoginRequest, Logout } from "../../src/registry/loginTypes.js";
import type { Credentials } from "../../src/registry/types.js";
import { NacreError } from "../../src/support/errors.js";
import { type ConfigWorld, configWorld } from "./configWorld.js";

const DOCKER = "~/.docker/config.json";
const HUB = "https://index.docker.io/v1/";
const ANN = { username: "ann", password: "pass:wörd" };

type Variables = Readonly<Record<string, string>>;

/** Logs in to a registry that knows Ann only. */
function logIn(
  world: ConfigWorld,
  request: LoginRequest,
  variables: Variables = {},
  tried: string[] = [],
): Promise<Login> {
  const check = async (host: string, credentials: Credentials): Promise<void> => {
    tried.push(host);
    const isAnn =
      credentials.kind === "basic" && credentials.username === "ann" && credentials.password === ANN.password;
    if (!isAnn) throw new NacreError("DENIED", `${host} refuses the login`);
  };
  return login(request, { env: world.env(variables), root: world.root, check });
}

function logOut(world: ConfigWorld, host?: string, variables: Variables = {}): Promise<Logout> {
  return logout(host, { env: world.env(variables), root: world.root });
}

function found(world: ConfigWorld, host: string, variables: Variables = {}): Promise<Credentials | undefined> {
  return credentialStore(world.env(variables), { root: world.root }).find(host);
}

function config(world: ConfigWorld) {
  return JSON.parse(readFileSync(join(world.home, ".docker/config.json"), "utf8"));
}

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

/** A helper that keeps what it is given in a file for each registry. */
function keychain(world: ConfigWorld, suffix = "chain"): string {
  const directory = join(world.home, suffix);
  mkdirSync(directory);
  world.helper(
    suffix,
    `input=$(cat); cd ${directory} || exit 9
     name() { printf %s "$1" | tr -c 'a-zA-Z0-9.\\n' _; }
     case $1 in
     store) url=$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/'); printf %s "$input" >"$(name "$url")" ;;
     get) cat "$(name "$input")" 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
     erase) rm "$(name "$input")" 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
     esac`,
  );
  return directory;
}

describe("nacre login", () => {
  it("tries credentials first, and keeps nothing of those that are refused", async () => {
    const world = configWorld();
    const tried: string[] = [];
    const refused = logIn(world, { host: "r.example", username: "ann", password: "wrong" }, {}, tried);
    await expect(refused).rejects.toMatchObject({ code: "DENIED" });
    expect(tried).toEqual(["r.example"]);
    expect(existsSync(join(world.home, ".docker"))).toBe(false);
  });

  it("keeps them in config.json, for the user alone, with a warning", async () => {
    const world = configWorld();
    const path = join(world.home, ".docker/config.json");
    const done = await logIn(world, { host: "r.example:5000", ...ANN });
    expect(done).toEqual({ host: "r.example:5000", username: "ann", keptIn: { kind: "file", name: path } });
    expect(readFileSync(path, "utf8")).toBe(
      `{\n\t"auths": {\n\t\t"r.example:5000": {\n\t\t\t"auth": "${Buffer.from("ann:pass:wörd").toString("base64")}"\n\t\t}\n\t}\n}\n`,
    );
    expect([mode(path), mode(join(world.home, ".docker"))]).toEqual(["600", "700"]);
    expect(readdirSync(join(world.home, ".docker"))).toEqual(["config.json"]);
    expect(world.warnings).toEqual([expect.stringMatching(/^CredentialsUnencrypted: .*unencrypted in .*config\.json/)]);
    expect(await found(world, "r.example:5000")).toMatchObject({ username: "ann" });
  });

  it("leaves everything else in the file as it was, in its order and with its indentation", async () => {
    const world = configWorld();
    const before = {
      ...{ zeta: { "a/b": [1, { x: null }] }, auths: { "other.example": { auth: "b3RoZXI6eA==", email: "o@x" } } },
      ...{ HttpHeaders: { "User-Agent": "x" }, psFormat: "table {{.ID}}\\t", currentContext: "größer" },
    };
    for (const indent of ["  ", "    ", "\t"]) {
      const path = world.write(DOCKER, JSON.stringify(before, null, indent), 0o644);
      await logIn(world, { host: "r.example", ...ANN });
      const auth = Buffer.from("ann:pass:wörd").toString("base64");
      const after = { ...before, auths: { ...before.auths, "r.example": { auth } } };
      expect(readFileSync(path, "utf8")).toBe(JSON.stringify(after, null, indent));
      expect(mode(path)).toBe("600");
    }
  });

  it("has one key for Docker Hub, as docker has, and leaves no older spelling behind", async () => {
    const world = configWorld();
    const old = { auth: "b2xkOng=" };
    world.write(DOCKER, JSON.stringify({ auths: { "docker.io": old, "index.docker.io": old, "docker.io/team": old } }));
    await logIn(world, ANN);
    expect(Object.keys(config(world).auths)).toEqual(["docker.io/team", HUB]);
    for (const host of [HUB, "docker.io", "https://registry-1.docker.io/v2/"]) {
      expect((await logIn(world, { host, ...ANN })).host).toBe("docker.io");
    }
    expect(Object.keys(config(world).auths)).toEqual(["docker.io/team", HUB]);
  });

  it("takes a URL for its host", async () => {
    const world = configWorld();
    expect((await logIn(world, { host: "https://R.example:5000/v2/x", ...ANN })).host).toBe("r.example:5000");
  });

  it("gives them to the helper that the file names, and writes no password then", async () => {
    const world = configWorld();
    const [all, one] = [keychain(world, "all"), keychain(world, "one")];
    world.write(
      DOCKER,
      JSON.stringify({
        auths: { "r.example": { auth: "b2xkOng=" } },
        credsStore: "all",
        credHelpers: { "s.example": "one" },
      }),
    );
    expect((await logIn(world, { host: "r.example", ...ANN })).keptIn).toEqual({
      kind: "helper",
      name: "docker-credential-all",
    });
    await logIn(world, { host: "s.example", ...ANN });
    await logIn(world, ANN);
    expect(readdirSync(all).sort()).toEqual(["https___index.docker.io_v1_", "r.example"]);
    expect(JSON.parse(readFileSync(join(one, "s.example"), "utf8"))).toEqual({
      ServerURL: "s.example",
      Username: "ann",
      Secret: ANN.password,
    });
    expect(config(world).auths).toEqual({ "r.example": {}, "s.example": {}, [HUB]: {} });
    expect(world.warnings).toEqual([]);
    expect(await found(world, "r.example")).toMatchObject({ username: "ann" });
    expect(await found(world, "docker.io")).toMatchObject({ username: "ann" });
  });

  it("whose helper fails keeps nothing, and repeats nothing that it was given", async () => {
    const world = configWorld();
    world.helper("bad", 'echo "no: $(cat)"; exit 4');
    const path = world.write(DOCKER, '{"credsStore":"bad"}');
    const failed = logIn(world, { host: "r.example", ...ANN });
    await expect(failed).rejects.toMatchObject({
      code: "CREDENTIALS",
      message: "docker-credential-bad: it failed to store (exit code 4)",
    });
    expect(readFileSync(path, "utf8")).toBe('{"credsStore":"bad"}');
  });

  it("writes where REGISTRY_AUTH_FILE or DOCKER_CONFIG say", async () => {
    const world = configWorld();
    const file = join(world.home, "some/auth.json");
    await logIn(world, { host: "r.example", ...ANN }, { REGISTRY_AUTH_FILE: file });
    expect([mode(file), mode(join(world.home, "some"))]).toEqual(["600", "700"]);
    await logIn(world, { host: "s.example", ...ANN }, { DOCKER_CONFIG: join(world.home, "dc") });
    expect(Object.keys(JSON.parse(readFileSync(join(world.home, "dc/config.json"), "utf8")).auths)).toEqual([
      "s.example",
    ]);
    expect(existsSync(join(world.home, ".docker"))).toBe(false);
  });

  it("follows symbolic links, to files that are not there yet too", async () => {
    const world = configWorld();
    mkdirSync(join(world.home, ".docker"));
    mkdirSync(join(world.home, "dotfiles"));
    const [link, target] = [join(world.home, ".docker/config.json"), join(world.home, "dotfiles/docker.json")];
    symlinkSync("../dotfiles/docker.json", link);
    await logIn(world, { host: "r.example", ...ANN });
    writeFileSync(target, readFileSync(target, "utf8").replace("{", '{"detachKeys": "ctrl-e",'));
    await logIn(world, { host: "s.example", ...ANN });
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(JSON.parse(readFileSync(target, "utf8"))).toMatchObject({
      detachKeys: "ctrl-e",
      auths: { "s.example": {} },
    });
    expect(readdirSync(join(world.home, "dotfiles"))).toEqual(["docker.json"]);
  });

  it.each([
    ["is no JSON", '{"auths": {'],
    ["is a list", "[1]"],
    ["has auths that are none", '{"auths": "x"}'],
  ])("does not overwrite a file that %s", async (_what, text) => {
    const world = configWorld();
    const path = world.write(DOCKER, text);
    await expect(logIn(world, { host: "r.example", ...ANN })).rejects.toMatchObject({ code: "CREDENTIALS" });
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  it("that cannot be written leaves the old file whole and no draft", async () => {
    const world = configWorld();
    const path = world.write(DOCKER, '{"auths": {}}');
    const directory = join(world.home, ".docker");
    symlinkSync("config.json/x", join(directory, "loop"));
    const nowhere = { REGISTRY_AUTH_FILE: join(path, "below/auth.json") };
    await expect(logIn(world, { host: "r.example", ...ANN }, nowhere)).rejects.toMatchObject({ code: "CREDENTIALS" });
    expect(readdirSync(directory)).toEqual(["config.json", "loop"]);
    expect(readFileSync(path, "utf8")).toBe('{"auths": {}}');
  });

  it("says that a variable stands before what it keeps", async () => {
    const world = configWorld();
    await logIn(world, { host: "r.example", ...ANN }, { DOCKER_AUTH_CONFIG: "{}" });
    expect(world.warnings[0]).toMatch(/^CredentialsOverridden: DOCKER_AUTH_CONFIG is set/);
  });

  it("without user name and password tries what is there", async () => {
    const world = configWorld();
    await expect(logIn(world, { host: "r.example" })).rejects.toMatchObject({
      code: "CREDENTIALS",
      message: "there are no credentials for r.example",
    });
    await logIn(world, { host: "r.example", ...ANN });
    expect(await logIn(world, { host: "r.example" })).toEqual({
      host: "r.example",
      username: "ann",
      keptIn: undefined,
    });
    world.write(DOCKER, JSON.stringify({ auths: { "r.example": { auth: "b2xkOng=" } } }));
    await expect(logIn(world, { host: "r.example" })).rejects.toMatchObject({ code: "DENIED" });
  });

  it.each([
    ["host", { host: "a b", ...ANN }],
    ["host", { host: "a\nb", ...ANN }],
    ["host", { host: "", ...ANN }],
    ["user name", { host: "r.example", username: "a:b", password: "x" }],
    ["user name", { host: "r.example", username: "", password: "x" }],
    ["password", { host: "r.example", username: "a", password: "" }],
    ["password", { host: "r.example", username: "a", password: "x\ny" }],
  ])("refuses a wrong %s", async (_what, request) => {
    const tried: string[] = [];
    await expect(logIn(configWorld(), request, {}, tried)).rejects.toMatchObject({ code: "USAGE" });
    expect(tried).toEqual([]);
  });
});

describe("nacre logout", () => {
  it("removes every spelling of a registry, and nothing of others", async () => {
    const world = configWorld();
    const entry = { auth: "YTpi" };
    const others = { "other.example": entry, "r.example:5000": entry };
    const own = { "r.example": entry, "https://r.example/v1/": entry, "http://R.example": entry };
    const path = world.write(
      DOCKER,
      JSON.stringify({ auths: { ...own, ...others }, credHelpers: {}, plugins: { x: {} } }),
    );
    expect(await logOut(world, "r.example")).toEqual({ host: "r.example", removedFrom: [path], leftIn: [] });
    expect(config(world)).toEqual({ auths: others, credHelpers: {}, plugins: { x: {} } });
    expect(await found(world, "r.example")).toBeUndefined();
    expect(await logOut(world, "r.example")).toEqual({ host: "r.example", removedFrom: [], leftIn: [] });
  });

  it("leaves nothing that nacre would find: files of podman and helpers too", async () => {
    const world = configWorld();
    const chain = keychain(world);
    const docker = world.write(DOCKER, JSON.stringify({ credsStore: "chain" }));
    await logIn(world, ANN);
    const podman = world.write(
      "~/.config/containers/auth.json",
      JSON.stringify({ auths: { "docker.io": { auth: "YTpi" } } }),
    );
    expect(await logOut(world)).toEqual({
      host: "docker.io",
      removedFrom: ["docker-credential-chain", docker, podman],
      leftIn: [],
    });
    expect(readdirSync(chain)).toEqual([]);
    expect(await found(world, "docker.io")).toBeUndefined();
  });

  it("says what it leaves: namespaces, and the variable", async () => {
    const world = configWorld();
    const entry = { auth: "YTpi" };
    const file = world.write(
      "~/.config/containers/auth.json",
      JSON.stringify({ auths: { "r.example/team": entry, "r.example": entry } }),
    );
    const variables = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { "r.example": entry } }) };
    const done = await logOut(world, "r.example", variables);
    expect(done).toEqual({
      host: "r.example",
      removedFrom: [file],
      leftIn: ["DOCKER_AUTH_CONFIG (r.example)", `${file} (r.example/team)`],
    });
  });

  it("changes no file that has nothing of the registry", async () => {
    const world = configWorld();
    const path = world.write(DOCKER, '{ "auths" :{"x.example": {}} }', 0o640);
    const facts = () => [statSync(path).ino, statSync(path).mtimeMs, mode(path), readFileSync(path, "utf8")];
    const before = facts();
    await logOut(world, "r.example");
    expect(facts()).toEqual(before);
  });

  it("with a helper that fails clears the files all the same, and tells", async () => {
    const world = configWorld();
    world.helper("bad", "cat >/dev/null; echo locked; exit 2");
    world.write(DOCKER, JSON.stringify({ credsStore: "bad", auths: { "r.example": { auth: "YTpi" } } }));
    await expect(logOut(world, "r.example")).rejects.toMatchObject({
      message: "docker-credential-bad: it failed to get (exit code 2): locked",
    });
    expect(config(world).auths).toEqual({});
  });
});

describe("many logins at once", () => {
  it("leave a whole file, whichever came last", async () => {
    const world = configWorld();
    world.write(DOCKER, '{"auths": {}}');
    chmodSync(join(world.home, ".docker"), 0o700);
    const hosts = Array.from({ length: 20 }, (_, i) => `r${i}.example`);
    await Promise.all(hosts.map((host) => logIn(world, { host, ...ANN })));
    expect(Object.keys(config(world).auths).sort()).toEqual(hosts.sort());
    expect(readdirSync(join(world.home, ".docker"))).toEqual(["config.json"]);
  });
});
