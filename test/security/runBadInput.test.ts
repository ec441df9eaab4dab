/** What a Dockerfile's author gets wrong about RUN: each time a message that names the thing, and a hint. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../setup/nacre.js";
import { dir, file, layer } from "./layers.js";
import { cannotRun, LEVELS, RunWorld } from "./runWorld.js";

/** The beginning of a program for a machine that no one has: EM_M32, big-endian. */
const FOREIGN = "\x7fELF\x01\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x01\0\0\0\x01".padEnd(64, "\0");

const CASES: readonly (readonly [what: string, dockerfile: string, message: RegExp, hint: RegExp])[] = [
  ["a command that is not there", "RUN no-such-command --flag", /no-such-command.*exit code: 127/, /./],
  ["a program that is not there", 'RUN ["no-such-program"]', /"no-such-program": .*not found/, /PATH.*no shell/],
  ["a path that is not there", 'RUN ["/opt/nope", "x"]', /"\/opt\/nope": no such file/, /not in the image/],
  ["an empty program", 'RUN [""]', /exec: ""/, /./],
  ["a program that is not executable", 'RUN ["/odd/plain"]', /"\/odd\/plain": permission denied/, /chmod \+x/],
  [
    "a directory as a program",
    'RUN ["/odd"]',
    /"\/odd": (permission denied|operation not permitted|is a directory)/,
    /executed/,
  ],
  ["an interpreter that is not there", 'RUN ["/odd/script"]', /"\/odd\/script": no such file/, /interpreter/],
  ["an interpreter of a heredoc that is not there", "RUN <<E\n#!/no/such/interpreter\ntrue\nE", /exit code: 127/, /./],
  [
    "a shell that is not there",
    'SHELL ["/bin/zsh", "-c"]\nRUN true',
    /"\/bin\/zsh": no such file/,
    /has no \/bin\/zsh/,
  ],
  ["a working directory that is a file", "WORKDIR /\nRUN true\nWORKDIR /odd/plain/x\nRUN true", /odd\/plain/, /./],
  ["a user who is not there", "USER nobody-here\nRUN true", /nobody-here/, /add the user|number/],
  ["a group that is not there", "USER 0:nobody-here\nRUN true", /nobody-here/, /add the group|number/],
  ["a secret that was not given", "RUN --mount=type=secret,id=missing,required true", /missing/, /--secret/],
  ["an agent that was not given", "RUN --mount=type=ssh,required true", /ssh|default/, /--ssh/],
  ["a directory mounted on a file", "RUN --mount=type=tmpfs,target=/odd/plain true", /"\/odd\/plain"/, /./],
  ["a cache mounted on a file", "RUN --mount=type=cache,target=/odd/plain true", /"\/odd\/plain"/, /./],
  ["a secret mounted on a directory", "RUN --mount=type=secret,id=s,target=/odd true", /"\/odd"/, /./],
  ["a mount below a file", "RUN --mount=type=tmpfs,target=/odd/plain/x true", /"\/odd\/plain"/, /./],
  ["a mount at the root", "RUN --mount=type=tmpfs,target=/ true", /invalid mount target "\/"/, /./],
  ["a mount in /proc", "RUN --mount=type=tmpfs,target=/proc/x true", /"\/proc\/x"/, /\/proc/],
  [
    "a mount in what is read-only",
    "RUN --mount=from=box:1,target=/m --mount=type=tmpfs,target=/m/new true",
    /"\/m\/new"/,
    /./,
  ],
  ["a source that is not there", "RUN --mount=from=box:1,source=/nope,target=/m true", /"\/nope": not found/, /./],
  ["a source's image that is not there", "RUN --mount=from=nope:1,target=/m true", /nope:1/, /./],
  ["a file of the context that is not there", "RUN --mount=source=nope,target=/m true", /"?\/?nope"?.*not found/, /./],
  [
    "a step that writes where it may not",
    "RUN --mount=from=box:1,target=/m echo x >/m/x",
    /exit code: 1/,
    /nacre logs/,
  ],
  ["a step that fails", "RUN exit 42", /exit code: 42/, /debug-shell/],
  ["a step that ends by a signal", "RUN sh -c 'kill -KILL $$'; exit $?", /exit code: 137/, /./],
];

