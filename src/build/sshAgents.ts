/**
 * The ssh agents of a build: what `--ssh` says, read as buildx reads it. An id stands for the socket of an agent that
 * runs, or for private keys; those get an agent of their own (ssh-agent of OpenSSH), which ends with the build.
 */
import type { ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { errnoOf, ioError, NacreError } from "../support/errors.js";

/** Most bytes of a private key file (buildx's limit). */
const MAX_KEY_BYTES = 100 * 1024;
/** Most bytes of what a tool of OpenSSH says that are kept. */
const MAX_MESSAGE = 4096;

type Environment = Readonly<Record<string, string | undefined>>;

/** What an id stands for. */
type Origin =
  | { readonly kind: "socket"; readonly path: string }
  | { readonly kind: "keys"; readonly paths: readonly string[] };

/** Sockets by id. Close it in the end: agents that were started end then. */
export class SshAgents {
  readonly #origins: ReadonlyMap<string, Origin>;
  readonly #env: Environment;
  readonly #started = new Map<string, Promise<StartedAgent>>();
  #isClosed = false;

  constructor(origins: ReadonlyMap<string, Origin>, env: Environment) {
    this.#origins = origins;
    this.#env = env;
  }

  /** What was given, in order. */
  get ids(): readonly string[] {
    return [...this.#origins.keys()];
  }

  /**
   * The socket of an agent; undefined if there is none of that id. Keys get their agent when it is first asked for.
   * @throws NacreError MOUNT for a key that cannot be read, TOOL_MISSING where there is no ssh-agent
   */
  async socketOf(id: string): Promise<string | undefined> {
    const origin = this.#origins.get(id);
    if (origin === undefined || origin.kind === "socket") return origin?.path;
    if (this.#isClosed) throw new NacreError("INTERNAL", "the ssh agents of this build have ended");
    let started = this.#started.get(id);
    if (started === undefined) {
      started = startAgent(id, origin.paths, this.#env);
      this.#started.set(id, started);
    }
    return (await started).socket;
  }

  /** Ends the agents that were started. Never throws. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const agents = await Promise.allSettled(this.#started.values());
    await Promise.all(agents.map((agent) => (agent.status === "fulfilled" ? agent.value.stop() : undefined)));
  }
}

/**
 * Reads the values of `--ssh`: `default` or `ID` (the agent of SSH_AUTH_SOCK), `ID=SOCKET`, `ID=KEY[,KEY…]`. An empty text
 * is nothing; an empty id is `default`.
 * @throws NacreError USAGE for what does not fit together; MOUNT for a socket or key that is not there
 */
export function parseSsh(texts: readonly string[], env: Environment): SshAgents {
  const origins = new Map<string, Origin>();
  for (const text of texts) {
    if (text === "") continue;
    const equals = text.indexOf("=");
    const id = (equals === -1 ? text : text.slice(0, equals)) || "default";
    const value = equals === -1 ? "" : text.slice(equals + 1);
    if (origins.has(id)) throw usage(`duplicate agent ID ${JSON.stringify(id)}`, "give each id of --ssh once");
    origins.set(id, originOf(id, value, env));
  }
  return new SshAgents(origins, env);
}

function originOf(id: string, value: string, env: Environment): Origin {
  const paths = value === "" ? [agentOf(env, id)] : value.split(",");
  const isSocket = paths.map((file) => look(id, file).isSocket());
  const sockets = isSocket.filter(Boolean).length;
  if (sockets === 0) return { kind: "keys", paths };
  if (sockets > 1) throw usage(`--ssh ${id}: only single socket allowed`, "give each agent an id of its own");
  if (paths.length > 1) {
    throw usage(`--ssh ${id}: invalid combination of keys and sockets`, "give the keys an id of their own");
  }
  return { kind: "socket", path: path.resolve(paths[0]!) };
}

function agentOf(env: Environment, id: string): string {
  if (env.SSH_AUTH_SOCK) return env.SSH_AUTH_SOCK;
  throw new NacreError("MOUNT", "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set", {
    hint: `start an agent (eval "$(ssh-agent)", then ssh-add), or give a key with: --ssh ${id}=KEYFILE`,
  });
}

function look(id: string, file: string): fs.Stats {
  try {
    const stat = fs.statSync(file);
    if (!stat.isDirectory()) return stat;
  } catch (error) {
    throw ioError(
      "MOUNT",
      `looking for ${JSON.stringify(file)} of --ssh ${id}`,
      error,
      "name a socket or a private key",
    );
  }
  throw new NacreError("MOUNT", `${file} of --ssh ${id} is a directory`, { hint: "name a socket or a private key" });
}

/** An agent that runs. */
interface StartedAgent {
  readonly socket: string;
  readonly stop: () => Promise<void>;
}

async function startAgent(id: string, keys: readonly string[], env: Environment): Promise<StartedAgent> {
  // Read before anything is started, so that most mistakes cost nothing.
  const contents = keys.map((file) => readKey(id, file));
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-ssh-"));
  const socket = path.join(directory, "agent");
  let stop = async (): Promise<void> => fs.rmSync(directory, { recursive: true, force: true });
  try {
    const child = await spawnAgent(socket, env);
    const remove = stop;
    stop = async () => {
      await ended(child);
      await remove();
    };
    for (const [i, content] of contents.entries()) await addKey(socket, keys[i]!, content, env);
  } catch (error) {
    await stop();
    throw error;
  }
  return { socket, stop };
}

/** As buildx's reader of keys does, this one takes Windows' line ends and a missing last one. */
function readKey(id: string, file: string): Buffer {
  try {
    const fd = fs.openSync(file, "r");
    try {
      const buffer = Buffer.alloc(MAX_KEY_BYTES);
      const text = buffer.toString("latin1", 0, fs.readSync(fd, buffer));
      return Buffer.from(`${text.replaceAll("\r\n", "\n").trimEnd()}\n`, "latin1");
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    throw ioError("MOUNT", `reading ${file} of --ssh ${id}`, error);
  }
}

/**
 * ssh-agent in the foreground, which the kernel ends if this process dies. It is installed with set-group-id, which
 * would take that promise away; with no-new-privileges it keeps it.
 */
async function spawnAgent(socket: string, env: Environment): Promise<ChildProcess> {
  const agent = ["ssh-agent", "-D", "-a", socket];
  const guarded = ["setpriv", "--nnp", "--pdeathsig", "KILL", "--", ...agent];
  return (await tryAgent(guarded, env)) ?? (await tryAgent(agent, env)) ?? missingTool("ssh-agent");
}

/** Resolves once the agent says what its socket is; undefined if it cannot be started so. */
async function tryAgent(argv: readonly string[], env: Environment): Promise<ChildProcess | undefined> {
  const { spawn } = await import("node:child_process");
  const child = spawn(argv[0]!, argv.slice(1), {
    stdio: ["ignore", "pipe", "ignore"],
    env: toolEnvironment(env),
    // Ctrl-C at the terminal is for this process, which ends the agent when the build has ended.
    detached: true,
  });
  return new Promise((resolve) => {
    child.once("error", () => resolve(undefined));
    child.once("exit", () => resolve(undefined));
    child.stdout.once("data", () => resolve(child));
    child.stdout.resume();
  });
}

/** The key comes through a pipe: ssh-add has opinions about the modes of files. It gets no terminal to ask for a passphrase at. */
async function addKey(socket: string, file: string, content: Buffer, env: Environment): Promise<void> {
  const { spawn } = await import("node:child_process");
  const child = spawn("ssh-add", ["-q", "-"], {
    stdio: ["pipe", "ignore", "pipe"],
    env: { ...toolEnvironment(env), SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: "never" },
    detached: true,
  });
  let said = "";
  child.stderr.setEncoding("latin1").on("data", (text: string) => {
    if (said.length < MAX_MESSAGE) said += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(content);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", (error) => (errnoOf(error) === "ENOENT" ? resolve(-1) : reject(error)));
    child.once("close", resolve);
  });
  if (code === -1) missingTool("ssh-add");
  if (code !== 0) throw refusedKey(file, content, said);
}

function refusedKey(file: string, content: Buffer, said: string): NacreError {
  if (!content.includes("PRIVATE KEY-----")) {
    return new NacreError("MOUNT", `failed to parse ${file}: no key found`, {
      hint: "--ssh takes private keys, not the .pub files beside them, and sockets of agents",
    });
  }
  if (/passphrase/i.test(said)) {
    return new NacreError("MOUNT", `failed to parse ${file}: this private key is passphrase protected`, {
      hint: `unlock it in your agent (ssh-add ${file}) and give that one: --ssh default`,
    });
  }
  return new NacreError("MOUNT", `failed to parse ${file}: ssh-add does not take it`, {
    hint: "try it with: ssh-keygen -y -f KEYFILE",
  });
}

function toolEnvironment(env: Environment): NodeJS.ProcessEnv {
  return { PATH: env.PATH, HOME: env.HOME, LC_ALL: "C" };
}

function missingTool(name: string): never {
  throw new NacreError("TOOL_MISSING", `${name} is needed for keys given with --ssh, and is not installed`, {
    hint: "install openssh-client, or give the socket of an agent that runs: --ssh default",
    facts: { tool: name },
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

function usage(message: string, hint: string): NacreError {
  return new NacreError("USAGE", message, { hint });
}
