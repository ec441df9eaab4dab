/** USER as an attacker writes it, and accounts that are no files, for RUN. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dir, file, header, layer, symlink } from "./layers.js";
import { cannotRun, LEVELS, RunWorld } from "./runWorld.js";
import { makeProbe } from "./world.js";

const ids = "grep -E '^(Uid|Gid|Groups):' /proc/self/status | tr '\\t' ' '";
const fifo = (name: string) => header({ name, flag: "6" });

describe.skipIf(cannotRun)("USER of a RUN", () => {
  const world = new RunWorld();
  beforeAll(() => world.load());
  afterAll(() => world.expectSound());

  /** @returns `uid gid groups` of the process */
  async function idsOf(user: string, level: string, base = "box:1"): Promise<string> {
    const output = await world.run(`FROM ${base}\nUSER ${user}\nRUN ${ids}\n`, { level, args: ["--no-cache"] });
    const of = (name: string) =>
      output
        .find((line) => line.startsWith(`${name}:`))
        ?.split(/[ :]+/)
        .slice(1) ?? [];
    return `${of("Uid")[0]} ${of("Gid")[0]} ${of("Groups").filter(Boolean).join()}`;
  }

  describe.each(LEVELS)("%s", (level) => {
    test.each([
      ["00", "0 0 0"],
      ["2147483647", "2147483647 0 0"],
      ["2147483648:2147483648", "2147483648 2147483648 2147483648"],
      ["app", "1000 1000 1000,2000"],
      ["1000", "1000 1000 1000,2000"],
      ["app:root", "1000 0 0"],
      ["1000:0", "1000 0 0"],
      ["root:4242", "0 4242 4242"],
    ])("%s has the ids %s: no more and no fewer groups", async (user, expected) => {
      expect(await idsOf(user, level)).toBe(expected);
    });
  });

  test.each([
    ["2147483648", /range 0-2147483647/],
    ["4294967295", /range/],
    ["4294967296", /range/],
    ["18446744073709551616", /range/],
    ["-1", /range/],
    ["1000:4294967295", /range/],
    ["1000:4294967296", /range/],
    ["1000:-1", /range/],
    ["0x0", /unable to find user 0x0/],
    ["1e3", /unable to find user 1e3/],
    ["0.0", /unable to find user 0\.0/],
    ["nobody-here", /unable to find user nobody-here/],
    ["app:nobody-here", /unable to find group nobody-here/],
    ["app:1000:1000", /unable to find group 1000:1000/],
  ])("%s is refused: it never becomes root by overflow", async (user, expected) => {
    const { message, hint, text } = await world.fail(`FROM box:1\nUSER ${user}\nRUN id\n`);
    expect(message).toMatch(expected);
    expect(hint).not.toBe("");
    expect(text).toContain(">>> RUN id");
    expect(text).not.toContain("uid=");
  });

  test("a name is found through a symlink inside the image, and never outside", async () => {
    const probe = makeProbe();
    const passwd = file("srv/accounts", "linked:x:77:88::/:/bin/sh\n");
    await world.load("inside:1", layer(dir("srv"), passwd, symlink("etc/passwd", "../../srv/accounts")));
    await world.load("outside:1", layer(symlink("etc/passwd", `${probe.path}/f`)));
    await world.load("host:1", layer(symlink("etc/passwd", "/proc/1/root/etc/passwd")));
    expect(await idsOf("linked", "namespaces", "inside:1")).toBe("77 88 88");
    for (const base of ["outside:1", "host:1"]) {
      const { message } = await world.fail(`FROM ${base}\nUSER daemon\nRUN id\n`);
      expect(message).toMatch(/unable to find user daemon/);
    }
    probe.expectUntouched();
  });

  test.each([
    ["a pipe", fifo("etc/passwd")],
    ["a device", header({ name: "etc/passwd", flag: "3", devMajor: 1, devMinor: 5 })],
    ["a directory", dir("etc/passwd")],
    ["a symlink to itself", symlink("etc/passwd", "passwd")],
    ["a symlink to a pipe", Buffer.concat([fifo("pipe"), symlink("etc/passwd", "/pipe")])],
    ["a file of 20 MiB", file("etc/passwd", "x".repeat(20 << 20))],
  ])("%s in the place of /etc/passwd ends the build at once", async (_, member) => {
    await world.load("odd:1", layer(member));
    const { message } = await world.fail("FROM odd:1\nUSER app\nRUN id\n");
    expect(message).toMatch(/etc\/passwd|unable to find user app/);
  });

  test("a pipe in the place of /etc/group ends the build at once", async () => {
    await world.load("odd:2", layer(fifo("etc/group")));
    expect((await world.fail("FROM odd:2\nUSER app\nRUN id\n")).message).toMatch(/etc\/group/);
  });

  test("a user other than root has no capabilities, whatever the image gives it", async () => {
    const [caps] = await world.run(
      "FROM box:1\nUSER app\nRUN grep -E '^Cap(Eff|Prm|Amb)' /proc/self/status | tr '\\t\\n' '  '\n",
    );
    expect(caps?.trim()).toBe("CapPrm: 0000000000000000 CapEff: 0000000000000000 CapAmb: 0000000000000000");
  });
});
