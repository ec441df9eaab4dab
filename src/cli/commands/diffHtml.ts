/** A comparison of images as one HTML file, which loads nothing and runs nothing. */
import { createHash } from "node:crypto";
import { printable } from "../terminalText.js";
import type { DiffReport, ReportRow, ReportSection, Sign } from "./diffReport.js";

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
summary { cursor: pointer; font-weight: 600; padding: .4rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .15rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
td { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
.n { text-align: right; white-space: nowrap; }
.added td:first-child { color: #1a7f37; } .removed td:first-child { color: #cf222e; }
.changed td:first-child { color: #9a6700; } .open td:first-child { color: #0969da; }
.warning { color: #9a6700; }
`;

const CLASSES: Readonly<Record<Sign, string>> = { "+": "added", "-": "removed", "~": "changed", "?": "open", " ": "" };

/** The pieces of the page, one after the other. */
export function* renderHtml({ before, after, summary, sections, warnings }: DiffReport): Generator<string> {
  const hash = createHash("sha256").update(STYLE).digest("base64");
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  const title = `${text(before)} → ${text(after)}`;
  yield `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n`;
  yield `<meta http-equiv="Content-Security-Policy" content="${policy}">\n`;
  yield `<meta name="viewport" content="width=device-width">\n<title>${title}</title>\n<style>${STYLE}</style>\n</head>\n`;
  yield `<body>\n<h1>${title}</h1>\n<ul>\n${summary.map((line) => `<li>${text(line)}</li>\n`).join("")}`;
  yield `${warnings.map((line) => `<li class="warning">${text(line)}</li>\n`).join("")}</ul>\n`;
  for (const section of sections) yield* renderSection(section);
  yield "</body>\n</html>\n";
}

function* renderSection({ title, columns, numeric, rows, more }: ReportSection): Generator<string> {
  const isShort = rows.length <= 50;
  const isNumeric = (at: number): string => (numeric.includes(at) ? ' class="n"' : "");
  yield `<details${isShort ? " open" : ""}>\n<summary>${text(title)}</summary>\n<table>\n<thead><tr><th></th>`;
  yield `${columns.map((name, at) => `<th${isNumeric(at)}>${text(name)}</th>`).join("")}</tr></thead>\n<tbody>\n`;
  for (const one of rows) yield rowOf(one, isNumeric);
  yield `</tbody>\n</table>\n${more > 0 ? `<p>… and ${more} more</p>\n` : ""}</details>\n`;
}

function rowOf({ sign, cells }: ReportRow, isNumeric: (at: number) => string): string {
  const columns = cells.map((cell, at) => `<td${isNumeric(at)}>${text(cell)}</td>`).join("");
  return `<tr class="${CLASSES[sign]}"><td>${text(sign)}</td>${columns}</tr>\n`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text between tags or in an attribute. */
function text(value: string): string {
  return printable(value).replace(/[&<>"']/g, (char) => ENTITIES[char]!);
}
