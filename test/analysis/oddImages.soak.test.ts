/** A layer of a million entries, through every command that looks into images: the right numbers, in bounded memory. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { END_OF_ARCHIVE, encodeHeader } from "../../src/tar/write.js";
import { runNacre } from "../setup/nacre.js";
import { layoutOf, tarLayer } from "./odd/rawImage.js";

const ENTRIES = 1_000_000;
const IN_DIRECTORY = 1000;
/** KiB of memory: while an index is made, and once the store has it. */
const [MAKING, LOOKING] = [1_200 << 10, 600 << 10];
const home = mkdtempSync(join(tmpdir(), "nacre-million-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Empty files, a thousand less one in each directory. */
function million(): Buffer {
  const headers: Buffer[] = [];
  const common = { uid: 0, gid: 0, size: 0, mtime: 1_700_000_000 };
  for (let at = 0; at < ENTRIES; at++) {
    const directory = `d${Math.floor(at / IN_DIRECTORY)}`;
    const member =
      at % IN_DIRECTORY === 0
        ? ({ path: directory, type: "dir", mode: 0o755 } as const)
        : ({ path: `${directory}/f${at % IN_DIRECTORY}`, type: "file", mode: 0o644 } as const);
    headers.push(encodeHeader({ ...common, ...member }));
  }
  return Buffer.concat([...headers, END_OF_ARCHIVE]);
}

let spec = "";
beforeAll(() => {
  spec = layoutOf({ layers: [tarLayer(million())] });
}, 120_000);

/** Runs a command. @returns its output, and the most memory that it had, in KiB */
async function nacre(...argv: readonly string[]): Promise<{ readonly output: string; readonly memory: number }> {
  const peak = join(home, `peak-${argv[0]}`);
  rmSync(peak, { force: true });
  const options = `--import ${join(import.meta.dirname, "../../benchmarks/peak.mjs")}`;
  const { code, output } = await runNacre(join(home, "store"), argv, { NODE_OPTIONS: options, NACRE_BENCH_PEAK: peak });
  expect(code, output.slice(0, 1000)).toBe(0);
  return { output, memory: Number(readFileSync(peak, "utf8")) };
}

test("a layer of a million entries is verified", async () => {
  const { output, memory } = await nacre("verify", spec);
  expect(output).toContain(`1 layer with ${ENTRIES} members`);
  expect(memory).toBeLessThan(MAKING);
}, 300_000);

test("it is looked at in less memory once the store has its index", async () => {
  await nacre("copy", spec, "store:million:1");
  expect((await nacre("tree", "million:1")).memory).toBeLessThan(MAKING);
  for (const argv of [
    ["tree", "million:1", "--format", "json", "--depth", "all"],
    ["which", "million:1", "/d999/f999"],
    ["waste", "million:1"],
    ["diff", "million:1", "million:1"],
  ]) {
    expect((await nacre(...argv)).memory, argv[0]).toBeLessThan(LOOKING);
  }
}, 600_000);
