/**
 * Pulls and pushes over connections that break at random, and what must be true after each: it is done, or it has failed
 * clean. What travels is counted at the proxy, so that it shows whether what was there before a cut travels once more.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { loadImages } from "../../src/archive/loadImages.js";
import type { Descriptor, Manifest } from "../../src/oci/documents.js";
import { parsePlatform } from "../../src/oci/platform.js";
import { pushToRegistries } from "../../src/output/transfers.js";
import { pullFromRegistry } from "../../src/registry/pullFromRegistry.js";
import { checkStore } from "../../src/store/check.js";
import { listSources } from "../../src/store/sources.js";
import { Store } from "../../src/store/store.js";
import { isNacreError } from "../../src/support/errors.js";
import { putImage as putIntoStore, tempDir } from "../archive/images.js";
import { cuttingProxy, HARMLESS, type Passed, type ProxyPlan, randomPlan } from "./servers/cuttingProxy.js";
import { startRegistry, type TestRegistry } from "./servers/dockerRegistry.js";
import { faultyRegistry } from "./servers/faultyRegistry.js";
import {
  ask,
  makeImage,
  makeIndex,
  noiseLayer,
  putImage,
  type Target,
  type TestImage,
  writeLayout,
} from "./servers/images.js";

/** What came of many transfers. A journey is one image brought to its end, by as many transfers as that takes. */
export interface Tally {
  transfers: number;
  finished: number;
  failed: number;
  /** Connections that were cut. */
  cuts: number;
  readonly pull: Reuse;
  readonly push: Reuse;
}

/**
 * Bytes that had travelled before the last cut of a journey, and bytes that travelled once more. Pushes are counted with
 * a registry that keeps what came of a request that broke off; docker-registry gives up the whole upload then.
 */
interface Reuse {
  before: number;
  again: number;
}

/** An image that is pulled, or pushed. */
interface Cargo {
  readonly way: "pull" | "push";
  /** From or to the real registry, or to one of this process. */
  readonly registry: "docker" | "keeping";
  readonly name: string;
  /** All platforms. */
  readonly all: boolean;
  /** What the registry has, or is to have, under the tag. */
  readonly digest: string;
  /** Bytes that travel when nothing happens. */
  readonly clean: Passed;
}

const PLATFORM = parsePlatform("linux/amd64");
const LIMITS = { attempts: 4, backoff: 1 };
/** Transfers after which a journey counts as endless. */
const MOST_TRANSFERS = 60;
/** Positions of mischief are below this, so that most journeys meet some. */
const WITHIN = 6 << 20;
const BREAKING = ["cut", "delay"] as const;
/**
 * Half of the journeys meet these too, and are not counted: a reset takes along what the other side has not read yet, so
 * it was never there; and where bytes are wrong nobody can tell which ones, so the whole blob has to travel again.
 */
const VICIOUS = [...BREAKING, "reset", "duplicate", "flip"] as const;
const FAILURES = /^(?:NETWORK|CONTENT_INVALID|COMPRESSION|TAR_INVALID|DENIED|IMAGE_NOT_FOUND|LIMIT_EXCEEDED)$/;

/**
 * Makes so many pulls and pushes.
 * @param seed the same seed gives the same mischief
 */
export async function runTransfers(count: number, seed: number): Promise<Tally> {
  const [world, tally] = [await TransferWorld.make(), newTally()];
  for (let nth = 0; tally.transfers < count; nth++) {
    const isVicious = nth % 2 === 1;
    const does = isVicious ? VICIOUS : BREAKING;
    const plan = randomPlan(seed * 10_007 + nth, { chance: 0.7, within: WITHIN, does });
    try {
      await world.journey(nth, plan, isVicious, tally);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`journey ${nth}, seed ${seed}: ${message}`, { cause: error });
    }
  }
  return tally;
}

/** Each kind of transfer that is counted once, over connections to which one thing happens. */
export async function runJourneys(plan: ProxyPlan): Promise<Tally> {
  const [world, tally] = [await TransferWorld.make(), newTally()];
  for (const [nth, cargo] of world.cargos.entries()) {
    if (isCounted(cargo)) await world.journey(nth, plan, false, tally);
  }
  return tally;
}

function newTally(): Tally {
  return {
    ...{ transfers: 0, finished: 0, failed: 0, cuts: 0 },
    ...{ pull: { before: 0, again: 0 }, push: { before: 0, again: 0 } },
  };
}

function isCounted({ way, registry }: Cargo): boolean {
  return way === "pull" || registry === "keeping";
}

/** Share of what was there before a cut that did not travel again. */
export function reusedOf({ before, again }: Reuse): number {
  return before === 0 ? 1 : 1 - again / before;
}

/** A registry that something is pushed to. */
interface Goal extends Target {
  /** True if it was asked to set the tag. */
  isTold(repository: string): boolean;
}

