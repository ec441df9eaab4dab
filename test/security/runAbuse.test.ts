/** Steps that take all they can get, and will not go. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { processesOf } from "../build/killing.js";
import { nacre } from "../cli/invocation.js";
import { run } from "../setup/nacre.js";
import { cannotRun, expectPlain, LEVELS, RunWorld } from "./runWorld.js";

const cli = fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));

/** Whoever sleeps this long is of these tests. */
const MARK = "86413";
/** Processes that ignore signals, leave their session and their parent, and hold the output open. */
const STAY = [
  "trap '' TERM INT HUP QUIT",
  `(trap '' TERM INT HUP; setsid sh -c "trap '' TERM; sleep ${MARK} & sleep ${MARK}" & ) &`,
  `setsid setsid sleep ${MARK} </dev/null >/dev/null 2>&1 &`,
  "sleep 0.1",
].join("\n");

/** Command lines of processes with the mark. */
function stayers(): string[] {
  return fs.readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const line = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      return /^sleep 86413\b/.test(line) ? [`${pid}: ${line}`] : [];
    } catch {
      return [];
    }
  });
}

/** Waits for the answer to be yes. */
async function until(what: () => boolean, milliseconds = 20_000): Promise<boolean> {
  for (const end = Date.now() + milliseconds; Date.now() < end; await sleep(20)) if (what()) return true;
  return what();
}

const hasGroups = fs.existsSync("/sys/fs/cgroup/pids/cgroup.procs");

describe.skipIf(cannotRun)("a step", () => {
  const world = new RunWorld();
  beforeAll(() => world.load());
  afterAll(() => world.expectSound());

  describe.each(LEVELS)("%s", (level) => {
    test("that leaves processes behind ends with its command, and they with it", async () => {
      await world.run(`FROM box:1\nRUN <<E\n${STAY}\nexit 0\nE\n`, { level, args: ["--no-cache"] });
      expect(stayers()).toEqual([]);
    });

    test("that never ends is ended when its time is over, whatever it ignores", async () => {
      const { message, hint } = await world.fail(`FROM box:1\nRUN <<E\n${STAY}\nwhile :; do sleep 1; done\nE\n`, {
        level,
        args: ["--no-cache", "--step-timeout=1s"],
      });
      expect(message).toMatch(/stopped after 1\.0s/);
      expect(hint).toContain("--step-timeout");
      expect(stayers()).toEqual([]);
    });

    test("that forks without end is ended when its time is over", async () => {
      const limit = hasGroups ? ["--pids-limit=60"] : ["--ulimit=nproc=2000"];
      const { message } = await world.fail("FROM box:1\nRUN <<E\nbomb() { bomb | bomb & }\nbomb\nsleep 100\nE\n", {
        level,
        args: ["--no-cache", "--step-timeout=2s", ...limit],
      });
      expect(message).toMatch(/stopped after|exit code/);
    });

    test.skipIf(!hasGroups)("that forks without end cannot have more processes than it is given", async () => {
      const output = await world
        .run(
          `FROM box:1\nRUN (for i in $(seq 100); do sleep ${MARK} & done) 2>/dev/null; n=0; for p in /proc/[0-9]*; do n=$((n + 1)); done; echo $n\n`,
          { level, args: ["--no-cache", "--pids-limit=40"] },
        )
        .catch(() => ["0"]);
      expect(Number(output[0])).toBeLessThanOrEqual(40);
      expect(stayers()).toEqual([]);
    });

    test.skipIf(!fs.existsSync("/sys/fs/cgroup/memory/cgroup.procs"))(
      "that eats memory is told what ended it",
      async () => {
        const { message, hint } = await world.fail("FROM box:1\nRUN tail -c 200000000 /dev/zero | wc -c; exit 1\n", {
          level,
          args: ["--no-cache", "--memory=32m", "--step-timeout=30s"],
        });
        expect(message).toMatch(/cannot allocate memory/);
        expect(hint).toContain("--memory");
      },
    );

    test.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
      "that ignores signals does not outlive a nacre ended by %s",
      async (signal) => {
        const path = join(world.root, "Stay");
        fs.writeFileSync(path, `FROM box:1\nRUN <<E\n${STAY}\nwhile :; do sleep 1; done\nE\n`);
        const argv = [cli, "build", "--no-cache", "--isolation", level, "-f", path, "--memory=64m", world.context];
        const child = spawn(
          process.execPath,
          argv.filter((word) => hasGroups || !word.startsWith("--memory")),
          {
            env: { ...process.env, ...world.env },
            stdio: "ignore",
          },
        );
        const closed = new Promise((resolve) => child.once("close", (code, by) => resolve(code ?? by)));
        expect(await until(() => stayers().length >= 3)).toBe(true);
        child.kill(signal);
        // 130 and 143: what shells say of a program that a signal has ended.
        expect(await closed).toBe({ SIGKILL: "SIGKILL", SIGTERM: 143, SIGINT: 130 }[signal]);
        expect(await until(() => stayers().length === 0 && processesOf(world.root).length === 0)).toBe(true);
        // What a killed nacre has left in files and groups, the next command removes.
        await world.run("FROM box:1\nRUN true\n", {
          level,
          args: ["--no-cache", ...(hasGroups ? ["--memory=64m"] : [])],
        });
        await world.expectNothingLeft();
        expect(groupsLeft(child.pid!)).toEqual([]);
      },
    );
  });

  test("that writes 300 MB is kept whole, and costs no memory", async () => {
    const before = process.memoryUsage().rss;
    const { code, stderr } = await world.start(
      "FROM box:1\nRUN head -c 150000000 /dev/zero | tr '\\\\0' x; yes 0123456789abcdef | head -c 150000000\n",
      { args: ["--no-cache", "--progress=quiet"] },
    );
    expect(code, stderr.slice(0, 2000)).toBe(0);
    const logs = join(world.store, "logs");
    const sizes = fs.readdirSync(logs).map((name) => fs.statSync(join(logs, name)).size);
    expect(Math.max(...sizes)).toBeGreaterThan(100_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(600 << 20);
    await world.expectNothingLeft();
  });
});

