/**
 * A store under siege: many processes in two pid namespaces build, load, tag, save, remove, list, prune and check in one
 * store at once, for a while, stopped for moments and some of them killed at random. Nothing that has a name may be lost meanwhile, no
 * command may fail without a good reason, none may wait for ever; afterwards everything is whole and nothing left over.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mountsBelow } from "../build/killing.js";
import type { Agent } from "./siegeAgents.js";
import { Field } from "./siegeField.js";
import { Dice, OwnNames } from "./siegeModel.js";
import { type Siege, saveAndVerify, Worker } from "./siegeWorker.js";
import { BASE, baseDockerfile, changeContext, makeContext, makeShared } from "./siegeWorld.js";

/** How a store is besieged. */
export interface SiegeOptions {
  readonly processes: number;
  readonly seconds: number;
  /** Processes that are killed with SIGKILL, spread over the time. */
  readonly kills: number;
  readonly seed: number;
  /** Seconds after which a command counts as stuck. */
  readonly stuckAfter: number;
}

/** What happened. */
export interface SiegeReport {
  /** Commands that came to an end, by name. */
  readonly commands: Readonly<Record<string, number>>;
  /** What was killed, by name; `main` is the command itself. */
  readonly kills: Readonly<Record<string, number>>;
  /** How often a command was stopped for a while. */
  readonly pauses: number;
  readonly slowest: { readonly milliseconds: number; readonly what: string };
}

/** Contents of the images that are loaded from archives. */
const LOADED = ["c1", "c4", "c8"] as const;

/**
 * Besieges a new store.
 * @throws Error that tells what went wrong, with the seed and the end of the trace
 */
export async function besiege(options: SiegeOptions): Promise<SiegeReport> {
  const top = mkdtempSync(join(tmpdir(), "nacre-siege-"));
  const field = new Field(top, options.seed, options.stuckAfter * 1000);
  try {
    const siege = await prepare(field);
    await rage(siege, options);
    await assertSound(siege);
  } finally {
    const left = await field.close();
    if (left.length > 0) field.fail("end", `processes are left over: ${left.join("; ")}`);
    if (process.env.NACRE_SIEGE_KEEP === undefined) rmSync(top, { recursive: true, force: true });
    else console.log(`${top}\n${field.trace.tell()}`);
  }
  field.assertUnbroken();
  const { counts, kills, pauses, slowest } = field;
  return { commands: Object.fromEntries(counts), kills: Object.fromEntries(kills), pauses, slowest };
}

/** A store with the base image, and archives to load. */
async function prepare(field: Field): Promise<Siege> {
  const { top } = field;
  makeShared(top);
  const bases = [1, 2].map((number) => join(top, `base-${number}.tar`));
  const siege = { field, own: new OwnNames(), archives: new Map<string, string>(), bases };
  const context = makeContext(top, "archives");
  for (const [number, base] of bases.entries()) {
    writeFileSync(join(context, "Dockerfile"), baseDockerfile(number));
    await must(field, ["build", "-o", `type=docker,dest=${base}`, context]);
  }
  // As it would come from elsewhere: its layers are compressed.
  await must(field, ["load", bases[0]!, "-t", BASE]);
  for (const content of LOADED) {
    changeContext(top, context, content, "copy", 0);
    for (const type of ["oci", "docker"]) {
      const archive = join(top, `${content}.${type}.tar`);
      await must(field, ["build", "-o", `type=${type},dest=${archive}`, context]);
      siege.archives.set(`${content} ${type}`, archive);
    }
  }
  return siege;
}

async function must(field: Field, args: readonly string[]): Promise<void> {
  const { code, output } = await field.nacre("main", args, field.agents[0]);
  if (code !== 0) field.fail("main", `${args[0]} ended with ${code}: ${output}`);
  field.assertUnbroken();
}

async function rage(siege: Siege, { processes, seconds, kills, seed }: SiegeOptions): Promise<void> {
  const { field } = siege;
  const end = Date.now() + seconds * 1000;
  const isOver = (): boolean => {
    const killed = [...field.kills.values()].reduce((sum, count) => sum + count, 0);
    // A busy machine may need longer for the kills, but not for ever.
    return killed < kills ? Date.now() > end + seconds * 1000 : Date.now() > end;
  };
  const goesOn = (): boolean => !isOver() && field.failures.length === 0;
  const workers = Array.from({ length: processes }, (_, slot) => new Worker(siege, slot, new Dice(seed * 1000 + slot)));
  const work = async (worker: Worker): Promise<void> => {
    while (goesOn()) await worker.act();
  };
  const pauser = async (dice: Dice): Promise<void> => {
    for (; goesOn(); await sleep(dice.below(60))) await field.pauseSomething(dice, 10 + dice.below(300));
  };
  await Promise.all([
    ...workers.map(work),
    ...Array.from({ length: Math.ceil(processes / 8) }, (_, number) => pauser(new Dice(seed * 1000 + 500 + number))),
    killAlong(field, kills, (seconds * 1000) / kills, new Dice(seed), goesOn),
  ]);
  field.assertUnbroken();
}

/** Kills so many, somewhat irregularly. */
async function killAlong(
  field: Field,
  kills: number,
  interval: number,
  dice: Dice,
  goesOn: () => boolean,
): Promise<void> {
  for (let killed = 0; killed < kills && goesOn(); ) {
    await sleep(interval * (0.2 + dice.below(1000) / 800));
    if (await field.killSomething(dice)) killed++;
  }
}

/** Afterwards: every name stands for what it should, the store is sound, and nothing is left over. */
async function assertSound(siege: Siege): Promise<void> {
  const { field, own } = siege;
  const names = [BASE, ...own.names()];
  const verifyAll = async (agent: Agent): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      await saveAndVerify(siege, `end-${agent.place}`, name, agent);
    }
  };
  await Promise.all(field.agents.map(verifyAll));
  field.assertUnbroken();
  await sweep(siege);
  await must(field, ["check", "--quiet"]);
  const left = ["leases", "tombstones", "tmp", "locks"].flatMap((name) => leftIn(field.store, name));
  if (left.length > 0) field.fail("end", `left over in the store: ${left.join(", ")}`);
  const mounts = mountsBelow(field.top);
  if (mounts.length > 0) field.fail("end", `mounts are left over: ${mounts.join(", ")}`);
  field.assertUnbroken();
}

/** A further build and prune in each pid namespace: only there it is certain what of it is dead. */
async function sweep({ field }: Siege): Promise<void> {
  for (const agent of [...field.agents].reverse()) {
    const context = join(field.top, `last-${agent.place}`);
    mkdirSync(context);
    writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
    const { code, output } = await field.nacre("end", ["build", "-t", `siege/last:${agent.place}`, context], agent);
    if (code !== 0) field.fail("end", `the last build ended with ${code}: ${output}`);
    const pruned = await field.nacre("end", ["prune", "-f"], agent);
    if (pruned.code !== 0) field.fail("end", `the last prune ended with ${pruned.code}: ${pruned.output}`);
  }
}

function leftIn(store: string, directory: string): string[] {
  const isLeft = {
    leases: () => true,
    tombstones: () => true,
    // Blobs that are still to be synchronised.
    tmp: (name: string) => !name.startsWith("u."),
    locks: (name: string) => name.includes(".owner"),
  }[directory]!;
  return readdirSync(join(store, directory))
    .filter(isLeft)
    .map((name) => `${directory}/${name}`);
}
