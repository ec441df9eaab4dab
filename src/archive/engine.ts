/**
 * Images into and out of a local engine, over its socket (Docker Engine API, `/images/load` and `/images/NAME/get`, which
 * Podman answers too). An engine is an ordinary reader and writer of archives here: nothing else of it is used.
 */
import type { Dispatcher } from "undici";
import { errnoOf, isNacreError, NacreError } from "../support/errors.js";
import { type Engine, type EngineAddress, type EngineVariables, engineAddress } from "./engineAddress.js";

export type { Engine, EngineVariables } from "./engineAddress.js";

/** What an engine is reached with. */
export interface EngineEnv {
  readonly env: EngineVariables;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes that are read of an engine's answer to loading. */
const MAX_REPORT_BYTES = 4 << 20;
/** Milliseconds for the head of an answer about an image: engines pack on demand. */
const HEADERS_TIMEOUT = 300_000;
const NAMES: Readonly<Record<Engine, string>> = { docker: "Docker", podman: "Podman" };

/**
 * Loads an archive (docker-archive, or OCI where the engine reads that) into an engine. Where Podman has no socket, its
 * program is started.
 * @returns what the engine says it has loaded: names, or ids of images without a name
 * @throws NacreError NETWORK if it cannot be reached; OUTPUT if it refuses; what the archive throws; CANCELLED
 */
export async function loadIntoEngine(
  archive: AsyncIterable<Uint8Array>,
  engine: Engine,
  { env, signal }: EngineEnv,
): Promise<readonly string[]> {
  const address = engineAddress(engine, env);
  if (engine === "podman" && env.CONTAINER_HOST === undefined) {
    const { loadWithPodman, podmanWithoutSocket } = await import("./enginePodman.js");
    const program = podmanWithoutSocket(address, env);
    if (program !== undefined) return loadedNames(await loadWithPodman(program, archive, env, signal));
  }
  let failure: { readonly error: unknown } | undefined;
  const body = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* archive;
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  try {
    const text = await exchange(engine, address, signal, async (client) => {
      const headers = { "content-type": "application/x-tar" };
      const answer = await client.request({
        ...{ origin: address.origin, path: "/images/load?quiet=1", method: "POST", headers },
        // undici takes iterables; its types do not say so.
        body: body() as unknown as null,
        ...{ headersTimeout: 0, bodyTimeout: 0, signal: signal ?? null },
      });
      return readReport(engine, answer);
    });
    return loadedNames(text);
  } catch (error) {
    throw failure === undefined ? error : failure.error;
  }
}

/**
 * An image of an engine as the archive that its `save` gives.
 * @param name as the engine takes it
 * @throws NacreError IMAGE_NOT_FOUND, NETWORK, OUTPUT, CANCELLED
 */
export async function* saveFromEngine(
  name: string,
  engine: Engine,
  { env, signal }: EngineEnv,
): AsyncGenerator<Buffer> {
  const address = engineAddress(engine, env);
  const client = await connect(address);
  try {
    const path = `/images/${name.split("/").map(encodeURIComponent).join("/")}/get`;
    const answer = await client
      .request({
        ...{ origin: address.origin, path, method: "GET" },
        ...{ headersTimeout: HEADERS_TIMEOUT, bodyTimeout: HEADERS_TIMEOUT, signal: signal ?? null },
      })
      .catch((error: unknown) => {
        throw unreachable(engine, address, error, signal);
      });
    if (answer.statusCode !== 200) throw await refusal(engine, answer, name);
    yield* answer.body as AsyncIterable<Buffer>;
  } catch (error) {
    if (isNacreError(error)) throw error;
    throw unreachable(engine, address, error, signal);
  } finally {
    await client.destroy();
  }
}

async function exchange<T>(
  engine: Engine,
  address: EngineAddress,
  signal: AbortSignal | undefined,
  work: (client: Dispatcher) => Promise<T>,
): Promise<T> {
  const client = await connect(address);
  try {
    return await work(client);
  } catch (error) {
    if (isNacreError(error)) throw error;
    throw unreachable(engine, address, error, signal);
  } finally {
    await client.destroy();
  }
}

async function connect({ origin, socketPath, tls }: EngineAddress): Promise<Dispatcher> {
  const { Client } = await import("undici");
  return new Client(origin, { connect: { timeout: 30_000, ...(socketPath ? { socketPath } : {}), ...tls } });
}

/** The engine's own words about loading; the last ones tell what became of it. */
async function readReport(engine: Engine, answer: Dispatcher.ResponseData): Promise<string> {
  if (answer.statusCode !== 200) throw await refusal(engine, answer, undefined);
  const text = await readBounded(answer);
  for (const line of text.split("\n")) {
    const error = messageOf(line, "error");
    if (error !== undefined) throw new NacreError("OUTPUT", `${NAMES[engine]} cannot load the image: ${error}`);
  }
  return text;
}

function loadedNames(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const said = messageOf(line, "stream") ?? line;
    const name = /^Loaded image(?:\(s\)| ID)?: (.+?)\s*$/s.exec(said)?.[1];
    return name === undefined ? [] : name.split(",").map((each) => each.trim());
  });
}

async function refusal(engine: Engine, answer: Dispatcher.ResponseData, name: string | undefined): Promise<NacreError> {
  const text = await readBounded(answer);
  const why = messageOf(text, "message") ?? messageOf(text, "cause") ?? text.slice(0, 300).trim();
  if (answer.statusCode === 404 && name !== undefined) {
    return new NacreError("IMAGE_NOT_FOUND", `${NAMES[engine]} has no image ${name}`, {
      hint: `see what there is with: ${engine} images`,
      facts: { name },
    });
  }
  return new NacreError("OUTPUT", `${NAMES[engine]} refuses (${answer.statusCode}): ${why}`, {
    hint: "look into its log",
    facts: { status: answer.statusCode },
  });
}

async function readBounded({ body }: Dispatcher.ResponseData): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REPORT_BYTES) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function messageOf(text: string, key: string): string | undefined {
  try {
    const json: unknown = JSON.parse(text);
    const value = (json as Record<string, unknown> | null)?.[key];
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

function unreachable(
  engine: Engine,
  { shown }: EngineAddress,
  error: unknown,
  signal: AbortSignal | undefined,
): NacreError {
  if (signal?.aborted) return new NacreError("CANCELLED", `stopped while talking to ${NAMES[engine]}`);
  const why = error instanceof Error ? error.message : String(error);
  const isAccess = errnoOf(error) === "EACCES";
  const variable = engine === "docker" ? "DOCKER_HOST" : "CONTAINER_HOST";
  return new NacreError("NETWORK", `cannot reach ${NAMES[engine]} at ${shown}: ${why}`, {
    hint: isAccess ? "this user may not use its socket" : `start it, or say where it is: ${variable}=unix:///…`,
    facts: { address: shown },
    cause: error,
  });
}
