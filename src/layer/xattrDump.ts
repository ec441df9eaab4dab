/**
 * Extended attributes of a whole directory tree, asked for in one process, because Node has no call for them: getfattr,
 * or, where that is missing, GNU tar, whose archive has them all. What they print is read as it comes; only attributes
 * that the caller wants are kept.
 */
import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import type { ByteString } from "../support/bytes.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { GetfattrReader } from "../support/getfattr.js";
import { TarScanner } from "../tar/scan.js";
import { GetfattrLoop } from "./getfattrLoop.js";

/** Attributes of one file by name; both are bytes. */
export type XattrRecord = Readonly<Record<string, ByteString>>;

/** What a tool said. */
export type XattrDump =
  /** By path from the directory, which itself is ""; files without wanted attributes are not in it. */
  | { readonly known: true; readonly values: ReadonlyMap<ByteString, XattrRecord> }
  /** No tool is there, or all failed; `why` is for a message. */
  | { readonly known: false; readonly why: string };

/** How attributes are asked for. */
export interface XattrQuery {
  /** An absolute path; the tools start there, so that no name ever is an argument. */
  readonly dir: string;
  /** Names that are kept. */
  readonly wanted: (name: string) => boolean;
  readonly signal?: AbortSignal | undefined;
  /** For tests: which tools are tried, in this order. */
  readonly tools?: readonly XattrTool[] | undefined;
}

/** A program that tells extended attributes. */
export type XattrTool = "getfattr" | "tar";

/** -R: all below; -P, -h: follow no symlink, tell of the link itself; -d -m -: all names. */
const GETFATTR = ["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "--absolute-names", "."];
const TAR = ["--format=posix", "--xattrs", "--xattrs-include=*", "-cf", "-", "."];

/**
 * Reads the attributes of a directory and all below it. No symlink is followed.
 * @throws NacreError CANCELLED
 */
export async function dumpXattrs(query: XattrQuery): Promise<XattrDump> {
  const reasons: string[] = [];
  for (const tool of query.tools ?? (["getfattr", "tar"] as const)) {
    const collected = new Collected(query.wanted);
    const why = tool === "getfattr" ? await viaGetfattr(query, collected) : await viaTar(query, collected);
    if (query.signal?.aborted) throw new NacreError("CANCELLED", "the build was cancelled");
    if (why === undefined) return { known: true, values: collected.values };
    reasons.push(why);
  }
  return { known: false, why: reasons.join(", ") };
}

class Collected {
  readonly values = new Map<ByteString, Record<string, ByteString>>();
  readonly #wanted: (name: string) => boolean;

  constructor(wanted: (name: string) => boolean) {
    this.#wanted = wanted;
  }

  take(path: ByteString, name: string, value: ByteString): void {
    if (!this.#wanted(name)) return;
    let record = this.values.get(path);
    if (record === undefined) this.values.set(path, (record = {}));
    // A plain assignment to __proto__ would not make an attribute of that name.
    Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
  }
}

/** Most trees that are asked for are those of small steps. */
const loop = new GetfattrLoop(GETFATTR);

/** @returns why it failed, or undefined */
async function viaGetfattr(query: XattrQuery, collected: Collected): Promise<string | undefined> {
  const reader = new GetfattrReader((path, name, value) => collected.take(belowDot(path), name, value));
  const answer = query.tools === undefined ? await loop.ask(query.dir, query.signal) : undefined;
  if (answer !== undefined) {
    reader.write(answer);
    reader.end();
    return undefined;
  }
  return runTool("getfattr", GETFATTR, query, async (output) => {
    for await (const chunk of output) reader.write(chunk as Buffer);
    reader.end();
  });
}

/** The archive's contents pass unseen. Of several names of an inode only the first has its attributes. */
async function viaTar(query: XattrQuery, collected: Collected): Promise<string | undefined> {
  const scanner = new TarScanner(
    {
      entry: (entry) => {
        const path = belowDot(entry.path);
        if (entry.type === "hardlink") {
          const first = collected.values.get(belowDot(entry.link ?? ""));
          if (first !== undefined) collected.values.set(path, first);
        }
        for (const [name, value] of Object.entries(entry.xattrs ?? {})) {
          collected.take(path, plainKey(name), value);
        }
      },
    },
    { entries: Infinity, depth: Infinity, contentSize: Infinity, holeSize: Infinity },
  );
  return runTool("tar", TAR, query, async (output) => {
    for await (const chunk of output) scanner.write(chunk as Buffer);
    scanner.end();
  });
}

/** The keys of PAX records have no = in them: GNU tar writes it, and so the sign that it uses for that, in hex. */
const plainKey = (name: string) => name.replaceAll("%3D", "=").replaceAll("%25", "%");

const belowDot = (path: ByteString): ByteString => (path === "." ? "" : path.startsWith("./") ? path.slice(2) : path);

/** Runs a tool in the directory and reads what it prints. @returns why it failed, or undefined */
async function runTool(
  tool: XattrTool,
  args: readonly string[],
  query: XattrQuery,
  read: (output: Readable) => Promise<void>,
): Promise<string | undefined> {
  const { spawn } = await import("node:child_process");
  const env = { PATH: process.env.PATH ?? "", LC_ALL: "C" };
  const child = spawn(tool, args, { cwd: query.dir, env, stdio: ["ignore", "pipe", "ignore"], signal: query.signal });
  const ended = endOf(child);
  try {
    await read(child.stdout);
  } catch (error) {
    child.kill("SIGKILL");
    await ended;
    return isNacreError(error) ? `${tool} printed what cannot be read: ${error.message}` : `${tool} failed`;
  }
  const code = await ended;
  if (code === 0) return undefined;
  return code === "missing" ? `${tool} is not installed` : `${tool} failed (${code})`;
}

function endOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.on("error", (error) => resolve("code" in error && error.code === "ENOENT" ? "missing" : "not started"));
    child.on("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
}
