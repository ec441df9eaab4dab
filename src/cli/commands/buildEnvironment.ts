/**
 * What Docker's environment says to a build: variables of the docker and buildx commands, and the proxies of the client's
 * config.json. Values on the command line come first.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { errnoOf, NacreError } from "../../support/errors.js";
import type { Environment } from "../invocation.js";

/** Most bytes of a config.json that are read. */
const MAX_CONFIG_BYTES = 1 << 20;

/** Variables that change nothing here, with what is to be said of them. */
const NOTED: Readonly<Record<string, (value: string) => string | undefined>> = {
  DOCKER_BUILDKIT: (value) =>
    value === "0" ? "the classic builder is not there: images are built as BuildKit builds them" : undefined,
  BUILDX_BUILDER: (value) =>
    value === "default" ? undefined : "nacre has no builder instances: it builds in its own process",
  BUILDKIT_HOST: () => "no BuildKit daemon is used: nacre builds in its own process",
};

/**
 * Remarks about variables that are set and have no effect.
 * @throws NacreError USAGE for one whose effect is demanded and cannot be had
 */
export function environmentNotes(env: Environment): string[] {
  if (env.EXPERIMENTAL_BUILDKIT_SOURCE_POLICY) {
    throw new NacreError("USAGE", "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY is set, and source policies are not checked", {
      hint: "unset it if the build may go on without the policy",
    });
  }
  return Object.entries(NOTED).flatMap(([name, noteOf]) => {
    const value = env[name];
    const text = value ? noteOf(value) : undefined;
    return text === undefined ? [] : [`${name}: ${text}`];
  });
}

const Config = v.object({
  proxies: v.optional(v.record(v.string(), v.record(v.string(), v.unknown()))),
});

const PROXIES: Readonly<Record<string, string>> = {
  httpProxy: "HTTP_PROXY",
  httpsProxy: "HTTPS_PROXY",
  noProxy: "NO_PROXY",
  ftpProxy: "FTP_PROXY",
  allProxy: "ALL_PROXY",
};

/**
 * The predefined build arguments that the docker command adds from `proxies.default` of its config.json
 * (`$DOCKER_CONFIG`, else ~/.docker), in both cases, except those that are given.
 * @throws NacreError USAGE if the file is there and cannot be read as what it must be
 */
export function proxyArguments(env: Environment, given: ReadonlySet<string>): Record<string, string> {
  const path = join(env.DOCKER_CONFIG || join(env.HOME || homedir(), ".docker"), "config.json");
  const proxies = readConfig(path)?.proxies?.default ?? {};
  const found: Record<string, string> = {};
  for (const [key, name] of Object.entries(PROXIES)) {
    const value = proxies[key];
    if (typeof value !== "string" || value === "") continue;
    for (const spelling of [name, name.toLowerCase()]) if (!given.has(spelling)) found[spelling] = value;
  }
  return found;
}

function readConfig(path: string): v.InferOutput<typeof Config> | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  try {
    return v.parse(Config, JSON.parse(text));
  } catch {
    // What the parser says quotes the file, which may hold credentials.
    throw new NacreError("USAGE", `${path} cannot be read as a configuration of the docker command`, {
      hint: "mend or remove it; DOCKER_CONFIG names another directory",
    });
  }
}

function readText(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    return text.length > MAX_CONFIG_BYTES ? undefined : text;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "EACCES") return undefined;
    throw error;
  }
}
