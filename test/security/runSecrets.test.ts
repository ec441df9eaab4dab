/** Secrets of a build are nowhere but in the step that was given them: neither while it runs nor afterwards. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { processesOf } from "../build/killing.js";
import { nacre } from "../cli/invocation.js";
import { cannotRun, LEVELS, RunWorld } from "./runWorld.js";

const cli = fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));
const CANARY = "canary-7f3a91c2-very-secret";
const MOUNTS =
  "--mount=type=secret,id=file --mount=type=secret,id=env,env=TOKEN --mount=type=secret,id=file,target=/opt/deep/er/secret,uid=1000,mode=0444";

/** Files below a directory that hold a text; in names too. */
function holders(directory: string, text: string): string[] {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => {
      const path = join(entry.parentPath, entry.name);
      return entry.name.includes(text) || (entry.isFile() && fs.readFileSync(path, "latin1").includes(text));
    })
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Command lines on this machine that hold a text. */
function tellingCommands(text: string): string[] {
  return fs.readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const line = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      return line.includes(text) ? [`${pid}: ${line}`] : [];
    } catch {
      return [];
    }
  });
}

describe.skipIf(cannotRun)("a secret", () => {
  const world = new RunWorld();
  const file = join(world.root, "secret-file");
  const secrets = ["--secret", `id=file,src=${file}`, "--secret", "id=env,env=NACRE_TEST_TOKEN"];
  beforeAll(async () => {
    await world.load();
    fs.writeFileSync(file, CANARY);
    process.env.NACRE_TEST_TOKEN = CANARY;
  });
  afterAll(async () => {
    delete process.env.NACRE_TEST_TOKEN;
    await world.expectSound();
  });

  const expectNowhere = (text: string): void => {
    expect(text).not.toContain(CANARY);
    expect(holders(world.root, CANARY)).toEqual([file]);
  };

  describe.each(LEVELS)("%s", (level) => {
    test("is in no layer, config, record, log or message of a build that succeeds", async () => {
      const output = join(world.root, `image-${level}.tar`);
      const { code, text } = await world.build(
        `FROM box:1\nRUN ${MOUNTS} test "$TOKEN" = "$(cat /run/secrets/file)" && test "$(cat /opt/deep/er/secret)" = "$TOKEN" && echo same >/same\nRUN ls -d /run /run/secrets /opt 2>/dev/null; ls /same\n`,
        {
          level,
          args: ["--no-cache", ...secrets, "-t", `secret-${level}:1`, "-o", `type=oci,dest=${output},compression=none`],
        },
      );
      expect(code, text).toBe(0);
      expect(text).toMatch(/^#\d+ [\d.]+ \/same$/m);
      expect(text).not.toMatch(/^#\d+ [\d.]+ \/(run|opt)/m);
      expectNowhere(text);
      for (const argv of [["history", `secret-${level}:1`], ["inspect", `secret-${level}:1`], ["logs"]]) {
        const shown = await nacre(argv, { env: world.env });
        expect(shown.stdout + shown.stderr).not.toContain(CANARY);
      }
    });

    test("is in no message of a step that fails", async () => {
      const { text } = await world.fail(`FROM box:1\nRUN ${MOUNTS} cat /run/secrets/nope; false\n`, {
        level,
        args: ["--no-cache", ...secrets],
        env: { NACRE_DEBUG: "1" },
      });
      expectNowhere(text);
    });

    test("is in no message of a step that cannot be started", async () => {
      for (const run of ['["/no/such"]', '["/etc/passwd"]', '["/etc"]']) {
        const { text } = await world.fail(`FROM box:1\nRUN ${MOUNTS} ${run}\n`, {
          level,
          args: ["--no-cache", ...secrets],
          env: { NACRE_DEBUG: "1" },
        });
        expectNowhere(text);
      }
    });

    test("is in no command line and no file while the step runs, nor after nacre is killed", async () => {
      const path = join(world.root, `Long-${level}`);
      fs.writeFileSync(path, `FROM box:1\nRUN ${MOUNTS} echo going; exec sleep 7${level.length}3\n`);
      const argv = [cli, "build", "--no-cache", "--progress=plain", "--isolation", level, ...secrets, "-f", path];
      const env = { ...process.env, ...world.env };
      const child = spawn(process.execPath, [...argv, world.context], { env, stdio: ["ignore", "pipe", "pipe"] });
      let text = "";
      let telling: string[] = [];
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
      const closed = new Promise((resolve) => child.once("close", resolve));
      for (let i = 0; i < 2000 && !/ going$/m.test(text); i++) {
        telling = [...telling, ...tellingCommands(CANARY)];
        await sleep(2);
      }
      expect(text).toMatch(/ going$/m);
      telling = [...telling, ...tellingCommands(CANARY)];
      expect(telling).toEqual([]);
      expectNowhere(text);
      child.kill("SIGKILL");
      await closed;
      for (let i = 0; i < 500 && processesOf(world.root).length > 0; i++) await sleep(10);
      expectNowhere(text);
      // The next command sweeps what was left, and it holds nothing either.
      await world.run("FROM box:1\nRUN true\n", { level, args: ["--no-cache"] });
      expectNowhere(text);
    });
  });

  test("that the step prints is the user's own doing: it is in the log, and in no layer", async () => {
    const { code, text } = await world.build(`FROM box:1\nRUN ${MOUNTS} cat /run/secrets/file\n`, {
      args: ["--no-cache", ...secrets],
    });
    expect(`${code} ${text}`).toContain(CANARY);
    const where = holders(world.root, CANARY).filter((path) => path !== file);
    expect(where.length).toBeGreaterThan(0);
    for (const path of where) expect(path).toMatch(/\/store\/logs\//);
    for (const path of where) fs.rmSync(path);
  });

  test("does not change the key: a step is not run again for another value", async () => {
    const dockerfile = `FROM box:1\nRUN ${MOUNTS} true\n`;
    await world.run(dockerfile, { args: secrets });
    fs.writeFileSync(file, `${CANARY}-other`);
    const { text } = await world.build(dockerfile, { args: secrets });
    fs.writeFileSync(file, CANARY);
    expect(text).toContain("CACHED");
  });

  test("given as text by mistake is not repeated in the message", async () => {
    for (const spec of [CANARY, `id=x,value=${CANARY}`, `${CANARY},id=y`]) {
      const { stderr, stdout } = await nacre(["build", "--secret", spec, world.context], { env: world.env });
      expect(stdout + stderr).not.toContain(CANARY);
    }
  });
});
