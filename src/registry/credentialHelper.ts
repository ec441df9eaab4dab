/**
 * Programs that keep credentials: `docker-credential-SUFFIX get|store|erase`, which read one line or document from standard
 * input and answer in JSON (protocol of docker-credential-helpers). They are started directly, never through a shell, are
 * given names of registries only that mean nothing more, and have their time and the size of their answer bounded.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import * as v from "valibot";
import { NacreError } from "../support/errors.js";
import { basicCredentials, HUB_KEY, token } from "./credentialFiles.js";
import type { Environment } from "./httpProxy.js";
import { isRegistryHost } from "./registryHost.js";
import type { Credentials } from "./types.js";

/** What a helper may take. */
export interface HelperLimits {
  /** Milliseconds. */
  readonly time: number;
  /** Bytes of its answer. */
  readonly output: number;
}

const LIMITS: HelperLimits = { time: 30_000, output: 1 << 20 };
/** Time for the answer to come to its end once the program has ended, in milliseconds: what it started may hold it open. */
const DRAIN = 1000;
/** Most characters of a failing helper's own words that are repeated. */
const MAX_WORDS = 200;

/** The world of helpers. */
export interface HelperSetting {
  /** Helpers get it whole: each has variables of its own (AWS_PROFILE, DBUS_SESSION_BUS_ADDRESS, GNUPGHOME, …). */
  readonly env: Environment;
  readonly signal?: AbortSignal | undefined;
  readonly limits?: Partial<HelperLimits> | undefined;
}

/** A helper as a file names it. */
export interface HelperName {
  /** What follows `docker-credential-`. */
  readonly suffix: string;
  /** The file that names it. */
  readonly file: string;
}

const Answer = v.object({ Username: v.string(), Secret: v.string() });

/**
 * Asks for the credentials of a registry.
 * @param server a host, or Docker Hub's key
 * @returns undefined if the helper has none
 * @throws NacreError CREDENTIALS if it is not there, fails, or answers wrongly
 */
export async function getFromHelper(
  helper: HelperName,
  server: string,
  setting: HelperSetting,
): Promise<Credentials | undefined> {
  const { code, output } = await call(helper, "get", server, server, setting);
  if (code !== 0) {
    if (isNotFound(output)) return undefined;
    throw failed(helper, "get", code, output);
  }
  const answer = parseAnswer(output);
  if (answer === undefined) throw wrong(helper, "its answer is not what the protocol wants");
  const { Username: username, Secret: secret } = answer;
  if (secret === "") return undefined;
  const unusable = (why: string) => wrong(helper, `its answer ${why}`);
  return username === "<token>" ? token("identity", secret, unusable) : basicCredentials(username, secret, unusable);
}

/**
 * Gives credentials to a helper to keep.
 * @throws NacreError CREDENTIALS
 */
export async function storeInHelper(
  helper: HelperName,
  server: string,
  login: { readonly username: string; readonly secret: string },
  setting: HelperSetting,
): Promise<void> {
  const document = JSON.stringify({ ServerURL: server, Username: login.username, Secret: login.secret });
  const { code, output } = await call(helper, "store", server, document, setting);
  // Whatever it says may hold what it was given.
  if (code !== 0) throw failed(helper, "store", code, "");
  void output;
}

/**
 * Lets a helper forget the credentials of a registry, if it has any.
 * @throws NacreError CREDENTIALS
 */
export async function eraseFromHelper(helper: HelperName, server: string, setting: HelperSetting): Promise<void> {
  const { code, output } = await call(helper, "erase", server, server, setting);
  if (code !== 0 && !isNotFound(output)) throw failed(helper, "erase", code, output);
}

function isNotFound(output: string): boolean {
  return /credentials not found/i.test(output);
}

