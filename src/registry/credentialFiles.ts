/**
 * The files in which credentials lie: Docker's `config.json` and the `auth.json` of the tools around containers/image
 * (containers-auth.json(5)), which have one form. What an entry holds never appears in an error.
 */
import { isAbsolute, join } from "node:path";
import * as v from "valibot";
import { type ConfigKind, configError, parseJsonConfig, readConfigFile } from "./configFile.js";
import { userDirectories } from "./configPaths.js";
import type { Environment } from "./httpProxy.js";
import { canonicalHost, HUB } from "./registryHost.js";
import { BasicCredentials, TokenCredentials } from "./secret.js";
import type { Credentials } from "./types.js";

/** Docker Hub's name in these files and for helpers. */
export const HUB_KEY = "https://index.docker.io/v1/";
/** Variable with the text of such a file (as GitLab's runners and docker itself know it). */
export const AUTH_VARIABLE = "DOCKER_AUTH_CONFIG";

/** Files with credentials. */
export const CREDENTIAL_FILE: ConfigKind = {
  code: "CREDENTIALS",
  hint: "mend the file, or log in again with: nacre login",
};

/** A file, or the variable, as it was read. */
export interface CredentialFile {
  /** Its path, or the variable's name. */
  readonly name: string;
  readonly entries: readonly CredentialEntry[];
  /** Suffixes of helper programs by host. */
  readonly helpers: ReadonlyMap<string, string>;
  /** Suffix of the helper for all other hosts. */
  readonly store: string | undefined;
}

/** One entry of `auths`. */
export interface CredentialEntry {
  /** As it stands in the file. */
  readonly key: string;
  readonly host: string;
  /** Namespace or repository that it is for, if it is not for the whole registry. */
  readonly path: string | undefined;
  /** What stands there, unread: of other registries it may be as wrong as it likes. */
  readonly value: unknown;
}

const File = v.object({
  auths: v.nullish(v.custom<Record<string, unknown>>(isObject)),
  credHelpers: v.nullish(v.record(v.string(), v.string())),
  credsStore: v.nullish(v.string()),
});

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const Entry = v.object({
  auth: v.nullish(v.string()),
  username: v.nullish(v.string()),
  password: v.nullish(v.string()),
  identitytoken: v.nullish(v.string()),
  registrytoken: v.nullish(v.string()),
});

/** Where credentials may lie, in the order in which they are looked for. */
export interface CredentialPaths {
  readonly files: readonly string[];
  /** Where a login is written. */
  readonly primary: string;
  /** The file was asked for by a variable, and stands alone. */
  readonly explicit: boolean;
}

/**
 * The files for an environment: `$REGISTRY_AUTH_FILE` alone; else Docker's, then those of containers/image.
 * @param root what stands for `/` in the paths of the machine
 */
export function credentialPaths(env: Environment, root = "/"): CredentialPaths {
  const given = env.REGISTRY_AUTH_FILE;
  if (given) return { files: [given], primary: given, explicit: true };
  const { home, config } = userDirectories(env);
  const primary = join(env.DOCKER_CONFIG || join(home, ".docker"), "config.json");
  const runtime = env.XDG_RUNTIME_DIR;
  const run = runtime && isAbsolute(runtime) ? join(runtime, "containers") : runDirectory(root);
  return { files: [primary, join(run, "auth.json"), join(config, "containers/auth.json")], primary, explicit: false };
}

function runDirectory(root: string): string {
  return join(root, "run/containers", String(process.getuid?.() ?? 0));
}

/**
 * Reads a file; undefined where there is none.
 * @throws NacreError CREDENTIALS
 */
export function readCredentialFile(path: string): CredentialFile | undefined {
  const text = readConfigFile(path, CREDENTIAL_FILE);
  return text === undefined ? undefined : parseCredentialFile(path, text);
}

/**
 * Reads the text of a file.
 * @param name its path, or the variable's name
 * @throws NacreError CREDENTIALS
 */
export function parseCredentialFile(name: string, text: string): CredentialFile {
  const kind = name === AUTH_VARIABLE ? { ...CREDENTIAL_FILE, hint: `mend ${name}, or unset it` } : CREDENTIAL_FILE;
  const { auths, credHelpers, credsStore } = parseJsonConfig(File, name, text, kind);
  return {
    name,
    entries: Object.entries(auths ?? {}).map(([key, value]) => ({ key, ...namesOf(key), value })),
    helpers: new Map(Object.entries(credHelpers ?? {}).map(([key, suffix]) => [namesOf(key).host, suffix])),
    store: credsStore || undefined,
  };
}

