/**
 * Running the git program on repositories and addresses that nobody vouches for: no settings of the user or the system,
 * no hooks, no templates, no helpers for credentials, no questions, and only the protocols of `support/gitRemote.ts`.
 * What is secret goes through the environment, never through arguments or files.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { NacreError } from "../support/errors.js";
import type { GitRemote } from "../support/gitRemote.js";
import { GIT_SSH_COMMAND } from "./gitSsh.js";

/** Most bytes of standard output that are kept, unless more are asked for. */
const MAX_OUTPUT = 64 << 20;
/** Most bytes of the end of standard error that are kept. */
const MAX_MESSAGES = 64 << 10;
/** Longest line of progress. */
const MAX_LINE = 2000;
/** Milliseconds without a word from a command that uses the network. */
const STALL = 10 * 60_000;
/** The first version that reads settings from the environment. */
const OLDEST: readonly [number, number] = [2, 31];

/** What git and its helpers may know of our environment. */
const PASSED = [
  ...["http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"],
  ...["GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR"],
];

const SETTINGS: readonly (readonly [key: string, value: string])[] = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.askPass", ""],
  ["credential.helper", ""],
  // Objects come as packs, and all that is written is on disk before it has its name: a power cut leaves nothing half.
  ["fetch.unpackLimit", "1"],
  ["core.fsync", "all"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["submodule.recurse", "false"],
  ["fetch.recurseSubmodules", "false"],
  ["protocol.version", "2"],
  ["init.defaultBranch", "main"],
  // Servers that prepare a pack say a word every five seconds; less than that for two minutes is a dead connection.
  ["http.lowSpeedLimit", "1"],
  ["http.lowSpeedTime", "120"],
];

/** What opens a remote of one origin. */
export interface GitCredentials {
  /** `https://host:port`: whoever else is asked never sees them. */
  readonly origin: string;
  /** Value of the Authorization header. */
  readonly header: string;
}

/** How git runs. */
export interface GitOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly credentials?: GitCredentials | undefined;
  /** Texts that must not be seen in any message. */
  readonly secrets?: readonly string[] | undefined;
  /** Socket of an ssh agent. */
  readonly sshSocket?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
}

/** One command. */
export interface GitCommand {
  readonly args: readonly string[];
  /** The repository; none if it is left out. */
  readonly gitDir?: string | undefined;
  readonly workTree?: string | undefined;
  /** The index, where it is not that of the repository. */
  readonly index?: string | undefined;
  /** The remote that it connects to. */
  readonly remote?: GitRemote | undefined;
  readonly input?: Uint8Array | undefined;
  /** Most bytes of output. Default: 64 MiB. */
  readonly maxOutput?: number | undefined;
}

/** A command ended with a failure. Its lines hold no secrets. */
export class GitFailure extends Error {
  readonly exitCode: number | null;
  /** The last of what it said, without progress and control characters. */
  readonly lines: readonly string[];

  constructor(command: string, exitCode: number | null, lines: readonly string[]) {
    super(`git ${command} failed: ${lines.at(-1) ?? `exit code ${exitCode}`}`);
    this.name = "GitFailure";
    this.exitCode = exitCode;
    this.lines = lines;
  }
}

/** The git program, found and ready. */
export class Git {
  readonly options: GitOptions;
  readonly #program: string;

  private constructor(program: string, options: GitOptions) {
    this.#program = program;
    this.options = options;
  }

