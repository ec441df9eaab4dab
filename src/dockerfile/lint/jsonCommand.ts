/** From `CMD nginx -g` to `CMD ["nginx", "-g"]`. */
import type { CmdInstruction, EntrypointInstruction } from "../ast.js";
import type { Offsets, TextEdit } from "./edits.js";
import { keywordRange, writtenKeyword } from "./keywords.js";

/** Words that every shell takes as they are. */
const PLAIN = /^[A-Za-z0-9_@%+:,./=-]+$/;

/** What a shell may do by itself: there may be no program of that name, or one that does something else. */
const BUILTINS: ReadonlySet<string> = new Set(
  (
    ". : alias bg break builtin case cd command continue coproc declare do done echo elif else esac eval exec exit export " +
    "false fc fg fi for function getopts hash help if in jobs kill let local printf pwd read readonly return select set " +
    "shift source suspend test then time times trap true type typeset ulimit umask unalias unset until wait while"
  ).split(" "),
);

/** The words of a command that needs no shell to be understood; undefined for all others. */
export function plainCommand(text: string): readonly string[] | undefined {
  const words = text.trim().split(/[ \t]+/);
  const [program = ""] = words;
  if (!words.every((word) => PLAIN.test(word)) || program.includes("=") || BUILTINS.has(program)) return undefined;
  return words;
}

/** Edits that write a plain command on one line in its JSON form. */
export function jsonCommandEdits(
  instruction: CmdInstruction | EntrypointInstruction,
  offsets: Offsets,
): readonly TextEdit[] {
  const { command, range } = instruction;
  const words = command.form === "shell" ? plainCommand(command.text) : undefined;
  const keyword = keywordRange(instruction);
  if (!words || range.start.line !== range.end.line || offsets.slice(keyword) !== writtenKeyword(instruction))
    return [];
  const rest = { start: keyword.end, end: range.end };
  const written = offsets.slice(rest);
  if (
    written
      .trim()
      .split(/[ \t]+/)
      .join(" ") !== words.join(" ")
  )
    return [];
  const array = words.map((word) => JSON.stringify(word)).join(", ");
  const before = /^\s*/.exec(written)?.[0] ?? " ";
  const after = /\s*$/.exec(written)?.[0] ?? "";
  return [{ range: rest, text: `${before}[${array}]${after}` }];
}
