/**
 * The arguments that a stage uses: those it declares, those its FROM line mentions, and what the defaults of these mention
 * (BuildKit: outlineCapture).
 */
import type { ArgInstruction, Dockerfile, Word } from "../dockerfile/ast.js";
import { expandWord } from "../dockerfile/expand.js";
import type { SourceRange } from "../support/source.js";
import type { Environment } from "./environment.js";
import type { PlanRequest } from "./graph.js";
import type { Notes } from "./notes.js";
import type { StageInstruction } from "./onbuild.js";
import type { ReachedStage } from "./reach.js";
import { type GlobalScope, globalScope } from "./scope.js";
import type { StageState } from "./stageState.js";

/** An ARG that the target uses. */
export interface OutlineArg {
  readonly name: string;
  /** The value that a build would see; absent without one, empty for an empty one. */
  readonly value?: string | undefined;
  readonly description?: string | undefined;
  readonly range: SourceRange;
}

/** What is known of an argument's name: its newest definition, and the names that its default has looked at. */
interface Definition {
  readonly arg: OutlineArg;
  readonly needs: ReadonlySet<string>;
}

/** The global ARGs, and which of them each FROM line looks at. */
export interface GlobalParameters {
  readonly definitions: ReadonlyMap<string, Definition>;
  /** The names with a value among those that a word of FROM mentions. */
  readonly mentionedIn: (word: Word) => ReadonlySet<string>;
}

/** Reads the global ARGs, each default with what stands before it. */
export function globalParameters(file: Dockerfile, request: PlanRequest, notes: Notes): GlobalParameters {
  const { env } = globalScope({ ...file, globalArgs: [] }, request, notes);
  const definitions = new Map<string, Definition>();
  for (const instruction of file.globalArgs) {
    for (const arg of instruction.args) {
      const given = request.buildArgs.get(arg.name);
      const expanded = given === undefined && arg.value ? lookInto(arg.value, env, file) : undefined;
      const value = given ?? expanded?.text;
      if (value !== undefined) env.set(arg.name, value);
      definitions.set(arg.name, {
        arg: outlineArg(instruction, arg.name, value),
        needs: expanded?.names ?? new Set(),
      });
    }
  }
  return { definitions, mentionedIn: (word) => lookInto(word, env, file).names };
}

/** The arguments of one stage, filled while its instructions are applied. */
export class StageParameters {
  readonly #definitions: Map<string, Definition>;
  readonly #used = new Set<string>();
  readonly #request: PlanRequest;

  constructor({ node }: ReachedStage, globals: GlobalParameters, request: PlanRequest) {
    this.#definitions = new Map(globals.definitions);
    this.#request = request;
    // Where a named context takes the stage's place, its FROM line does not count.
    if (node.replacedBy !== undefined) return;
    const { image, platform } = node.source.from;
    for (const word of platform ? [image, platform] : [image]) this.#mention(globals.mentionedIn(word));
  }

  /** What planning calls after each instruction: it finds the stage's parameters and notes ARGs there. */
  static observer(
    stages: ReadonlyMap<number, StageParameters>,
    globals: GlobalScope,
  ): (state: StageState, instruction: StageInstruction) => void {
    return (state, instruction) => {
      const stage = stages.get(state.node.index);
      if (stage && instruction.keyword === "ARG") stage.#declare(state, instruction, globals);
    };
  }

  /** The arguments used, those that defaults mention included. */
  used(): readonly OutlineArg[] {
    const all = new Set<string>();
    const pending = [...this.#used];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (all.has(name)) continue;
      all.add(name);
      pending.push(...(this.#definitions.get(name)?.needs ?? []));
    }
    return [...this.#definitions.keys()].flatMap((name) => (all.has(name) ? this.#definitions.get(name)!.arg : []));
  }

  /** An ARG that only hands a global value on keeps the global place and description. */
  #declare(state: StageState, instruction: ArgInstruction, globals: GlobalScope): void {
    for (const { name, value } of instruction.args) {
      const handedOn = value === undefined && !this.#request.buildArgs.has(name) && globals.env.get(name) !== undefined;
      if (!handedOn) {
        const arg = outlineArg(instruction, name, state.args.get(name));
        this.#definitions.set(name, { arg, needs: new Set() });
      }
      this.#used.add(name);
    }
  }

  #mention(names: Iterable<string>): void {
    for (const name of names) this.#used.add(name);
  }
}

/**
 * The text after the first comment line that begins with the name (BuildKit: getComment).
 * @param comments the comment lines above an instruction
 */
export function describe(comments: readonly string[], name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const line = comments.find((comment) => comment.startsWith(`${name} `));
  return line?.slice(name.length + 1);
}

function outlineArg({ comments, range }: ArgInstruction, name: string, value: string | undefined): OutlineArg {
  return { name, value, description: describe(comments, name), range };
}

/** A word expanded, with the names of the set variables in it. */
function lookInto(
  word: Word,
  env: Environment,
  { escape: token }: Dockerfile,
): { readonly text: string; readonly names: ReadonlySet<string> } {
  const names = new Set<string>();
  const get = (name: string): string | undefined => {
    const value = env.get(name);
    if (value !== undefined) names.add(name);
    return value;
  };
  return { text: expandWord(word.raw, { get }, token), names };
}
