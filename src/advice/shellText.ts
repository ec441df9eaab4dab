/**
 * The simple commands of a RUN, as far as they can be told without running a shell: enough to see which programs are
 * called with which words. What a variable or `$(…)` stands for stays unknown.
 */
import { posix } from "node:path";
import type { RunInstruction } from "../dockerfile/ast.js";
import { runText } from "../dockerfile/runText.js";
import type { RunStep } from "../plan/graph.js";

/** One call of a program. */
export interface ShellCommand {
  /** Base name of the program, e.g. `npm`. */
  readonly program: string;
  /** Words after the program; quotes removed, variables as they stand. */
  readonly args: readonly string[];
  /** The directory it runs in, after `cd`; undefined where a `cd` has an unknown target. */
  readonly cwd: string | undefined;
}

/** Words that stand before a command and change nothing of what it does here. */
const PREFIXES = new Set([
  "sudo",
  "exec",
  "time",
  "command",
  "env",
  "then",
  "do",
  "else",
  "if",
  "while",
  "until",
  "!",
  "{",
]);
const SHELLS = new Set(["sh", "bash", "ash", "dash", "zsh"]);

/** The commands of a step. */
export function stepCommands({ args, script, cwd }: RunStep): readonly ShellCommand[] {
  if (script !== undefined) return textCommands(script.content, cwd);
  return argumentCommands(args, cwd);
}

/** The commands of a RUN as it stands in a file. */
export function instructionCommands(instruction: RunInstruction): readonly ShellCommand[] {
  const text = runText(instruction);
  if (text.kind === "exec") return argumentCommands(text.args, "/");
  return textCommands(text.kind === "shell" ? text.text : text.content, "/");
}

/** The whole text of a RUN. */
export function instructionText(instruction: RunInstruction): string {
  const text = runText(instruction);
  return text.kind === "exec" ? text.args.join(" ") : text.kind === "shell" ? text.text : text.content;
}

function argumentCommands(args: readonly string[], cwd: string): readonly ShellCommand[] {
  const [program = "", ...rest] = args;
  const at = SHELLS.has(posix.basename(program)) ? rest.findIndex((word) => /^-[a-z]*c$/.test(word)) : -1;
  const text = at < 0 ? undefined : rest[at + 1];
  return text === undefined ? commandOf(args, cwd) : textCommands(text, cwd);
}

/** The commands of a shell text. @param cwd where it starts */
export function textCommands(text: string, cwd: string): readonly ShellCommand[] {
  const commands: ShellCommand[] = [];
  let directory: string | undefined = cwd;
  for (const words of splitCommands(text)) {
    for (const command of commandOf(words, directory)) {
      if (command.program === "cd") directory = cdTarget(command, directory);
      else commands.push(command);
    }
  }
  return commands;
}

function cdTarget({ args }: ShellCommand, directory: string | undefined): string | undefined {
  const [target = ""] = args;
  if (target === "" || /[$`~]/.test(target)) return undefined;
  if (target.startsWith("/")) return posix.resolve(target);
  return directory === undefined ? undefined : posix.resolve(directory, target);
}

function commandOf(words: readonly string[], cwd: string | undefined): readonly ShellCommand[] {
  const first = words.findIndex((word) => !PREFIXES.has(word) && !/^[A-Za-z_]\w*=/.test(word));
  const program = first < 0 ? undefined : words[first];
  return program === undefined ? [] : [{ program: posix.basename(program), args: words.slice(first + 1), cwd }];
}

/** Splits at operators and line ends outside quotes; comments go. */
function splitCommands(text: string): readonly (readonly string[])[] {
  const commands: string[][] = [[]];
  let word: string | undefined;
  const endWord = (): void => {
    if (word !== undefined) commands.at(-1)!.push(word);
    word = undefined;
  };
  const endCommand = (): void => {
    endWord();
    if (commands.at(-1)!.length > 0) commands.push([]);
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === "\\") {
      // A line that goes on is no end of anything.
      if (text[++i] !== "\n") word = (word ?? "") + (text[i] ?? "");
    } else if (c === "'" || c === '"') {
      const end = endOfQuotes(text, i);
      word = (word ?? "") + text.slice(i + 1, end);
      i = end;
    } else if (c === "$" && text[i + 1] === "(") {
      const end = endOfSubstitution(text, i + 1);
      word = (word ?? "") + text.slice(i, end + 1);
      i = end;
    } else if (c === "#" && word === undefined) {
      const end = text.indexOf("\n", i);
      i = end < 0 ? text.length : end - 1;
    } else if (/[;&|()\n]/.test(c)) {
      endCommand();
    } else if (/\s/.test(c)) {
      endWord();
    } else {
      word = (word ?? "") + c;
    }
  }
  endCommand();
  return commands.filter((words) => words.length > 0);
}

function endOfQuotes(text: string, start: number): number {
  const quote = text[start]!;
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === "\\" && quote === '"') i++;
    else if (text[i] === quote) return i;
  }
  return text.length;
}

function endOfSubstitution(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")" && --depth === 0) return i;
  }
  return text.length;
}
