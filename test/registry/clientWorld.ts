/** Clients of registries as the tests need them: told whom to ask and who they are, and in a hurry. */
import { onTestFinished } from "vitest";
import { type Digest, digestOfHex } from "../../src/oci/digest.js";
import type { HttpLimits } from "../../src/registry/httpClient.js";
import { openRegistries } from "../../src/registry/registries.js";
import type { Credentials, Endpoint, Registries, RegistryAction, RepositoryClient } from "../../src/registry/types.js";
import { sha256Hex } from "../../src/support/hash.js";

/** What a client of a test is told. */
export interface ClientWish {
  /** Endpoints that are asked before the registry itself. */
  readonly mirrors?: readonly Partial<Endpoint>[];
  /** Changes to the endpoint of the registry itself. */
  readonly endpoint?: Partial<Endpoint>;
  /** By host. */
  readonly credentials?: Readonly<Record<string, Credentials>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly limits?: Partial<HttpLimits>;
  readonly now?: () => number;
}

/** Registries of a test, and what was said and asked on the way. */
export interface ClientWorld {
  readonly registries: Registries;
  readonly warnings: string[];
  /** Hosts for which credentials were looked up. */
  readonly lookups: string[];
  open(host: string, repository?: string, action?: RegistryAction): RepositoryClient;
}

/** Tries again at once. */
export const HASTY = { backoff: 1, attempts: 4 };

/** What stands between a client and registries on loopback, which answer in plain http unless said otherwise. */
export function clientWorld(wish: ClientWish = {}): ClientWorld {
  const warnings: string[] = [];
  const lookups: string[] = [];
  const { credentials = {}, mirrors = [] } = wish;
  const all = new Set(["resolve", "pull", "push"] as const);
  const endpointOf = (host: string, repository: string, changes: Partial<Endpoint> = {}): Endpoint => ({
    ...{ base: new URL(`http://${host}`), repository, capabilities: all, answers: "all", insecure: false },
    ...changes,
  });
  const registries = openRegistries(
    {
      ...{ env: wish.env ?? {}, signal: wish.signal, limits: { ...HASTY, ...wish.limits }, now: wish.now ?? Date.now },
      warn: (rule, message) => void warnings.push(`${rule}: ${message}`),
    },
    {
      endpoints: (host, repository, action) => [
        ...(action === "pull" ? mirrors.map((one) => endpointOf(host, repository, { mirrorOf: host, ...one })) : []),
        endpointOf(host, repository, wish.endpoint),
      ],
    },
    {
      async find(host) {
        lookups.push(host);
        return credentials[host];
      },
    },
  );
  onTestFinished(() => registries.close());
  const open: ClientWorld["open"] = (host, repository = "app", action = "pull") =>
    registries.open(host, repository, action);
  return { registries, warnings, lookups, open };
}

/** User name and password. */
export function basic(username: string, password: string): Credentials {
  return { kind: "basic", username, password };
}

/** All of a stream. */
export async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** All of a list that comes bit by bit. */
export async function listAll<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Bytes that do not repeat. */
export function noise(size: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** The digest of some bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return digestOfHex(sha256Hex(bytes));
}

/** A descriptor of some bytes. */
export function blobOf(bytes: Uint8Array) {
  return { mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.length };
}

/** Content that can be read from any offset, in pieces. */
export function sourceOf(bytes: Uint8Array, piece = 64 << 10): (offset: number) => AsyncGenerator<Uint8Array> {
  return async function* read(offset) {
    for (let at = offset; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
  };
}

/** What a failure says: code, message, hint. */
export async function failureOf(work: Promise<unknown>): Promise<{ code: string; message: string; hint: string }> {
  try {
    await work;
  } catch (error) {
    const {
      code = "",
      message = String(error),
      hint = "",
    } = error as { code?: string; message?: string; hint?: string };
    return { code, message, hint };
  }
  throw new Error("it did not fail");
}
