/** What the end of a step means: how its command ended, that it could not be started, or that its root could not be made. */
import { NacreError } from "../support/errors.js";
import type { RunExit } from "./types.js";

/** Most of a program's words that is shown, characters. */
const MAX_WORDS = 500;
/** Bytes of a failed start that are read. */
const MAX_HELD = 64 << 10;

/**
 * Holds back what programs say that fail to start the step's process: they write where the process would have. They go by a
 * name that no one can foresee, so what begins with it is theirs; and as the process never was, there is nothing else.
 */
export class StartWatch {
  readonly #tag: Buffer;
  readonly #onOutput: (chunk: Buffer) => void;
  #held: Buffer | undefined = Buffer.alloc(0);

  /** @param tag what the words begin with */
  constructor(tag: string, onOutput: (chunk: Buffer) => void) {
    this.#tag = Buffer.from(tag);
    this.#onOutput = onOutput;
  }

  /** Output as it comes. */
  readonly push = (chunk: Buffer): void => {
    if (this.#held === undefined) {
      this.#onOutput(chunk);
      return;
    }
    this.#held = Buffer.concat([this.#held, chunk]);
    const common = Math.min(this.#held.length, this.#tag.length);
    const differs = this.#held.compare(this.#tag, 0, common, 0, common) !== 0;
    if (differs || this.#held.length > MAX_HELD) this.release();
  };

  /** Hands on what is held back. */
  release(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined && held.length > 0) this.#onOutput(held);
  }

  /** The words of a failed start without their beginning; undefined if there are none. */
  get words(): string | undefined {
    const held = this.#held;
    if (held === undefined || held.length < this.#tag.length) return undefined;
    return held.subarray(this.#tag.length).toString("utf8").trim();
  }
}

/** A program that could not be executed, in the words of unshare(1). */
export interface ExecFailure {
  /** What was to be executed. */
  readonly program: string;
  readonly code: 126 | 127;
  readonly reason: string;
}

/**
 * Reads what unshare said. In another language than C (a Dockerfile's LANG may have reached it) only the exit code tells
 * what was wrong, and the end of the words, why.
 * @param code of unshare: 127 where there is no such program, 126 where it cannot be executed
 */
export function execFailure(words: string, code: number | undefined, program: string): ExecFailure | undefined {
  if (code !== 126 && code !== 127) return undefined;
  if (!words.includes(program)) return undefined;
  const reason = /: ([^:]+)$/.exec(words)?.[1]?.toLowerCase() ?? "permission denied";
  return { program, code, reason };
}

/** The same for the user, in the words of the runtimes that Docker has. */
export function unstartable(command: string, code: 126 | 127, reason: string): RunExit {
  const missing = command.includes("/") ? "no such file or directory" : "executable file not found in $PATH";
  return {
    kind: "unstartable",
    code,
    message: `exec: ${JSON.stringify(command)}: ${code === 127 ? missing : reason}`,
  };
}

/** What failed while the root was made. */
export interface SetupFailure {
  /** The operation of the setup script; undefined if it was never reached. */
  readonly operation: string | undefined;
  /** Words of the program that failed. */
  readonly words: string;
  /** Mounts that could have failed: where they are, as mount(8) names it, and what to call them. */
  readonly mounts: readonly { readonly path: string; readonly name: string; readonly own: boolean }[];
}

const DOING: Readonly<Record<string, string>> = {
  walk: "a directory or mount point in the root cannot be made",
  root: "the step's root cannot be entered",
  devices: "the device nodes of /dev cannot be made",
  secret: "a secret cannot be written",
  hostname: "the host name cannot be set",
  loopback: "the loopback network cannot be started",
  join: "the control group of the step cannot be joined",
  variable: "a secret environment variable cannot be set",
  start: "the step's process cannot be started",
  move: "the step's root cannot become the root directory",
};

/** The error that says so: MOUNT for mounts of the request, ISOLATION for all else, DISK_FULL. */
export function setupError({ operation, words, mounts }: SetupFailure): NacreError {
  const said = short(words);
  if (/no space left on device|disk quota exceeded/i.test(said)) {
    return new NacreError("DISK_FULL", `no space left while the step's root was made: ${said}`, {
      hint: "free some space, or shrink the store with: nacre prune",
    });
  }
  const failed = operation === "mount" ? mounts.find(({ path }) => words.includes(`mount: ${path}: `)) : undefined;
  if (failed && !failed.own) {
    return new NacreError("MOUNT", `cannot mount ${failed.name}: ${said}`, {
      hint: "check the --mount of this RUN",
      facts: { mount: failed.name },
    });
  }
  const doing = failed ? `cannot mount ${failed.name}` : (DOING[operation ?? ""] ?? "the step's root cannot be made");
  return new NacreError("ISOLATION", said === "" ? doing : `${doing}: ${said}`, {
    hint: "nacre info says which isolation works here",
    facts: { operation },
  });
}

function short(words: string): string {
  return words
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.includes("dmesg(1)") && !line.endsWith(": successfully mounted"))
    .join("; ")
    .slice(0, MAX_WORDS);
}
