/** What to say of a line that begins with no keyword: what it may be instead, and what to do about that. */
import type { NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import { KEYWORDS } from "./ast.js";
import type { MissedHeredoc, Statement } from "./scan.js";

/** Words longer than this are cut. */
const SHOWN = 80;

/**
 * The error for a statement without a keyword (BuildKit: `unknown instruction: X (did you mean Y?)`).
 * @param missed the heredoc of the instruction before that was not recognised
 */
export function unknownInstruction(statement: Statement, missed: MissedHeredoc | undefined): NacreError {
  const { source, joined, keywordSpan } = statement;
  const { start, end } = keywordSpan;
  const word = joined.text.slice(start, end);
  // A word of three letters is near to too many keywords (`set` to USER).
  const near = missed ? undefined : nearest(word, KEYWORDS, word.length > 3 ? 3 : 2);
  const shown = word.length > SHOWN ? `${word.slice(0, SHOWN - 1)}…` : word;
  const suggestion = near === undefined ? "" : ` (did you mean ${near}?)`;
  const hint = explain(statement, word, missed) ?? usual(near);
  return source.error(`unknown instruction: ${shown}${suggestion}`, joined.range(start, end), hint);
}

function usual(near: string | undefined): string {
  if (near !== undefined) return `write ${near}, or end the line before with a backslash if this continues it`;
  return "a line starts with one of the 18 keywords; end the line before with a backslash if this continues it";
}

/** Where more can be said than that the word is no keyword. */
function explain(statement: Statement, word: string, missed: MissedHeredoc | undefined): string | undefined {
  const { source, range } = statement;
  if (/^\0?[A-Za-z#]\0|^(\udcff\udcfe|\udcfe\udcff)/.test(source.text))
    return "the file is in UTF-16; save it as UTF-8";
  if (word.includes("\0")) return "this is no text; name the Dockerfile with -f PATH";
  if (missed) return `line ${missed.line} has << but opens no heredoc, because ${missed.reason}`;
  const space = /[^\x00-\x7f]/u.exec(word)?.[0];
  if (space !== undefined && (/\s/u.test(space) || space === "\u200b")) {
    const code = space.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    return `there is a character U+${code} in it, which looks like a blank and is none; write an ordinary blank`;
  }
  if (/^(<{7}|={7}|>{7})$/.test(word)) return "this is the mark of a merge conflict; resolve it first";
  const lines = source.text.split("\n", range.start.line);
  const before = lines[range.start.line - 2]?.trimEnd() ?? "";
  if (before.includes("#") && before.slice(0, before.lastIndexOf("#")).trimEnd().endsWith(statement.escape)) {
    return `the line before ends with a comment, not with its ${statement.escape}; put the comment on a line of its own`;
  }
  if (lines[0]?.startsWith("#!")) return "the file begins with #! as scripts do; name the Dockerfile with -f PATH";
  if (/^[A-Za-z_-]+:$/.test(word)) return "this looks like YAML; name the Dockerfile with -f PATH";
  return undefined;
}
