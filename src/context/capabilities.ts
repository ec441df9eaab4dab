/**
 * File capabilities (the xattr security.capability) of context files. Node has no call for xattrs, so one run of
 * getfattr asks for all files that the stat cache does not know: 80,000 files take 0.2 s on another core.
 */

import type { ByteString } from "../support/bytes.js";
import { GetfattrReader } from "../support/getfattr.js";
import type { DiskRoot } from "./fileSystem.js";
import { diskPath } from "./fileSystem.js";

/** Name of the one xattr that reaches layers. */
export const CAPABILITY = "security.capability";

/** -h: never follow a symlink; -d -m: say nothing of files without the attribute. */
const COMMAND = ["-0", "getfattr", "-h", "-d", "-m", "^security\\.capability$", "-e", "hex", "--"] as const;

/** How long an argument list xargs may build: well below the kernel's 2 MiB. */
const XARGS_BYTES = "1000000";

/** What getfattr said. */
export type CapabilityAnswer =
  | { readonly known: true; readonly values: ReadonlyMap<ByteString, ByteString> }
  /** The tool is not there, or failed; `why` is for a warning. */
  | { readonly known: false; readonly why: string };

/**
 * Asks for the capabilities of files.
 * @param paths relative to the root, as bytes: they travel through a pipe, since arguments of Node's spawn are UTF-8
 * @param command for tests: what to run in place of xargs
 * @returns values of the files that have one
 */
export async function readCapabilities(
  root: DiskRoot,
  paths: readonly ByteString[],
  signal?: AbortSignal,
  command = "xargs",
): Promise<CapabilityAnswer> {
  // Other systems have no such attribute.
  if (paths.length === 0 || process.platform !== "linux") return { known: true, values: new Map() };
  const cwd = diskPath(root, "");
  // A working directory that is no UTF-8 cannot be given to spawn; its files then get absolute names.
  const names =
    typeof cwd === "string" ? paths.map((path) => `./${path}`) : paths.map((path) => `${root.prefix}/${path}`);
  const input = Buffer.from(`${names.join("\0")}\0`, "latin1");
  const args = ["-s", XARGS_BYTES, ...COMMAND.slice(0, -1), "--absolute-names", "--"];
  const run = await collect(command, args, typeof cwd === "string" ? cwd : "/", input, signal);
  if (!run.ran) return { known: false, why: run.why };
  const strip = typeof cwd === "string" ? 2 : root.prefix.length + 1;
  const values = new Map<ByteString, ByteString>();
  for (const [name, value] of parseGetfattr(run.output)) values.set(name.slice(strip), value);
  return { known: true, values };
}

/** The capabilities that a dump of getfattr tells of, by path. @throws NacreError CONTENT_INVALID if it is no such dump */
export function parseGetfattr(output: ByteString): Map<ByteString, ByteString> {
  const values = new Map<ByteString, ByteString>();
  const reader = new GetfattrReader((path, name, value) => {
    if (name === CAPABILITY) values.set(path, value);
  });
  reader.write(Buffer.from(output, "latin1"));
  reader.end();
  return values;
}

type Run = { readonly ran: true; readonly output: ByteString } | { readonly ran: false; readonly why: string };

async function collect(
  command: string,
  args: readonly string[],
  cwd: string,
  input: Buffer,
  signal: AbortSignal | undefined,
): Promise<Run> {
  const { spawn } = await import("node:child_process");
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH ?? "", LC_ALL: "C" };
    const child = spawn(command, args, { cwd, env, stdio: ["pipe", "pipe", "ignore"], ...(signal ? { signal } : {}) });
    const parts: Buffer[] = [];
    child.stdout.on("data", (part: Buffer) => parts.push(part));
    // A child that ends early closes its input: how it ended is what counts.
    child.stdin.on("error", () => {});
    child.on("error", () => resolve({ ran: false, why: `${command} cannot be started` }));
    child.on("close", (code) => {
      // xargs: 127 if getfattr is not there, 126 if it cannot run, 123 if it found fault with some file, such as one
      // that has vanished.
      if (code === 0 || code === 123) resolve({ ran: true, output: Buffer.concat(parts).toString("latin1") });
      else resolve({ ran: false, why: code === 127 ? "getfattr is not installed" : `getfattr failed (${code})` });
    });
    child.stdin.end(input);
  });
}
