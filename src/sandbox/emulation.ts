/**
 * Whether this machine executes the programs of a platform: by itself, through what the kernel knows of (an older kind
 * of the same processor), or through an emulator that is registered with it (binfmt_misc). Nothing is installed or
 * registered here.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPlatform, localPlatform, normalize, type Platform } from "../oci/platform.js";
import { foreignProgram } from "./foreignProgram.js";

/** Where the kernel shows what is registered (Documentation/admin-guide/binfmt-misc.rst). */
export const BINFMT_DIRECTORY = "/proc/sys/fs/binfmt_misc";
/** A file there is some lines long. */
const MAX_ENTRY_BYTES = 4096;
/** Milliseconds for a program that does nothing. */
const PROBE_TIMEOUT = 10_000;

/** A registered interpreter. */
export interface BinfmtEntry {
  readonly name: string;
  /** Absolute path. */
  readonly interpreter: string;
  /** With `F` the kernel has opened it already: it need not be in the image. */
  readonly fixed: boolean;
  readonly offset: number;
  readonly magic: Buffer;
  readonly mask: Buffer;
}

/** What is registered; `readable` is false where the directory shows nothing (not mounted here: much may be registered all the same). */
export interface BinfmtTable {
  readonly readable: boolean;
  readonly entries: readonly BinfmtEntry[];
}

/** Whether programs run. */
export type Emulation =
  | { readonly kind: "native" }
  /** @property interpreter path of the emulator, if it is known */
  | { readonly kind: "emulated"; readonly interpreter?: string | undefined }
  /** Only if the root that they run in has the emulator at that path. */
  | { readonly kind: "needs"; readonly interpreter: string }
  /** It cannot be told without trying. */
  | { readonly kind: "unknown" }
  | { readonly kind: "impossible"; readonly registered: readonly string[] };

/** What a decision is made from; the defaults ask this machine. */
export interface EmulationFacts {
  readonly local: Platform;
  readonly binfmt: BinfmtTable;
  /** Starts a program of the architecture in an empty root: true if it ran, false if the kernel cannot, undefined if that could not be tried. */
  readonly tried: (architecture: string) => Promise<boolean | undefined>;
}

/** Decides for one platform. */
export async function emulationFor(platform: Platform, facts: EmulationFacts = hereAndNow()): Promise<Emulation> {
  const wanted = normalize(platform);
  const local = normalize(facts.local);
  if (wanted.os !== "linux") return { kind: "impossible", registered: [] };
  if (wanted.architecture === local.architecture) return { kind: "native" };
  const matching = facts.binfmt.entries.filter((entry) => matches(entry, wanted.architecture));
  const interpreter = matching.find(({ fixed }) => fixed)?.interpreter;
  const ran = await facts.tried(wanted.architecture);
  if (ran === true) return isCompatible(wanted, local) ? { kind: "native" } : { kind: "emulated", interpreter };
  if (ran === undefined && interpreter !== undefined) return { kind: "emulated", interpreter };
  const [open] = matching.filter(({ fixed }) => !fixed);
  if (open) return { kind: "needs", interpreter: open.interpreter };
  if (ran === undefined && (!facts.binfmt.readable || isCompatible(wanted, local))) return { kind: "unknown" };
  return { kind: "impossible", registered: facts.binfmt.entries.map(({ name }) => name) };
}

/** Older kinds of a processor that it may still execute. */
function isCompatible(wanted: Platform, local: Platform): boolean {
  const older: Readonly<Record<string, string>> = { amd64: "386", arm64: "arm" };
  return older[local.architecture] === wanted.architecture;
}

/** True if the kernel would hand a program of that architecture to the entry's interpreter. */
function matches({ offset, magic, mask }: BinfmtEntry, architecture: string): boolean {
  return ([2, 3] as const).some((type) => {
    const program = foreignProgram(architecture, type)?.subarray(offset, offset + magic.length);
    return (
      program?.length === magic.length && program.every((byte, i) => ((byte ^ magic[i]!) & (mask[i] ?? 255)) === 0)
    );
  });
}

/** Reads what is registered and enabled. Entries that match by file name, and what cannot be understood, are left out. */
export function readBinfmt(directory: string = BINFMT_DIRECTORY): BinfmtTable {
  const status = readEntry(join(directory, "status"));
  if (status === undefined) return { readable: false, entries: [] };
  if (!status.startsWith("enabled")) return { readable: true, entries: [] };
  const names = readdirSync(directory).filter((name) => name !== "status" && name !== "register");
  return {
    readable: true,
    entries: names.sort().flatMap((name) => parseEntry(name, readEntry(join(directory, name)))),
  };
}

function readEntry(path: string): string | undefined {
  try {
    const text = readFileSync(path, "latin1");
    return text.length > MAX_ENTRY_BYTES ? undefined : text;
  } catch {
    return undefined; // Gone since it was listed, or not for us: then it is as if it were not there.
  }
}

function parseEntry(name: string, text: string | undefined): BinfmtEntry[] {
  const lines = text?.split("\n") ?? [];
  const field = (key: string): string | undefined =>
    lines.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1);
  const interpreter = field("interpreter");
  const magic = field("magic");
  if (lines[0] !== "enabled" || !interpreter || !magic || !/^([0-9a-f]{2})+$/.test(magic)) return [];
  const mask = field("mask");
  const bytes = Buffer.from(magic, "hex");
  return [
    {
      name,
      interpreter,
      fixed: (field("flags:") ?? "").includes("F"),
      offset: Number(field("offset") ?? 0) || 0,
      magic: bytes,
      mask: mask && /^([0-9a-f]{2})+$/.test(mask) ? Buffer.from(mask, "hex") : Buffer.alloc(bytes.length, 255),
    },
  ];
}

function hereAndNow(): EmulationFacts {
  return { local: localPlatform(), binfmt: readBinfmt(), tried };
}

/** Tries it, in a root that holds the program alone, as the root of a step does not hold the machine's emulators either. */
async function tried(architecture: string): Promise<boolean | undefined> {
  const program = foreignProgram(architecture);
  if (program === undefined) return undefined;
  const root = mkdtempSync(join(tmpdir(), "nacre-platform-"));
  try {
    writeFileSync(join(root, "program"), program, { mode: 0o755 });
    const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
    return await runs("unshare", [...user, `--root=${root}`, "/program"]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** The last line of unshare tells why it could not start something: no such format, or no such interpreter. */
function runs(program: string, args: readonly string[]): Promise<boolean | undefined> {
  const env = { PATH: process.env.PATH ?? "", LC_ALL: "C" };
  return new Promise((resolve) => {
    execFile(program, args, { env, timeout: PROBE_TIMEOUT, killSignal: "SIGKILL" }, (error, _stdout, stderr) => {
      if (!error) resolve(true);
      else if (/failed to execute .*(Exec format error|No such file or directory)/.test(stderr)) resolve(false);
      else resolve(undefined);
    });
  });
}

/** `arm64 programs cannot be executed here …`: what there is instead, for an error message. */
export function describeMissing(
  platform: Platform,
  { registered }: Extract<Emulation, { kind: "impossible" }>,
): string {
  const here = formatPlatform(localPlatform());
  const list = registered.length === 0 ? "no emulator is registered" : `registered are: ${registered.join(", ")}`;
  return `programs for ${formatPlatform(platform)} cannot be executed on this machine (${here}; ${list})`;
}
