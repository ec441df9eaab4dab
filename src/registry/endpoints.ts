/**
 * Whom to ask for a repository. In: the registry's host and what is to be done. Out: addresses in the order in which they
 * are tried, with how each is secured. The files of three worlds are read, and the first that speaks of the registry
 * decides: `registries.conf`, `hosts.toml`, `daemon.json`; certificates come from all of them. Each file is read once, when
 * it is needed. Where there is none, the registry itself is asked.
 */
import { NacreError } from "../support/errors.js";
import { certificatesFor } from "./certificates.js";
import { type DaemonConfig, loadDaemonJson } from "./configDaemonJson.js";
import { type HostsToml, isProxyFor, loadHostsToml, type TomlHost } from "./configHostsToml.js";
import { type ConfigPaths, configPaths } from "./configPaths.js";
import { findRule, loadRegistriesConf, type RegistryRule, type RuleMatch, relocate } from "./configRegistriesConf.js";
import { apiHost, canonicalHost, HUB, isLoopbackHost, isRegistryHost } from "./registryHost.js";
import type { Endpoint, EndpointFinder, EndpointTls, RegistryAction, RegistryEnv } from "./types.js";

/** How a finder looks. */
export interface EndpointOptions {
  /** What stands for `/` in the paths of the machine (`/etc/…`). */
  readonly root?: string | undefined;
}

const ALL: Endpoint["capabilities"] = new Set(["resolve", "pull", "push"]);
const READING: Endpoint["capabilities"] = new Set(["resolve", "pull"]);

/** A finder for an environment. */
export function endpointFinder(env: RegistryEnv, options: EndpointOptions = {}): EndpointFinder {
  return new ConfiguredEndpoints(env, configPaths(env.env, options.root));
}

class ConfiguredEndpoints implements EndpointFinder {
  readonly #env: RegistryEnv;
  readonly #paths: ConfigPaths;
  readonly #certificates = new Map<string, EndpointTls | undefined>();
  readonly #hostsToml = new Map<string, HostsToml | undefined>();
  #rules: readonly RegistryRule[] | undefined;
  #daemon: DaemonConfig | undefined;

  constructor(env: RegistryEnv, paths: ConfigPaths) {
    this.#env = env;
    this.#paths = paths;
  }