/** Control groups that a process has made. */
function groupsLeft(pid: number): string[] {
  return ["", ...fs.readdirSync("/sys/fs/cgroup")].flatMap((controller) => {
    const place = join("/sys/fs/cgroup", controller);
    const names = fs.statSync(place).isDirectory() ? fs.readdirSync(place) : [];
    return names.filter((name) => name.startsWith("nacre-") && name.includes(`-${pid}-`));
  });
}

describe.skipIf(cannotRun)("a step that fills the disk", () => {
  test.each(LEVELS)("is told so, and the store goes on working (%s)", async (level) => {
    const world = new RunWorld();
    fs.mkdirSync(world.store);
    fs.writeFileSync(join(world.root, "Dockerfile"), "FROM box:1\nRUN head -c 200000000 /dev/zero >/big || exit 5\n");
    fs.writeFileSync(
      join(world.root, "Loud"),
      "FROM box:1\nRUN yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 100000000\n",
    );
    fs.writeFileSync(join(world.root, "Small"), "FROM box:1\nRUN echo small >/small\n");
    // The mount is seen by these processes alone, and ends with them.
    const box = new RunWorld();
    await box.load();
    const saved = join(world.root, "box.tar");
    expect((await nacre(["save", "-o", saved, "box:1"], { env: box.env })).code).toBe(0);
    const build = `"$node" "$cli" build --progress=plain --isolation ${level} -f`;
    const program = [
      "set -u; node=$1 cli=$2 root=$3",
      'mount -t tmpfs -o size=64m none "$NACRE_HOME"',
      '"$node" "$cli" load "$root/box.tar" || exit 90',
      `${build} "$root/Dockerfile" "$root/context"; echo "first $?"`,
      `${build} "$root/Loud" "$root/context" >"$root/loud.log" 2>&1; echo "loud $?"`,
      `${build} "$root/Small" "$root/context"; echo "second $?"`,
      'ls "$NACRE_HOME/tmp" | grep -v "^u[.]"; "$node" "$cli" check; echo "check $?"',
    ].join("\n");
    const argv = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", program, "sh"];
    const env = { ...process.env, NACRE_HOME: world.store, NO_COLOR: "1" };
    const { output } = await run([...argv, process.execPath, cli, world.root], { env });
    expectPlain(0, output.replaceAll(/^ERROR: .*\n/gm, ""));
    expect(output).toMatch(/first 1/);
    expect(output).toMatch(/No space left on device|no space left/i);
    expect(output).toMatch(/loud 1/);
    expect(output).toMatch(/second 0/);
    expect(output).toMatch(/check 0/);
  });
});
