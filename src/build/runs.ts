/**
 * Executing RUN steps: what a step observes is gathered for its key, and, where it misses, a sandbox runs it. The sandbox
 * is opened by the first step that must be executed; a build whose steps all hit loads none of it.
 */
import type { RunInputs } from "../cache/ingredients.js";
import type { PlannedRunMount } from "../cache/runMounts.js";
import type { ImageLayer } from "../image/image.js";
import { goQuote } from "../plan/goFormat.js";
import type { Plan, RunStep } from "../plan/graph.js";
import type { SandboxChoice } from "../sandbox/detect.js";
import { USUAL_SHM_SIZE } from "../sandbox/standardMounts.js";
import type { PreparedRun, RunExit, RunLayer, RunRequest, Sandbox } from "../sandbox/types.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { formatSeconds } from "../support/human.js";
import type { Json } from "../support/json.js";
import { isForeign } from "./foreignStep.js";
import {
  freshCaches,
  type MountLookups,
  type RequestedMounts,
  requestMounts,
  runMountsOf,
  sshEnvironment,
} from "./runMounts.js";
import { parseSecrets, type Secrets } from "./secrets.js";
import type { Session, Vertex } from "./session.js";
import { parseSsh, type SshAgents } from "./sshAgents.js";
import type { StepLog } from "./stepLog.js";

/** Host name inside a RUN (BuildKit's), unless the build argument BUILDKIT_SANDBOX_HOSTNAME gives another. */
const HOSTNAME = "buildkitsandbox";

/** Longest command that an error repeats, characters: the excerpt shows it anyway. */
const MAX_COMMAND = 240;

/** Milliseconds after which a step's process has been started, and there is time for other things. */
const STARTED = 5;

/** What the solver hands over for one execution. */
export interface RunWork {
  /** The file system before the step, lowest layer first. */
  readonly root: readonly ImageLayer[];
  /** From {@link Runs.requestMounts}. */
  readonly requested: RequestedMounts;
  readonly mtime: number | undefined;
  readonly signal: AbortSignal;
  readonly vertex: Vertex;
  readonly warn: (rule: string, message: string) => void;
}

/** What an execution came to. */
export interface RunResult {
  readonly layer: RunLayer;
  /** Name of its output in the store. */
  readonly log: string;
}

/** The RUN steps of one build. */
export class Runs {
  readonly #session: Session;
  readonly #plan: Plan;
  readonly #secrets: Secrets;
  readonly #agents: SshAgents;
  readonly #planned = new Map<RunStep, readonly PlannedRunMount[]>();
  readonly #used: PreparedRun[] = [];
  readonly #releases = new Set<Promise<void>>();
  #fresh: MountLookups["fresh"] | undefined;
  #sandbox: Promise<Sandbox> | undefined;
  #choice: Promise<SandboxChoice | undefined> | undefined;

  /** @throws NacreError USAGE, MOUNT for secrets and agents that cannot be read */
  constructor(session: Session, plan: Plan) {
    this.#session = session;
    this.#plan = plan;
    this.#secrets = parseSecrets(session.request.secrets ?? [], process.env);
    this.#agents = parseSsh(session.request.ssh ?? [], process.env);
    for (const { id, variable } of this.#secrets.unset) {
      session.warn({ rule: "EmptySecret", message: `the secret ${id} is empty: ${variable} is not set` });
    }
  }

