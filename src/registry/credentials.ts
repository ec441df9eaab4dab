/**
 * With which credentials a registry is asked. In: its host, and the repository. Out: what the first place has that knows
 * it: `DOCKER_AUTH_CONFIG`, then `$REGISTRY_AUTH_FILE` alone or Docker's `config.json` and the `auth.json` files of podman
 * and skopeo. In each, what is for a namespace comes before what is for the whole registry, and a helper program before
 * what stands in the file. Files are read once, helpers asked once for each registry.
 */
import { existsSync } from "node:fs";
import { NacreError } from "../support/errors.js";
import {
  AUTH_VARIABLE,
  type CredentialFile,
  type CredentialPaths,
  credentialPaths,
  findEntry,
  HUB_KEY,
  keyOf,
  parseCredentialFile,
  readCredentialFile,
} from "./credentialFiles.js";
import type { HelperLimits, HelperName, HelperSetting } from "./credentialHelper.js";
import { canonicalHost, HUB, isRegistryHost } from "./registryHost.js";
import type { CredentialStore, Credentials, RegistryEnv } from "./types.js";

/** How a store looks. */
export interface CredentialOptions {
  /** What stands for `/` in the paths of the machine (`/run/…`). */
  readonly root?: string | undefined;
  readonly helperLimits?: Partial<HelperLimits> | undefined;
}

/** The credentials of an environment. Nothing is read until they are asked for. */
export function credentialStore(env: RegistryEnv, options: CredentialOptions = {}): CredentialStore {
  return new StoredCredentials(env, options);
}

/**
 * All that an environment has, in the order in which it is asked.
 * @throws NacreError CREDENTIALS
 */
export function credentialSources(env: RegistryEnv, paths: CredentialPaths): readonly CredentialFile[] {
  const text = env.env[AUTH_VARIABLE];
  const variable = text ? [parseCredentialFile(AUTH_VARIABLE, text)] : [];
  return [...variable, ...paths.files.flatMap((path) => readQuietly(env, path, paths) ?? [])];
}

/** A file of another user that cannot be read is not worth failing for, unless it was asked for. */
function readQuietly(env: RegistryEnv, path: string, { explicit }: CredentialPaths): CredentialFile | undefined {
  if (explicit && !existsSync(path)) {
    env.warn("CredentialFileMissing", `REGISTRY_AUTH_FILE names ${path}, which is not there`);
    return undefined;
  }
  try {
    return readCredentialFile(path);
  } catch (error) {
    if (explicit || !(error instanceof NacreError) || !/\(E(?:ACCES|PERM)\)$/.test(error.message)) throw error;
    env.warn("CredentialFileUnreadable", `${error.message}: credentials in it are not used`);
    return undefined;
  }
}

/**
 * The helper that a file names for a host.
 * @param host in its canonical spelling
 */
export function helperFor(file: CredentialFile, host: string): HelperName | undefined {
  const suffix = file.helpers.get(host) ?? file.store;
  return suffix ? { suffix, file: file.name } : undefined;
}

/** What helpers are asked for. podman has kept Docker Hub's credentials under its short name. */
export function helperKeys(host: string): readonly string[] {
  return canonicalHost(host) === HUB ? [HUB_KEY, HUB] : [keyOf(host)];
}

/**
 * The host of a registry as it is compared.
 * @throws NacreError CREDENTIALS for what is no host: it may come from a server, and goes to programs
 */
export function checkedHost(host: string): string {
  if (isRegistryHost(host)) return canonicalHost(host);
  throw new NacreError("CREDENTIALS", `${JSON.stringify(host)} is not a registry host`, {
    hint: "write it as HOST or HOST:PORT",
  });
}

class StoredCredentials implements CredentialStore {
  readonly #env: RegistryEnv;
  readonly #options: CredentialOptions;
  readonly #answers = new Map<string, Promise<Credentials | undefined>>();
  #sources: readonly CredentialFile[] | undefined;

  constructor(env: RegistryEnv, options: CredentialOptions) {
    this.#env = env;
    this.#options = options;
  }

  async find(host: string, repository?: string): Promise<Credentials | undefined> {
    const registry = checkedHost(host);
    this.#sources ??= credentialSources(this.#env, credentialPaths(this.#env.env, this.#options.root));
    for (const file of this.#sources) {
      const found =
        findEntry(file, registry, repository, "namespace") ??
        (await this.#ask(file, registry)) ??
        findEntry(file, registry, undefined, "registry");
      if (found) return found;
    }
    return undefined;
  }

  #ask(file: CredentialFile, host: string): Promise<Credentials | undefined> {
    const helper = helperFor(file, host);
    if (helper === undefined) return Promise.resolve(undefined);
    const key = `${helper.suffix}\0${host}`;
    const answer = this.#answers.get(key) ?? askHelper(helper, host, helperSetting(this.#env, this.#options));
    this.#answers.set(key, answer);
    return answer;
  }
}

/** The world of helpers in an environment. */
export function helperSetting(env: RegistryEnv, options: CredentialOptions): HelperSetting {
  return { env: env.env, signal: env.signal, limits: options.helperLimits };
}

/**
 * What a helper has for a host, under any of its keys.
 * @throws NacreError CREDENTIALS
 */
export async function askHelper(
  helper: HelperName,
  host: string,
  setting: HelperSetting,
): Promise<Credentials | undefined> {
  const { getFromHelper } = await import("./credentialHelper.js");
  for (const key of helperKeys(host)) {
    const found = await getFromHelper(helper, key, setting);
    if (found) return found;
  }
  return undefined;
}
