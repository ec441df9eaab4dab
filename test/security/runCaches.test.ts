/** Cache mounts that steps share while one of them is hostile: CVE-2024-23651, CVE-2024-11218, CVE-2024-9675. */
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, LEVELS, RunWorld } from "./runWorld.js";
import { listing, makeProbe } from "./world.js";

describe.skipIf(cannotRun)("a cache mount", () => {
  const world = new RunWorld();
  let ids = 0;
  beforeAll(() => world.load());
  afterAll(() => world.expectSound());

  /** A stage that swaps a directory of the cache with a symlink for as long as it may, and one that mounts below it. */
  const race = (id: string, sharing: string, probe: string, rounds: number): string => {
    const swap = `for i in $(seq ${rounds}); do rm -rf /c/sub; ln -s ${probe} /c/sub; rm -f /c/sub; mkdir /c/sub; done; rm -rf /c/sub; ln -s ${probe} /c/sub`;
    const nested = `--mount=type=cache,id=${id},target=/c,sharing=${sharing} --mount=type=tmpfs,target=/c/sub/deep --mount=type=cache,id=${id}n,target=/c/sub/cache`;
    return [
      "FROM box:1 AS swap",
      `RUN --mount=type=cache,id=${id},target=/c ${swap}`,
      "FROM box:1 AS use",
      ...[1, 2, 3, 4].map((n) => `RUN ${nested} echo ${n} >/c/sub/deep/f; echo ${n} >/c/sub/cache/f; ls -d /c/sub`),
      "FROM box:1",
      "COPY --from=swap /etc/passwd /a",
      "COPY --from=use /etc/passwd /b",
      "",
    ].join("\n");
  };

  describe.each(LEVELS)("%s", (level) => {
    test.each(["shared", "locked"])("that is %s leads no mount below it out of the root", async (sharing) => {
      const probe = makeProbe();
      const dockerfile = race(`r${++ids}`, sharing, probe.path, 150);
      const { code, text } = await world.build(dockerfile, { level, args: ["--no-cache", "--jobs=4"] });
      probe.expectUntouched();
      // Where something else is mounted in it, it is no one else's meanwhile.
      expect(code, text).toBe(0);
    });
  });

  test("of any name lies in the store, beside the others", async () => {
    const outside = listing(world.root).filter((path) => !path.startsWith("store/") && !path.startsWith("Dockerfile"));
    const names = ["../../x", "/", "..", ".", "a/../../../b", "/etc", "x".repeat(300), "-rf", "$(id)", "%2e%2e"];
    for (const id of names) {
      const [seen] = await world.run(
        `FROM box:1\nRUN --mount=type=cache,id=${id},target=/c ls -A /c; echo $(ls -A /c | wc -l); echo x >/c/mark\n`,
        { args: ["--no-cache"] },
      );
      expect(seen, id).toBe("0");
    }
    const mounts = fs.readdirSync(join(world.store, "mounts"));
    expect(mounts.length).toBeGreaterThanOrEqual(names.length);
    for (const name of mounts) expect(name).toMatch(/^[a-z0-9.]+$/);
    const now = listing(world.root).filter((path) => !path.startsWith("store/") && !path.startsWith("Dockerfile"));
    expect(now).toEqual(outside);
    expect(fs.readdirSync(world.store)).not.toContain("x");
  });

  test("that is locked is one step's at a time, in one build and between two", async () => {
    const id = `lock${++ids}`;
    const step = `RUN --mount=type=cache,id=${id},target=/c,sharing=locked mkdir /c/held || echo CLASH; sleep 0.1; rmdir /c/held`;
    const stages = [1, 2, 3].map((n) => `FROM box:1 AS s${n}\nENV N=${n}\n${step}`).join("\n");
    const copies = [1, 2, 3].map((n) => `COPY --from=s${n} /etc/passwd /${n}`).join("\n");
    const dockerfile = `${stages}\nFROM box:1\n${copies}\n`;
    const both = await Promise.all([0, 1].map(() => world.start(dockerfile, { args: ["--no-cache", "--jobs=4"] })));
    for (const { code, text } of both) {
      expect(code, text).toBe(0);
      expect(text).not.toMatch(/^#\d+ [\d.]+ CLASH/m);
    }
    await world.expectNothingLeft();
  });

  test("that is private shows no step what another one is writing", async () => {
    const id = `private${++ids}`;
    const step = `RUN --mount=type=cache,id=${id},target=/c,sharing=private mkdir /c/held || echo CLASH; sleep 0.2; rmdir /c/held`;
    const { code, text } = await world.build(
      `FROM box:1 AS a\n${step}\nFROM box:1 AS b\nENV B=1\n${step}\nFROM box:1\nCOPY --from=a /etc/passwd /a\nCOPY --from=b /etc/passwd /b\n`,
      { args: ["--no-cache", "--jobs=4"] },
    );
    expect(code, text).toBe(0);
    expect(text).not.toMatch(/^#\d+ [\d.]+ CLASH/m);
  });
});
