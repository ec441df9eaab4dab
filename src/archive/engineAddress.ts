/**
 * Where a local engine listens: what its own command line would take. Docker: DOCKER_HOST, else the chosen context, else
 * its usual sockets; Podman: CONTAINER_HOST, else its usual sockets.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parseJson } from "../oci/documents.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";

/** An engine that holds images of its own. */
export type Engine = "docker" | "podman";

/** Variables by name. */
export type EngineVariables = Readonly<Record<string, string | undefined>>;

/** How an engine is reached. */
export interface EngineAddress {
  /** As it is written in DOCKER_HOST. */
  readonly shown: string;
  readonly socketPath?: string | undefined;
  /** Scheme, host and port for requests. */
  readonly origin: string;
  /** PEM texts. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
}

const MAX_CONFIG_BYTES = 1 << 20;
const configSchema = v.looseObject({ currentContext: v.optional(v.string()) });
const contextSchema = v.looseObject({
  Endpoints: v.looseObject({ docker: v.looseObject({ Host: v.string() }) }),
});

/**
 * The address of an engine; it need not answer.
 * @throws NacreError USAGE for an address or context that cannot be used
 */
export function engineAddress(engine: Engine, env: EngineVariables): EngineAddress {
  if (engine === "podman") return podmanAddress(env);
  const host = env.DOCKER_HOST || contextHost(env);
  if (host) return parseAddress(host, env);
  const rootless = env.XDG_RUNTIME_DIR && `${env.XDG_RUNTIME_DIR}/docker.sock`;
  const usual = "/var/run/docker.sock";
  return unixAddress(!existsSync(usual) && rootless && existsSync(rootless) ? rootless : usual);
}

function podmanAddress(env: EngineVariables): EngineAddress {
  if (env.CONTAINER_HOST) return parseAddress(env.CONTAINER_HOST, env);
  const own = env.XDG_RUNTIME_DIR && `${env.XDG_RUNTIME_DIR}/podman/podman.sock`;
  const system = "/run/podman/podman.sock";
  return unixAddress(own && (existsSync(own) || !existsSync(system)) ? own : system);
}

function parseAddress(text: string, env: EngineVariables): EngineAddress {
  const [, scheme, rest = ""] = /^([a-z]+):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === "unix" && rest.startsWith("/")) return unixAddress(rest);
  if ((scheme === "tcp" || scheme === "http" || scheme === "https") && URL.canParse(`http://${rest}`)) {
    const { host } = new URL(`http://${rest}`);
    const isSecure = scheme === "https" || (scheme === "tcp" && Boolean(env.DOCKER_TLS_VERIFY));
    return isSecure
      ? { shown: text, origin: `https://${host}`, tls: certificates(env) }
      : { shown: text, origin: `http://${host}` };
  }
  throw new NacreError("USAGE", `cannot reach an engine at ${JSON.stringify(text.slice(0, 200))}`, {
    hint:
      scheme === "ssh"
        ? "forward its socket with ssh -L, and name that: unix:///…"
        : "write unix:///PATH or tcp://HOST:PORT",
  });
}

function unixAddress(socketPath: string): EngineAddress {
  return { shown: `unix://${socketPath}`, socketPath, origin: "http://localhost" };
}

function certificates(env: EngineVariables): EngineAddress["tls"] {
  const directory = env.DOCKER_CERT_PATH || join(dockerConfig(env), "");
  const read = (name: string): string | undefined => {
    const path = join(directory, name);
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
  };
  const [ca, cert, key] = [read("ca.pem"), read("cert.pem"), read("key.pem")];
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

/** The host of the context that is chosen, unless that is the default one. */
function contextHost(env: EngineVariables): string | undefined {
  const directory = dockerConfig(env);
  const name = env.DOCKER_CONTEXT || readDocument(join(directory, "config.json"), configSchema)?.currentContext;
  if (!name || name === "default") return undefined;
  const path = join(directory, "contexts", "meta", sha256Hex(name), "meta.json");
  const host = readDocument(path, contextSchema)?.Endpoints.docker.Host;
  if (host) return host;
  throw new NacreError("USAGE", `the Docker context ${JSON.stringify(name)} names no host`, {
    hint: "see: docker context ls",
  });
}

function dockerConfig(env: EngineVariables): string {
  return env.DOCKER_CONFIG || join(env.HOME ?? "/", ".docker");
}

/** A file that is missing or no document of that form says nothing. */
function readDocument<T>(path: string, schema: v.GenericSchema<unknown, T>): T | undefined {
  try {
    if (!existsSync(path)) return undefined;
    const result = v.safeParse(schema, parseJson(readFileSync(path), MAX_CONFIG_BYTES, path));
    return result.success ? result.output : undefined;
  } catch (error) {
    if (isNacreError(error) || error instanceof Error) return undefined;
    throw error;
  }
}
