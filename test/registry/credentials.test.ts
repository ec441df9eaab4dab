/** With which credentials a registry is asked: files, variables and helper programs. */
import { execFile } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CredentialOptions, credentialStore } from "../../src/registry/credentials.js";
import type { Credentials } from "../../src/registry/types.js";
import { toolMissing } from "../setup/tools.js";
import { type ConfigWorld, configWorld, notingServer } from "./configWorld.js";

const DOCKER = "~/.docker/config.json";
const HUB = "https://index.docker.io/v1/";

const auth = (user: string, password = "secret") => ({ auth: Buffer.from(`${user}:${password}`).toString("base64") });
const auths = (entries: Readonly<Record<string, unknown>>, more: object = {}) =>
  JSON.stringify({ auths: entries, ...more });

function find(
  world: ConfigWorld,
  host: string,
  repository?: string,
  variables: Readonly<Record<string, string>> = {},
  options: CredentialOptions = {},
): Promise<Credentials | undefined> {
  return credentialStore(world.env(variables), { root: world.root, ...options }).find(host, repository);
}

/** Whose credentials they are; tokens as they are. */
async function who(found: Promise<Credentials | undefined>): Promise<string | undefined> {
  const credentials = await found;
  if (credentials === undefined) return undefined;
  return credentials.kind === "basic" ? credentials.username : `${credentials.kind} ${credentials.token}`;
}

