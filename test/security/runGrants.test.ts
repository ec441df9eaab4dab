/** What a Dockerfile, or a program that uses the library, may not have just by asking for it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { build } from "../../src/build/build.js";
import type { BuildRequest } from "../../src/build/request.js";
import { NacreError } from "../../src/support/errors.js";
import { cannotRun, LEVELS, RunWorld } from "./runWorld.js";

describe.skipIf(cannotRun)("a step that asks for more than is given", () => {
  const world = new RunWorld();
  beforeAll(() => world.load());
  afterAll(() => world.expectSound());

  test("does not get all privileges", async () => {
    const { message, hint } = await world.fail(
      "# syntax=docker/dockerfile:1-labs\nFROM box:1\nRUN --security=insecure id\n",
    );
    expect(message).toMatch(/security\.insecure is not allowed/);
    expect(hint).toContain("--allow security.insecure");
  });

  test("does not get the machine's network where the build has none", async () => {
    const { message, hint } = await world.fail("FROM box:1\nRUN --network=host id\n", { args: ["--network=none"] });
    expect(message).toMatch(/network\.host is not allowed/);
    expect(hint).toContain("--allow network.host");
  });

  test.each(LEVELS)("gets the privileges that were allowed, and only for that step (%s)", async (level) => {
    const caps = "RUN --security=SECURITY grep CapEff /proc/self/status | tr -d '\\t'\n";
    const output = await world.run(
      `FROM box:1\n${caps.replace("SECURITY", "insecure")}${caps.replace("SECURITY", "sandbox")}`,
      { level, args: ["--allow", "security.insecure", "--no-cache"] },
    );
    expect(BigInt(`0x${output[0]!.split(":")[1]}`)).toBeGreaterThan(0xa80425fbn);
    expect(output[1]).toBe("CapEff:00000000a80425fb");
  });
});

/** Values that no compiler would let through. */
const WILD: readonly unknown[] = [
  ...[Number.NaN, Number.POSITIVE_INFINITY, -1.5, 1e300, "", "64m,mode=777", "0\n1", "../../x", null, [], [null], {}],
  ...[{ name: "x" }, [{}], [{ name: 5, ip: 6 }], [{ name: "nofile", soft: "a b", hard: Number.NaN }], true, () => 1],
];

describe.skipIf(cannotRun)("a program that uses the library", () => {
  const world = new RunWorld();
  beforeAll(() => world.load());
  afterAll(() => world.expectNothingLeft());

  const options = ["isolation", "allow", "network", "hosts", "shmSize", "limits", "secrets", "ssh"] as const;
  const limits = ["ulimits", "memory", "memorySwap", "cpus", "cpuShares", "cpusetCpus", "pids", "timeout"] as const;

  const attempt = (request: object) =>
    build({
      context: world.context,
      dockerfile: { kind: "text", text: "FROM box:1\nRUN true\n" },
      store: world.store,
      isolation: "namespaces",
      emit: () => {},
      ...request,
    } as BuildRequest).then(
      () => undefined,
      (error: unknown) => error,
    );

  test.each([
    ...options.map((option) => [option, (value: unknown) => ({ [option]: value })] as const),
    ...limits.map((limit) => [`limits.${limit}`, (value: unknown) => ({ limits: { [limit]: value } })] as const),
  ])("is told in words what is wrong with %s", async (_, request) => {
    for (const value of WILD) {
      const error = await attempt(request(value));
      if (error === undefined) continue;
      expect(error, String(value)).toBeInstanceOf(NacreError);
      expect(error).toMatchObject({ hint: expect.stringMatching(/./) });
      expect((error as NacreError).code).not.toBe("INTERNAL");
    }
  });

  test("cannot bring lines into files, or options into mounts", async () => {
    for (const request of [
      { hosts: [{ name: "a", ip: "1.2.3.4\n6.6.6.6 deb.debian.org" }] },
      { hosts: [{ name: "a\n6.6.6.6 deb.debian.org", ip: "1.2.3.4" }] },
      { shmSize: "64m,mode=777" },
      { buildArgs: { BUILDKIT_SANDBOX_HOSTNAME: "x\n6.6.6.6 deb.debian.org" } },
    ]) {
      expect(await attempt({ ...request, noCache: true }), JSON.stringify(request)).toBeInstanceOf(NacreError);
    }
  });
});
