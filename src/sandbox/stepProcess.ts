/**
 * A step's process and everything around it: started so that nothing of it outlives nacre, listened to, ended with all
 * that it started. What is run inside is the caller's business; it finds itself in a pid namespace that ends with
 * nacre, with the descriptors that setupScript.ts describes.
 */
import type { ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import type { Readable, Writable } from "node:stream";
import { type Control, parseControl } from "./setupScript.js";
import type { StepCommand, StepStarter } from "./stepStart.js";
import type { RunIo } from "./types.js";

/** How it ended. Nothing of it runs any more. */
export interface StepEnd extends Control {
  /** Why it was killed, if it was. */
  readonly killed: "abort" | "timeout" | undefined;
  /** What was said on descriptor 2. */
  readonly errors: string;
}

/** Bytes of words of failing programs that are kept: the end of them. */
const KEPT = 64 << 10;
/** setTimeout(3) takes no more milliseconds. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;
/** Milliseconds that the first processes get to be ready to be killed. */
const READY_PATIENCE = 2_000;

/**
 * Runs to the end. Output is handed on as it comes; what `onOutput` holds up, holds up the step.
 * @throws the error of spawn(2)
 */
export async function runStepProcess(command: StepCommand, io: RunIo, starter: StepStarter): Promise<StepEnd> {
  const child = starter.start(command, io);
  const control = collect(child.stdio[3] as Readable | null);
  const errors = collect(child.stdio[4] as Readable | null);
  if (io.kind === "log") child.stdout?.on("data", io.onOutput);
  feed((child.stdio as readonly unknown[])[6] as Writable | undefined, command.input ?? []);
  const killer = new Killer(child, control);
  const watch = watchFor(command, killer);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => resolve());
    });
  } finally {
    watch.stop();
  }
  return { ...parseControl(control()), killed: watch.reason(), errors: errors() };
}

/** Ends everything once, for whichever reason comes first. */
function watchFor(command: StepCommand, killer: Killer) {
  let reason: StepEnd["killed"];
  const kill = (why: "abort" | "timeout") => {
    reason ??= why;
    killer.kill();
  };
  const onAbort = () => kill("abort");
  const { signal, timeout } = command;
  const timer =
    timeout === undefined ? undefined : setTimeout(() => kill("timeout"), Math.min(timeout, LONGEST_TIMEOUT));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  return {
    reason: () => reason,
    stop: () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      killer.stop();
    },
  };
}

/**
 * Kills process 1 of the outer namespace rather than its parent, because the kernel tells that parent (unshare, which then
 * ends too) only when nothing in the namespace runs any more. Until process 1 says that it is ready, the kill waits:
 * before that, it could lose its parent and live on.
 */
class Killer {
  readonly #child: ChildProcess;
  readonly #control: () => string;
  #timer: NodeJS.Timeout | undefined;
  #patience = READY_PATIENCE;

  constructor(child: ChildProcess, control: () => string) {
    this.#child = child;
    this.#control = control;
  }

  kill(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const { ready } = parseControl(this.#control());
    if (ready === undefined && this.#patience > 0) {
      this.#patience -= 10;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.kill(), 10);
      return;
    }
    // A /proc of another pid namespace numbers differently: then its numbers are not for kill(2).
    const first = ready?.parent === this.#child.pid ? ready?.first : undefined;
    if (first === undefined || !isChild(first, this.#child.pid) || !sendKill(first)) this.#child.kill("SIGKILL");
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function isChild(pid: number, parent: number | undefined): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
  } catch {
    return false;
  }
}

function sendKill(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}

function feed(stream: Writable | undefined, parts: readonly Buffer[]): void {
  // Whoever reads may end before everything is read; its exit says why.
  stream?.on("error", () => {});
  for (const part of parts) stream?.write(part);
  stream?.end();
}

/** The end of a text that comes in, as far as it has come. */
function collect(stream: Readable | null): () => string {
  let text = "";
  stream?.on("error", () => {});
  stream?.setEncoding("latin1").on("data", (chunk: string) => {
    text = (text + chunk).slice(-KEPT);
  });
  return () => Buffer.from(text, "latin1").toString("utf8");
}