  endpoints(host: string, repository: string, action: RegistryAction): readonly Endpoint[] {
    if (!isRegistryHost(host)) {
      throw new NacreError("REFERENCE_INVALID", `${JSON.stringify(host)} is not a registry host`, {
        hint: "write it as HOST or HOST:PORT",
      });
    }
    const registry = canonicalHost(host);
    this.#rules ??= loadRegistriesConf(this.#paths, (message) => this.#env.warn("RegistriesConf", message));
    const match = findRule(this.#rules, nameOf(registry, repository));
    if (match) return this.#byRule(match, registry, repository, action);
    if (this.#paths.only !== undefined) return [this.#itself(registry, repository, isLoopbackHost(registry))];
    const toml = this.#hostsTomlOf(registry);
    if (toml) return this.#byHostsToml(toml, registry, repository, action);
    return this.#byDaemon(registry, repository, action);
  }

  #byRule({ rule, length }: RuleMatch, host: string, repository: string, action: RegistryAction): Endpoint[] {
    if (rule.blocked) {
      throw new NacreError("NOT_ALLOWED", `registry ${rule.prefix} is blocked in ${rule.file}`, {
        hint: "ask whoever keeps that file, or take the image from another registry",
        facts: { file: rule.file, prefix: rule.prefix },
      });
    }
    const name = nameOf(host, repository);
    // Only reading is led elsewhere (containers-registries.conf(5)).
    if (action === "push") return [this.#itself(host, repository, insecureBy(rule.insecure, host))];
    const mirrors = rule.mirrors.map((mirror): Endpoint => {
      const { host: at, path } = relocate(name, length, mirror.location, rule.file);
      const endpoint = this.#itself(at, path, insecureBy(mirror.insecure, at));
      return { ...endpoint, mirrorOf: host, answers: mirror.answers, capabilities: READING };
    });
    const { host: at, path } = relocate(name, length, rule.location, rule.file);
    return [...mirrors, this.#itself(at, path, insecureBy(rule.insecure, at))];
  }

  #byHostsToml(toml: HostsToml, host: string, repository: string, action: RegistryAction): Endpoint[] {
    const itself = this.#itself(host, repository, isLoopbackHost(host));
    const { server } = toml;
    const last =
      "base" in server ? server : { ...server, base: itself.base, pathPrefix: "", insecure: itself.insecure };
    const endpoints = [...toml.hosts, last].map((one) => this.#ofToml(one, itself, host));
    const fit = endpoints.filter(({ capabilities }) =>
      action === "push" ? capabilities.has("push") : capabilities.has("pull") || capabilities.has("resolve"),
    );
    if (fit.length > 0) return fit;
    throw new NacreError("NOT_ALLOWED", `${toml.file} has no host that may be asked to ${action}`, {
      hint: `give one of them the capability "${action}"`,
      facts: { file: toml.file },
    });
  }

  #ofToml(one: TomlHost, itself: Endpoint, host: string): Endpoint {
    const isProxy = isProxyFor(one.base, itself.base, host);
    const tls = joinTls(one.base.protocol === "https:" ? this.#certificatesOf(one.base.host) : undefined, one.tls);
    return {
      ...{
        base: one.base,
        repository: [one.pathPrefix, itself.repository].filter((part) => part !== "").join("/"),
      },
      ...(isProxy ? { mirrorOf: host, sendsNamespace: true } : {}),
      ...{ capabilities: one.capabilities, answers: "all", insecure: one.insecure },
      ...(tls ? { tls } : {}),
      ...(one.headers ? { headers: one.headers } : {}),
    };
  }

  #byDaemon(host: string, repository: string, action: RegistryAction): Endpoint[] {
    this.#daemon ??= loadDaemonJson(this.#paths.daemonJson);
    const { mirrors, isInsecure } = this.#daemon;
    const itself = this.#itself(host, repository, isLoopbackHost(host) || isInsecure(host));
    if (host !== HUB || action === "push") return [itself];
    const all = mirrors.map((base): Endpoint => {
      const secure = base.protocol !== "https:" || !(isLoopbackHost(base.host) || isInsecure(base.host));
      const tls = joinTls(
        base.protocol === "https:" ? this.#certificatesOf(base.host) : undefined,
        secure ? undefined : { skipVerify: true },
      );
      const security = { insecure: false, ...(tls ? { tls } : {}) };
      return { base, repository, mirrorOf: HUB, capabilities: READING, answers: "all", ...security };
    });
    return [...all, itself];
  }

  /** A host as a registry of its own. */
  #itself(host: string, repository: string, insecure: boolean): Endpoint {
    const base = new URL(`https://${apiHost(host)}`);
    const tls = this.#certificatesOf(apiHost(host));
    const path = canonicalHost(host) === HUB && /^[^/]+$/.test(repository) ? `library/${repository}` : repository;
    return { base, repository: path, capabilities: ALL, answers: "all", insecure, ...(tls ? { tls } : {}) };
  }

  #certificatesOf(host: string): EndpointTls | undefined {
    const known = this.#certificates.get(host);
    if (known !== undefined || this.#certificates.has(host)) return known;
    const names = /:\d+$/.test(host) ? [host] : [host, `${host}:443`];
    const tls = certificatesFor(this.#paths.certificates, names);
    this.#certificates.set(host, tls);
    return tls;
  }

  #hostsTomlOf(host: string): HostsToml | undefined {
    const known = this.#hostsToml.get(host);
    if (known !== undefined || this.#hostsToml.has(host)) return known;
    const toml = loadHostsToml(this.#paths.hostsToml, host);
    this.#hostsToml.set(host, toml);
    return toml;
  }
}

/** Without a repository it is the registry as a whole that is meant. */
function nameOf(host: string, repository: string): string {
  return repository === "" ? host : `${host}/${repository}`;
}

/** This machine needs no securing, unless someone says that it does. */
function insecureBy(said: boolean | undefined, host: string): boolean {
  return said ?? isLoopbackHost(host);
}

/** What a file says itself comes before what lies in directories of certificates. */
function joinTls(found: EndpointTls | undefined, said: EndpointTls | undefined): EndpointTls | undefined {
  return found === undefined ? said : { ...found, ...said };
}
