/** Running a template on one row of data: by the rules of Go's text/template, within bounds. Pure. */
import { printable } from "../terminalText.js";
import type { Command, Node, Operand, Pipe } from "./ast.js";
import { callFunction, WrongCount, WrongType } from "./functions.js";
import { runProblem, TemplateProblem } from "./problem.js";
import { isMap, isTextMap, isTrue, keysOf, printValue, typeName } from "./values.js";

/** What may be spent on one row: steps, and characters of output. */
const MAX_STEPS = 200_000;
const MAX_OUTPUT = 4 << 20;
/** Characters, and elements of lists, that functions may make for one row. */
const MAX_MADE = 16 << 20;

/** How a template is run. */
export interface RunOptions {
  /** The row is one of headers: functions leave texts as they are, and what is missing is printed as `<no value>`. */
  readonly forHeaders?: boolean | undefined;
  /** Says of a field that the row has not what could have been meant. */
  readonly hint?: ((name: string) => string | undefined) | undefined;
}

/** How a list of nodes ended: as usual, or by `{{break}}` or `{{continue}}`. */
type Ending = "end" | "break" | "continue";

/**
 * Runs a template.
 * @param text the template's, for places in messages
 * @throws NacreError USAGE, in Docker's words
 */
export function runTemplate(text: string, nodes: readonly Node[], row: unknown, options: RunOptions = {}): string {
  return new Run(text, row, options).all(nodes);
}

class Run {
  readonly #text: string;
  readonly #row: unknown;
  readonly #options: RunOptions;
  /** The innermost last; several of one name may be there. */
  readonly #variables: { readonly name: string; value: unknown }[];
  #steps = 0;
  #made = 0;
  #out = "";

  constructor(text: string, row: unknown, options: RunOptions) {
    this.#text = text;
    this.#row = row;
    this.#options = options;
    this.#variables = [{ name: "$", value: row }];
  }

  all(nodes: readonly Node[]): string {
    this.#list(nodes, this.#row);
    return this.#out;
  }

