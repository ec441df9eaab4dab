/** Templates read into a tree, by the grammar of Go's text/template. Pure. */
import type { Command, Node, Operand, Pipe } from "./ast.js";
import { type Token, tokenize } from "./lexer.js";
import { numberOf, unquote } from "./literals.js";
import { parseProblem } from "./problem.js";

/** Longest template, and deepest nesting of blocks and parentheses together. */
const MAX_TEXT = 64 << 10;
const MAX_DEPTH = 100;
const BLOCKS: readonly string[] = ["if", "with", "range"];
const NOT_AVAILABLE: readonly string[] = ["define", "template", "block"];

/** A list of nodes and what ended it. */
interface NodeList {
  readonly nodes: readonly Node[];
  readonly end: "end" | "else" | "text";
}

/**
 * Reads a template.
 * @param functions names that may be called
 * @throws NacreError USAGE, in Docker's words
 */
export function parseTemplate(text: string, functions: ReadonlySet<string>): readonly Node[] {
  if (text.length > MAX_TEXT) throw parseProblem("", 0, `a template has at most ${MAX_TEXT} characters`);
  return new Parser(text, functions).template();
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  readonly #functions: ReadonlySet<string>;
  #next = 0;
  #depth = 0;
  #loops = 0;
  /** Variables that are declared where the parser is. */
  #variables: string[] = ["$"];

  constructor(text: string, functions: ReadonlySet<string>) {
    this.#text = text;
    this.#tokens = tokenize(text);
    this.#functions = functions;
  }

  template(): readonly Node[] {
    const { nodes, end } = this.#list();
    if (end === "text") return nodes;
    throw this.#problem(`unexpected {{${end}}}`, this.#next - 1);
  }

  /** Nodes up to `{{end}}`, `{{else` (whose rest is still to be read), or the end of the text. */
  #list(): NodeList {
    const nodes: Node[] = [];
    for (;;) {
      const token = this.#take();
      if (token.kind === "end") return { nodes, end: "text" };
      if (token.kind === "text") nodes.push({ kind: "text", text: token.text });
      if (token.kind !== "open") continue;
      this.#skipSpace();
      const word = this.#peek();
      if (word.kind === "word" && (word.text === "end" || word.text === "else")) {
        this.#take();
        if (word.text === "end") this.#close("end");
        return { nodes, end: word.text };
      }
      nodes.push(this.#action(word));
    }
  }

  #action(word: Token): Node {
    const { text } = word;
    if (word.kind === "word" && BLOCKS.includes(text)) {
      this.#take();
      return this.#block(text as "if" | "with" | "range");
    }
    if (word.kind === "word" && (text === "break" || text === "continue")) {
      this.#take();
      if (this.#loops === 0) throw this.#problem(`{{${text}}} outside {{range}}`);
      this.#close(text);
      return { kind: text };
    }
    if (word.kind === "word" && NOT_AVAILABLE.includes(text)) throw this.#problem(`{{${text}}} is not available here`);
    const pipe = this.#pipe("command");
    this.#close("command");
    return { kind: "action", pipe };
  }

  /** What follows `{{if`, up to its `{{end}}`. */
  #block(kind: "if" | "with" | "range"): Node {
    const outer = this.#variables.length;
    this.#enter();
    if (kind === "range") this.#loops++;
    const pipe = this.#pipe(kind);
    this.#close(kind);
    const { nodes: body, end } = this.#list();
    if (kind === "range") this.#loops--;
    let otherwise: readonly Node[] = [];
    if (end === "else") otherwise = this.#otherwise(kind);
    if (end === "text") throw this.#problem("unexpected EOF");
    this.#depth--;
    this.#variables.length = outer;
    return { kind, pipe, body, otherwise };
  }

  /** What follows `{{else`: `}}` and nodes, or `if …` as a block of its own that shares the end. */
  #otherwise(kind: "if" | "with" | "range"): readonly Node[] {
    this.#skipSpace();
    const word = this.#peek();
    if (word.kind === "word" && word.text === kind && kind !== "range") {
      this.#take();
      return [this.#block(kind)];
    }
    this.#close("else");
    const { nodes, end } = this.#list();
    if (end === "end") return nodes;
    throw this.#problem(end === "else" ? "expected end; found {{else}}" : "unexpected EOF");
  }

  /** @param context what the pipeline belongs to, for messages */
  #pipe(context: string): Pipe {
    this.#skipSpace();
    const { at } = this.#peek();
    const { variables, assigns } = this.#declarations(context);
    const commands: Command[] = [];
    for (;;) {
      commands.push(this.#command(context));
      if (this.#peek().text !== "|" || this.#peek().kind !== "sign") break;
      this.#take();
      this.#skipSpace();
      // Go takes a bar with nothing after it.
      if (this.#endsPipe(this.#peek())) break;
    }
    if (!assigns) this.#variables.push(...variables);
    for (const [i, { operands }] of commands.entries()) {
      const [first] = operands;
      if (i > 0 && first && (first.kind === "literal" || first.kind === "dot" || first.kind === "nil")) {
        throw parseProblem(this.#text, first.at, `non executable command in pipeline stage ${i + 1}`);
      }
    }
    const end = commands.at(-1)!;
    return { variables, assigns, commands, at, source: this.#text.slice(at, end.at + end.source.length) };
  }

  /** `$x :=`, `$x =`, or in a range `$i, $x :=`. */
  #declarations(context: string): Pick<Pipe, "variables" | "assigns"> {
    const start = this.#next;
    const names: string[] = [];
    for (;;) {
      this.#skipSpace();
      const variable = this.#take();
      if (variable.kind !== "variable") break;
      names.push(variable.text);
      this.#skipSpace();
      const sign = this.#take();
      if (sign.text === "," && context === "range" && names.length < 2) continue;
      if (sign.text !== ":=" && sign.text !== "=") break;
      const assigns = sign.text === "=";
      const unknown = assigns ? names.find((name) => !this.#variables.includes(name)) : undefined;
      if (unknown !== undefined) throw this.#problem(`undefined variable ${JSON.stringify(unknown)}`);
      return { variables: names, assigns };
    }
    this.#next = start;
    return { variables: [], assigns: false };
  }

  #command(context: string): Command {
    this.#skipSpace();
    const { at } = this.#peek();
    const operands: Operand[] = [];
    let end = at;
    while (!this.#endsPipe(this.#peek()) && this.#peek().text !== "|") {
      operands.push(this.#operand());
      end = this.#peek().at;
      if (this.#peek().kind === "space") this.#take();
      else if (!this.#endsPipe(this.#peek()) && this.#peek().text !== "|") {
        throw this.#problem(`unexpected ${shown(this.#peek())} in operand`);
      }
    }
    if (operands.length === 0) {
      const next = this.#peek();
      throw this.#problem(next.text === "|" ? 'unexpected "|" in command' : `missing value for ${context}`);
    }
    return { operands, at, source: this.#text.slice(at, end) };
  }

  #endsPipe({ kind, text }: Token): boolean {
    return kind === "close" || kind === "end" || (kind === "sign" && text === ")");
  }

  #operand(): Operand {
    const { at } = this.#peek();
    const plain = this.#term();
    // Go places a chain of fields where its second one begins.
    const names: string[] = [];
    const chainAt = this.#peek().at;
    while (this.#peek().kind === "field") names.push(this.#take().text.slice(1));
    if (names.length === 0) return plain;
    const source = this.#text.slice(at, this.#peek().at);
    if (plain.kind === "field") return { kind: "field", names: [...plain.names, ...names], at: chainAt, source };
    if (plain.kind === "variable") return { ...plain, names, at: chainAt, source };
    if (plain.kind === "literal" || plain.kind === "nil" || plain.kind === "dot") {
      throw this.#problem(`unexpected . after term ${JSON.stringify(plain.source)}`);
    }
    return { kind: "chain", of: plain, names, at: chainAt, source };
  }

  #term(): Operand {
    const token = this.#take();
    const { at, text } = token;
    const place = { at, source: text };
    switch (token.kind) {
      case "field":
        return { kind: "field", names: [text.slice(1)], ...place };
      case "variable":
        if (!this.#variables.includes(text)) throw this.#problem(`undefined variable ${JSON.stringify(text)}`);
        return { kind: "variable", name: text, names: [], ...place };
      case "word":
        return { ...this.#word(text), ...place };
      case "number":
      case "string":
        return { kind: "literal", value: this.#literal(token), ...place };
      case "sign":
        if (text === ".") return { kind: "dot", ...place };
        if (text === "(") return { ...this.#parentheses(), ...place };
    }
    throw this.#problem(`unexpected ${shown(token)} in operand`);
  }

  #word(text: string): { kind: "literal"; value: boolean } | { kind: "nil" } | { kind: "function"; name: string } {
    if (text === "true" || text === "false") return { kind: "literal", value: text === "true" };
    if (text === "nil") return { kind: "nil" };
    if (!this.#functions.has(text)) throw this.#problem(`function ${JSON.stringify(text)} not defined`);
    return { kind: "function", name: text };
  }

  #literal({ text }: Token): string | number {
    if (!/^["'`]/.test(text)) {
      const number = numberOf(text);
      if (number !== undefined) return number;
      throw this.#problem(`bad number syntax: ${JSON.stringify(text)}`);
    }
    const value = unquote(text);
    if (value === undefined) throw this.#problem("invalid syntax");
    if (!text.startsWith("'")) return value;
    if ([...value].length !== 1) throw this.#problem(`malformed character constant: ${text}`);
    return value.codePointAt(0)!;
  }

  #parentheses(): { kind: "pipe"; pipe: Pipe } {
    this.#enter();
    const pipe = this.#pipe("parenthesized pipeline");
    const close = this.#take();
    if (close.text !== ")") throw this.#problem(`unclosed left paren`);
    this.#depth--;
    return { kind: "pipe", pipe };
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH) throw this.#problem(`more than ${MAX_DEPTH} blocks and parentheses in each other`);
  }

  #close(context: string): void {
    this.#skipSpace();
    const token = this.#take();
    if (token.kind !== "close") throw this.#problem(`unexpected ${shown(token)} in ${context}`);
  }

  #skipSpace(): void {
    if (this.#peek().kind === "space") this.#next++;
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)]!;
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }

  /** @param token number of the token where it is */
  #problem(message: string, token = this.#next) {
    return parseProblem(this.#text, this.#tokens[Math.min(token, this.#tokens.length - 1)]!.at, message);
  }
}

function shown({ kind, text }: Token): string {
  if (kind === "end") return "EOF";
  return kind === "field" || kind === "variable" ? `<${text}>` : JSON.stringify(text);
}
