/** The real `docker-registry` (Debian's package of that name) on loopback, in each of the ways in which people run it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { requireTool } from "../../setup/tools.js";
import { type Authority, makeAuthority } from "./certificates.js";
import { removeDirectory, serverDirectory, whenDone } from "./cleanup.js";
import type { TokenServer } from "./tokenServer.js";

/** How a registry is to run. Nothing given: plain http, open to everyone, nothing can be deleted. */
export interface RegistryOptions {
  /** TLS, by an authority of its own unless one is given. */
  readonly tls?: boolean | Authority;
  /** Lets in only clients with a certificate of this authority; implies `tls`. */
  readonly clientAuthority?: Authority;
  /** Basic authentication: {@link REGISTRY_USERS} may do everything. */
  readonly htpasswd?: boolean;
  /** Tokens of this server. */
  readonly token?: Pick<TokenServer, "realm" | "service" | "issuer" | "certificate">;
  /** A pull-through cache of this registry. */
  readonly mirrorOf?: { readonly url: string; readonly username?: string; readonly password?: string };
  readonly readOnly?: boolean;
  readonly delete?: boolean;
  /** Upload locations without scheme and host. */
  readonly relativeUrls?: boolean;
  /** Address to listen on; the port is chosen by the system. */
  readonly host?: string;
  /** More variables for the server, e.g. `SSL_CERT_FILE` for a mirror of a registry with its own authority. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A registry that runs. */
export interface TestRegistry {
  /** `127.0.0.1:PORT`, as in references. */
  readonly host: string;
  /** With the scheme, without a slash at its end. */
  readonly url: string;
  /** PEM of its authority, where it has TLS. */
  readonly ca: string | undefined;
  /** Where its files are, for tests that damage them. */
  readonly storage: string;
  /** What it said so far: one line for each request, and errors. */
  log(): string;
  /** Ends it at once (as a crash does); its files stay. */
  kill(): Promise<void>;
  /** Ends it and starts it again on the same port with the same files; `changes` apply from then on. */
  restart(changes?: Partial<RegistryOptions>): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

/** Users and passwords of a registry with `htpasswd`. */
export const REGISTRY_USERS = { ann: "pass:word of ann", bea: "grüße €" } as const;
/** As `htpasswd -nbBC 4` makes them of these passwords: few rounds, so that no test waits for them. */
const HTPASSWD =
  "ann:$2y$04$M.pKT/E8zLzhvYbkXrkew.7YkyFH/mXLyeavh5Vfjm/fdYMGneakq\n" +
  "bea:$2y$04$sHzf2VJ2s53WqCEDWUIUJuNLf0HDV/QJkwcwASz5TDtUMyoAapdPm\n";
/** Milliseconds until a registry that does not come up counts as failed. */
const START_TIMEOUT = 30_000;
const MAX_LOG = 1 << 20;

/** Starts a registry. It ends with the test file at the latest, and with this process in any case. */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const directory = serverDirectory();
  const authority = authorityOf(options);
  const pair = authority?.issue();
  if (pair) {
    writeFileSync(join(directory, "cert.pem"), pair.cert);
    writeFileSync(join(directory, "key.pem"), pair.key, { mode: 0o600 });
  }
  let wanted = options;
  let server = await start(directory, wanted, 0);
  const { port } = server;
  const host = `${options.host ?? "127.0.0.1"}:${port}`;
  const kill = (): Promise<void> => end(server.child, "SIGKILL");
  const stop = whenDone(async () => {
    await kill();
    removeDirectory(directory);
  });
  return {
    ...{ host, url: `${authority ? "https" : "http"}://${host}`, ca: authority?.ca },
    storage: join(directory, "data"),
    log: () => server.log(),
    kill,
    async restart(changes = {}) {
      await end(server.child, "SIGTERM");
      wanted = { ...wanted, ...changes };
      server = await start(directory, wanted, port);
    },
    stop,
  };
}

function authorityOf({ tls, clientAuthority }: RegistryOptions): Authority | undefined {
  if (typeof tls === "object") return tls;
  return tls === true || clientAuthority ? makeAuthority() : undefined;
}

interface RunningServer {
  readonly child: ChildProcess;
  readonly port: number;
  log(): string;
}

/** @param port 0: any that is free */
async function start(directory: string, options: RegistryOptions, port: number): Promise<RunningServer> {
  const config = join(directory, "config.yml");
  writeFileSync(config, configOf(directory, options, port));
  mkdirSync(join(directory, "data"), { recursive: true });
  // Whatever becomes of this process, the kernel ends the server with it.
  const argv = ["--pdeathsig", "KILL", requireTool("docker-registry"), "serve", config];
  const env = { PATH: process.env.PATH, HOME: directory, OTEL_TRACES_EXPORTER: "none", ...options.env };
  const child = spawn(requireTool("setpriv"), argv, { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
  endWithThisProcess(child);
  let text = "";
  const listening = new Promise<number>((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`docker-registry did not start: ${why}\n${text}`));
    const timer = setTimeout(fail, START_TIMEOUT, "no answer in time");
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        text = (text + chunk).slice(-MAX_LOG);
        const found = /msg="listening on [^"]*:(\d+)(?:, tls)?"/.exec(text)?.[1];
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(Number(found));
      });
    }
    child.once("error", (error) => fail(error.message));
    child.once("close", (code) => fail(`it ended with ${code}`));
  });
  try {
    // It listens before it says so: whoever connects now is answered.
    return { child, port: await listening, log: () => text };
  } catch (error) {
    await end(child, "SIGKILL");
    throw error;
  }
}