  #list(nodes: readonly Node[], dot: unknown): Ending {
    for (const node of nodes) {
      const ending = this.#node(node, dot);
      if (ending !== "end") return ending;
    }
    return "end";
  }

  #node(node: Node, dot: unknown): Ending {
    switch (node.kind) {
      case "text":
        this.#write(node.text);
        return "end";
      case "action": {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.variables.length === 0) this.#write(harmless(printValue(value)));
        return "end";
      }
      case "if":
      case "with":
      case "range":
        return this.#scoped(() => (node.kind === "range" ? this.#range(node, dot) : this.#branch(node, dot)));
      default:
        return node.kind;
    }
  }

  #branch({ kind, pipe, body, otherwise }: Extract<Node, { kind: "if" | "with" | "range" }>, dot: unknown): Ending {
    const value = this.#pipe(pipe, dot);
    if (isTrue(value)) return this.#list(body, kind === "with" ? value : dot);
    return this.#list(otherwise, dot);
  }

  #range({ pipe, body, otherwise }: Extract<Node, { kind: "if" | "with" | "range" }>, dot: unknown): Ending {
    const entries = this.#entries(pipe, this.#commands(pipe, dot));
    let isEmpty = true;
    for (const [key, value] of entries) {
      isEmpty = false;
      this.#step(pipe);
      const ending = this.#scoped(() => {
        this.#setRangeVariables(pipe, key, value);
        return this.#list(body, value);
      });
      if (ending === "break") return "end";
    }
    return isEmpty ? this.#list(otherwise, dot) : "end";
  }

  #entries(pipe: Pipe, value: unknown): Iterable<readonly [unknown, unknown]> {
    if (Array.isArray(value)) return value.entries();
    if (isMap(value)) return keysOf(value).map((key) => [key, value[key]] as const);
    if (typeof value === "number" && Number.isInteger(value)) return countTo(value);
    if (value === undefined || value === null) return [];
    throw this.#problem(pipe, new TemplateProblem(`range can't iterate over ${printValue(value)}`));
  }

  #setRangeVariables({ variables, assigns }: Pipe, key: unknown, value: unknown): void {
    const [first, second] = variables;
    if (first === undefined) return;
    this.#set(first, second === undefined ? value : key, assigns);
    if (second !== undefined) this.#set(second, value, assigns);
  }

  /** Variables that the work declares end with it. */
  #scoped<T>(work: () => T): T {
    const count = this.#variables.length;
    const result = work();
    this.#variables.length = count;
    return result;
  }

  #pipe(pipe: Pipe, dot: unknown): unknown {
    const value = this.#commands(pipe, dot);
    for (const name of pipe.variables) this.#set(name, value, pipe.assigns);
    return value;
  }

  #set(name: string, value: unknown, assigns: boolean): void {
    const known = assigns ? this.#variables.findLast((variable) => variable.name === name) : undefined;
    if (known) known.value = value;
    else this.#variables.push({ name, value });
  }

  #commands({ commands }: Pipe, dot: unknown): unknown {
    let value: unknown;
    for (const [i, command] of commands.entries()) value = this.#command(command, dot, i === 0 ? [] : [value]);
    return value;
  }

  /** @param last the value of the command before, if there is one */
  #command(command: Command, dot: unknown, last: readonly unknown[]): unknown {
    this.#step(command);
    const [first, ...others] = command.operands as readonly [Operand, ...Operand[]];
    if (first.kind === "function") return this.#call(first, command, others, dot, last);
    if (first.kind === "nil") throw this.#problem(command, new TemplateProblem("nil is not a command"));
    const value = this.#operand(first, dot);
    if (others.length === 0 && last.length === 0) return value;
    const name = "names" in first ? first.names.at(-1) : undefined;
    const problem = name
      ? `${name} is not a method but has arguments`
      : `can't give argument to non-function ${first.source}`;
    throw this.#problem(first, new TemplateProblem(problem));
  }

  #call(
    called: Extract<Operand, { kind: "function" }>,
    command: Pick<Command, "at" | "source">,
    args: readonly Operand[],
    dot: unknown,
    last: readonly unknown[],
  ): unknown {
    const { name } = called;
    if (name === "and" || name === "or") return this.#andOr(name, called, args, dot, last);
    const values = [...args.map((arg) => this.#operand(arg, dot)), ...last];
    try {
      const made = callFunction(name, values, this.#options.forHeaders === true);
      if (typeof made === "string" || Array.isArray(made)) this.#made += made.length;
      if (this.#made <= MAX_MADE) return made;
      throw new TemplateProblem("the template makes too much of its row");
    } catch (error) {
      if (error instanceof WrongCount) throw this.#problem(called, error);
      if (error instanceof WrongType) throw this.#wrongType(error, args[error.argument] ?? command);
      throw error instanceof TemplateProblem ? this.#problem(command, error) : error;
    }
  }

  #wrongType(problem: WrongType, place: Operand | Pick<Command, "at" | "source">) {
    const isLiteral = "kind" in place && place.kind === "literal";
    const words = isLiteral ? new TemplateProblem(`expected ${problem.wanted}; found ${place.source}`) : problem;
    return this.#problem(place, words);
  }

  /** The first value that settles it, else the last one. */
  #andOr(
    name: "and" | "or",
    called: Operand,
    args: readonly Operand[],
    dot: unknown,
    last: readonly unknown[],
  ): unknown {
    if (args.length + last.length === 0) {
      throw this.#problem(called, new TemplateProblem(`wrong number of args for ${name}: want at least 1 got 0`));
    }
    let value: unknown;
    for (const arg of args) {
      value = this.#operand(arg, dot);
      if (isTrue(value) === (name === "or")) return value;
    }
    return last.length > 0 ? last[0] : value;
  }

  #operand(operand: Operand, dot: unknown): unknown {
    this.#step(operand);
    switch (operand.kind) {
      case "dot":
        return dot;
      case "nil":
        return null;
      case "literal":
        return operand.value;
      case "field":
        return this.#fields(operand, dot, operand.names);
      case "variable": {
        const variable = this.#variables.findLast(({ name }) => name === operand.name);
        return this.#fields(operand, variable?.value, operand.names);
      }
      case "chain":
        return this.#fields(operand, this.#operand(operand.of, dot), operand.names);
      case "pipe":
        return this.#commands(operand.pipe, dot);
      case "function":
        return this.#call(operand, operand, [], dot, []);
    }
  }

  #fields(operand: Operand, from: unknown, names: readonly string[]): unknown {
    let value = from;
    for (const name of names) value = this.#field(operand, value, name);
    return value;
  }

  #field(operand: Operand, value: unknown, name: string): unknown {
    const { forHeaders, hint } = this.#options;
    // Own ones only: nothing of what every object has is a field.
    if (isMap(value) && Object.hasOwn(value, name)) return value[name];
    if (forHeaders) return isMap(value) ? undefined : value;
    const isRow = value === this.#row;
    if (isMap(value) && !isRow && isTextMap(value)) return undefined;
    if (isRow && hint) throw this.#problem(operand, new TemplateProblem(`can't evaluate field ${name}`, hint(name)));
    const isMissing = isMap(value) || value === undefined || value === null;
    const what = isMap(value) ? "map has no entry" : "nil data; no entry";
    const known = isMissing ? `${what} for key ${JSON.stringify(name)}` : undefined;
    throw this.#problem(
      operand,
      new TemplateProblem(known ?? `can't evaluate field ${name} in type ${typeName(value)}`),
    );
  }

  #step(place: { readonly at: number; readonly source: string }): void {
    if (++this.#steps > MAX_STEPS) throw this.#problem(place, new TemplateProblem("the template takes too many steps"));
  }

  #write(text: string): void {
    if (this.#out.length + text.length > MAX_OUTPUT) {
      throw this.#problem(
        { at: 0, source: this.#text },
        new TemplateProblem(`a template prints at most ${MAX_OUTPUT} characters`),
      );
    }
    this.#out += text;
  }

  #problem({ at, source }: { readonly at: number; readonly source: string }, problem: TemplateProblem) {
    return runProblem(this.#text, at, source, problem);
  }
}

function* countTo(number: number): Generator<readonly [number, number]> {
  for (let i = 0; i < number; i++) yield [i, i];
}

/** What strangers have written does not drive the terminal; line breaks and tabs stay. */
function harmless(text: string): string {
  return text
    .split(/([\n\t])/)
    .map((part) => (part === "\n" || part === "\t" ? part : printable(part)))
    .join("");
}
