/** One worker of a siege: it does one random thing after another to the store, and knows what must come of each. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Agent } from "./siegeAgents.js";
import { verifyArchive } from "./siegeArchive.js";
import type { CommandEnd, Field } from "./siegeField.js";
import { type Dice, NOTHING, type OwnNames } from "./siegeModel.js";
import { BASE, CONTENTS, changeContext, makeContext, type Recipe } from "./siegeWorld.js";

/** Names that every worker sets and removes. */
const SHARED = ["siege/shared:1", "siege/shared:2", "siege/shared:3"] as const;
const OWN_NAMES = 3;
const NO_IMAGE = /^ERROR: no image "/m;

const WEIGHTS = {
  build: 30,
  tag: 7,
  share: 7,
  remove: 5,
  removeShared: 4,
  load: 12,
  rebase: 4,
  save: 14,
  saveShared: 6,
  list: 4,
  pruneSize: 14,
  pruneAll: 10,
  check: 2,
};
/** A worker's things to do. */
type Task = keyof typeof WEIGHTS;

/** What all workers share. */
export interface Siege {
  readonly field: Field;
  readonly own: OwnNames;
  /** Archives to load, by the content of the image in them. */
  readonly archives: ReadonlyMap<string, string>;
  /** Archives of the images that the name of the base stands for in turn. */
  readonly bases: readonly string[];
}

/** Does things in one pid namespace, one after the other. */
export class Worker {
  readonly #siege: Siege;
  readonly #slot: number;
  readonly #who: string;
  readonly #dice: Dice;
  readonly #agent: Agent;
  readonly #context: string;

  constructor(siege: Siege, slot: number, dice: Dice) {
    this.#siege = siege;
    this.#slot = slot;
    this.#dice = dice;
    this.#agent = siege.field.agents[slot % 2]!;
    this.#who = `${slot}${this.#agent.place === "inside" ? "i" : "o"}`;
    this.#context = makeContext(siege.field.top, String(slot));
  }

  /** Does one thing. */
  async act(): Promise<void> {
    const task = this.#dice.weighted<Task>(WEIGHTS);
    await this.#tasks[task]();
  }

  readonly #tasks: Readonly<Record<Task, () => Promise<unknown>>> = {
    build: () => this.#build(),
    tag: () => this.#tag(this.#ownName()),
    share: () => this.#tag(this.#dice.one(SHARED)),
    remove: () => this.#remove(),
    removeShared: async () => this.#expect(await this.#nacre("rm", this.#dice.one(SHARED)), NO_IMAGE),
    load: () => this.#load(),
    rebase: async () => this.#expect(await this.#nacre("load", this.#dice.one(this.#siege.bases), "-t", BASE)),
    save: () => saveAndVerify(this.#siege, this.#who, this.#dice.one(this.#siege.own.names()), this.#agent),
    saveShared: () => saveAndVerify(this.#siege, this.#who, this.#dice.one(SHARED), this.#agent),
    list: async () => this.#expect(await this.#nacre("image", "ls", "--format", "json")),
    pruneSize: async () => this.#expect(await this.#nacre("prune", "-f", "--max-size", this.#dice.one(SIZES))),
    pruneAll: async () => this.#expect(await this.#nacre("prune", "-f", "--all")),
    check: async () => this.#expect(await this.#nacre("check", "--quiet")),
  };

  async #build(): Promise<void> {
    const dice = this.#dice;
    const content = dice.one(CONTENTS);
    const recipe = dice.one<Recipe>(["copy", "run", "based", "stages"]);
    changeContext(this.#siege.field.top, this.#context, content, recipe, this.#slot);
    const name = this.#ownName();
    const args = ["build", "--progress=plain", "-t", name, this.#context];
    if (dice.below(8) === 0) args.push("--no-cache");
    if (dice.below(4) === 0) args.push("-t", dice.one(SHARED));
    if (dice.below(6) === 0) args.push("-o", `type=oci,dest=${join(this.#siege.field.top, `out-${this.#slot}.tar`)}`);
    await this.#changing(name, content, args);
  }

  async #load(): Promise<void> {
    const [content, archive] = this.#dice.one([...this.#siege.archives]);
    const name = this.#ownName();
    await this.#changing(name, content.split(" ")[0]!, ["load", archive, "-t", name]);
  }

  /** Gives another name to an image that has one. */
  async #tag(target: string): Promise<void> {
    const { own } = this.#siege;
    const source = this.#ownName();
    const meanings = own.possible(source);
    if (meanings.length > 1 || meanings[0] === NOTHING) return this.#build();
    if (isOwn(target)) await this.#changing(target, meanings[0]!, ["tag", source, target]);
    else this.#expect(await this.#nacre("tag", source, target));
  }

  async #remove(): Promise<void> {
    const name = this.#ownName();
    await this.#changing(name, NOTHING, ["rm", name], NO_IMAGE);
  }

  /** Runs a command that gives one of the worker's own names a new meaning. */
  async #changing(name: string, meaning: string, args: readonly string[], allowed?: RegExp): Promise<void> {
    const { own } = this.#siege;
    const mayBeMissing = own.possible(name).includes(NOTHING);
    own.begin(name, meaning);
    const end = await this.#nacre(...args);
    const isDone = this.#expect(end, mayBeMissing ? allowed : undefined);
    if (isDone || (end.code === 1 && mayBeMissing && allowed?.test(end.output))) own.settle(name, meaning);
  }

  /** A command that nobody killed succeeds, or fails for a reason that is allowed. @returns true if it succeeded */
  #expect(end: CommandEnd, allowed?: RegExp): boolean {
    if (end.code === 0) return true;
    if (end.killed === undefined && !allowed?.test(end.output)) {
      this.#siege.field.fail(this.#who, `ended with ${end.code ?? end.signal}: ${end.output.slice(-3000)}`);
    }
    return false;
  }

  #nacre(...args: string[]): Promise<CommandEnd> {
    return this.#siege.field.nacre(this.#who, args, this.#agent);
  }

  #ownName(): string {
    return `siege/own-${this.#slot}:${this.#dice.below(OWN_NAMES)}`;
  }
}

const SIZES = ["100kB", "3MB", "12MB", "40MB"];

function isOwn(name: string): boolean {
  return name.startsWith("siege/own-");
}

/**
 * Saves an image and verifies every byte of it. It must be what its name meant at some moment meanwhile; not to be there
 * is allowed only where somebody may have removed it.
 */
export async function saveAndVerify(siege: Siege, who: string, name: string | undefined, agent: Agent): Promise<void> {
  if (name === undefined) return;
  const { field, own } = siege;
  const directory = join(field.top, `saved-${who}`);
  const meant = own.watch(name);
  const end = await field.nacre(who, ["save", "--format", "oci-dir", "-o", directory, name], agent);
  const meanings = meant();
  try {
    if (end.code === 0) {
      const content = verifyArchive(directory);
      if (isOwn(name) && !meanings.has(content)) throw new Error(`holds ${content} instead of ${[...meanings]}`);
      if (name === BASE && content !== "base") throw new Error(`holds ${content} instead of the base`);
    } else if (end.killed === undefined) {
      const mayBeMissing = isOwn(name) ? meanings.has(NOTHING) : name !== BASE;
      if (!mayBeMissing || !NO_IMAGE.test(end.output)) throw new Error(`cannot be saved: ${end.output.slice(-2000)}`);
    }
  } catch (error) {
    field.fail(who, `${name}: ${(error as Error).message}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
