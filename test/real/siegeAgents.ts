/** Two places from which a siege starts its programs: this pid namespace, and one of its own below it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { requireTool } from "../setup/tools.js";

const AGENT = fileURLToPath(new URL("siegeAgent.js", import.meta.url));
/** The shell is process 1 of the namespace: it waits for orphans, which Node does not. */
const INIT = 'exec 3<&0; "$0" "$1" <&3 & wait $!';

/** How a program ended. */
export interface ProgramEnd {
  /** Exit code, or null after a signal. */
  readonly code: number | null;
  readonly signal: string | null;
  /** The end of what it wrote to standard output and error. */
  readonly output: string;
}

/** A program that was started. */
export interface Program {
  readonly id: number;
  readonly ended: Promise<ProgramEnd>;
}

/** Starts, stops and kills programs in one pid namespace. */
export class Agent {
  readonly place: "outside" | "inside";
  readonly #process: ChildProcess;
  readonly #ends = new Map<number, (end: ProgramEnd) => void>();
  readonly #hits = new Map<number, (hit: string) => void>();
  #next = 1;

  constructor(place: "outside" | "inside") {
    this.place = place;
    const node = [process.execPath, AGENT];
    const inner = ["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", INIT, ...node];
    const argv = place === "outside" ? node : [requireTool("unshare"), ...inner];
    this.#process = spawn(argv[0]!, argv.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
    this.#process.stdin!.on("error", () => {});
    createInterface({ input: this.#process.stdout! }).on("line", (line) => this.#hear(line));
    this.#process.on("close", () => {
      const lost = { code: null, signal: "LOST", output: "the agent of the siege has ended" };
      for (const end of this.#ends.values()) end(lost);
      for (const hit of this.#hits.values()) hit("");
    });
  }

  start(argv: readonly string[], env: Readonly<Record<string, string>>): Program {
    const id = this.#next++;
    const ended = new Promise<ProgramEnd>((resolve) => this.#ends.set(id, resolve));
    this.#say({ id, argv, env });
    return { id, ended };
  }

  /**
   * Sends a signal to a process of a program.
   * @param pick a random number; 0 is the program itself
   * @returns what it was; empty if nothing runs any more
   */
  signal(program: Program, signal: NodeJS.Signals, pick: number): Promise<string> {
    const id = this.#next++;
    const hit = new Promise<string>((resolve) => this.#hits.set(id, resolve));
    this.#say({ id, to: program.id, signal, pick });
    return hit;
  }

  /** Ends the place with everything that still runs in it. */
  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const closed = once(this.#process, "close");
    // Below `unshare --kill-child` the whole namespace ends; outside nothing of ours runs any more, or it is a failure.
    this.#process.kill("SIGKILL");
    await closed;
  }

  #say(value: object): void {
    this.#process.stdin!.write(`${JSON.stringify(value)}\n`);
  }

  #hear(line: string): void {
    const { id, hit, ...end } = JSON.parse(line) as ProgramEnd & { readonly id: number; readonly hit?: string };
    if (hit !== undefined) {
      this.#hits.get(id)?.(hit);
      this.#hits.delete(id);
    } else {
      this.#ends.get(id)?.(end);
      this.#ends.delete(id);
    }
  }
}
