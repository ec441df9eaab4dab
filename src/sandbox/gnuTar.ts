/**
 * Unpacking with GNU tar: the hand that sets owners, attributes and device nodes, which Node cannot. It is fed with
 * members whose paths nacre has made itself, into a directory that was empty, so that no member can lead out of it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { UnpackEntry } from "../layer/unpack.js";
import { NacreError } from "../support/errors.js";

const MAX_STDERR = 16 << 10;

const OPTIONS = [
  "--extract",
  "--file=-",
  "--preserve-permissions",
  "--same-owner",
  "--numeric-owner",
  "--xattrs",
  "--xattrs-include=*",
  // Directories get their times and modes when nothing comes into them any more.
  "--delay-directory-restore",
  // Targets of symlinks are left as they are. All names are relative, without `..`.
  "--absolute-names",
  // What is older than 1970 or newer than now is no reason to say anything.
  "--warning=no-timestamp",
  // Records of 256 KiB.
  "--blocking-factor=512",
] as const;

let known: Promise<boolean> | undefined;

/** How something is unpacked. */
export interface UnpackRun {
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes have gone to tar since it was told last. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Unpacks members into an empty directory.
 * @throws NacreError TOOL_MISSING without GNU tar; DISK_FULL; ISOLATION if an owner cannot be given to a file here;
 *   CONTENT_INVALID; STORE with the words of tar; CANCELLED
 */
export async function unpackWithTar(directory: string, entries: Iterable<UnpackEntry>, run: UnpackRun): Promise<void> {
  if (run.signal?.aborted) throw cancelled();
  await requireGnuTar();
  const { writeUnpackTar } = await import("../layer/unpackTar.js");
  const child = spawn("tar", [...OPTIONS, `--directory=${directory}`], {
    stdio: ["pipe", "ignore", "pipe"],
    env: toolEnvironment(),
  });
  const ended = endOf(child);
  const kill = () => void child.kill("SIGKILL");
  run.signal?.addEventListener("abort", kill, { once: true });
  try {
    await feed(child, ended, () => writeUnpackTar(entries, (bytes) => write(child, bytes), run.onProgress));
  } catch (error) {
    if (run.signal?.aborted) throw cancelled();
    throw error;
  } finally {
    run.signal?.removeEventListener("abort", kill);
    kill();
    await ended;
  }
}

/** Only what a tool needs; `TAR_OPTIONS` and its like must not reach it. */
function toolEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
}

/** What tar says in the end is worth more than that its pipe was closed. */
async function feed(child: ChildProcess, ended: Promise<Ending>, work: () => Promise<void>): Promise<void> {
  let failure: unknown;
  try {
    await work();
    child.stdin!.end();
  } catch (error) {
    if (!isPipeError(error)) throw error;
    failure = error;
  }
  const { code, signal, stderr } = await ended;
  if (failure === undefined && code === 0) return;
  throw tarError(stderr, signal ?? `exit code ${code}`, failure);
}

function write(child: ChildProcess, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdin!.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

function endOf(child: ChildProcess): Promise<Ending> {
  const chunks: Buffer[] = [];
  let size = 0;
  child.stderr!.on("data", (chunk: Buffer) => {
    if (size < MAX_STDERR) chunks.push(chunk);
    size += chunk.length;
  });
  // Every failure of the pipe reaches the write that met it.
  child.stdin!.on("error", () => {});
  return new Promise((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null) =>
      resolve({ code, signal, stderr: Buffer.concat(chunks).toString("latin1") });
    child.once("error", () => end(null, null));
    child.once("close", end);
  });
}

function isPipeError(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return ["EPIPE", "ERR_STREAM_DESTROYED", "ECONNRESET", "ERR_STREAM_WRITE_AFTER_END"].includes(String(code));
}

function tarError(stderr: string, how: string, cause: unknown): NacreError {
  const line = stderr.split("\n").find((text) => text !== "" && !text.includes("Exiting with failure")) ?? how;
  const said = line.replace(/^[^ ]*tar: /, "");
  // A write that the disk cuts short fails without a reason.
  if (/No space left on device|Disk quota exceeded|: Wrote only \d+ of \d+ bytes/.test(stderr)) {
    return new NacreError("DISK_FULL", "no space left while a layer was unpacked for RUN", {
      hint: "free some space, or shrink the store with: nacre prune",
      cause,
    });
  }
  if (/Cannot change ownership|Cannot set .*owner/.test(stderr)) {
    return new NacreError("ISOLATION", `a file of a layer has an owner that does not exist here: ${said}`, {
      hint: "give the user more ids in /etc/subuid and /etc/subgid, or build as root",
      cause,
    });
  }
  if (/File name too long/.test(stderr)) {
    return new NacreError("CONTENT_INVALID", `a layer has a name that this file system cannot hold: ${said}`, {
      cause,
    });
  }
  return new NacreError("STORE", `unpacking a layer failed: ${said}`, {
    hint: "look at the disk and the permissions of the store",
    cause,
  });
}

/** @throws NacreError TOOL_MISSING: other tars keep no attributes */
async function requireGnuTar(): Promise<void> {
  known ??= isGnuTar();
  if (await known) return;
  known = undefined;
  throw new NacreError("TOOL_MISSING", "GNU tar is needed to unpack layers for RUN, and is not on PATH", {
    hint: "install it; Debian and Alpine have it in the package tar",
  });
}

function isGnuTar(): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn("tar", ["--version"], { stdio: ["ignore", "pipe", "ignore"], env: toolEnvironment() });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => void chunks.push(chunk));
    child.once("error", () => resolve(false));
    child.once("close", () => resolve(Buffer.concat(chunks).includes("GNU tar")));
  });
}

function cancelled(): NacreError {
  return new NacreError("CANCELLED", "stopped while layers were unpacked");
}