describe.skipIf(cannotRun)("a Dockerfile with", () => {
  const world = new RunWorld();
  const secret = join(world.root, "secret");
  beforeAll(async () => {
    writeFileSync(secret, "s");
    await world.load();
    await world.load(
      "odd:1",
      layer(
        ...[dir("odd"), file("odd/plain", "true\n"), file("odd/text", "true\n", { mode: 0o755 })],
        ...[
          file("odd/script", "#!/no/such/interpreter\n", { mode: 0o755 }),
          file("odd/foreign", FOREIGN, { mode: 0o755 }),
        ],
      ),
    );
    await world.loadBare("bare:1", layer(file("a", "a")));
    await world.loadBare("foreign:1", layer(dir("bin"), file("bin/sh", FOREIGN, { mode: 0o755 })));
  });
  afterAll(() => world.expectSound());

  describe.each(LEVELS)("(%s)", (level) => {
    test.each(CASES)("%s is told so", async (_, dockerfile, expected, expectedHint) => {
      const { message, hint, text } = await world.fail(`FROM odd:1\n${dockerfile}\n`, {
        level,
        args: ["--secret", `id=s,src=${secret}`],
      });
      expect(message).toMatch(expected);
      expect(hint).toMatch(expectedHint);
      expect(text).toMatch(/^ +\d+ \| >>> (RUN|USER|WORKDIR)/m);
      expect(text).not.toMatch(/"level":|newuidmap|setpriv|unshare:|crun:|runc:/);
    });

    test("no shell in the image", async () => {
      const { message, hint } = await world.fail("FROM bare:1\nRUN echo hello\n", { level });
      expect(message).toMatch(/"\/bin\/sh": no such file or directory/);
      expect(hint).toMatch(/has no \/bin\/sh.*exec form/);
    });

    test("programs for another machine", async () => {
      const { message, hint } = await world.fail("FROM foreign:1\nRUN echo hello\n", { level });
      expect(message).toMatch(/"\/bin\/sh": exec format error/);
      expect(hint).toMatch(/this platform/);
    });

    test.each(["text", "foreign"])("what is no program (%s) is told so", async (name) => {
      const { text } = await world.fail(`FROM odd:1\nRUN ["/odd/${name}", "nope"]\nRUN exit 3\n`, { level });
      expect(text).toMatch(/exec format error|exit code: (3|126|127)/);
    });
  });

  test("a secret that was not given, and need not be, builds", async () => {
    const output = await world.run(
      'FROM box:1\nRUN --mount=type=secret,id=missing --mount=type=secret,id=gone,env=TOKEN ls /run/secrets 2>/dev/null; echo "[$TOKEN]"\n',
    );
    expect(output).toEqual(["[]"]);
  });
});

describe.skipIf(cannotRun)("a level of isolation that does not work here", () => {
  test("is told so, with what is missing and what there is instead", async () => {
    const world = new RunWorld();
    await world.load();
    chmodSync(world.root, 0o755);
    writeFileSync(join(world.root, "Dockerfile"), "FROM box:1\nRUN true\n");
    const { code, text } = await world.build("FROM box:1\nRUN true\n", { level: "nothing" });
    expect(`${code} ${text}`).toMatch(/--isolation "nothing" is not known/);
    // A user who may make no namespaces, as in many containers.
    const cli = new URL("../../bin/nacre.js", import.meta.url).pathname;
    const argv = ["unshare", "--user", "--map-root-user", "--", "sh", "-c"];
    const script = 'echo 0 >/proc/sys/user/max_mnt_namespaces; exec "$@"';
    const build = [process.execPath, cli, "build", "--isolation=namespaces", "-f", join(world.root, "Dockerfile")];
    const env = { ...process.env, ...world.env, NO_COLOR: "1" };
    const { code: ended, output } = await run([...argv, script, "sh", ...build, world.context], { env });
    expect(ended, output).toBe(1);
    expect(output).toMatch(/ERROR: the isolation level namespaces does not work here/);
    expect(output).toMatch(/hint: .*(nacre info|--isolation)/);
    expect(output).not.toMatch(/no reason given|\n\s+at /);
  });
});
