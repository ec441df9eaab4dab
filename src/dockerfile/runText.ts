/** What a RUN really executes, heredocs considered (BuildKit: dispatchRun). */
import type { RunInstruction } from "./ast.js";
import { readOpener } from "./heredocWords.js";

/** What to start. */
export type RunText =
  /** These arguments, without a shell. */
  | { readonly kind: "exec"; readonly args: readonly string[] }
  /** The shell (SHELL) with this text as its last argument. */
  | { readonly kind: "shell"; readonly text: string }
  /** The shell with the path of a file as its last argument: the heredoc brought its own interpreter line. */
  | { readonly kind: "script"; readonly name: string; readonly content: string };

/**
 * The text of a RUN as it is executed. Variables stay for the shell. A command that is nothing but one heredoc is its
 * body; any other line with heredocs is put together again, tabs included, for the shell to read.
 */
export function runText({ command, heredocs }: RunInstruction): RunText {
  if (command.form === "exec") return { kind: "exec", args: command.args };
  const [only] = heredocs;
  if (!only) return { kind: "shell", text: command.text };
  if (!readOpener(command.text)) {
    const bodies = heredocs.map(({ rawBody, name }) => `\n${rawBody}${name}`);
    return { kind: "shell", text: command.text + bodies.join("") };
  }
  // BuildKit looks at the body as it stands: with `<<-`, a `#!` behind a tab makes no script.
  if (only.rawBody.startsWith("#!")) return { kind: "script", name: only.name, content: only.body };
  return { kind: "shell", text: only.body };
}
