/** Podman and containers-storage where no service listens: through their own programs, which are started for it. */
import { execFile, spawn } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { isNacreError, NacreError } from "../support/errors.js";
import type { EngineAddress, EngineVariables } from "./engineAddress.js";

/** Variables that these programs go by. */
const VARIABLES =
  /^(?:PATH|HOME|USER|LOGNAME|TMPDIR|XDG_[A-Z_]+|STORAGE_[A-Z_]+|CONTAINERS_[A-Z_]+|_CONTAINERS_[A-Z_]+)$/;
const MAX_OUTPUT_BYTES = 4 << 20;

/** The podman program, where it is there and its socket is not. */
export function podmanWithoutSocket({ socketPath }: EngineAddress, env: EngineVariables): string | undefined {
  return socketPath !== undefined && existsSync(socketPath) ? undefined : findProgram("podman", env);
}

/**
 * Runs `podman load`.
 * @returns what it printed
 * @throws NacreError OUTPUT, CANCELLED; what the archive throws
 */
export async function loadWithPodman(
  program: string,
  archive: AsyncIterable<Uint8Array>,
  env: EngineVariables,
  signal: AbortSignal | undefined,
): Promise<string> {
  const child = spawn(program, ["load"], { env: environmentOf(env), stdio: ["pipe", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] = (said[name] + text).slice(-MAX_OUTPUT_BYTES);
    });
  }
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  ended.catch(() => {});
  let failure: unknown;
  await pipeline(archive, child.stdin, { ...(signal ? { signal } : {}) }).catch((error: unknown) => {
    failure = error;
    child.kill("SIGKILL");
  });
  const code = await ended;
  if (signal?.aborted) throw new NacreError("CANCELLED", "stopped while an image was loaded into Podman");
  if (isNacreError(failure)) throw failure;
  if (code === 0 && failure === undefined) return said.stdout;
  throw new NacreError("OUTPUT", `podman load failed: ${said.stderr.trim().slice(-500) || `exit code ${code}`}`);
}

/** A directory with an OCI layout that skopeo made, and how it goes away again. */
export interface SavedLayout {
  readonly path: string;
  cleanUp(): Promise<void>;
}

/**
 * Takes an image out of containers-storage.
 * @throws NacreError TOOL_MISSING, IMAGE_NOT_FOUND, CANCELLED
 */
export async function saveFromStorage(
  name: string,
  env: EngineVariables,
  signal: AbortSignal | undefined,
): Promise<SavedLayout> {
  const skopeo = requireSkopeo(env);
  const path = await mkdtemp(join(tmpdir(), "nacre-copy-"));
  const cleanUp = () => rm(path, { recursive: true, force: true });
  try {
    await run(skopeo, ["copy", "--quiet", `containers-storage:${name}`, `oci:${path}:image`], env, signal, name);
    return { path, cleanUp };
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

/**
 * Brings an OCI layout's image, tagged `image`, into containers-storage.
 * @throws NacreError TOOL_MISSING, OUTPUT, CANCELLED
 */
export async function loadIntoStorage(
  layout: string,
  name: string,
  env: EngineVariables,
  signal: AbortSignal | undefined,
): Promise<void> {
  const argv = ["copy", "--quiet", "--preserve-digests", `oci:${layout}:image`, `containers-storage:${name}`];
  await run(requireSkopeo(env), argv, env, signal, undefined);
}

async function run(
  program: string,
  argv: readonly string[],
  env: EngineVariables,
  signal: AbortSignal | undefined,
  source: string | undefined,
): Promise<void> {
  try {
    await promisify(execFile)(program, [...argv], {
      ...{ env: environmentOf(env), maxBuffer: MAX_OUTPUT_BYTES },
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw new NacreError("CANCELLED", "stopped while containers-storage was being used");
    const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
    if (source !== undefined && /does not resolve to an image ID|identifier is not an image/.test(said)) {
      throw new NacreError("IMAGE_NOT_FOUND", `containers-storage has no image ${source}`, {
        hint: "see what there is with: podman images",
      });
    }
    throw new NacreError("OUTPUT", `skopeo failed with containers-storage: ${said.slice(-500)}`, { cause: error });
  }
}

function requireSkopeo(env: EngineVariables): string {
  const found = findProgram("skopeo", env);
  if (found !== undefined) return found;
  throw new NacreError("TOOL_MISSING", "containers-storage is read and written by skopeo, which is not installed", {
    hint: "install skopeo",
  });
}

function findProgram(name: string, { PATH = "" }: EngineVariables): string | undefined {
  return PATH.split(delimiter)
    .filter((directory) => directory.startsWith("/"))
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function environmentOf(env: EngineVariables): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => VARIABLES.test(name)));
}
