/** nacre and Docker as builders of one interface: what each of them made, and what it took from its cache. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { nacre } from "../cli/invocation.js";

/** What became of a step: its layer came from the cache, or it was executed. */
export type Answer = "cached" | "made";

/** The steps of one build that make layers, by label: `[build 2/5] COPY . /app`. */
export type Steps = Readonly<Record<string, Answer>>;

/** Something that builds Dockerfiles and tells what it did. */
export interface Builder {
  readonly name: "nacre" | "Docker";
  /**
   * @param args as for `docker build`, context included; the same for both builders
   * @throws Error with what the builder said if the build fails
   */
  build(args: readonly string[]): Promise<Steps>;
}

/** Steps that make a layer, and none of what builders do beside. */
const STEP = /^\[(?!internal)[^\]]*\d+\/\d+\] (?!FROM )/;

/** nacre, in this process, with a store of its own. */
export class NacreBuilder implements Builder {
  readonly name = "nacre";
  /** Directory of the store. */
  readonly store: string;

  constructor(store: string) {
    this.store = store;
  }

  async build(args: readonly string[]): Promise<Steps> {
    const { stderr } = await this.run(["build", "--progress", "rawjson", ...args]);
    const names = new Map<string, string>();
    const steps: Record<string, Answer> = {};
    for (const event of jsonLines(stderr)) {
      if (event.type === "start") names.set(String(event.id), String(event.name));
      const name = names.get(String(event.id));
      if (event.type === "end" && name !== undefined && STEP.test(name)) {
        steps[name] = event.outcome === "cached" ? "cached" : "made";
      }
    }
    return steps;
  }

  /** Runs any command of nacre. @throws Error with what it said if it fails */
  async run(args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const outcome = await nacre(args, {
      env: { ...process.env, NACRE_HOME: this.store, NO_COLOR: "1" } as Environment,
    });
    if (outcome.code !== 0) throw new Error(`nacre ${args.join(" ")}: ${outcome.stderr.slice(-4000)}`);
    return outcome;
  }
}

type Environment = Readonly<Record<string, string>>;

/** The Docker that is told of in NACRE_DOCKER, or that is on PATH: for recordings. */
export class DockerBuilder implements Builder {
  readonly name = "Docker";
  readonly #names = new Set<string>();
  readonly #command = (process.env.NACRE_DOCKER || "docker").split(" ");

  async build(args: readonly string[]): Promise<Steps> {
    const name = args[args.indexOf("-t") + 1];
    if (args.includes("-t") && name !== undefined) this.#names.add(name);
    // There may be no bridge, and results that no one wants.
    const own = args.includes("--network") ? [] : ["--network", "host"];
    const unnamed = args.includes("-t") ? [] : ["--output", "type=cacheonly"];
    const { stderr } = await this.run(["build", "--progress", "rawjson", ...own, ...unnamed, ...args]);
    const steps: Record<string, Answer> = {};
    for (const { vertexes } of jsonLines(stderr)) {
      for (const { name, completed, cached } of (vertexes ?? []) as readonly Vertex[]) {
        if (completed !== undefined && STEP.test(name)) steps[name] = cached ? "cached" : "made";
      }
    }
    return steps;
  }

  /** Removes the names that were given to images. */
  async forget(): Promise<void> {
    if (this.#names.size > 0) await this.run(["image", "rm", "--force", ...this.#names]);
    this.#names.clear();
  }

  /** Runs any command of Docker. @throws Error with what it said if it fails */
  run(args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const [program = "", ...first] = this.#command;
    // Where the daemon sees the same files.
    return promisify(execFile)(program, [...first, ...args], { cwd: "/tmp", maxBuffer: 64 << 20 });
  }
}

interface Vertex {
  readonly name: string;
  readonly completed?: string;
  readonly cached?: boolean;
}

function jsonLines(text: string): { readonly [name: string]: unknown }[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { readonly [name: string]: unknown });
}
