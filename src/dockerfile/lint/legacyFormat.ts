/** From `ENV key some value` to `ENV key="some value"`. */
import type { SourceRange } from "../../support/source.js";
import type { EnvInstruction, EscapeToken, LabelInstruction } from "../ast.js";
import { isSpace } from "../chars.js";
import { quotedWords } from "../split.js";
import type { Offsets, TextEdit } from "./edits.js";

/**
 * Edits that write the pair with `=`. The old form takes all the rest of the line as one word, so blanks in it have to be
 * quoted: a value without quotes and escapes is put into double quotes, which change nothing for variables; in any other
 * the blanks outside of quotes get an escape. No edits where key and value do not stand on one line, or where a value
 * with quotes goes on over several.
 */
export function legacyEdits(
  { pairs }: EnvInstruction | LabelInstruction,
  offsets: Offsets,
  escapeToken: EscapeToken,
): readonly TextEdit[] {
  const [pair] = pairs;
  if (!pair) return [];
  const { key, value } = pair;
  const gap: SourceRange = { start: key.range.end, end: value.range.start };
  if (gap.start.line !== gap.end.line || offsets.slice(gap).trim() !== "") return [];
  const { raw, range } = value;
  if (isOneWord(raw, escapeToken)) return [{ range: gap, text: "=" }];
  if (!/["']/.test(raw) && !raw.includes(escapeToken)) {
    return [
      { range: gap, text: '="' },
      { range: { start: range.end, end: range.end }, text: '"' },
    ];
  }
  if (offsets.slice(range) !== raw) return [];
  return [{ range: { start: gap.start, end: range.end }, text: `=${withEscapedBlanks(raw, escapeToken)}` }];
}

/** True if the new form reads the value as the same single word. */
function isOneWord(raw: string, escapeToken: EscapeToken): boolean {
  const [word, ...others] = quotedWords(raw, { start: 0, end: raw.length }, escapeToken);
  return others.length === 0 && word?.start === 0 && word.end === raw.length;
}

function withEscapedBlanks(raw: string, escapeToken: EscapeToken): string {
  let quote = "";
  let out = "";
  for (let at = 0; at < raw.length; at++) {
    const c = raw[at]!;
    if (c === escapeToken && quote !== "'") {
      out += c + (raw[++at] ?? "");
      continue;
    }
    if (quote === "" && isSpace(raw.charCodeAt(at))) out += escapeToken;
    else if (quote === "" && (c === "'" || c === '"')) quote = c;
    else if (c === quote) quote = "";
    out += c;
  }
  return out;
}