describe("credentials in files", () => {
  it("are none where there is no file", async () => {
    expect(await find(configWorld(), "quay.io", "a/b")).toBeUndefined();
  });

  it("are user name and password, an identity token, or a registry token", async () => {
    const world = configWorld();
    world.write(
      DOCKER,
      auths({
        "basic.example": auth("ann", "a:b c€"),
        "plain.example": { username: "bea", password: "x" },
        "identity.example": { ...auth("ann"), identitytoken: "idtoken" },
        "bearer.example": { registrytoken: "regtoken" },
        "nul.example": auth("ann", "x\0\0"),
        "empty.example": {},
      }),
    );
    expect(await find(world, "basic.example")).toMatchObject({ kind: "basic", username: "ann" });
    const basic = await find(world, "basic.example");
    expect(basic?.kind === "basic" && basic.password).toBe("a:b c€");
    expect(await who(find(world, "plain.example"))).toBe("bea");
    expect(await who(find(world, "identity.example"))).toBe("identity idtoken");
    expect(await who(find(world, "bearer.example"))).toBe("bearer regtoken");
    const nul = await find(world, "nul.example");
    expect(nul?.kind === "basic" && nul.password).toBe("x");
    expect(await find(world, "empty.example")).toBeUndefined();
  });

  it("are found however the key is spelt, and for no other host", async () => {
    const world = configWorld();
    world.write(
      DOCKER,
      auths({
        "https://one.example": auth("one"),
        "http://two.example/v1/": auth("two"),
        "three.example/v2/": auth("three"),
        "Four.Example:5000": auth("four"),
      }),
    );
    for (const [host, user] of Object.entries({
      ...{ "one.example": "one", "two.example": "two", "three.example": "three", "four.example:5000": "four" },
      ...{
        "four.example": undefined,
        "sub.one.example": undefined,
        "ne.example": undefined,
        "one.example:443": undefined,
      },
    })) {
      expect([host, await who(find(world, host))]).toEqual([host, user]);
    }
  });

  it("for Docker Hub have many names, of which docker's own counts first", async () => {
    for (const key of [
      HUB,
      "index.docker.io",
      "docker.io",
      "registry-1.docker.io",
      "https://index.docker.io/v1",
      "index.docker.io/v1/",
    ]) {
      const world = configWorld();
      world.write(DOCKER, auths({ [key]: auth("me") }));
      for (const host of ["docker.io", "index.docker.io", "registry-1.docker.io"]) {
        expect([key, host, await who(find(world, host, "library/alpine"))]).toEqual([key, host, "me"]);
      }
    }
    const world = configWorld();
    world.write(DOCKER, auths({ "docker.io": auth("old"), [HUB]: auth("new") }));
    expect(await who(find(world, "docker.io"))).toBe("new");
  });

  it("for a namespace come before those for the registry, the longest first", async () => {
    const world = configWorld();
    world.write(
      "~/.config/containers/auth.json",
      auths({
        "r.example": auth("all"),
        "r.example/team": auth("team"),
        "r.example/team/app": auth("app"),
        "docker.io/me": auth("hub-me"),
      }),
    );
    const user = (repository?: string) => who(find(world, "r.example", repository));
    expect(await user("team/app")).toBe("app");
    expect(await user("team/app/sub")).toBe("app");
    expect(await user("team/application")).toBe("team");
    expect(await user("teams/app")).toBe("all");
    expect(await user()).toBe("all");
    expect(await who(find(world, "docker.io", "me/x"))).toBe("hub-me");
    expect(await who(find(world, "docker.io", "you/x"))).toBeUndefined();
  });

  it("of DOCKER_AUTH_CONFIG come first, then docker's, then those of podman", async () => {
    const world = configWorld();
    const uid = String(process.getuid?.());
    const user = (variables = {}) => who(find(world, "r.example", "x", variables));
    const runtime = join(world.home, "run");
    world.write("~/.config/containers/auth.json", auths({ "r.example": auth("containers") }));
    expect(await user()).toBe("containers");
    world.write(`run/containers/${uid}/auth.json`, auths({ "r.example": auth("run") }));
    expect(await user()).toBe("run");
    world.write("~/run/containers/auth.json", auths({ "r.example": auth("runtime") }));
    expect(await user({ XDG_RUNTIME_DIR: runtime })).toBe("runtime");
    world.write(DOCKER, auths({ "r.example": auth("docker"), "other.example": auth("other") }));
    expect(await user({ XDG_RUNTIME_DIR: runtime })).toBe("docker");
    world.write("~/elsewhere/config.json", auths({ "r.example": auth("elsewhere") }));
    expect(await user({ DOCKER_CONFIG: join(world.home, "elsewhere") })).toBe("elsewhere");
    const variable = { DOCKER_AUTH_CONFIG: auths({ "r.example": auth("variable") }) };
    expect(await user(variable)).toBe("variable");
    expect(await who(find(world, "other.example", "x", variable))).toBe("other");
    const file = world.write("given.json", auths({ "given.example": auth("given") }));
    expect(await user({ REGISTRY_AUTH_FILE: file })).toBeUndefined();
    expect(await who(find(world, "given.example", "x", { REGISTRY_AUTH_FILE: file }))).toBe("given");
  });

  it("of a file that was asked for and is not there yet are none, with a warning", async () => {
    const world = configWorld();
    world.write(DOCKER, auths({ "r.example": auth("docker") }));
    expect(await find(world, "r.example", "x", { REGISTRY_AUTH_FILE: "/nowhere/auth.json" })).toBeUndefined();
    expect(world.warnings).toEqual([
      "CredentialFileMissing: REGISTRY_AUTH_FILE names /nowhere/auth.json, which is not there",
    ]);
  });

  it("are read once", async () => {
    const world = configWorld();
    const file = world.write(DOCKER, auths({ "r.example": auth("first") }));
    const store = credentialStore(world.env(), { root: world.root });
    expect(await who(store.find("r.example"))).toBe("first");
    writeFileSync(file, "{");
    expect(await who(store.find("r.example"))).toBe("first");
  });

  it("that are wrong for another registry do no harm", async () => {
    const world = configWorld();
    world.write(DOCKER, auths({ "bad.example": { auth: 5 }, "worse.example": null, "r.example": auth("ann") }));
    expect(await who(find(world, "r.example"))).toBe("ann");
    await expect(find(world, "bad.example")).rejects.toMatchObject({ code: "CREDENTIALS" });
  });

  it.each([
    ["no JSON, with its line", '{\n"auths": {\n"a" "b"}}', /config\.json:3: it is not JSON/],
    ["auths that are no object", '{"auths": ["x"]}', /"auths" is not as it must be/],
    ["a helper that is no text", '{"credHelpers": {"r.example": 1}}', /"credHelpers\.r\.example" is not as it must be/],
    [
      "an auth without a colon",
      auths({ "r.example": { auth: "YWJj" } }),
      /entry for r\.example has an "auth" that is not USER:PASSWORD/,
    ],
    ["an auth that is no base64", auths({ "r.example": { auth: "a:b" } }), /entry for r\.example has an "auth"/],
    [
      "a token that breaks out of its header",
      auths({ "r.example": { registrytoken: "a\r\nX: y" } }),
      /a token with blanks/,
    ],
    [
      "a password with a line break",
      auths({ "r.example": { username: "u", password: "a\nb" } }),
      /a line break or NUL/,
    ],
  ])("names the file for %s", async (_what, text, message) => {
    const world = configWorld();
    world.write(DOCKER, text);
    await expect(find(world, "r.example")).rejects.toMatchObject({
      code: "CREDENTIALS",
      message: expect.stringMatching(message),
    });
  });

  it("names the variable for a wrong text in it", async () => {
    await expect(find(configWorld(), "r.example", "x", { DOCKER_AUTH_CONFIG: "nonsense" })).rejects.toMatchObject({
      code: "CREDENTIALS",
      message: "DOCKER_AUTH_CONFIG: it is not JSON",
      hint: "mend DOCKER_AUTH_CONFIG, or unset it",
    });
  });
});

