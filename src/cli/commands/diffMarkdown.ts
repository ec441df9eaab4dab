/** A comparison of images as a comment on a pull request: sections that fold, and never longer than a comment may be. */
import { printable, truncate } from "../terminalText.js";
import type { DiffReport, ReportRow, ReportSection } from "./diffReport.js";

/** Longest comment that GitHub takes, in characters. */
export const MAX_COMMENT = 65_536;
/** Characters that are kept for the frame and the last line of each section. */
const FRAME = 400;

/** The whole text; what does not fit is counted. */
export function renderMarkdown({ before, after, summary, sections, warnings }: DiffReport): string {
  const head = [
    `### ${code(before)} → ${code(after)}`,
    "",
    ...summary.map((line) => `- ${sentence(line)}`),
    ...warnings.slice(0, 10).map((warning) => `- :warning: ${sentence(warning)}`),
    ...["", ""],
  ].join("\n");
  let text = head;
  for (const [at, section] of sections.entries()) {
    const kept = (sections.length - at) * FRAME;
    // What is short comes first and leaves its share to what follows.
    const share = Math.floor((MAX_COMMENT - text.length - kept) / (sections.length - at));
    const left = at === sections.length - 1 ? MAX_COMMENT - text.length - FRAME : Math.max(share, 0);
    text += renderSection(section, left);
    if (text.length > MAX_COMMENT - FRAME) return cutOff(text, sections.length - at - 1);
  }
  return text;
}

function cutOff(text: string, left: number): string {
  return left === 0 ? text : `${text}\n${left} more sections do not fit here.\n`;
}

/** A section of at most so many characters, its frame not counted. */
function renderSection({ title, columns, numeric, rows, more }: ReportSection, room: number): string {
  const lines = [row(["", ...columns]), row(["-", ...columns.map((_, at) => (numeric.includes(at) ? "-:" : "-"))])];
  let used = lines.join("\n").length;
  let shown = 0;
  for (const one of rows) {
    const line = rowOf(one);
    if (used + line.length + 1 > room) break;
    lines.push(line);
    used += line.length + 1;
    shown++;
  }
  const missing = more + rows.length - shown;
  const rest = missing > 0 ? ["", `… and ${missing} more`] : [];
  const body = shown > 0 ? [...lines, ...rest] : rest.slice(1);
  return ["<details>", `<summary>${html(title)}</summary>`, "", ...body, "", "</details>", "", ""].join("\n");
}

function rowOf({ sign, cells }: ReportRow): string {
  return row([code(sign.trim()), ...cells.map((cell) => code(cell))]);
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** Columns of the longest text of a cell. */
const MAX_CELL = 300;

/**
 * A text as code, in which nothing means anything: neither markup nor names that would call people. A bar would end the cell.
 */
export function code(text: string): string {
  const safe = truncate(printable(text), MAX_CELL).replaceAll("\\|", "\\x7c").replaceAll("|", "\\|");
  if (safe.trim() === "") return "";
  const longest = Math.max(0, ...[...safe.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  const pad = safe.startsWith("`") || safe.endsWith("`") || /^ .* $/.test(safe) ? " " : "";
  return `${fence}${pad}${safe}${pad}${fence}`;
}

/** A line of our own words with names in it: everything that could be markup is written as an entity. */
function sentence(text: string): string {
  return html(text.length > 1000 ? `${text.slice(0, 1000)}…` : text);
}

/**
 * Text for between tags: letters, digits and marks that begin nothing here stay, everything else is a number. After an @ stands a blank without
 * width, so that a name with a digest calls nobody.
 */
function html(text: string): string {
  const entity = (char: string): string => `&#${char.codePointAt(0)};${char === "@" ? "&#8203;" : ""}`;
  return printable(text).replace(/(?![.](?=\d)|:(?= ))[^\p{L}\p{N} ,;()/+…→-]/gu, entity);
}