function parseAnswer(output: string): v.InferOutput<typeof Answer> | undefined {
  try {
    const result = v.safeParse(Answer, JSON.parse(output));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

interface HelperAnswer {
  readonly code: number;
  readonly output: string;
}

async function call(
  helper: HelperName,
  action: "get" | "store" | "erase",
  server: string,
  input: string,
  setting: HelperSetting,
): Promise<HelperAnswer> {
  if (server !== HUB_KEY && !isRegistryHost(server)) {
    throw new NacreError("CREDENTIALS", `${JSON.stringify(server)} is not a registry host`, {
      hint: "write it as HOST or HOST:PORT",
    });
  }
  setting.signal?.throwIfAborted();
  const program = findHelper(helper, setting.env);
  return new HelperRun(helper, { ...LIMITS, ...setting.limits }).run(program, action, input, setting);
}

function findHelper(helper: HelperName, env: Environment): string {
  const { suffix, file } = helper;
  if (!/^[A-Za-z0-9._-]{1,100}$/.test(suffix)) {
    throw new NacreError("CREDENTIALS", `${JSON.stringify(suffix)} in ${file} is not the name of a credential helper`, {
      hint: `credsStore and credHelpers have the part of the program's name that follows docker-credential-`,
    });
  }
  for (const directory of (env.PATH ?? "").split(delimiter)) {
    // Relative directories are left out: what lies in them depends on where the command is run.
    const path = join(directory, nameOf(helper));
    if (isAbsolute(directory) && isProgram(path)) return path;
  }
  throw new NacreError("CREDENTIALS", `the program ${nameOf(helper)}, which ${file} names, is not on PATH`, {
    hint: `install it, or take "${suffix}" out of ${file}`,
    facts: { program: nameOf(helper), file },
  });
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function nameOf({ suffix }: HelperName): string {
  return `docker-credential-${suffix}`;
}

/** One run of a helper, in a process group of its own so that it ends with all that it has started. */
class HelperRun {
  readonly #helper: HelperName;
  readonly #limits: HelperLimits;
  #child: ChildProcess | undefined;

  constructor(helper: HelperName, limits: HelperLimits) {
    this.#helper = helper;
    this.#limits = limits;
  }

  run(program: string, action: string, input: string, { env, signal }: HelperSetting): Promise<HelperAnswer> {
    return new Promise<HelperAnswer>((resolve, reject) => {
      const child = spawn(program, [action], { env: { ...env }, stdio: ["pipe", "pipe", "ignore"], detached: true });
      this.#child = child;
      const output = new BoundedText(this.#limits.output);
      const fail = (error: unknown): void => {
        this.#end();
        settle(() => reject(error));
      };
      const stop = (): void => fail(signal?.reason);
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", stop);
        act();
      };
      const timer = setTimeout(() => fail(this.#tooSlow()), this.#limits.time);
      signal?.addEventListener("abort", stop, { once: true });
      child.on("error", (error) => fail(wrong(this.#helper, `it cannot be started (${errnoName(error)})`)));
      child.stdout!.on("data", (chunk: Buffer) => {
        if (!output.add(chunk)) fail(wrong(this.#helper, `its answer is longer than ${this.#limits.output} bytes`));
      });
      child.on("exit", (code) => {
        const finish = (): void => settle(() => resolve({ code: code ?? -1, output: output.text() }));
        const late = setTimeout(finish, DRAIN);
        child.on("close", () => {
          clearTimeout(late);
          finish();
        });
      });
      // A helper that does not read what it is given says so by its answer.
      child.stdin!.on("error", () => {}).end(input);
    });
  }

  #tooSlow(): NacreError {
    return wrong(this.#helper, `no answer within ${this.#limits.time / 1000} s`);
  }

  #end(): void {
    const child = this.#child;
    child?.stdout?.destroy();
    child?.stdin?.destroy();
    if (child?.pid === undefined) return;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

class BoundedText {
  readonly #limit: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False if that is too much. */
  add(chunk: Buffer): boolean {
    this.#size += chunk.length;
    if (this.#size > this.#limit) return false;
    this.#chunks.push(chunk);
    return true;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}

function errnoName(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

function failed(helper: HelperName, action: string, code: number, output: string): NacreError {
  const words = wordsOf(output);
  return wrong(helper, `it failed to ${action} (exit code ${code})${words === "" ? "" : `: ${words}`}`);
}

/** What a helper said of its failure, unless that could be an answer. */
function wordsOf(output: string): string {
  const [line = ""] = output.trim().split("\n");
  return /[{}"]/.test(output) ? "" : line.slice(0, MAX_WORDS);
}

function wrong(helper: HelperName, why: string): NacreError {
  return new NacreError("CREDENTIALS", `${nameOf(helper)}: ${why}`, {
    hint: `try it: echo HOST | ${nameOf(helper)} get; it is named in ${helper.file}`,
    facts: { program: nameOf(helper), file: helper.file },
  });
}
