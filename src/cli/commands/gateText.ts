/** The result of a gate for people, as markdown, as JSON, and as annotations of GitHub's workflows. */
import type { GateReport, GateResult } from "../../index.js";
import { markdownCode, markdownTable, markdownText } from "../markdown.js";
import type { Paint, Role } from "../style.js";
import { padEnd, printable, printableJson } from "../terminalText.js";

const ROLES: Readonly<Record<GateResult["status"], Role>> = {
  ...{ PASS: "hint", FAIL: "error", WARN: "warning", SKIP: "done" },
};

/** One line for each rule, and more for what does not hold. */
export function gateTable(report: GateReport, paint: Paint): string[] {
  const width = Math.max(0, ...report.results.map(({ rule }) => rule.length)) + 3;
  return [
    `gate of ${printable(report.image)}${report.baseline === undefined ? "" : ` against ${printable(report.baseline)}`}`,
    "",
    ...report.results.flatMap((result) => resultLines(result, width, paint)),
    "",
    `${paint(ROLES[report.status], report.status)} ${countsText(report)}`,
  ];
}

function resultLines(result: GateResult, width: number, paint: Paint): string[] {
  const { rule, status, measured, allowed, findings = [], more = 0, advice } = result;
  const value = [measured, allowed === "" ? "" : `(${allowed})`].filter(Boolean).join(" ");
  const first = `${paint(ROLES[status], status)}  ${padEnd(rule, width)}${printable(value === "" ? result.message : value)}`;
  if (status !== "FAIL" && status !== "WARN") return [first];
  const indent = " ".repeat(6);
  const told = findings.length > 0 ? findings : [result.message];
  return [
    first,
    ...told.map((finding) => `${indent}${printable(finding)}`),
    ...(more > 0 ? [`${indent}and ${more} more`] : []),
    ...(advice ? [`${indent}-> ${printable(advice)}`] : []),
  ];
}

/** Markdown, as for a summary of a job or a comment. */
export function gateMarkdown(report: GateReport): string[] {
  const rows = report.results.map(({ rule, status, measured, allowed, message }) => [
    ...[`${SIGNS[status]} ${status}`, markdownCode(rule), markdownText(measured), markdownText(allowed)],
    markdownText(message),
  ]);
  const bad = report.results.filter(({ status }) => status === "FAIL" || status === "WARN");
  return [
    `### Gate of ${markdownCode(report.image)}: ${report.status}`,
    "",
    ...markdownTable(["", "Rule", "Measured", "Allowed", ""], rows),
    ...bad.flatMap(({ rule, findings = [], more = 0, advice }) => [
      ...(findings.length > 0 || advice ? ["", `**${rule}**${advice ? `: ${markdownText(advice)}` : ""}`, ""] : []),
      ...findings.map((finding) => `- ${markdownCode(finding)}`),
      ...(more > 0 ? [`- and ${more} more`] : []),
    ]),
    "",
    countsText(report),
  ];
}

const SIGNS: Readonly<Record<GateResult["status"], string>> = { PASS: "✅", FAIL: "❌", WARN: "⚠️", SKIP: "➖" };

/** The report as it is. */
export function gateJson(report: GateReport): string {
  return printableJson(report);
}

/** Workflow commands of GitHub's runners, one for each rule that does not hold, and a line that counts. */
export function gateAnnotations(report: GateReport): string[] {
  const lines = report.results.flatMap((result) => {
    if (result.status !== "FAIL" && result.status !== "WARN") return [];
    const { source, rule, message, advice } = result;
    const properties = [
      ...(source ? [`file=${property(source.file)}`] : []),
      ...(source?.line === undefined ? [] : [`line=${source.line}`]),
      `title=${property(`nacre gate: ${rule}`)}`,
    ];
    const text = `${report.image}: ${message}${advice ? ` (${advice})` : ""}`;
    return [`::${result.status === "FAIL" ? "error" : "warning"} ${properties.join(",")}::${command(text)}`];
  });
  return [...lines, `nacre gate: ${report.status} ${countsText(report)}`];
}

function command(text: string): string {
  return printable(text).replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(text: string): string {
  return command(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

function countsText({ counts }: GateReport): string {
  const parts = Object.entries(counts).filter(([, count]) => count > 0);
  return `[${parts.map(([status, count]) => `${status.toLowerCase()}: ${count}`).join(", ")}]`;
}
