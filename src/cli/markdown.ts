/** Markdown that strangers' names cannot break out of: for comments on pull requests. */
import { printable } from "./terminalText.js";

/** A text as it is meant, in running text or a cell: nothing in it is markup, a link, a mention or HTML. */
export function markdownText(text: string): string {
  return printable(text)
    .replace(/[\\`*_{}[\]()#+!|~>-]/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll("@", "@\u200b")
    .replaceAll("://", ":\u200b//");
}

/** A text in a code span of a cell. */
export function markdownCode(text: string): string {
  const safe = printable(text).replaceAll("|", "\\|");
  if (safe === "") return "";
  const longest = Math.max(0, ...[...safe.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  const pad = longest > 0 || /^ | $/.test(safe) ? " " : "";
  return `${fence}${pad}${safe}${pad}${fence}`;
}

/**
 * Lines of a table.
 * @param headers a `:` at the end of one puts its column to the right
 * @param rows cells, escaped already
 */
export function markdownTable(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(headers.map((header) => header.replace(/:$/, ""))),
    `|${headers.map((header) => (header.endsWith(":") ? "---:" : "---")).join("|")}|`,
    ...rows.map(line),
  ];
}