/** Servers that run. One listener serves them all: there may be many. */
const running = new Set<ChildProcess>();

function endWithThisProcess(child: ChildProcess): void {
  if (running.size === 0) process.on("exit", endAll);
  running.add(child);
  child.once("close", () => {
    running.delete(child);
    if (running.size === 0) process.off("exit", endAll);
  });
}

function endAll(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Ends a process that this module started, and waits until it has ended. */
async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const closed = new Promise((resolve) => child.once("close", resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
  await closed;
  clearTimeout(timer);
}

/** The configuration; JSON is YAML. */
function configOf(directory: string, options: RegistryOptions, port: number): string {
  const config = {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: false } },
    storage: {
      filesystem: { rootdirectory: join(directory, "data") },
      delete: { enabled: options.delete === true },
      maintenance: { uploadpurging: { enabled: false }, readonly: { enabled: options.readOnly === true } },
    },
    http: {
      addr: `${options.host ?? "127.0.0.1"}:${port}`,
      secret: "secret of the tests",
      relativeurls: options.relativeUrls === true,
      ...tlsOf(directory, options),
    },
    ...authOf(directory, options),
    ...(options.mirrorOf === undefined ? {} : { proxy: proxyOf(options.mirrorOf) }),
  };
  return JSON.stringify(config, undefined, 2);
}

function tlsOf(directory: string, options: RegistryOptions): object {
  if (!authorityOf(options)) return {};
  const pair = { certificate: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  if (!options.clientAuthority) return { tls: pair };
  const clients = join(directory, "clients.pem");
  writeFileSync(clients, options.clientAuthority.ca);
  return { tls: { ...pair, clientcas: [clients] } };
}

function authOf(directory: string, { htpasswd, token }: RegistryOptions): object {
  if (htpasswd) {
    const path = join(directory, "htpasswd");
    writeFileSync(path, HTPASSWD);
    return { auth: { htpasswd: { realm: "the tests", path } } };
  }
  if (!token) return {};
  const rootcertbundle = join(directory, "tokens.pem");
  writeFileSync(rootcertbundle, token.certificate);
  const { realm, service, issuer } = token;
  return { auth: { token: { realm, service, issuer, rootcertbundle } } };
}

function proxyOf({ url, username, password }: NonNullable<RegistryOptions["mirrorOf"]>): object {
  return { remoteurl: url, ...(username === undefined ? {} : { username, password }) };
}
