/** What a waiting process is told. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { orders } from "../../src/sandbox/stepStart.js";
import { findTool } from "../setup/tools.js";

const dir = mkdtempSync(join(tmpdir(), "nacre-orders-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const shells = [["/bin/sh"], [findTool("bash")!], [findTool("busybox")!, "sh"]].filter(([program]) => program);

/** The words that a shell has after it was given orders, and where it is. */
function told([program, ...args]: readonly string[], argv: readonly string[]): string[] {
  const path = join(dir, "orders");
  writeFileSync(path, orders({ argv, cwd: dir }));
  const script = '. "$1" || exit 1; pwd -P; for word in "$@"; do printf "%s\\0" "$word"; done';
  const { stdout } = spawnSync(program!, [...args, "-c", script, "sh", path], { encoding: "latin1" });
  const [first = "", ...rest] = stdout.split("\0");
  const newline = first.indexOf("\n");
  return [first.slice(0, newline), first.slice(newline + 1), ...rest.slice(0, -1)];
}

describe("the orders of a waiting process", () => {
  it.each(shells)("reach %s %s word for word, whatever the words mean to a shell", (...shell) => {
    const word = fc.string({ unit: fc.constantFrom(..."ab '\"\\$`;|&<>(){}[]*?#~!=%\n\t-", "$(", "''") });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
        expect(told(shell.filter(Boolean), words)).toEqual([dir, ...words]);
      }),
      { numRuns: 150 },
    );
  });
});