describe("credential helpers", () => {
  const answer = (user: string, secret = "secret") =>
    `cat >/dev/null; printf '{"ServerURL":"x","Username":"%s","Secret":"%s"}' '${user}' '${secret}'`;

  it("are asked for the host, on standard input, and answer in JSON", async () => {
    const world = configWorld();
    const log = join(world.home, "log");
    world.helper("note", `echo "$1 $(cat)" >>${log}; printf '{"ServerURL":"x","Username":"ann","Secret":"s"}'`);
    world.write(DOCKER, JSON.stringify({ credHelpers: { "r.example:5000": "note" } }));
    const store = credentialStore(world.env(), { root: world.root });
    expect(await Promise.all([1, 2, 3].map(() => who(store.find("r.example:5000", "x"))))).toEqual([
      "ann",
      "ann",
      "ann",
    ]);
    expect(await store.find("other.example")).toBeUndefined();
    expect(readFileSync(log, "utf8")).toBe("get r.example:5000\n");
  });

  it("give an identity token under the user name <token>", async () => {
    const world = configWorld();
    world.helper("tok", answer("<token>", "abc.def"));
    world.write(DOCKER, JSON.stringify({ credsStore: "tok" }));
    expect(await who(find(world, "r.example"))).toBe("identity abc.def");
  });

  it("for one host come before the one for all, and both before what stands in the file", async () => {
    const world = configWorld();
    world.helper("one", answer("one"));
    world.helper("all", answer("all"));
    const entries = { "r.example": auth("file"), "s.example": auth("file"), "s.example/ns": auth("ns") };
    world.write(DOCKER, auths(entries, { credHelpers: { "r.example": "one" }, credsStore: "all" }));
    expect(await who(find(world, "r.example"))).toBe("one");
    expect(await who(find(world, "s.example"))).toBe("all");
    expect(await who(find(world, "s.example", "ns/x"))).toBe("ns");
  });

  it("that have nothing leave it to the file, and to the files after it", async () => {
    const world = configWorld();
    world.helper("none", 'cat >/dev/null; echo "credentials not found in native keychain"; exit 1');
    world.write(DOCKER, auths({ "r.example": auth("file") }, { credsStore: "none" }));
    world.write("~/.config/containers/auth.json", auths({ "s.example": auth("podman") }));
    expect(await who(find(world, "r.example"))).toBe("file");
    expect(await who(find(world, "s.example"))).toBe("podman");
    expect(await who(find(world, "t.example"))).toBeUndefined();
  });

  it("are asked for Docker Hub by both of its names", async () => {
    const world = configWorld();
    const script = (key: string) =>
      `read -r url; [ "$url" = "${key}" ] || { echo "credentials not found"; exit 1; }; printf '{"Username":"me","Secret":"s"}'`;
    for (const key of [HUB, "docker.io"]) {
      world.helper("hub", script(key));
      for (const config of [
        { credsStore: "hub" },
        { credHelpers: { [HUB]: "hub" } },
        { credHelpers: { "docker.io": "hub" } },
      ]) {
        world.write(DOCKER, JSON.stringify(config));
        expect(await who(find(world, "docker.io", "library/alpine"))).toBe("me");
      }
    }
  });

  it("get the variables that they live by", async () => {
    const world = configWorld();
    world.helper("env", `cat >/dev/null; printf '{"Username":"%s","Secret":"s"}' "$AWS_PROFILE"`);
    world.write(DOCKER, JSON.stringify({ credsStore: "env" }));
    expect(await who(find(world, "r.example", "x", { AWS_PROFILE: "blue" }))).toBe("blue");
  });

  it("that end before what they started does are not waited for", async () => {
    const world = configWorld();
    world.helper("agent", `${answer("ann")}; sleep 30 & exit 0`);
    world.write(DOCKER, JSON.stringify({ credsStore: "agent" }));
    expect(await who(find(world, "r.example"))).toBe("ann");
  });

  it("that do not read what they are given are no trouble", async () => {
    const world = configWorld();
    world.helper("deaf", `exec <&-; printf '{"Username":"ann","Secret":"s"}'`);
    world.write(DOCKER, JSON.stringify({ credsStore: "deaf" }));
    expect(await who(find(world, "r.example"))).toBe("ann");
  });

  it.each([
    [
      "fails",
      'echo "the keychain is locked" ; exit 3',
      /docker-credential-x: it failed to get \(exit code 3\): the keychain is locked/,
    ],
    ["answers with no JSON", "echo hello", /its answer is not what the protocol wants/],
    ["answers with wrong members", `echo '{"Username":1}'`, /its answer is not what the protocol wants/],
    ["answers with a user name that is none", answer("a:b"), /a user name with a colon/],
    ["is ended by a signal", "kill -9 $$", /failed to get/],
  ])("that %s is named with the file that names it", async (_what, script, message) => {
    const world = configWorld();
    world.helper("x", script);
    const file = world.write(DOCKER, JSON.stringify({ credsStore: "x" }));
    await expect(find(world, "r.example")).rejects.toMatchObject({
      code: "CREDENTIALS",
      message: expect.stringMatching(message),
      hint: expect.stringContaining(file),
      facts: { program: "docker-credential-x", file },
    });
  });

  it("that are not there are named, with what to do", async () => {
    const world = configWorld();
    const file = world.write(DOCKER, JSON.stringify({ credsStore: "desktop" }));
    await expect(find(world, "r.example")).rejects.toMatchObject({
      code: "CREDENTIALS",
      message: `the program docker-credential-desktop, which ${file} names, is not on PATH`,
      hint: `install it, or take "desktop" out of ${file}`,
    });
  });

  it("end with the command that asked for them", async () => {
    const world = configWorld();
    const mark = join(world.home, "started");
    world.helper("slow", `touch ${mark}; sleep 60`);
    world.write(DOCKER, JSON.stringify({ credsStore: "slow" }));
    const controller = new AbortController();
    const asked = credentialStore(world.env({}, controller.signal), { root: world.root }).find("r.example");
    asked.catch(() => {});
    while (!existsSync(mark)) await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort(new Error("stopped"));
    await expect(asked).rejects.toThrow("stopped");
  });
});