/** A real registry with images, and a store with images. */
class TransferWorld {
  readonly #registry: TestRegistry;
  /** Where the store is out of which images are pushed. */
  readonly #place: string;
  readonly cargos: readonly Cargo[];

  private constructor(registry: TestRegistry, place: string, cargos: readonly Cargo[]) {
    this.#registry = registry;
    this.#place = place;
    this.cargos = cargos;
  }

  static async make(): Promise<TransferWorld> {
    const [registry, place] = [await startRegistry(), join(tempDir(), "store")];
    const store = await Store.open(place);
    const cargos: Cargo[] = [];
    for (const [name, image] of Object.entries(images())) {
      await putImage(image, registry, name, "1");
      const { digest } = image.descriptor;
      cargos.push({ ...{ way: "pull", registry: "docker", name }, all: name === "index", digest, clean: NONE });
      const tags = [`from/${name}:1`];
      // What has Docker's types cannot lie in an OCI layout, from where it is loaded.
      if (name !== "docker") await loadImages(store, writeLayout(image), { tags, allPlatforms: true });
    }
    const built = await putIntoStore(store, [noiseLayer(6 << 20, "built"), noiseLayer(90_000, "more")]);
    await store.setReferences([{ name: "docker.io/from/built:1", descriptor: built }]);
    for (const registry of ["docker", "keeping", "keeping"] as const) {
      for (const name of ["gzip", "zstd", "index", "built"]) {
        cargos.push({ ...{ way: "push", registry, name }, all: false, digest: "", clean: NONE });
      }
    }
    // A number that no other cycle has a part of: each meets all kinds of mischief.
    cargos.pop();
    await store.close();
    return new TransferWorld(registry, place, await measured(registry, place, cargos));
  }

  /** Brings one image to its end. */
  async journey(nth: number, plan: ProxyPlan, isVicious: boolean, tally: Tally): Promise<void> {
    const cargo = this.cargos[nth % this.cargos.length]!;
    const goal = await this.#goal(cargo);
    const proxy = await cuttingProxy(goal.host, plan);
    const place = cargo.way === "push" ? this.#place : join(tempDir(), "store");
    const repository = `pushed/journey-${nth}`;
    let isDone = false;
    for (let turn = 0; !isDone; turn++) {
      expect(turn, "transfers of one image").toBeLessThan(MOST_TRANSFERS);
      isDone = await transfer(cargo, { host: proxy.host, place, repository }).then(() => true, failedClean);
      tally.transfers++;
      tally[isDone ? "finished" : "failed"]++;
      if (cargo.way === "pull") await this.#assertPulled(cargo, place, isDone);
      else await this.#assertPushed(cargo, goal, repository, isDone);
    }
    await Promise.all([proxy.stop(), goal.stop()]);
    if (cargo.way === "pull") rmSync(place, { recursive: true });
    const cuts = proxy.happened.filter(({ does }) => does === "cut" || does === "reset");
    tally.cuts += cuts.length;
    const direction = cargo.way === "pull" ? "down" : "up";
    const last = cuts.at(-1);
    if (isVicious || !isCounted(cargo) || last === undefined) return;
    const reuse = tally[cargo.way];
    reuse.before += Math.min(last.passed[direction], cargo.clean[direction]);
    reuse.again += Math.max(0, proxy.passed[direction] - cargo.clean[direction]);
  }

  async #goal({ registry }: Cargo): Promise<Goal & { stop(): Promise<void> }> {
    const { host, url } = this.#registry;
    if (registry === "docker") {
      const isTold = (name: string): boolean => this.#registry.log().includes(`"PUT /v2/${name}/manifests/1 `);
      return { host, url, isTold, stop: async () => {} };
    }
    return keepingRegistry();
  }

  async #assertPulled({ digest, all }: Cargo, place: string, isDone: boolean): Promise<void> {
    const store = await Store.open(place);
    try {
      const names = store.listReferences();
      expect(names).toHaveLength(isDone ? 1 : 0);
      for (const { descriptor } of names) expect(store.flawsOf(descriptor)).toEqual([]);
      if (isDone && all) expect(names[0]?.descriptor.digest).toBe(digest);
      // What is kept is kept to go on with: nothing, once all is there.
      expect(listSources(store).every(({ kind }) => kind === "layer")).toBe(true);
      if (isDone) expect(listSources(store)).toEqual([]);
      await assertSound(store);
    } finally {
      await store.close();
    }
  }

  async #assertPushed({ digest }: Cargo, goal: Goal, repository: string, isDone: boolean): Promise<void> {
    const store = await Store.open(this.#place);
    await assertSound(store).finally(() => store.close());
    const answer = await ask(goal, "GET", `/v2/${repository}/manifests/1`, undefined, ACCEPT);
    if (!isDone && answer.status === 404) return;
    // The tag goes last: where it is, only the registry's answer was lost, and all of the image must be there.
    expect(goal.isTold(repository)).toBe(true);
    expect([answer.status, answer.headers["docker-content-digest"]]).toEqual([200, digest]);
    await assertWhole(goal, repository, JSON.parse(answer.body.toString()) as PushedDocument);
  }
}