  /** The mounts of a step. @throws NacreError MOUNT */
  mountsOf(step: RunStep): readonly PlannedRunMount[] {
    let planned = this.#planned.get(step);
    if (planned === undefined) {
      planned = runMountsOf(step, this.#session.request.buildArgs?.BUILDKIT_CACHE_MOUNT_NS);
      this.#planned.set(step, planned);
    }
    return planned;
  }

  /**
   * What a sandbox is to mount for a step.
   * @param tree finds the layers of a source, making them where they are missing
   * @throws NacreError MOUNT for what is required and was not given
   */
  async requestMounts(step: RunStep, tree: MountLookups["tree"]): Promise<RequestedMounts> {
    this.#fresh ??= freshCaches(this.#plan.steps.filter((each) => each.kind === "run"));
    return requestMounts(this.mountsOf(step), {
      tree,
      secret: (id) => this.#secrets.get(id),
      agent: (id) => this.#agents.socketOf(id),
      secretIds: this.#secrets.ids,
      agentIds: this.#agents.ids,
      fresh: this.#fresh,
    });
  }

  /** @param mounts ingredients of the step's mounts */
  async inputs(mounts: readonly Json[]): Promise<RunInputs> {
    const { request } = this.#session;
    return {
      mounts,
      hostname: this.#hostname(),
      hosts: request.hosts ?? [],
      ulimits: request.limits?.ulimits ?? [],
      shmSize: request.shmSize === USUAL_SHM_SIZE ? undefined : request.shmSize,
      losses: (await this.#choose())?.losses ?? [],
    };
  }

  /** A step is going to be executed as soon as its inputs are there. */
  expect(): void {
    this.#open().then(
      (sandbox) => sandbox.expect?.(),
      () => {},
    );
  }

  /**
   * Executes a step.
   * @throws NacreError RUN_FAILED if its command fails; ISOLATION, MOUNT, USER_NOT_FOUND, DISK_FULL, CANCELLED
   */
  async execute(step: RunStep, work: RunWork): Promise<RunResult> {
    if (step.args.length === 0) throw nothingToRun(step);
    const { StepLog: Log } = await import("./stepLog.js");
    if (isForeign(step)) {
      const { checkEmulatorInRoot } = await import("./foreignRuns.js");
      await checkEmulatorInRoot(step, work.root, this.#session.store);
    }
    const sandbox = await this.#open();
    const prepared = await sandbox.prepare(this.#request(step, work), {
      warn: work.warn,
      signal: work.signal,
      onProgress: (bytes, total) => work.vertex.progress(bytes, total, "bytes"),
    });
    this.#session.about.isolation = (await this.#choose())?.level;
    const log = new Log(this.#session.store, work.vertex);
    const started = this.#session.now();
    try {
      const exit = await this.#run(prepared, log, work.signal);
      if (exit.kind !== "code" || exit.code !== 0) {
        this.#noteFailure(step, this.#session.now() - started, log.name);
        await this.#fail(step, exit, log, prepared);
      }
      return { layer: await prepared.collect({ signal: work.signal }), log: log.name };
    } finally {
      await this.#release(prepared, work.requested);
    }
  }

  #noteFailure(step: RunStep, duration: number, log: string): void {
    const { history } = this.#session;
    const known = history.get(step.id) ?? { label: step.label };
    history.set(step.id, { ...known, outcome: "error", duration, log });
  }

  /**
   * What a step has left is removed while the next one runs, or at the end of the build: nobody need wait for it. A cache
   * must be free before, or a step that does not share it would get another one.
   */
  async #release(prepared: PreparedRun, { mounts }: RequestedMounts): Promise<void> {
    if (mounts.some(({ type }) => type === "cache")) await prepared.release();
    else this.#used.push(prepared);
  }

  #releaseUsed(): void {
    for (const prepared of this.#used.splice(0)) {
      const released = prepared.release().finally(() => this.#releases.delete(released));
      this.#releases.add(released);
    }
  }

