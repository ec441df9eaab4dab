/** The commands of a siege: they run in one of two pid namespaces, may be killed, and may not take for ever. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { processesOf } from "../build/killing.js";
import { Agent, type Program, type ProgramEnd } from "./siegeAgents.js";
import type { Dice } from "./siegeModel.js";
import { describe, lockHolders, Trace } from "./siegeTrace.js";

/** NACRE_SIEGE_COMMAND: besieges another nacre than the one of this checkout. */
const CLI = process.env.NACRE_SIEGE_COMMAND ?? fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));

/** How a command ended. */
export interface CommandEnd extends ProgramEnd {
  /** What was killed of it, if anything was. */
  readonly killed?: string | undefined;
}

interface Running {
  readonly who: string;
  readonly what: string;
  readonly agent: Agent;
  readonly program: Program;
  killed?: string;
}

/** Where commands run. */
export class Field {
  readonly top: string;
  readonly store: string;
  readonly trace: Trace;
  readonly failures: string[] = [];
  readonly agents: readonly [Agent, Agent];
  /** Commands that came to an end, by their first word. */
  readonly counts = new Map<string, number>();
  /** What was killed, by name. */
  readonly kills = new Map<string, number>();
  pauses = 0;
  /** The longest time that a command took, in milliseconds, and which one. */
  slowest = { milliseconds: 0, what: "" };
  readonly #limit: number;
  readonly #running = new Set<Running>();
  readonly #env: Readonly<Record<string, string>>;

  /** @param limit milliseconds after which a command counts as stuck */
  constructor(top: string, seed: number, limit: number) {
    this.top = top;
    this.store = join(top, "store");
    this.trace = new Trace(seed);
    this.#limit = limit;
    this.agents = [new Agent("outside"), new Agent("inside")];
    const { PATH = "/usr/sbin:/usr/bin:/sbin:/bin", NACRE_ISOLATION = "namespaces" } = process.env;
    this.#env = { PATH, NACRE_ISOLATION, HOME: top, NO_COLOR: "1" };
  }

  /** Runs one command of nacre on the store. */
  async nacre(who: string, args: readonly string[], agent: Agent): Promise<CommandEnd> {
    const started = Date.now();
    const program = agent.start([process.execPath, CLI, ...args, "--store", this.store], this.#env);
    const running: Running = { who, what: args.join(" ").replaceAll(`${this.top}/`, ""), agent, program };
    this.#running.add(running);
    this.trace.add(who, `begins ${running.what}`);
    const late = new AbortController();
    void sleep(this.#limit, undefined, { signal: late.signal }).then(
      () => this.#stuck(running),
      () => {},
    );
    const end = await program.ended;
    late.abort();
    this.#running.delete(running);
    this.#count(running, Date.now() - started);
    const killed = running.killed ? ` (killed: ${running.killed})` : "";
    const told = end.code === 0 ? "" : `: ${end.output.trim().slice(-400).replaceAll("\n", " | ")}`;
    this.trace.add(who, `ends ${args[0]} ${end.code ?? end.signal}${killed}${told}`);
    return { ...end, killed: running.killed };
  }

  /** Kills something of any command that runs. @returns false if nothing did */
  async killSomething(dice: Dice): Promise<boolean> {
    const candidates = [...this.#running].filter((one) => one.killed === undefined);
    if (candidates.length === 0) return false;
    const victim = dice.one(candidates);
    // From now on nothing is expected of it, whether the kill comes in time or not.
    victim.killed = "nothing";
    const killed = await victim.agent.signal(victim.program, "SIGKILL", dice.number());
    if (killed === "") return false;
    victim.killed = killed;
    this.trace.add(victim.who, `${killed} was killed`);
    this.kills.set(killed, (this.kills.get(killed) ?? 0) + 1);
    return true;
  }

  /** Stops a command for a while, as a busy machine may do at any moment: whatever it was about to do comes late. */
  async pauseSomething(dice: Dice, milliseconds: number): Promise<void> {
    const running = [...this.#running];
    // What is being removed, and what keeps a lock, are moments that others must not see.
    const pruning = running.filter(({ what }) => what.startsWith("prune"));
    const candidates = pruning.length > 0 && dice.below(2) === 0 ? pruning : running;
    if (candidates.length === 0) return;
    const { agent, program, who } = dice.one(candidates);
    if ((await agent.signal(program, "SIGSTOP", 0)) === "") return;
    this.pauses++;
    this.trace.add(who, `is stopped for ${milliseconds} ms`);
    await sleep(milliseconds);
    await agent.signal(program, "SIGCONT", 0);
  }

  fail(who: string, message: string): void {
    this.trace.add(who, `FAILURE ${message}`);
    this.failures.push(`${who}: ${message}`);
  }

  /** Throws if anything has failed. */
  assertUnbroken(): void {
    if (this.failures.length === 0) return;
    throw new Error(`${this.failures.slice(0, 5).join("\n")}\n${this.trace.tell()}`);
  }

  /** Ends everything. @returns processes that are left over */
  async close(): Promise<string[]> {
    for (const one of this.#running) await one.agent.signal(one.program, "SIGKILL", 0);
    for (const agent of this.agents) await agent.close();
    for (let tries = 0; tries < 250 && processesOf(this.store).length > 0; tries++) await sleep(20);
    return processesOf(this.store);
  }

  #stuck(running: Running): void {
    const holders = lockHolders(this.store);
    const processes = processesOf(this.store).map((line) => describe(line.split(":")[0]!));
    const facts = ["locks:", ...holders, "processes:", ...processes].join("\n  ");
    this.fail(running.who, `${running.what} is stuck for ${this.#limit} ms\n  ${facts}`);
    void running.agent.signal(running.program, "SIGKILL", 0);
  }

  #count({ what }: Running, milliseconds: number): void {
    const command = what.split(" ")[0]!;
    this.counts.set(command, (this.counts.get(command) ?? 0) + 1);
    if (milliseconds > this.slowest.milliseconds) this.slowest = { milliseconds, what };
  }
}