  /** Looks for git on the PATH of `options.env`. @throws NacreError TOOL_MISSING also if it is too old */
  static async find(options: GitOptions): Promise<Git> {
    const program = programOn(options.env.PATH ?? "");
    if (program === undefined) throw missing("git is not installed");
    const version = await versionOf(program);
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
      throw missing(`git ${version} is too old: ${OLDEST.join(".")} or newer is needed`);
    }
    return new Git(program, options);
  }

  /**
   * Runs a command. @returns its standard output
   * @throws GitFailure if it fails; NacreError CANCELLED, NETWORK for a remote that has said nothing for ten minutes,
   *   LIMIT_EXCEEDED for too much output
   */
  run(command: GitCommand): Promise<Buffer> {
    const { signal } = this.options;
    if (signal?.aborted) return Promise.reject(cancelled());
    // The modes of a tree must not depend on our umask, and there is no other way to set that of a child.
    const argv = ["-c", 'umask 022; exec "$0" "$@"', this.#program, ...command.args];
    const child = spawn("/bin/sh", argv, {
      cwd: "/",
      env: this.#environment(command),
      stdio: ["pipe", "pipe", "pipe"],
      // A process group of its own, so that git's helpers can be ended with it, and no terminal to ask questions on.
      detached: true,
    });
    return outcomeOf(child, command, this.options, (text) => this.redact(text));
  }

  /** Output of a command as text, without the last newline. */
  async text(command: GitCommand): Promise<string> {
    return (await this.run(command)).toString("utf8").replace(/\n$/, "");
  }

  /** A text without anything secret. */
  redact(text: string): string {
    let shown = text.replace(/(https?:\/\/)[^/\s@]*@/gi, "$1");
    for (const secret of this.options.secrets ?? []) if (secret !== "") shown = shown.replaceAll(secret, "***");
    return shown;
  }

  #environment(command: GitCommand): Record<string, string> {
    const { env, sshSocket } = this.options;
    const passed = PASSED.flatMap((name) => (env[name] ? [[name, env[name]]] : []));
    return {
      ...Object.fromEntries(passed),
      PATH: searchPath(env.PATH ?? ""),
      LC_ALL: "C",
      // No such directory: nothing in it is read.
      HOME: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_ATTR_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      GIT_OPTIONAL_LOCKS: "0",
      GIT_NO_REPLACE_OBJECTS: "1",
      GIT_ADVICE: "0",
      GIT_ALLOW_PROTOCOL: "https:http:ssh:git",
      GIT_SSH_COMMAND,
      GIT_SSH_VARIANT: "ssh",
      ...(sshSocket ? { SSH_AUTH_SOCK: sshSocket } : {}),
      GIT_DIR: command.gitDir ?? "/dev/null",
      ...(command.workTree === undefined ? {} : { GIT_WORK_TREE: command.workTree }),
      ...(command.index === undefined ? {} : { GIT_INDEX_FILE: command.index }),
      ...settingsInEnvironment([...SETTINGS, ...this.#remoteSettings(command)]),
    };
  }

  #remoteSettings({ remote, gitDir }: GitCommand): [string, string][] {
    const settings: [string, string][] = gitDir === undefined ? [] : [["safe.directory", gitDir]];
    const { credentials } = this.options;
    if (!remote || !credentials || originOf(remote) !== credentials.origin) return settings;
    settings.push([`http.${credentials.origin}/.extraHeader`, `Authorization: ${credentials.header}`]);
    // After a redirect git would send the header to the new place, whoever that is.
    settings.push(["http.followRedirects", "false"]);
    return settings;
  }
}

/** `https://host:port` of an http remote, undefined for others. */
export function originOf(remote: GitRemote): string | undefined {
  return /^https?$/.test(remote.scheme) ? `${remote.scheme}://${remote.host.toLowerCase()}` : undefined;
}

