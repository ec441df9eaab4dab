/** `nacre login` and `nacre logout` against a real registry, with and without a terminal. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeAuthority } from "../registry/servers/certificates.js";
import { REGISTRY_USERS, startRegistry, type TestRegistry } from "../registry/servers/dockerRegistry.js";
import { makeImage, pushWithSkopeo } from "../registry/servers/images.js";
import { startTokenServer } from "../registry/servers/tokenServer.js";
import { run } from "../setup/nacre.js";
import { toolMissing } from "../setup/tools.js";
import { nacre, tempDirectory } from "./invocation.js";

const PASSWORD = REGISTRY_USERS.ann;

interface Home {
  readonly env: Readonly<Record<string, string>>;
  /** The `auths` of its config.json. */
  auths(): Record<string, unknown>;
}

function home(): Home {
  const directory = tempDirectory();
  return {
    env: { HOME: directory, PATH: process.env.PATH ?? "", NO_PROXY: "*" },
    auths: () => JSON.parse(readFileSync(join(directory, ".docker/config.json"), "utf8")).auths,
  };
}

const plain = () => ["login", "-u", "ann", "--password-stdin"];

describe.skipIf(toolMissing("docker-registry"))("nacre login", () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry({ htpasswd: true });
  });
  afterAll(() => registry.stop());

  it("takes the password from standard input, keeps it, and says so as docker does", async () => {
    const { env, auths } = home();
    const done = await nacre([...plain(), registry.host], { env, stdin: `${PASSWORD}\n` });
    expect([done.code, done.stdout]).toEqual([0, "Login Succeeded\n"]);
    expect(done.stderr).toMatch(
      /^warning: the password is kept unencrypted in .*\nCredentials are kept in .*config\.json\n$/,
    );
    expect(auths()).toEqual({ [registry.host]: { auth: Buffer.from(`ann:${PASSWORD}`).toString("base64") } });
    expect((statSync(join(env.HOME!, ".docker/config.json")).mode & 0o777).toString(8)).toBe("600");
  });

  it("tries what is kept where nothing is given", async () => {
    const { env } = home();
    expect(await nacre(["login", registry.host], { env })).toMatchObject({ code: 1, stdout: "" });
    await nacre([...plain(), registry.host], { env, stdin: PASSWORD });
    expect(await nacre(["login", registry.host], { env })).toEqual({
      code: 0,
      stdout: "Login Succeeded\n",
      stderr: "Authenticating with existing credentials... [Username: ann]\n",
    });
  });

  it("keeps nothing that the registry refuses", async () => {
    const { env, auths } = home();
    const done = await nacre([...plain(), registry.host], { env, stdin: "canary-wrong" });
    expect([done.code, done.stdout]).toEqual([1, ""]);
    expect(done.stderr).toContain("ERROR:");
    expect(done.stderr).not.toContain("canary-wrong");
    expect(auths).toThrow("ENOENT");
  });

  it("works with token servers and with authorities from certs.d", async () => {
    const { env } = home();
    const tokens = await startTokenServer({ users: { ann: PASSWORD } });
    const guarded = await startRegistry({ token: tokens });
    expect(await nacre([...plain(), guarded.host], { env, stdin: PASSWORD })).toMatchObject({ code: 0 });
    expect(await nacre([...plain(), guarded.host], { env, stdin: "wrong" })).toMatchObject({ code: 1, stdout: "" });
  });

  it.skipIf(toolMissing("skopeo"))("keeps what skopeo finds, and finds what skopeo keeps", async () => {
    const { env } = home();
    const image = makeImage();
    await pushWithSkopeo(image, { ...registry, login: `ann:${PASSWORD}` }, "app:1");
    const skopeo = (...args: string[]) => run(["skopeo", ...args], { env: { ...env, XDG_RUNTIME_DIR: env.HOME } });
    const inspect = ["inspect", "--raw", "--tls-verify=false", `docker://${registry.host}/app:1`];
    expect((await skopeo(...inspect)).code).not.toBe(0);
    await nacre([...plain(), registry.host], { env, stdin: PASSWORD });
    expect(await skopeo(...inspect)).toEqual({ code: 0, output: image.bytes.toString() });
    await nacre(["logout", registry.host], { env });
    expect((await skopeo(...inspect)).code).not.toBe(0);
    expect((await skopeo("login", "--tls-verify=false", "-u", "ann", "-p", PASSWORD, registry.host)).code).toBe(0);
    const podman = { ...env, XDG_RUNTIME_DIR: env.HOME! };
    expect((await nacre(["login", registry.host], { env: podman })).stdout).toBe("Login Succeeded\n");
    expect((await nacre(["logout", registry.host], { env: podman })).stdout).toMatch(/^Removing login credentials/);
    expect((await skopeo(...inspect)).code).not.toBe(0);
  });

  it("sends nothing to who shows a wrong certificate", async () => {
    const { env } = home();
    const strict = await startRegistry({ htpasswd: true, tls: true });
    const conf = join(env.HOME!, "registries.conf");
    writeFileSync(conf, `[[registry]]\nlocation="${strict.host}"\ninsecure=false\n`);
    const guarded = { ...env, NACRE_REGISTRIES_CONF: conf };
    const refused = await nacre([...plain(), strict.host], { env: guarded, stdin: PASSWORD });
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(strict.log()).not.toContain("GET /v2/");
    const certs = join(env.HOME!, ".config/containers/certs.d", strict.host);
    mkdirSync(certs, { recursive: true });
    writeFileSync(join(certs, "other.crt"), makeAuthority("other").ca);
    expect(await nacre([...plain(), strict.host], { env: guarded, stdin: PASSWORD })).toMatchObject({ code: 1 });
    writeFileSync(join(certs, "ca.crt"), strict.ca!);
    expect(await nacre([...plain(), strict.host], { env: guarded, stdin: PASSWORD })).toMatchObject({ code: 0 });
  });

  it("warns of a password on the command line, and takes it", async () => {
    const { env } = home();
    const done = await nacre(["login", "-u", "ann", "-p", PASSWORD, registry.host], { env });
    expect(done).toMatchObject({ code: 0, stdout: "Login Succeeded\n" });
    expect(done.stderr).toContain("warning: --password can be seen by others on this machine: use --password-stdin");
    expect(done.stderr).not.toContain(PASSWORD);
  });

  it.each([
    [["-p", "x"], "", "--username is missing beside --password"],
    [["--password-stdin"], "x", "--username is missing beside --password-stdin"],
    [["-u", "a", "-p", "x", "--password-stdin"], "x", "mutually exclusive"],
    [["-u", "a", "--password-stdin"], "\n", "the password is empty"],
    [["-u", "a"], "", "there is no terminal to ask for the password"],
    [["-u", "", "-p", "x"], "", "--username is empty"],
    [["-u", "a:b", "-p", "x"], "", "a user name with a colon"],
  ])("refuses %j", async (flags, stdin, message) => {
    const done = await nacre(["login", ...flags, registry.host], { env: home().env, stdin });
    expect([done.code, done.stdout]).toEqual([2, ""]);
    expect(done.stderr).toContain(message);
  });

  it.skipIf(toolMissing("python3"))("asks on a terminal, and does not show the password", async () => {
    const { env, auths } = home();
    const shown = await onTerminal(
      env,
      ["login", registry.host],
      [
        ["Username: ", "ann\n"],
        ["Password: ", `${PASSWORD}x\x7f\n`],
      ],
    );
    expect(shown).toContain("Login Succeeded");
    expect(shown).not.toContain(PASSWORD);
    expect(Object.keys(auths())).toEqual([registry.host]);
  });

  it.skipIf(toolMissing("python3"))("ends on Ctrl-C while it asks, with the terminal as it was", async () => {
    const { env } = home();
    const shown = await onTerminal(env, ["login", "-u", "ann", registry.host], [["Password: ", "\x03"]]);
    expect(shown).not.toContain("Login Succeeded");
    expect(shown).toContain("code 130 echo True");
  });
});

