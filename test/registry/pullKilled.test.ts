/** `nacre pull`, killed at any moment: what the store has then is sound, and the next one goes on from there. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { checkStore } from "../../src/store/check.js";
import { listSources } from "../../src/store/sources.js";
import { Store } from "../../src/store/store.js";
import { tempDir } from "../archive/images.js";
import { faultyRegistry } from "./servers/faultyRegistry.js";
import { makeImage, noiseLayer } from "./servers/images.js";

const bin = fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));
const KILLS = 10;
/** Milliseconds between the moments at which they come: the whole takes about half a second. */
const STEP = 40;

it("leaves a sound store ten times, and is completed by the next pull with what has come", async () => {
  const image = makeImage({ layers: ["a", "b", "c", "d"].map((seed) => noiseLayer(8 << 20, seed)) });
  const slow = { on: "blob.get", fault: "drip", bytes: 1 << 20, milliseconds: 20 } as const;
  const registry = await faultyRegistry([slow]);
  registry.content.add("app", image, "1");
  const home = join(tempDir(), "store");
  const name = `${registry.host}/app:1`;
  const start = (): ChildProcess => {
    const env = { PATH: process.env.PATH, HOME: home, NACRE_HOME: home };
    const child = spawn(process.execPath, [bin, "pull", name], { env, stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    return child;
  };
  for (let nth = 0; nth < KILLS; nth++) {
    const child = start();
    const ended = once(child, "close");
    await Promise.race([once(child.stdout!, "data"), ended]);
    await Promise.race([sleep(nth * STEP * Math.random() * 2), ended]);
    child.kill("SIGKILL");
    await ended;
    const store = await Store.open(home);
    expect((await checkStore(store)).problems).toEqual([]);
    for (const { descriptor } of store.listReferences()) expect(store.flawsOf(descriptor)).toEqual([]);
    await store.close();
  }
  const last = start();
  last.stdout!.resume();
  expect(await once(last, "close")).toEqual([0, null]);
  const store = await Store.open(home);
  expect(store.resolveReference(name)?.digest).toBe(image.descriptor.digest);
  expect((await checkStore(store)).problems).toEqual([]);
  expect(listSources(store)).toEqual([]);
  await store.close();
  // Whatever came before a kill was not asked for again.
  const blobs = registry.requests.filter(({ operation }) => operation === "blob.get");
  expect(blobs.filter(({ headers }) => headers.range !== undefined).length).toBeGreaterThan(0);
  for (const { digest } of image.layers) {
    const starts = blobs.filter((each) => each.reference === digest).map(({ headers }) => startOf(headers.range));
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
  }
}, 60_000);

function startOf(range: string | undefined): number {
  return Number(/^bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
}