/** Who skopeo says it is when it is asked for a name and password. */
async function whoIsSkopeo(make: (host: string) => string, repository: string) {
  const world = configWorld();
  const log = join(world.home, "log");
  writeFileSync(log, "");
  const { host } = await notingServer((request, response) => {
    const basic = /^Basic (.*)$/.exec(request.headers.authorization ?? "")?.[1];
    if (basic) appendFileSync(log, `${Buffer.from(basic, "base64").toString().split(":")[0]}\n`);
    const status = basic ? 404 : 401;
    response.writeHead(status, { "WWW-Authenticate": 'Basic realm="x"' }).end("{}");
  });
  const file = world.write("auth.json", make(host));
  const args = ["inspect", "--raw", "--tls-verify=false", "--authfile", file, `docker://${host}/${repository}:1`];
  const env = { HOME: world.home, PATH: world.env().env.PATH };
  await new Promise<void>((resolve) => void execFile("skopeo", args, { env }, () => resolve()));
  const ours = await who(find(world, host, repository, { REGISTRY_AUTH_FILE: file }));
  return { theirs: readFileSync(log, "utf8").split("\n")[0] || undefined, ours };
}

describe.skipIf(toolMissing("skopeo"))("nacre and skopeo take the same credentials", () => {
  it.each<[string, (host: string) => string, string]>([
    ["for the registry", (h) => auths({ [h]: auth("all") }), "team/app"],
    ["for the namespace", (h) => auths({ [h]: auth("all"), [`${h}/team`]: auth("team") }), "team/app"],
    ["for the repository", (h) => auths({ [`${h}/team`]: auth("team"), [`${h}/team/app`]: auth("app") }), "team/app"],
    ["for no half of a namespace", (h) => auths({ [h]: auth("all"), [`${h}/te`]: auth("te") }), "team/app"],
    ["with a scheme in the key", (h) => auths({ [`https://${h}/v1/`]: auth("url") }), "team/app"],
    ["for the exact key first", (h) => auths({ [`https://${h}`]: auth("url"), [h]: auth("exact") }), "team/app"],
    ["of another port not at all", (h) => auths({ [h.replace(/:.*/, "")]: auth("host") }), "team/app"],
  ])("%s", async (_what, make, repository) => {
    const { ours, theirs } = await whoIsSkopeo(make, repository);
    expect(ours).toBe(theirs);
  });
});
