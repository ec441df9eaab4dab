/** `nacre info`: how RUN can be executed here. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Info } from "../../src/cli/commands/info.js";
import { renderIsolation } from "../../src/cli/commands/infoIsolation.js";
import type { IsolationInfo } from "../../src/index.js";
import { nacre, tempDirectory } from "./invocation.js";

const tools = [{ name: "unshare", path: "/usr/bin/unshare", version: "2.38.1" }, { name: "crun" }];

describe("the isolation of RUN", () => {
  it("is told level by level, with reasons and what would help", () => {
    const info: IsolationInfo = {
      levels: [
        { level: "oci", works: false, why: "crun is not installed" },
        { level: "namespaces", works: false, why: "mounting is not allowed: x", help: "do y" },
        { level: "chroot", works: true },
      ],
      auto: {
        ...{ level: "chroot", rootless: true, worker: true, losses: ["devices", "owners"], users: 1, groups: 1 },
        warnings: ["there is one id"],
      },
      tools,
    };
    expect(renderIsolation(info)).toEqual([
      "oci:         crun is not installed",
      "namespaces:  mounting is not allowed: x; do y",
      "chroot:      works",
      "auto takes:  chroot, rootless",
      "ids:         1 user, 1 group",
      "not kept:    device nodes, owners of files",
      "warning:     there is one id",
      "unshare:     /usr/bin/unshare (2.38.1)",
      "crun:        not found",
    ]);
  });

  it("is told where all is well, where nothing works, and where nothing can be tried", () => {
    const auto = { level: "oci", rootless: false, worker: false, losses: [], users: 2 ** 32 - 1, groups: 5 } as const;
    const levels = [{ level: "oci", works: true, runtime: "/usr/bin/crun" }] as const;
    expect(renderIsolation({ levels, auto: { ...auto, upper: "tmpfs", warnings: [] }, tools: [] })).toEqual([
      "oci:         works, with /usr/bin/crun",
      "auto takes:  oci, as root",
      "ids:         all users, 5 groups",
      "overlays:    on a tmpfs of limited size",
    ]);
    expect(renderIsolation({ levels: [], tools: [] })).toEqual(["auto takes:  nothing"]);
    expect(renderIsolation({ error: "no space left" })).toEqual(["cannot be tried: no space left"]);
  });

  it("is tried without leaving a store behind", async () => {
    const directory = tempDirectory();
    const env = { NACRE_HOME: join(directory, "store"), PATH: process.env.PATH ?? "" };
    const { code, stdout } = await nacre(["info", "--format", "json"], { env });
    expect(code).toBe(0);
    const { isolation } = JSON.parse(stdout) as Info;
    if ("error" in isolation) throw new Error(isolation.error);
    expect(isolation.levels.map(({ level }) => level)).toEqual(["oci", "namespaces", "chroot"]);
    for (const { works, why } of isolation.levels) expect(works).toBe(why === undefined);
    expect(isolation.tools.map(({ name }) => name)).toContain("unshare");
    expect(readdirSync(directory)).toEqual([]);
    const text = await nacre(["info"], { env });
    expect(text.stdout).toMatch(/^isolation of RUN:\n {2}oci: {9}/m);
  });
});