/** Runs nacre on a terminal of its own: waits for each question and types the answer. */
async function onTerminal(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  dialogue: readonly (readonly [question: string, answer: string])[],
): Promise<string> {
  const cli = fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));
  const python = `
import json, os, pty, sys, termios
argv, dialogue = json.loads(sys.argv[1]), json.loads(sys.argv[2])
pid, fd = pty.fork()
if pid == 0:
    os.execv(argv[0], argv)
seen = b""
for question, answer in dialogue:
    while question.encode() not in seen:
        seen += os.read(fd, 4096)
    os.write(1, seen)
    seen = b""
    os.write(fd, answer.encode())
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    os.write(1, data)
echo = bool(termios.tcgetattr(fd)[3] & termios.ECHO)
_, status = os.waitpid(pid, 0)
print("code", os.waitstatus_to_exitcode(status), "echo", echo)
`;
  const argv = [process.execPath, cli, ...args];
  const done = await run(["python3", "-c", python, JSON.stringify(argv), JSON.stringify(dialogue)], {
    env: { ...env },
  });
  return done.output;
}

describe("nacre logout", () => {
  it("says what it removed, and what was not there", async () => {
    const { env, auths } = home();
    mkdirSync(join(env.HOME!, ".docker"));
    const entries = { "r.example": { auth: "YTpi" }, "https://index.docker.io/v1/": { auth: "YTpi" } };
    writeFileSync(join(env.HOME!, ".docker/config.json"), JSON.stringify({ auths: entries }));
    const removed = await nacre(["logout", "r.example"], { env });
    expect(removed).toEqual({ code: 0, stdout: "Removing login credentials for r.example\n", stderr: "" });
    expect((await nacre(["logout", "r.example"], { env })).stdout).toBe("Not logged in to r.example\n");
    expect((await nacre(["logout"], { env })).stdout).toBe("Removing login credentials for docker.io\n");
    expect(auths()).toEqual({});
    expect(await nacre(["logout", "a b"], { env })).toMatchObject({ code: 2, stdout: "" });
  });
});
