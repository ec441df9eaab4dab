/** A getfattr that waits: it answers as one that is started by itself. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { GetfattrLoop } from "../../src/layer/getfattrLoop.js";
import { toolMissing } from "../setup/tools.js";

const ARGS = ["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "--absolute-names", "."];
const made: string[] = [];

function directory(files: number, value = "v"): string {
  const dir = mkdtempSync(join(tmpdir(), "nacre-loop-"));
  made.push(dir);
  for (let i = 0; i < files; i++) {
    writeFileSync(join(dir, `f${i}`), "");
    execFileSync("setfattr", ["-n", "user.a", "-v", value, join(dir, `f${i}`)]);
  }
  return dir;
}

afterEach(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
});

describe.skipIf(toolMissing("getfattr") || toolMissing("setfattr"))("a waiting getfattr", () => {
  test("says what one says that is started by itself, as often as it is asked", async () => {
    const loop = new GetfattrLoop(ARGS);
    for (const dir of [directory(3), directory(0), directory(40, "x".repeat(900))]) {
      const alone = execFileSync("getfattr", ARGS, { cwd: dir });
      expect((await loop.ask(dir, undefined))?.toString("latin1")).toBe(alone.toString("latin1"));
    }
  });

  test("leaves to others what it cannot do: another question meanwhile, a directory that is gone or has an odd name", async () => {
    const loop = new GetfattrLoop(ARGS);
    const dir = directory(1);
    const [first, second] = await Promise.all([loop.ask(dir, undefined), loop.ask(dir, undefined)]);
    expect([first !== undefined, second]).toEqual([true, undefined]);
    expect(await loop.ask(join(dir, "gone"), undefined)).toBeUndefined();
    const odd = join(dir, "a\nb");
    mkdirSync(odd);
    expect(await loop.ask(odd, undefined)).toBeUndefined();
    expect(await loop.ask(dir, undefined)).toEqual(first);
  });

  test("ends when it is to stop, and begins anew", async () => {
    const loop = new GetfattrLoop(ARGS);
    const dir = directory(1);
    const stopped = loop.ask(dir, AbortSignal.timeout(0));
    await stopped;
    expect((await loop.ask(dir, undefined))?.length).toBeGreaterThan(0);
  });

  test("does not keep its process from ending", () => {
    const dir = directory(1);
    chmodSync(dir, 0o755);
    const built = new URL("../../dist/layer/getfattrLoop.js", import.meta.url).href;
    const text = `const { GetfattrLoop } = await import(${JSON.stringify(built)});
      const answer = await new GetfattrLoop(${JSON.stringify(ARGS)}).ask(${JSON.stringify(dir)});
      console.log(answer.length > 0);`;
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", text], { timeout: 20_000 });
    expect(out.toString()).toBe("true\n");
  });
});