/** A registry that keeps what came of a chunk that broke off, as the specification's status request means it. */
async function keepingRegistry(): Promise<Goal & { stop(): Promise<void> }> {
  const { host, url, requests, stop } = await faultyRegistry();
  const isTold = (name: string): boolean =>
    requests.some(({ operation, path }) => operation === "manifest.put" && path === `/v2/${name}/manifests/1`);
  return { host, url, isTold, stop };
}

async function assertWhole(goal: Goal, repository: string, document: PushedDocument): Promise<void> {
  const { manifests = [], config, layers = [] } = document;
  for (const child of manifests) {
    const answer = await ask(goal, "GET", `/v2/${repository}/manifests/${child.digest}`, undefined, ACCEPT);
    expect([answer.status, answer.body.length]).toEqual([200, child.size]);
    await assertWhole(goal, repository, JSON.parse(answer.body.toString()) as PushedDocument);
  }
  for (const { digest, size } of [...(config ? [config] : []), ...layers]) {
    const { status, headers } = await ask(goal, "HEAD", `/v2/${repository}/blobs/${digest}`);
    expect([digest, status, headers["content-length"]]).toEqual([digest, 200, String(size)]);
  }
}

type PushedDocument = Partial<Manifest> & { readonly manifests?: readonly Descriptor[] };

const NONE: Passed = { up: 0, down: 0 };
const ACCEPT = {
  accept: ["index.v1", "manifest.v1"].map((type) => `application/vnd.oci.image.${type}+json`).join(", "),
};

/** Small and big layers, in all forms. */
function images(): Readonly<Record<"gzip" | "zstd" | "docker" | "index", TestImage>> {
  const arm = { config: { architecture: "arm64" } };
  return {
    gzip: makeImage({ layers: [noiseLayer(5 << 20, "g"), noiseLayer(1 << 20, "h"), noiseLayer(1000, "i")] }),
    zstd: makeImage({ layers: [noiseLayer(5 << 20, "z"), noiseLayer(2 << 20, "y")], compression: "zstd" }),
    docker: makeImage({ layers: [noiseLayer(4 << 20, "d")], docker: true }),
    index: makeIndex([
      makeImage({ layers: [noiseLayer(5 << 20, "a")], ...arm }),
      makeImage({ layers: [noiseLayer(3 << 20, "x")] }),
    ]),
  };
}

interface Way {
  readonly host: string;
  /** Where the store is. */
  readonly place: string;
  /** Of pushes. */
  readonly repository: string;
}

async function transfer({ way, name, all }: Cargo, { host, place, repository }: Way): Promise<string> {
  const request = { env: {}, limits: LIMITS };
  const store = await Store.open(place);
  try {
    if (way === "push") {
      const names = [`${host}/${repository}:1`];
      return (await pushToRegistries(store, `from/${name}:1`, names, { ...request, jobs: 1 }))[0]!.digest;
    }
    const options = { ...request, platform: PLATFORM, allPlatforms: all };
    return (await pullFromRegistry(store, `${host}/${name}:1`, options)).descriptor.digest;
  } finally {
    await store.close();
  }
}

/** False; throws what no user should ever see. */
function failedClean(error: unknown): false {
  if (isNacreError(error) && FAILURES.test(error.code)) return false;
  throw error;
}

async function assertSound(store: Store): Promise<void> {
  expect((await checkStore(store)).problems).toEqual([]);
  for (const folder of ["tmp", "leases"]) {
    const path = join(store.path, folder);
    expect(existsSync(path) ? readdirSync(path) : [], folder).toEqual([]);
  }
}

/** Each once without mischief: what travels then is what has to. */
async function measured(registry: TestRegistry, place: string, cargos: readonly Cargo[]): Promise<Cargo[]> {
  const found: Cargo[] = [];
  for (const cargo of cargos) {
    const goal = cargo.registry === "docker" ? undefined : await keepingRegistry();
    const proxy = await cuttingProxy(goal?.host ?? registry.host, HARMLESS);
    const at = cargo.way === "push" ? place : join(tempDir(), "store");
    const way = { host: proxy.host, place: at, repository: `clean/${cargo.name}` };
    const digest = await transfer(cargo, way);
    if (cargo.way === "pull") expect(digest).toBe(cargo.digest);
    found.push({ ...cargo, digest, clean: { ...proxy.passed } });
    await Promise.all([proxy.stop(), goal?.stop()]);
  }
  return found;
}
