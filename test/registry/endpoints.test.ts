/** Whom nacre asks, by the configuration files of Docker, containerd and containers/image. */
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseReference } from "../../src/oci/reference.js";
import { credentialStore } from "../../src/registry/credentials.js";
import { endpointFinder } from "../../src/registry/endpoints.js";
import { openRegistries } from "../../src/registry/registries.js";
import type { Endpoint, RegistryAction } from "../../src/registry/types.js";
import { NacreError } from "../../src/support/errors.js";
import { toolMissing } from "../setup/tools.js";
import { type ConfigWorld, configWorld, notingServer } from "./configWorld.js";
import { makeAuthority } from "./servers/certificates.js";
import { REGISTRY_USERS, startRegistry } from "./servers/dockerRegistry.js";
import { makeImage, putImage } from "./servers/images.js";

const CONF = "etc/containers/registries.conf";

function find(
  world: ConfigWorld,
  host: string,
  repository: string,
  action: RegistryAction = "pull",
  variables: Readonly<Record<string, string>> = {},
): readonly Endpoint[] {
  return endpointFinder(world.env(variables), { root: world.root }).endpoints(host, repository, action);
}

/** Base and repository of each endpoint. */
function names(endpoints: readonly Endpoint[]): string[] {
  return endpoints.map(({ base, repository }) => `${base.href.replace(/\/$/, "")} ${repository}`);
}

