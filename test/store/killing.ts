/** Many processes on one store, killed at random moments: what must hold meanwhile and afterwards. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import * as readline from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import { checkStore } from "../../src/store/check.js";
import { Store } from "../../src/store/store.js";
import { tempDirectory } from "./helpers.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What a run has done. */
export interface KillReport {
  readonly kills: number;
  /** References that processes have set or removed and said so. */
  readonly acknowledged: number;
}

/** Compiles the worker, because Node 20 runs no TypeScript. @returns the path of the script */
export function compileWorker(): string {
  const directory = tempDirectory();
  const config = {
    extends: path.join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      // Types are checked elsewhere.
      noCheck: true,
      rootDir: root,
      outDir: directory,
      typeRoots: [path.join(root, "node_modules/@types")],
    },
    include: [],
    files: [path.join(root, "test/store/worker.ts")],
  };
  fs.writeFileSync(path.join(directory, "tsconfig.json"), JSON.stringify(config));
  fs.writeFileSync(path.join(directory, "package.json"), '{"type":"module"}');
  fs.symlinkSync(path.join(root, "node_modules"), path.join(directory, "node_modules"));
  execFileSync(path.join(root, "node_modules/.bin/tsc"), ["-p", directory], { stdio: ["ignore", "pipe", "pipe"] });
  return path.join(directory, "test/store/worker.js");
}

/** Runs so many processes on a new store for so many milliseconds, killing and replacing them all the time. */
export async function killAtRandom(workers: number, duration: number, seed: number): Promise<KillReport> {
  const script = compileWorker();
  const location = path.join(tempDirectory(), "store");
  await (await Store.open(location)).close();
  const run = new Run(script, location, seed);
  onTestFinished(() => run.killAll());
  const end = Date.now() + duration;
  await Promise.all([
    ...Array.from({ length: workers }, (_, slot) => run.keepKilling(slot, end)),
    run.keepLooking(end),
  ]);
  expect(run.failures).toEqual([]);
  await run.assertSound();
  return { kills: run.kills, acknowledged: run.acknowledged };
}

class Run {
  kills = 0;
  acknowledged = 0;
  readonly failures: string[] = [];
  readonly #children = new Set<ChildProcess>();
  readonly #script: string;
  readonly #location: string;
  #seed: number;
  /** For each name, the values that it may have: the last acknowledged one, and those under way since. */
  readonly #possible = new Map<string, string[]>();

  constructor(script: string, location: string, seed: number) {
    this.#script = script;
    this.#location = location;
    this.#seed = seed;
  }

  async keepKilling(slot: number, end: number): Promise<void> {
    while (Date.now() < end && this.failures.length === 0) {
      const child = spawn(process.execPath, [this.#script, this.#location, String(slot), String(this.#next(1 << 30))], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      this.#children.add(child);
      const ended = this.#watch(child).finally(() => this.#children.delete(child));
      // The time counts from when it has begun to work, however busy the machine is.
      await Promise.race([once(child.stdout, "data"), ended]);
      await Promise.race([sleep(this.#next(600)), ended]);
      if (child.exitCode === null) this.kills++;
      child.kill("SIGKILL");
      await ended;
    }
  }

  /** Also where the test ran out of time: nothing may be left running. */
  killAll(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  /** A reader that is always there: no reference may ever lack a part. */
  async keepLooking(end: number): Promise<void> {
    const store = await Store.open(this.#location, { readOnly: true });
    while (Date.now() < end) {
      for (const { name, descriptor } of store.listReferences()) {
        const seen = () => store.resolveReference(name)?.digest === descriptor.digest && store.flawsOf(descriptor)[0];
        // The name may be removed, and its image collected, between two looks; three times in a row is no chance.
        const flaw = seen() && seen() && seen();
        if (flaw) this.failures.push(`${name} lacks something: ${flaw.message}`);
      }
      await sleep(20);
    }
    await store.close();
  }

  /** Afterwards: everything whole, nothing acknowledged lost, nothing left over. */
  async assertSound(): Promise<void> {
    const store = await Store.open(this.#location);
    store.acquireLease().release();
    expect((await checkStore(store)).problems).toEqual([]);
    for (const [name, possible] of this.#possible) {
      const digest = store.resolveReference(name)?.digest.slice(7) ?? "none";
      expect(possible, `${name} after ${possible.join(" or ")}`).toContain(digest);
    }
    await store.withLock("index", async () => {});
    await store.close();
    const left = (name: string) =>
      fs.existsSync(`${this.#location}/${name}`) ? fs.readdirSync(`${this.#location}/${name}`) : [];
    expect(left("tombstones")).toEqual([]);
    expect(left("leases")).toEqual([]);
    expect(left("tmp").filter((name) => !name.startsWith("u."))).toEqual([]);
  }

  async #watch(child: ChildProcess): Promise<void> {
    const errors: Buffer[] = [];
    child.stderr!.on("data", (chunk: Buffer) => errors.push(chunk));
    readline.createInterface({ input: child.stdout! }).on("line", (line) => this.#note(line));
    await new Promise((resolve) => child.once("close", resolve));
    if (child.signalCode !== "SIGKILL")
      this.failures.push(Buffer.concat(errors).toString() || "a worker ended by itself");
  }

  #note(line: string): void {
    const [what, name, value] = line.split(" ");
    if (!name || !value) return;
    if (what === "set") {
      this.#possible.set(name, [value]);
      this.acknowledged++;
    } else this.#possible.set(name, [...(this.#possible.get(name) ?? ["none"]), value]);
  }

  #next(below: number): number {
    this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0;
    return (this.#seed >>> 8) % below;
  }
}