/**
 * Which registry, and what of it, a key means. With a scheme it is a registry's, whatever path follows (Docker has written
 * `https://HOST/v1/`); without one a path is a namespace.
 */
export function namesOf(key: string): { readonly host: string; readonly path: string | undefined } {
  const bare = key.replace(/^https?:\/\//i, "");
  const [host = "", ...rest] = bare.replace(/\/+$/, "").split("/");
  const path = rest.join("/");
  const isRegistry = bare !== key || path === "" || path === "v1" || path === "v2";
  return { host: canonicalHost(host), path: isRegistry ? undefined : path };
}

/** The key under which a login is written, and what helpers are asked for. */
export function keyOf(host: string): string {
  return canonicalHost(host) === HUB ? HUB_KEY : canonicalHost(host);
}

/**
 * The credentials in a file that are the most specific for a repository.
 * @param repository undefined: only those for the whole registry
 * @param least entries for the whole registry count too, or only more specific ones
 * @throws NacreError CREDENTIALS if the entry is not as it must be
 */
export function findEntry(
  file: CredentialFile,
  host: string,
  repository: string | undefined,
  least: "registry" | "namespace",
): Credentials | undefined {
  const own = file.entries.filter((entry) => entry.host === canonicalHost(host));
  // The key that Docker writes comes before other spellings of the same host.
  own.sort((a, b) => Number(b.key === keyOf(host)) - Number(a.key === keyOf(host)));
  for (const path of pathsOf(repository, least)) {
    for (const entry of own) {
      const found = entry.path === path ? readEntry(file.name, entry) : undefined;
      if (found) return found;
    }
  }
  return undefined;
}

function pathsOf(repository: string | undefined, least: "registry" | "namespace"): (string | undefined)[] {
  const parts = repository === undefined ? [] : repository.split("/");
  const paths = parts.map((_, index) => parts.slice(0, parts.length - index).join("/"));
  return least === "registry" ? [...paths, undefined] : paths;
}

/** @returns undefined for an entry without content, as Docker leaves them for what a helper keeps */
function readEntry(file: string, entry: CredentialEntry): Credentials | undefined {
  const name = entry.path === undefined ? entry.host : `${entry.host}/${entry.path}`;
  const wrong = (why: string) => configError(CREDENTIAL_FILE, file, `the entry for ${name} ${why}`);
  const result = v.safeParse(Entry, entry.value);
  if (!result.success) throw wrong("is not as it must be");
  const { auth, username, password, identitytoken, registrytoken } = result.output;
  if (registrytoken) return token("bearer", registrytoken, wrong);
  if (identitytoken) return token("identity", identitytoken, wrong);
  const pair = auth ? decodeAuth(auth) : ([username ?? "", password ?? ""] as const);
  if (pair === undefined) throw wrong('has an "auth" that is not USER:PASSWORD in base64');
  const [user, secret] = pair;
  if (user === "" && secret === "") return undefined;
  return basicCredentials(user, secret, wrong);
}

function decodeAuth(auth: string): readonly [string, string] | undefined {
  const text = auth.trim();
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) return undefined;
  const decoded = Buffer.from(text, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  // Old versions of Docker have filled up with NUL.
  return colon < 0 ? undefined : [decoded.slice(0, colon), decoded.slice(colon + 1).replace(/^\0+|\0+$/g, "")];
}

/** Makes an error of what is wrong with a value, which it must not name. */
type Wrong = (why: string) => Error;

/** User name and password, if they can be sent. */
export function basicCredentials(username: string, password: string, wrong: Wrong): Credentials {
  if (/[\0-\x1f\x7f:]/.test(username)) throw wrong("has a user name with a colon or a control character");
  if (/[\0\r\n]/.test(password)) throw wrong("has a password with a line break or NUL");
  return new BasicCredentials(username, password);
}

/** A token, if it can be sent. */
export function token(kind: "identity" | "bearer", text: string, wrong: Wrong): Credentials {
  if (!/^[\x21-\x7e]+$/.test(text)) throw wrong("has a token with blanks or other characters that no token has");
  return kind === "identity" ? new TokenCredentials("identity", text) : new TokenCredentials("bearer", text);
}
