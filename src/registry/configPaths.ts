/**
 * Where the configuration files of Docker, containerd and the tools around containers/image lie. Those of the user come
 * before those of the machine.
 */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { Environment } from "./httpProxy.js";

/** Paths of everything that says whom to ask. */
export interface ConfigPaths {
  /** `registries.conf` files: the first that is there counts, with the directories of drop-ins that belong to it. */
  readonly registriesConf: readonly RegistriesConfPaths[];
  /** A file that stands for all other configuration of endpoints. */
  readonly only: string | undefined;
  /** A file that stands for the `registries.conf` of user and machine. */
  readonly registriesConfOverride: string | undefined;
  /** Directories with a directory for each host, in which `hosts.toml` is looked for. */
  readonly hostsToml: readonly string[];
  /** `daemon.json` files: the first that is there counts. */
  readonly daemonJson: readonly string[];
  /** Directories with a directory of certificates for each host; of those for one host the first counts. */
  readonly certificates: readonly string[];
}

/** A main file and its drop-ins, in the order in which they are read. */
export interface RegistriesConfPaths {
  readonly file: string;
  readonly dropIns: readonly string[];
}

/** The user's home, and the directory for what programs keep there (XDG base directories; ignored unless absolute). */
export function userDirectories(env: Environment): { readonly home: string; readonly config: string } {
  const home = env.HOME || homedir();
  const xdg = env.XDG_CONFIG_HOME;
  return { home, config: xdg && isAbsolute(xdg) ? xdg : join(home, ".config") };
}

/**
 * All paths for an environment.
 * @param root what stands for `/` in the paths of the machine
 */
export function configPaths(env: Environment, root = "/"): ConfigPaths {
  const { home, config } = userDirectories(env);
  const etc = (path: string): string => join(root, "etc", path);
  const userDropIns = join(config, "containers/registries.conf.d");
  return {
    only: env.NACRE_REGISTRIES_CONF || undefined,
    registriesConfOverride: env.CONTAINERS_REGISTRIES_CONF || undefined,
    registriesConf: [
      { file: join(config, "containers/registries.conf"), dropIns: [userDropIns] },
      { file: etc("containers/registries.conf"), dropIns: [etc("containers/registries.conf.d"), userDropIns] },
    ],
    hostsToml: [join(config, "containerd/certs.d"), etc("containerd/certs.d")],
    daemonJson: [join(config, "docker/daemon.json"), etc("docker/daemon.json")],
    certificates: [
      ...[join(config, "containers/certs.d"), join(config, "docker/certs.d"), join(home, ".docker/certs.d")],
      ...[join(config, "containerd/certs.d")],
      ...[etc("containers/certs.d"), etc("docker/certs.d"), etc("containerd/certs.d")],
    ],
  };
}
