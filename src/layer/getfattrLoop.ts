/**
 * A getfattr that is started by a shell which waits: to start a program from a shell of a few pages takes a third of what it
 * takes from Node, and the steps of a build ask one after the other. The shell ends with this process, whatever ends that.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";

/** For each directory that it reads: what getfattr prints, and a line that getfattr never prints. */
const LOOP = `
while read -r dir; do
  (cd -P "$dir" && exec getfattr "$@" 2>/dev/null)
  echo "# end $?"
done
`;
/** More than this is read in pieces, by a getfattr of its own. */
const MAX_ANSWER = 16 << 20;
const END = /(?:^|\n)# end ([0-9]{1,3})\n$/;

type Shell = ChildProcessByStdio<Writable, Readable, null>;

/** Asks one question at a time. */
export class GetfattrLoop {
  readonly #args: readonly string[];
  #shell: Shell | undefined;
  #isBusy = false;

  /** @param args of getfattr */
  constructor(args: readonly string[]) {
    this.#args = args;
  }

  /**
   * What getfattr prints in a directory.
   * @returns undefined where it cannot be asked this way now, or fails: then it is to be started by itself
   */
  async ask(dir: string, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    // A name that is cut, or read otherwise, would lead elsewhere.
    if (this.#isBusy || !/^\/[\x20-\x7e]*$/.test(dir) || /\s$|\\/.test(dir)) return undefined;
    this.#isBusy = true;
    const shell = this.#open();
    hold(shell, true);
    const stop = (): void => this.#end();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const answer = await answerOf(shell, dir);
      // What has not been read would be taken for the next answer.
      if (answer === "too long") this.#end();
      return answer === "too long" ? undefined : answer;
    } finally {
      signal?.removeEventListener("abort", stop);
      hold(shell, false);
      this.#isBusy = false;
    }
  }

  #open(): Shell {
    if (this.#shell !== undefined) return this.#shell;
    const env = { PATH: process.env.PATH ?? "", LC_ALL: "C" };
    const shell = spawn("sh", ["-c", LOOP, "sh", ...this.#args], { cwd: "/", env, stdio: ["pipe", "pipe", "ignore"] });
    shell.once("error", () => this.#forget(shell));
    shell.once("exit", () => this.#forget(shell));
    shell.stdin.on("error", () => this.#forget(shell));
    this.#shell = shell;
    return shell;
  }

  #end(): void {
    this.#shell?.kill("SIGKILL");
    this.#shell = undefined;
  }

  #forget(shell: Shell): void {
    if (this.#shell === shell) this.#shell = undefined;
  }
}

/** While nothing is asked, the shell keeps no one from ending. */
function hold(shell: Shell, isAsked: boolean): void {
  for (const one of [shell, shell.stdin as unknown as Socket, shell.stdout as unknown as Socket]) {
    if (isAsked) one.ref();
    else one.unref();
  }
}

function answerOf(shell: Shell, dir: string): Promise<Buffer | "too long" | undefined> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const settle = (answer: Buffer | "too long" | undefined): void => {
      shell.stdout.off("data", read);
      shell.off("close", gone);
      shell.off("error", gone);
      resolve(answer);
    };
    const gone = (): void => settle(undefined);
    const read = (piece: Buffer): void => {
      pieces.push(piece);
      length += piece.length;
      const last = pieces.length > 1 ? Buffer.concat(pieces.slice(-2)) : piece;
      const end = END.exec(last.subarray(-16).toString("latin1"));
      if (length > MAX_ANSWER) settle("too long");
      else if (end !== null) settle(end[1] === "0" ? withoutEnd(Buffer.concat(pieces)) : undefined);
    };
    shell.stdout.on("data", read);
    shell.once("close", gone);
    shell.once("error", gone);
    shell.stdin.write(`${dir}\n`);
  });
}

function withoutEnd(answer: Buffer): Buffer {
  return answer.subarray(0, answer.length - "# end 0\n".length);
}
