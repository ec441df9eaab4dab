/** Findings of a check as people read them, in the manner of `docker build --check`. */
import type { CheckFinding, DockerfileReport as CheckReport, SourcePlace } from "../../index.js";
import type { Paint } from "../style.js";
import { printable, printableLines } from "../terminalText.js";

/** What the rendering needs from outside. */
export interface CheckStyle {
  readonly paint: Paint;
  /** Shows the lines around a place. */
  readonly excerpt: (place: SourcePlace) => string;
}

/** The lines of a report: each finding with its rule, message and place, in the order of the file, then how many there are. */
export function renderCheck(report: CheckReport, style: CheckStyle): string[] {
  const { findings, error } = report;
  const sorted = [...findings].sort((a, b) => a.range.start.line - b.range.start.line);
  const explained = new Set<string>();
  const lines = sorted.flatMap((finding) => {
    const isNew = !explained.has(finding.rule);
    explained.add(finding.rule);
    return renderFinding(finding, report, isNew, style);
  });
  if (findings.length === 0) return error ? [] : ["Check complete, no warnings found."];
  return [...lines, ...closing(findings)];
}

function renderFinding(
  finding: CheckFinding,
  { file, text }: CheckReport,
  explain: boolean,
  { paint, excerpt }: CheckStyle,
): string[] {
  const { rule, url, description, message, hint, fix, focus, range } = finding;
  const head = `${paint("warning", "WARNING:")} ${paint("strong", printable(rule))}${url ? ` - ${url}` : ""}`;
  const about = explain && description !== undefined && description !== message ? [description] : [];
  const place = excerpt({ file, text, range: focus ?? range });
  const help = [...(hint ? [hint] : []), ...(fix ? [`--check-fix can ${fix.description}`] : [])];
  return [
    head,
    ...about,
    printableLines(message),
    ...printableLines(place).split("\n"),
    ...help.map((line) => `${paint("hint", "hint:")} ${printableLines(line)}`),
    "",
  ];
}

function closing(findings: readonly CheckFinding[]): string[] {
  const mendable = findings.filter(({ fix }) => fix !== undefined).length;
  const more =
    mendable === 0 ? [] : [`${mendable} of them can be mended: add --check-fix (or --check-diff to see how)`];
  return [`Check complete, ${countText(findings.length)} been found!`, ...more];
}

/** `1 warning has`, `3 warnings have`: how buildx begins to count. */
export function countText(count: number): string {
  return count === 1 ? "1 warning has" : `${count} warnings have`;
}
