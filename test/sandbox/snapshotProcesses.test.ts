/** Snapshots between processes: some are killed, some ask for the same. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { pruneStore } from "../../src/store/prune.js";
import { newStore } from "../archive/images.js";
import { tarOf } from "../layer/helpers.js";
import { putLayers, temporary } from "./overlay.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const running = new Set<ChildProcess>();
let worker = "";

/** Compiles the worker, because Node 20 runs no TypeScript. */
beforeAll(() => {
  const outDir = temporary();
  const file = join(root, "test/sandbox/snapshotWorker.ts");
  const typeRoots = [join(root, "node_modules/@types")];
  const compilerOptions = { noEmit: false, noCheck: true, rootDir: root, outDir, typeRoots };
  const config = { extends: join(root, "tsconfig.json"), compilerOptions, include: [], files: [file] };
  fs.writeFileSync(join(outDir, "tsconfig.json"), JSON.stringify(config));
  fs.writeFileSync(join(outDir, "package.json"), '{"type":"module"}');
  fs.symlinkSync(join(root, "node_modules"), join(outDir, "node_modules"));
  execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", outDir], { stdio: ["ignore", "pipe", "pipe"] });
  worker = join(outDir, "test/sandbox/snapshotWorker.js");
});

afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
});

function start(store: string, hexes: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [worker, store, ...hexes], { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

async function outcome(child: ChildProcess): Promise<string[]> {
  const chunks: Buffer[] = [];
  child.stdout!.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(child, "close");
  return JSON.parse(Buffer.concat(chunks).toString().replace("begun\n", ""));
}

const many = (prefix: string) =>
  tarOf([
    { path: "d", type: "dir" },
    ...Array.from({ length: 4000 }, (_, i) => ({ path: `d/${i}`, content: `${prefix} ${i}` })),
  ]);
const leftIn = (store: string) => fs.readdirSync(join(store, "tmp")).filter((name) => name.startsWith("t."));

describe.skipIf(process.getuid?.() !== 0)("processes", () => {
  test("that ask for the same at once get the same, made once", async () => {
    const store = await newStore();
    const layers = await putLayers(store, [many("a"), many("b")]);
    const hexes = layers.map(({ diffId }) => diffId.slice(7));
    const outcomes = await Promise.all([1, 2, 3].map(() => outcome(start(store.path, hexes))));
    expect(new Set(outcomes.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(outcomes[0]!.map((path) => fs.readdirSync(join(path, "d")).length)).toEqual([4000, 4000]);
    expect(store.snapshots.names()).toHaveLength(2);
    expect(leftIn(store.path)).toEqual([]);
  });

  test("that are killed while they unpack leave nothing that is seen, and nothing that is not swept", async () => {
    const store = await newStore();
    const [layer] = await putLayers(store, [many("a")]);
    const hexes = [layer!.diffId.slice(7)];
    for (const delay of [0, 5, 15, 40]) {
      const child = start(store.path, hexes);
      await once(child.stdout!, "data");
      await sleep(delay);
      child.kill("SIGKILL");
      await once(child, "close");
      for (const name of store.snapshots.names()) {
        expect(fs.readdirSync(join(store.snapshots.find(name)!.fs, "d"))).toHaveLength(4000);
      }
      await pruneStore(store, { all: true });
      expect(store.snapshots.names()).toEqual([]);
    }
    const directories = await outcome(start(store.path, hexes));
    expect(fs.readdirSync(join(directories[0]!, "d"))).toHaveLength(4000);
    // What a killed process's tar was still writing to may have needed a second sweep.
    await pruneStore(store);
    expect(leftIn(store.path)).toEqual([]);
  });
});