  /** Ends what was opened. */
  async close(): Promise<void> {
    this.#releaseUsed();
    await Promise.all(this.#releases);
    const sandbox = await this.#sandbox?.catch(() => undefined);
    await sandbox?.close();
    await this.#agents.close();
  }

  #open(): Promise<Sandbox> {
    const { store, request } = this.#session;
    this.#sandbox ??= this.#choose().then(async (choice) => {
      const { openSandbox } = await import("../sandbox/sandbox.js");
      const warn = (rule: string, message: string): void => this.#session.warn({ rule, message });
      return openSandbox({ store, isolation: request.isolation ?? "auto", choice, warn });
    });
    return this.#sandbox;
  }

  /** Undefined where nothing can be executed: full results may still be in the cache, and the first miss tells why. */
  #choose(): Promise<SandboxChoice | undefined> {
    const { store, request } = this.#session;
    this.#choice ??= import("../sandbox/detect.js").then(async ({ chooseSandbox }) => {
      try {
        return await chooseSandbox({ store, isolation: request.isolation ?? "auto" });
      } catch (error) {
        if (isNacreError(error) && error.code === "ISOLATION") return undefined;
        throw error;
      }
    });
    return this.#choice;
  }

  #request(step: RunStep, { root, requested, mtime }: RunWork): RunRequest {
    const { request } = this.#session;
    return {
      root,
      args: step.args,
      script: step.script,
      env: [...step.env, ...sshEnvironment(step), ...step.proxyEnv],
      secretEnv: requested.secretEnv,
      cwd: step.cwd,
      user: step.user,
      hostname: this.#hostname(),
      network: step.network === "none" ? "none" : "host",
      insecure: step.security === "insecure",
      hosts: request.hosts ?? [],
      shmSize: request.shmSize ?? USUAL_SHM_SIZE,
      limits: { ulimits: [], ...request.limits },
      mounts: requested.mounts,
      mtime,
    };
  }

  #hostname(): string {
    return this.#session.request.buildArgs?.BUILDKIT_SANDBOX_HOSTNAME || HOSTNAME;
  }

  /** A log that cannot be written ends the step. */
  async #run(prepared: PreparedRun, log: StepLog, signal: AbortSignal): Promise<RunExit> {
    const stop = new AbortController();
    let failure: unknown;
    const onOutput = (chunk: Buffer): void => {
      if (failure !== undefined) return;
      try {
        log.write(chunk);
      } catch (error) {
        failure = error;
        stop.abort();
      }
    };
    try {
      const ended = prepared.execute({ kind: "log", onOutput }, { signal: AbortSignal.any([signal, stop.signal]) });
      setTimeout(() => this.#releaseUsed(), STARTED).unref();
      return await ended;
    } catch (error) {
      // No build names it; what filled the disk must not stay.
      log.discard();
      throw failure ?? error;
    } finally {
      log.close();
    }
  }

  async #fail(step: RunStep, exit: RunExit, log: StepLog, prepared: PreparedRun): Promise<never> {
    const message = describeExit(step, exit, this.#session.request.limits?.timeout);
    const tail = log.tail();
    const { label, place } = step;
    const openShell = async (): Promise<void> => {
      await prepared.execute({ kind: "terminal" }, { args: ["/bin/sh"] });
    };
    await this.#session.request.onFailedRun?.({ label, message, place, tail, openShell });
    throw new NacreError("RUN_FAILED", message, {
      place,
      hint: hintFor(exit, log.bytes > 0),
      facts: { exit, tail, log: log.name },
    });
  }
}

/** `RUN []`. */
function nothingToRun({ place }: RunStep): NacreError {
  return new NacreError("RUN_FAILED", "the command of RUN is empty", {
    hint: 'write RUN ["program", "argument"], or RUN with a command for the shell',
    place,
  });
}

/** BuildKit's words for the end of a process. */
function describeExit(step: RunStep, exit: RunExit, timeout: number | undefined): string {
  const command = step.args.join(" ");
  const shown = command.length > MAX_COMMAND ? `${command.slice(0, MAX_COMMAND - 1)}…` : command;
  const what = `process ${goQuote(shown)} did not complete successfully`;
  switch (exit.kind) {
    case "code":
      return `${what}: exit code: ${exit.code}`;
    case "signal":
      return `${what}: killed by ${exit.signal}`;
    case "timeout":
      return `${what}: stopped after ${formatSeconds(timeout ?? 0)}`;
    case "memory":
      return `${what}: cannot allocate memory`;
    case "unstartable":
      return `${what}: exit code: ${exit.code}: ${exit.message}`;
  }
}

/** What shells say with some exit codes. */
const MEANINGS: Readonly<Record<number, string>> = {
  126: "126 says that a command is there but cannot be executed (chmod +x, or another platform's program)",
  127: "127 says that a command was not found: see that it is in the image and on its PATH",
  137: "137 says that a command was killed, mostly for lack of memory",
};

function hintFor(exit: RunExit, hasOutput: boolean): string {
  const look = "look into the step's files with: nacre build --debug-shell …";
  switch (exit.kind) {
    case "timeout":
      return "give it more time with --step-timeout";
    case "memory":
      return "the limit of --memory was reached; raise it, or have the step do less at once";
    case "unstartable":
      return hintForStart(exit.code, exit.message);
    default: {
      const meaning = exit.kind === "code" ? MEANINGS[exit.code] : undefined;
      return [...(meaning ? [meaning] : []), ...(hasOutput ? ["its whole output: nacre logs"] : []), look].join("; ");
    }
  }
}

function hintForStart(code: 126 | 127, message: string): string {
  if (message.includes("working directory")) return "choose another WORKDIR, or mend what is there";
  if (code === 126) {
    return "it is there but cannot be executed: is it a program for this platform, with a #! line if it is a script, and executable (chmod +x)?";
  }
  const [, shell] = /"([^"]*\/(?:ba|da|a|z|k)?sh)"/.exec(message) ?? [];
  return shell !== undefined
    ? `the image has no ${shell}: use the exec form, RUN ["program", "argument"], another SHELL, or another base`
    : "the program, or the interpreter or linker that it asks for, is not in the image or not on its PATH; the exec form has no shell";
}