/** What a command comes to. */
function outcomeOf(
  child: ChildProcess,
  command: GitCommand,
  { signal, onProgress }: GitOptions,
  redact: (text: string) => string,
): Promise<Buffer> {
  const { maxOutput = MAX_OUTPUT, args, remote } = command;
  return new Promise((resolve, reject) => {
    const output: Buffer[] = [];
    let size = 0;
    let messages = "";
    let reason: NacreError | undefined;
    const end = (error: NacreError): void => {
      reason ??= error;
      killGroup(child);
    };
    const abort = (): void => end(cancelled());
    const timer = remote && setTimeout(() => end(stalled(remote)), STALL);
    signal?.addEventListener("abort", abort, { once: true });
    child.stdin?.on("error", () => {});
    child.stdin?.end(command.input);
    child.stdout?.on("data", (chunk: Buffer) => {
      timer?.refresh();
      size += chunk.length;
      if (size > maxOutput) end(tooMuch(args[0]!, maxOutput));
      else output.push(chunk);
    });
    const lines = lineReader((line) => onProgress?.(redact(line)));
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      timer?.refresh();
      messages = (messages + chunk).slice(-MAX_MESSAGES);
      lines(chunk);
    });
    const settled = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    child.once("error", (error) => {
      settled();
      reject(missing(`git cannot be started: ${error.message}`));
    });
    child.once("close", (code) => {
      settled();
      if (reason !== undefined) reject(reason);
      else if (code === 0) resolve(Buffer.concat(output));
      else reject(new GitFailure(args[0]!, code, lastLines(redact(messages))));
    });
  });
}

/** Hands on whole lines; git ends those of its progress with a carriage return. */
function lineReader(take: (line: string) => void): (chunk: string) => void {
  let rest = "";
  return (chunk) => {
    const parts = (rest + chunk).split(/[\r\n]+/);
    rest = parts.pop()!.slice(-MAX_LINE);
    for (const part of parts) {
      const line = printable(part);
      if (line !== "") take(line);
    }
  };
}

function lastLines(messages: string): string[] {
  const lines = messages.split("\n").map((line) => printable(line.slice(line.lastIndexOf("\r", line.length - 2) + 1)));
  return lines.filter((line) => line !== "" && !/^hint: /.test(line)).slice(-10);
}

function printable(line: string): string {
  // Colours and the like, which servers may send, and all other control characters.
  const plain = line.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, "").replace(/[\x00-\x1f\x7f-\x9f]/g, " ");
  return plain.slice(0, MAX_LINE).trim();
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

function settingsInEnvironment(settings: readonly (readonly [string, string])[]): Record<string, string> {
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(settings.length) };
  for (const [i, [key, value]] of settings.entries()) {
    env[`GIT_CONFIG_KEY_${i}`] = key;
    env[`GIT_CONFIG_VALUE_${i}`] = value;
  }
  return env;
}

/** Folders in which programs are looked for: relative ones could lie in somebody's repository. */
function searchPath(given: string): string {
  return given
    .split(path.delimiter)
    .filter((folder) => path.isAbsolute(folder))
    .join(path.delimiter);
}

function programOn(given: string): string | undefined {
  const candidates = searchPath(given)
    .split(path.delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => path.join(folder, "git"));
  return candidates.find((file) => {
    try {
      fs.accessSync(file, fs.constants.X_OK);
      return fs.statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

const versions = new Map<string, Promise<string>>();

function versionOf(program: string): Promise<string> {
  let version = versions.get(program);
  if (version === undefined) {
    version = new Promise((resolve) => {
      execFile(program, ["version"], { timeout: 30_000, env: { LC_ALL: "C" }, cwd: "/" }, (_error, stdout) => {
        resolve(/\b([0-9]+\.[0-9]+)/.exec(stdout.slice(0, 200))?.[1] ?? "0.0");
      });
    });
    versions.set(program, version);
  }
  return version;
}

function missing(message: string): NacreError {
  return new NacreError("TOOL_MISSING", `git repositories are read with the git program: ${message}`, {
    hint: "install git (Debian: git), or copy the files into the context",
    facts: { program: "git", package: "git" },
  });
}

function cancelled(): NacreError {
  return new NacreError("CANCELLED", "stopped while git was running");
}

function stalled(remote: GitRemote): NacreError {
  return new NacreError("NETWORK", `${remote.shown} has not answered for ${STALL / 60_000} minutes`, {
    hint: "try again later",
    facts: { remote: remote.shown },
  });
}

function tooMuch(command: string, limit: number): NacreError {
  return new NacreError("LIMIT_EXCEEDED", `git ${command} said more than ${limit} bytes`);
}
