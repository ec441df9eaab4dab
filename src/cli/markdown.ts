/** Markdown that strangers' names cannot break out of: for comments on pull requests. */
import { printable } from "./terminalText.js";

/** A text as it is meant, within a line or a cell: nothing in it is markup, a link, a mention or HTML. */
export function markdownText(text: string): string {
  return printable(text)
    .replace(/[\\`*_[\]#~]/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("@", "@\u200b")
    .replaceAll("://", ":\u200b//");
}

/** A text in a code span. */
export function markdownCode(text: string): string {
  const safe = printable(text);
  if (safe === "") return "";
  const longest = Math.max(0, ...[...safe.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  const pad = longest > 0 || /^ | $/.test(safe) ? " " : "";
  return `${fence}${pad}${safe}${pad}${fence}`;
}

/**
 * Lines of a table.
 * @param headers a `:` at the end of one puts its column to the right
 * @param rows cells, made with the functions above
 */
export function markdownTable(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  // In a table a bar ends a cell, even in a code span.
  const line = (cells: readonly string[]): string => {
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  };
  return [
    line(headers.map((header) => header.replace(/:$/, ""))),
    `|${headers.map((header) => (header.endsWith(":") ? "---:" : "---")).join("|")}|`,
    ...rows.map(line),
  ];
}