function failure(act: () => unknown): NacreError {
  try {
    act();
  } catch (error) {
    if (error instanceof NacreError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("without any configuration", () => {
  it("a registry is asked itself, and Docker Hub where its registry is", () => {
    const world = configWorld();
    expect(names(find(world, "quay.io", "a/b"))).toEqual(["https://quay.io a/b"]);
    for (const host of ["docker.io", "index.docker.io", "registry-1.docker.io"]) {
      expect(names(find(world, host, "library/alpine"))).toEqual(["https://registry-1.docker.io library/alpine"]);
    }
    const [endpoint] = find(world, "quay.io", "a/b", "push");
    expect(endpoint).toMatchObject({ insecure: false, answers: "all" });
    expect([...endpoint!.capabilities]).toEqual(["resolve", "pull", "push"]);
    expect(endpoint!.tls).toBeUndefined();
  });

  it("only this machine needs no securing", () => {
    const world = configWorld();
    const insecure = (host: string) => find(world, host, "a")[0]!.insecure;
    for (const host of ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "x.localhost"]) {
      expect([host, insecure(host)]).toEqual([host, true]);
    }
    for (const host of [
      "quay.io",
      "localhost.example",
      "127.0.0.1.example:80",
      "10.0.0.1",
      "[fe80::1]",
      "[::2]:5000",
    ]) {
      expect([host, insecure(host)]).toEqual([host, false]);
    }
  });

  it("what is no host is refused before it becomes a path", () => {
    const world = configWorld();
    for (const host of ["..", "../x", "a/b", "a\nb", "", "a b", "a\0", "user@host", "_default", "a;b"]) {
      expect(failure(() => find(world, host, "x")).code).toBe("REFERENCE_INVALID");
    }
  });
});

describe("registries.conf", () => {
  it("gives mirrors in their order for reading, the registry itself last, and leaves pushing alone", () => {
    const world = configWorld();
    world.write(
      CONF,
      `[[registry]]
       prefix = "example.com/foo"
       location = "inner.example:5000/bar"
       [[registry.mirror]]
       location = "one.example/m"
       pull-from-mirror = "digest-only"
       [[registry.mirror]]
       location = "two.example"
       insecure = true
       pull-from-mirror = "tag-only"`,
    );
    const endpoints = find(world, "example.com", "foo/image");
    expect(names(endpoints)).toEqual([
      "https://one.example m/image",
      "https://two.example image",
      "https://inner.example:5000 bar/image",
    ]);
    expect(endpoints.map(({ answers, insecure, mirrorOf }) => [answers, insecure, mirrorOf])).toEqual([
      ["digest", false, "example.com"],
      ["tag", true, "example.com"],
      ["all", false, undefined],
    ]);
    expect([...endpoints[0]!.capabilities]).toEqual(["resolve", "pull"]);
    expect(names(find(world, "example.com", "foo/image", "push"))).toEqual(["https://example.com foo/image"]);
    expect(names(find(world, "example.com", "foobar/image"))).toEqual(["https://example.com foobar/image"]);
  });

  it("restricts mirrors to digests as a whole", () => {
    const world = configWorld();
    world.write(
      CONF,
      `[[registry]]\nlocation="a.example"\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation="m.example"`,
    );
    expect(find(world, "a.example", "x").map(({ answers }) => answers)).toEqual(["digest", "all"]);
    world.write(
      CONF,
      `[[registry]]\nlocation="a.example"\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation="m.example"\npull-from-mirror="all"`,
    );
    expect(failure(() => find(world, "a.example", "x")).message).toMatch(/exclude each other/);
  });

  it("has docker.io's images in library, and a location at docker.io asks its registry", () => {
    const world = configWorld();
    world.write(
      CONF,
      `[[registry]]\nprefix="docker.io/library"\nlocation="m.example/hub"\n[[registry]]\nprefix="x.example"\nlocation="docker.io"`,
    );
    expect(names(find(world, "docker.io", "library/alpine"))).toEqual(["https://m.example hub/alpine"]);
    expect(names(find(world, "x.example", "alpine"))).toEqual(["https://registry-1.docker.io library/alpine"]);
  });

  it("blocks, for reading and for writing, and says where that stands", () => {
    const world = configWorld();
    const file = world.write(
      CONF,
      `[[registry]]\nprefix="bad.example"\nblocked=true\n[[registry]]\nprefix="*.worse.example"\nblocked=true`,
    );
    for (const action of ["pull", "push"] as const) {
      const error = failure(() => find(world, "bad.example", "x", action));
      expect([error.code, error.message]).toEqual(["NOT_ALLOWED", `registry bad.example is blocked in ${file}`]);
      expect(failure(() => find(world, "a.b.worse.example", "x", action)).code).toBe("NOT_ALLOWED");
    }
    expect(names(find(world, "worse.example", "x"))).toEqual(["https://worse.example x"]);
  });

  it("secures this machine where it says so", () => {
    const world = configWorld();
    world.write(
      CONF,
      `[[registry]]\nlocation="localhost:5000"\ninsecure=false\n[[registry]]\nlocation="far.example"\ninsecure=true`,
    );
    expect(find(world, "localhost:5000", "x")[0]!.insecure).toBe(false);
    expect(find(world, "localhost:5001", "x")[0]!.insecure).toBe(true);
    expect(find(world, "far.example", "x", "push")[0]!.insecure).toBe(true);
  });

  it("of the user replaces that of the machine with its drop-ins; drop-ins replace tables of the same prefix", () => {
    const world = configWorld();
    const table = (location: string) => `[[registry]]\nprefix="a.example"\nlocation="${location}.example"`;
    world.write(CONF, table("machine"));
    world.write("etc/containers/registries.conf.d/10-x.conf", table("ten"));
    world.write("etc/containers/registries.conf.d/20-x.conf.bak", table("not-read"));
    const at = (variables = {}) => names(find(world, "a.example", "x", "pull", variables))[0];
    expect(at()).toBe("https://ten.example x");
    world.write("~/.config/containers/registries.conf.d/00-user.conf", table("user-drop-in"));
    expect(at()).toBe("https://user-drop-in.example x");
    world.write("~/.config/containers/registries.conf.d/00-user.conf", `[[registry]]\nlocation="other.example"`);
    expect(at()).toBe("https://ten.example x");
    world.write("~/.config/containers/registries.conf", "# nothing\n");
    expect(at()).toBe("https://a.example x");
    const given = world.write("given.conf", table("given"));
    expect(at({ CONTAINERS_REGISTRIES_CONF: given })).toBe("https://given.example x");
    const ours = world.write("ours.conf", table("ours"));
    expect(at({ CONTAINERS_REGISTRIES_CONF: given, NACRE_REGISTRIES_CONF: ours })).toBe("https://ours.example x");
    expect(at({ XDG_CONFIG_HOME: join(world.home, "elsewhere") })).toBe("https://ten.example x");
  });

  it("that was asked for and is not there is an error", () => {
    const world = configWorld();
    for (const name of ["CONTAINERS_REGISTRIES_CONF", "NACRE_REGISTRIES_CONF"]) {
      const error = failure(() => find(world, "a.example", "x", "pull", { [name]: "/nowhere/x.conf" }));
      expect([error.code, error.message]).toEqual(["USAGE", "/nowhere/x.conf: it is not there"]);
      expect(error.hint).toContain(name);
    }
  });

  it.each([
    ["no TOML, with its line", "\n\nx = [", /registries\.conf:3: it is not TOML/],
    ["wrong types", `[[registry]]\nlocation = 5`, /"registry\.0\.location" is not as it must be \(wanted: string\)/],
    ["a scheme", `[[registry]]\nlocation = "https://x.example"`, /has a scheme/],
    ["a location that is none", `[[registry]]\nlocation = "x.example/UPPER"`, /is not a location/],
    ["a prefix that is none", `[[registry]]\nprefix = "x.*.example"\nlocation="a"`, /is not a prefix/],
    ["a table with neither", "[[registry]]\ninsecure = true", /neither prefix nor location/],
    ["a mirror without a location", `[[registry]]\nlocation="a"\n[[registry.mirror]]`, /is not a location of a mirror/],
    ["version 1", `[registries.insecure]\nregistries = ["a"]`, /version 1 of its format/],
    ["an impossible location", `[[registry]]\nprefix="a.example"\nlocation="b.example/c"`, /would become/],
  ])("names the file for %s", (_what, text, message) => {
    const world = configWorld();
    world.write(CONF, text);
    const error = failure(() => find(world, "a.example:5000", "x"));
    expect([error.code, error.message]).toEqual(["USAGE", expect.stringMatching(message)]);
    expect(error.message).toContain("registries.conf");
  });

  it("with a prefix for one tag is left aside with a warning", () => {
    const world = configWorld();
    world.write(CONF, `[[registry]]\nprefix="a.example/x:1"\nlocation="b.example/x"`);
    expect(names(find(world, "a.example", "x"))).toEqual(["https://a.example x"]);
    expect(world.warnings.join()).toMatch(/RegistriesConf: .*a\.example\/x:1 is left aside/);
  });
});

describe("hosts.toml", () => {
  const write = (world: ConfigWorld, directory: string, text: string) =>
    world.write(`etc/containerd/certs.d/${directory}/hosts.toml`, text);

  it("gives its hosts in order with what they can do, then the server, which is told whose namespace is meant", () => {
    const world = configWorld();
    write(
      world,
      "docker.io",
      `server = "https://hub.example"
       [host."https://zz.example"]
       capabilities = ["pull"]
       [host."http://aa.example:5000/proxy"]
       capabilities = ["pull", "resolve"]
       [host."https://harbor.example/v2/cache/hub"]
       override_path = true
       [host."push.example"]
       capabilities = ["push"]`,
    );
    const endpoints = find(world, "docker.io", "library/alpine");
    expect(names(endpoints)).toEqual([
      "https://zz.example library/alpine",
      "http://aa.example:5000/proxy library/alpine",
      "https://harbor.example cache/hub/library/alpine",
      "https://hub.example library/alpine",
    ]);
    expect(endpoints.map(({ capabilities }) => [...capabilities].join())).toEqual([
      "pull",
      "resolve,pull",
      "resolve,pull,push",
      "resolve,pull,push",
    ]);
    expect(endpoints.every((one) => one.mirrorOf === "docker.io" && one.sendsNamespace === true)).toBe(true);
    expect(names(find(world, "docker.io", "me/x", "push"))).toEqual([
      "https://harbor.example cache/hub/me/x",
      "https://push.example me/x",
      "https://hub.example me/x",
    ]);
  });

  it("without a server asks the registry itself last, and tells it no namespace", () => {
    const world = configWorld();
    write(world, "docker.io", `[host."https://m.example"]`);
    write(world, "localhost_5000_", `[host."http://127.0.0.1:6000"]`);
    const hub = find(world, "docker.io", "library/alpine").at(-1)!;
    expect([names([hub])[0], hub.mirrorOf]).toEqual(["https://registry-1.docker.io library/alpine", undefined]);
    expect(find(world, "localhost:5000", "x").map(({ insecure }) => insecure)).toEqual([false, true]);
  });

  it("is looked for as host_port_, host:port and _default, for the user first", () => {
    const world = configWorld();
    const at = (host: string) => names(find(world, host, "x"))[0];
    write(world, "_default", `server = "https://default.example"`);
    expect(at("a.example:5000")).toBe("https://default.example x");
    write(world, "a.example:5000", `server = "https://colon.example"`);
    expect(at("a.example:5000")).toBe("https://colon.example x");
    write(world, "a.example_5000_", `server = "https://under.example"`);
    expect(at("a.example:5000")).toBe("https://under.example x");
    world.write("~/.config/containerd/certs.d/a.example:5000/hosts.toml", `server = "https://user.example"`);
    expect(at("a.example:5000")).toBe("https://user.example x");
  });

  it("sets certificates, headers and how much is checked, host by host", () => {
    const world = configWorld();
    const authority = makeAuthority();
    const { cert, key } = authority.issue();
    const directory = "etc/containerd/certs.d/a.example";
    world.write(`${directory}/ca.pem`, authority.ca);
    world.write(`${directory}/client.pem`, `${cert}${key}`);
    world.write(`${directory}/own/key.pem`, key);
    write(
      world,
      "a.example",
      `ca = "ca.pem"
       skip_verify = false
       [host."https://m.example"]
       ca = ["ca.pem", "${join(world.root, directory)}/ca.pem"]
       client = [["client.pem", "own/key.pem"], "client.pem"]
       skip_verify = true
       [host."https://m.example".header]
       X-Team = "blue"
       X-Many = ["a", "b"]
       [host."http://n.example:5000"]
       skip_verify = true`,
    );
    const [mirror, plain, itself] = find(world, "a.example", "x");
    expect(mirror!.tls!.ca).toEqual([authority.ca, authority.ca]);
    expect(mirror!.tls!.clientPairs!.map((pair) => pair.key.includes(key))).toEqual([true, true]);
    expect([mirror!.tls!.skipVerify, mirror!.insecure]).toEqual([true, false]);
    expect({ ...mirror!.headers }).toEqual({ "X-Team": "blue", "X-Many": "a, b" });
    expect([plain!.base.protocol, plain!.insecure]).toEqual(["https:", true]);
    expect([itself!.tls!.ca, itself!.tls!.skipVerify, itself!.headers]).toEqual([[authority.ca], false, undefined]);
  });

  it.each([
    ["no TOML", "[host", /hosts\.toml:1: it is not TOML/],
    ["an unknown capability", `[host."a"]\ncapabilities=["fly"]`, /unknown capability "fly"/],
    ["an address with a password", `[host."https://u:secret@a"]`, /more than host and path/],
    ["a path without /v2", `[host."https://a/x"]\noverride_path=true`, /has no \/v2/],
    ["a header that cannot be sent", `[host."a".header]\nX="a\\nb"`, /header "X" cannot be sent/],
    ["a certificate that is not there", `ca="nowhere.pem"`, /nowhere\.pem: it is not there/],
  ])("names the file for %s", (_what, text, message) => {
    const world = configWorld();
    write(world, "a.example", text);
    const error = failure(() => find(world, "a.example", "x"));
    expect([error.code, error.message]).toEqual(["USAGE", expect.stringMatching(message)]);
    expect(inspect(error)).not.toContain("secret");
  });

  it("that lets nobody be asked is an error", () => {
    const world = configWorld();
    write(world, "a.example", `capabilities = ["pull"]\nserver = "https://a.example"`);
    expect(failure(() => find(world, "a.example", "x", "push")).code).toBe("NOT_ALLOWED");
  });
});

describe("daemon.json", () => {
  const FILE = "etc/docker/daemon.json";

  it("has mirrors for reading from Docker Hub alone", () => {
    const world = configWorld();
    world.write(
      FILE,
      JSON.stringify({ "registry-mirrors": ["https://m.example/", "http://n.example:5000/hub/"], "log-level": "info" }),
    );
    const endpoints = find(world, "docker.io", "library/alpine");
    expect(names(endpoints)).toEqual([
      "https://m.example library/alpine",
      "http://n.example:5000/hub library/alpine",
      "https://registry-1.docker.io library/alpine",
    ]);
    expect(endpoints.map((one) => [one.mirrorOf, one.sendsNamespace])).toEqual([
      ["docker.io", undefined],
      ["docker.io", undefined],
      [undefined, undefined],
    ]);
    expect(names(find(world, "docker.io", "me/x", "push"))).toEqual(["https://registry-1.docker.io me/x"]);
    expect(names(find(world, "quay.io", "me/x"))).toEqual(["https://quay.io me/x"]);
  });

  it("has hosts that are not secured, by name and port or by network, and no others", () => {
    const world = configWorld();
    const insecure = ["a.example:5000", "10.1.0.0/16", "http://b.example/", "fd00::/8", "192.168.1.9:80"];
    world.write(FILE, JSON.stringify({ "insecure-registries": insecure, "registry-mirrors": ["https://10.1.2.3"] }));
    const isInsecure = (host: string) => find(world, host, "x")[0]!.insecure;
    for (const host of [
      "a.example:5000",
      "A.example:5000",
      "10.1.255.1:9",
      "b.example",
      "[fd12::1]:5000",
      "192.168.1.9:80",
    ]) {
      expect([host, isInsecure(host)]).toEqual([host, true]);
    }
    for (const host of ["a.example", "a.example:5001", "sub.b.example", "10.2.0.1", "[fe80::1]", "192.168.1.9"]) {
      expect([host, isInsecure(host)]).toEqual([host, false]);
    }
    const [mirror] = find(world, "docker.io", "library/x");
    expect([mirror!.insecure, mirror!.tls]).toEqual([false, { skipVerify: true }]);
  });

  it("of the user comes before that of the machine", () => {
    const world = configWorld();
    world.write(FILE, `{"insecure-registries": ["a.example"]}`);
    expect(find(world, "a.example", "x")[0]!.insecure).toBe(true);
    world.write("~/.config/docker/daemon.json", "{}");
    expect(find(world, "a.example", "x")[0]!.insecure).toBe(false);
  });

  it.each([
    ["no JSON, with its line", '{\n"registry-mirrors": [\n"a" "b"]}', /daemon\.json:3: it is not JSON/],
    ["a wrong type", '{"registry-mirrors": "a"}', /"registry-mirrors" is not as it must be/],
    ["a mirror without a scheme", '{"registry-mirrors": ["m.example:5000"]}', /not an http or https address/],
    ["a mirror with a password", '{"registry-mirrors": ["https://u:secret@m"]}', /user name or password/],
    ["a mirror with a query", '{"registry-mirrors": ["https://m?x=secret"]}', /a query or a fragment/],
  ])("names the file for %s", (_what, text, message) => {
    const world = configWorld();
    world.write(FILE, text);
    const error = failure(() => find(world, "docker.io", "library/x"));
    expect([error.code, error.message]).toEqual(["USAGE", expect.stringMatching(message)]);
    expect(inspect(error)).not.toContain("secret");
  });
});

describe("the three worlds", () => {
  function allThree(): ConfigWorld {
    const world = configWorld();
    world.write(CONF, `[[registry]]\nprefix="docker.io/team"\nlocation="conf.example/team"`);
    world.write("etc/containerd/certs.d/docker.io/hosts.toml", `[host."https://toml.example"]`);
    world.write("etc/docker/daemon.json", `{"registry-mirrors": ["https://daemon.example"]}`);
    return world;
  }

  it("are asked in their order, and the first that speaks of the registry decides alone", () => {
    const world = allThree();
    const first = (repository: string, variables = {}) =>
      names(find(world, "docker.io", repository, "pull", variables));
    expect(first("team/x")).toEqual(["https://conf.example team/x"]);
    expect(first("other/x")).toEqual(["https://toml.example other/x", "https://registry-1.docker.io other/x"]);
    const ours = world.write("ours.conf", `[[registry]]\nlocation="elsewhere.example"`);
    const only = { NACRE_REGISTRIES_CONF: ours };
    expect(first("team/x", only)).toEqual(["https://registry-1.docker.io team/x"]);
    expect(first("team/x", { NACRE_REGISTRIES_CONF: "/dev/null" })).toEqual(["https://registry-1.docker.io team/x"]);
  });

  it("are read once", () => {
    const world = allThree();
    const finder = endpointFinder(world.env(), { root: world.root });
    const before = finder.endpoints("docker.io", "other/x", "pull");
    for (const file of [CONF, "etc/containerd/certs.d/docker.io/hosts.toml", "etc/docker/daemon.json"])
      world.write(file, "{[");
    expect(finder.endpoints("docker.io", "other/x", "pull")).toEqual(before);
  });

  it("that are damaged, too big or no files are told, not waited for", () => {
    const world = configWorld();
    world.write(CONF, `# ${"x".repeat(5 << 20)}`);
    expect(failure(() => find(world, "a.example", "x")).message).toMatch(/larger than 4 MiB/);
    mkdirSync(join(world.home, ".config/containers/registries.conf"), { recursive: true });
    expect(failure(() => find(world, "a.example", "x")).message).toMatch(/it is not a file/);
  });
});

describe("directories of certificates", () => {
  it("are found for each host and port, the user's first, and the first that is there counts", () => {
    const world = configWorld();
    const [one, two] = [makeAuthority("one"), makeAuthority("two")];
    const { cert, key } = two.issue();
    const ca = (host: string) => find(world, host, "x")[0]!.tls;
    world.write("etc/docker/certs.d/a.example:5000/ca.crt", one.ca);
    world.write("etc/docker/certs.d/registry-1.docker.io/ca.crt", one.ca);
    world.write("etc/docker/certs.d/b.example:443/x.crt", two.ca);
    expect(ca("a.example:5000")).toEqual({ ca: [one.ca] });
    expect(ca("a.example")).toBeUndefined();
    expect(ca("docker.io")).toEqual({ ca: [one.ca] });
    expect(ca("b.example")).toEqual({ ca: [two.ca] });
    world.write("etc/containers/certs.d/a.example:5000/client.cert", cert);
    world.write("etc/containers/certs.d/a.example:5000/client.key", key);
    expect(ca("a.example:5000")).toEqual({ clientPairs: [{ cert, key }] });
    world.write("~/.config/containers/certs.d/a.example:5000/one.crt", one.ca);
    world.write("~/.config/containers/certs.d/a.example:5000/two.crt", two.ca);
    expect(ca("a.example:5000")).toEqual({ ca: [one.ca, two.ca] });
  });

  it("hold for mirrors too, however they were configured", () => {
    const world = configWorld();
    const { ca } = makeAuthority();
    world.write("etc/docker/certs.d/m.example/ca.crt", ca);
    world.write("etc/docker/daemon.json", `{"registry-mirrors": ["https://m.example"]}`);
    expect(find(world, "docker.io", "library/x")[0]!.tls).toEqual({ ca: [ca] });
    world.write("etc/containerd/certs.d/_default/hosts.toml", `[host."https://m.example"]`);
    expect(find(world, "docker.io", "library/x")[0]!.tls).toEqual({ ca: [ca] });
  });

  it.each([
    ["a certificate without its key", "client.cert", "client.key is missing beside client.cert"],
    ["a key without its certificate", "client.key", "client.cert is missing beside client.key"],
    ["an authority that is no PEM", "ca.crt", "it has no certificate in PEM"],
  ])("with %s are told", (_what, name, message) => {
    const world = configWorld();
    world.write(`etc/docker/certs.d/a.example/${name}`, "no PEM");
    const error = failure(() => find(world, "a.example", "x"));
    expect([error.code, error.message]).toEqual(["USAGE", expect.stringContaining(message)]);
  });
});

/** Hosts and repositories in the order in which skopeo asks them for a manifest; all say that it is not there. */
async function askedBySkopeo(conf: (hosts: readonly string[]) => string, image: string) {
  const world = configWorld();
  const asked: string[] = [];
  const servers = await Promise.all(
    ["", "", ""].map(() =>
      notingServer((request, response) => {
        const match = /^\/v2\/(.+)\/manifests\//.exec(request.url ?? "");
        if (match) asked.push(`${request.headers.host} ${match[1]}`);
        response.writeHead(request.url === "/v2/" ? 200 : 404, { "Content-Type": "application/json" }).end("{}");
      }),
    ),
  );
  const hosts = servers.map(({ host }) => host);
  world.write("~/.config/containers/registries.conf", conf(hosts));
  const env = { HOME: world.home, PATH: process.env.PATH ?? "" };
  const name = image.replaceAll(/HOST(\d)/g, (_, n) => hosts[Number(n)]!);
  const said = await new Promise<string>((resolve) => {
    execFile("skopeo", ["inspect", "--raw", `docker://${name}`], { env }, (_error, _out, stderr) => resolve(stderr));
  });
  return { world, hosts, asked, said, name };
}

/** The same by nacre, without those that are not on loopback: skopeo cannot reach them. */
function askedByNacre(world: ConfigWorld, name: string): string[] | string {
  const { host, path, digest } = parseReference(name);
  const digested = digest !== undefined;
  try {
    return find(world, host, path)
      .filter(({ answers }) => answers === "all" || (answers === "digest") === digested)
      .filter(({ base }) => base.hostname === "127.0.0.1")
      .map(({ base, repository }) => `${base.host} ${repository}`);
  } catch (error) {
    if (error instanceof NacreError) return error.code;
    throw error;
  }
}

describe.skipIf(toolMissing("skopeo"))("nacre and skopeo ask the same hosts in the same order", () => {
  const digest = `@sha256:${"a".repeat(64)}`;
  const insecure = (host: string | undefined, more = "") => `location = "${host}"\ninsecure = true\n${more}\n`;
  const mirrors = (hosts: readonly string[], ...more: readonly string[]) =>
    hosts.map((host, i) => `[[registry.mirror]]\n${insecure(`${host}/m${i}`, more[i] ?? "")}`).join("");

  it.each<[string, (hosts: readonly string[]) => string, string]>([
    ["mirrors", (h) => `[[registry]]\nprefix="a.test"\n${insecure(h[2])}${mirrors([h[0]!, h[1]!])}`, "a.test/x/y:1"],
    [
      "the longest prefix",
      (h) => `[[registry]]\nprefix="a.test"\n${insecure(h[0])}[[registry]]\nprefix="a.test/x"\n${insecure(h[1])}`,
      "a.test/x/y:1",
    ],
    [
      "no half names",
      (h) => `[[registry]]\nprefix="a.test"\n${insecure(h[0])}[[registry]]\nprefix="a.test/x"\n${insecure(h[1])}`,
      "a.test/xx/y:1",
    ],
    [
      "a prefix without its port",
      () => `[[registry]]\nprefix="127.0.0.1"\nlocation="127.0.0.1"\ninsecure=true`,
      "HOST0/x:1",
    ],
    ["the whole repository", (h) => `[[registry]]\nprefix="a.test/x/y"\n${insecure(`${h[0]}/z`)}`, "a.test/x/y:1"],
    ["subdomains", (h) => `[[registry]]\nprefix="*.test"\n${insecure(`${h[0]}/sub`)}`, "a.b.test/x:1"],
    [
      "mirrors of subdomains",
      (h) => `[[registry]]\nprefix="*.test"\n${insecure("")}${mirrors([h[0]!])}`,
      "a.b.test/x:1",
    ],
    [
      "no domain by its subdomains",
      (h) =>
        `[[registry]]\nprefix="*.test.example"\n${insecure(h[0])}[[registry]]\nprefix="test.example"\n${insecure(h[1])}`,
      "test.example/x:1",
    ],
    [
      "an exact host before subdomains",
      (h) => `[[registry]]\nprefix="*.b.test"\n${insecure(h[0])}[[registry]]\nprefix="aaa.b.test"\n${insecure(h[1])}`,
      "aaa.b.test/x:1",
    ],
    [
      "by digest only, with a tag",
      (h) => `[[registry]]\nprefix="a.test"\n${insecure(h[2], "mirror-by-digest-only=true")}${mirrors([h[0]!])}`,
      "a.test/x:1",
    ],
    [
      "by digest only, with a digest",
      (h) => `[[registry]]\nprefix="a.test"\n${insecure(h[2], "mirror-by-digest-only=true")}${mirrors([h[0]!])}`,
      `a.test/x${digest}`,
    ],
    [
      "the first of equal prefixes",
      (h) =>
        `[[registry]]\nprefix="a.test"\n${insecure(h[0])}[[registry]]\nprefix="a.test"\n${insecure(`${h[0]}/other`)}`,
      "a.test/x:1",
    ],
    ["docker.io", (h) => `[[registry]]\nprefix="docker.io"\n${insecure(h[0])}`, "docker.io/alpine:1"],
    ["what is blocked, with any port", () => `[[registry]]\nlocation="a.test"\nblocked=true`, "a.test:5000/x:1"],
    [
      "subdomains that are blocked, with any port",
      () => `[[registry]]\nprefix="*.test"\nblocked=true`,
      "a.b.test:5000/x:1",
    ],
    ["what is blocked", () => `[[registry]]\nlocation="a.test"\nblocked=true`, "a.test/x:1"],
    ["a slash at the end", (h) => `[[registry]]\nprefix="a.test/"\n${insecure(`${h[0]}/z/`)}`, "a.test/x:1"],
  ])("%s", async (_what, conf, image) => {
    const { world, asked, said, name } = await askedBySkopeo(conf, image);
    const ours = askedByNacre(world, name);
    if (/is blocked/.test(said)) expect(ours).toBe("NOT_ALLOWED");
    else expect({ ours, said }).toEqual({ ours: [...new Set(asked)], said });
  });
});

describe.skipIf(toolMissing("docker-registry"))("reading by the configuration", () => {
  it("takes from a mirror what it has, from the registry what it lacks, and gives each its own credentials", async () => {
    const world = configWorld();
    const [mirror, itself] = await Promise.all([startRegistry({ htpasswd: true }), startRegistry()]);
    const [one, two] = [makeImage(), makeImage({ config: { architecture: "arm64" } })];
    const basic = Buffer.from(`ann:${REGISTRY_USERS.ann}`).toString("base64");
    await putImage(one, { ...mirror, authorization: `Basic ${basic}` }, "cache/team/app", "1");
    await putImage(two, itself, "team/app", "2");
    world.write(CONF, `[[registry]]\nlocation="${itself.host}"\n[[registry.mirror]]\nlocation="${mirror.host}/cache"`);
    world.write("~/.docker/config.json", JSON.stringify({ auths: { [mirror.host]: { auth: basic } } }));
    const env = world.env();
    const options = { root: world.root };
    const registries = openRegistries(env, endpointFinder(env, options), credentialStore(env, options));
    onTestFinished(() => registries.close());
    const client = registries.open(itself.host, "team/app", "pull");
    expect((await client.manifest("1"))?.bytes).toEqual(one.bytes);
    expect((await client.manifest("2"))?.bytes).toEqual(two.bytes);
    expect(await client.manifest("3")).toBeUndefined();
  });
});

describe("what endpoints hold", () => {
  it("is shown without keys and headers", () => {
    const world = configWorld();
    const { cert, key } = makeAuthority().issue();
    world.write("etc/containerd/certs.d/a.example/c.pem", `${cert}${key}`);
    const toml = `[host."https://m.example"]\nclient="c.pem"\n[host."https://m.example".header]\nAuthorization="Bearer canary-4711"`;
    world.write("etc/containerd/certs.d/a.example/hosts.toml", toml);
    const endpoints = find(world, "a.example", "x");
    expect(endpoints[0]!.headers!.Authorization).toBe("Bearer canary-4711");
    for (const shown of [
      JSON.stringify(endpoints),
      inspect(endpoints, { depth: 9, showHidden: true }),
      String(endpoints),
    ]) {
      expect(shown).not.toContain("canary-4711");
      expect(shown).not.toContain("PRIVATE KEY");
    }
  });

  it("stays distinct as JSON, so that connections with different keys are never shared", () => {
    const world = configWorld();
    const authority = makeAuthority();
    for (const host of ["a.example", "b.example"]) {
      const { cert, key } = authority.issue();
      world.write(`etc/docker/certs.d/${host}/c.cert`, cert);
      world.write(`etc/docker/certs.d/${host}/c.key`, key);
    }
    const tls = (host: string) => JSON.stringify(find(world, host, "x")[0]!.tls);
    expect(tls("a.example")).toBe(tls("a.example"));
    expect(tls("a.example")).not.toBe(tls("b.example"));
  });
});
