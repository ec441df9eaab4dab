/** A comparison of images for a terminal. */
import type { FileDiff } from "../../index.js";
import { formatBytes } from "../../support/human.js";
import type { Paint, Role } from "../style.js";
import { renderTable } from "../table.js";
import { printable, printableLines } from "../terminalText.js";
import { type DiffReport, octal, type ReportSection, type Sign } from "./diffReport.js";

const ROLES: Readonly<Record<Sign, Role | undefined>> = {
  "+": "hint",
  "-": "error",
  "~": "warning",
  "?": "cached",
  " ": undefined,
};

/** The lines of a report. */
export function renderText({ summary, sections }: DiffReport, paint: Paint): string[] {
  return [...summary.map(printable), ...sections.flatMap((section) => renderSection(section, paint))];
}

function renderSection({ title, columns, rows, more }: ReportSection, paint: Paint): string[] {
  const [first = "", ...others] = columns;
  const table = renderTable(
    [`  ${first}`, ...others],
    rows.map(({ sign, cells: [cell = "", ...rest] }) => [`${sign} ${cell}`, ...rest]),
  );
  const lines = table.map((line, at) => {
    const role = at === 0 ? undefined : ROLES[rows[at - 1]!.sign];
    return role === undefined ? line : paint(role, line);
  });
  const rest = more > 0 ? [`  … and ${more} more (--limit 0 shows all, --name-only lists paths)`] : [];
  return ["", paint("strong", printable(title)), ...lines, ...rest];
}

/** The lines of one file's comparison. A patch comes as it is where no terminal shows it. */
export function renderFile(file: FileDiff, isTerminal: boolean, paint: Paint): string[] {
  const { patch = "", form, before, after, isSame, reasons } = file;
  if (form === "text" && patch !== "")
    return isTerminal ? patchLines(patch, paint) : patch.replace(/\n$/, "").split("\n");
  if (isSame) return [];
  const side = (facts: FileDiff["before"]): string =>
    facts === undefined
      ? "not there"
      : [
          facts.type,
          ...[octal(facts.mode), `${facts.uid}:${facts.gid}`],
          ...(facts.type === "file" ? [formatBytes(facts.size), `sha256:${facts.digest ?? "unknown"}`] : []),
          ...(facts.link === undefined ? [] : [`-> ${facts.link}`]),
        ].join(" ");
  const why = form === "binary" ? " (binary)" : form === "large" ? " (too large for a patch)" : "";
  return [
    `${file.path}${why}${reasons.length > 0 ? `: ${reasons.join(", ")}` : ""}`,
    ...[`- ${side(before)}`, `+ ${side(after)}`],
  ].map(printable);
}

function patchLines(patch: string, paint: Paint): string[] {
  return printableLines(patch.replace(/\n$/, ""))
    .split("\n")
    .map((line) => {
      if (line.startsWith("@@")) return paint("cached", line);
      if (/^(?:\+\+\+|---) /.test(line)) return paint("strong", line);
      if (line.startsWith("+")) return paint("hint", line);
      return line.startsWith("-") ? paint("error", line) : line;
    });
}
