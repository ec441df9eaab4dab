/** The result of a gate as JUnit XML: a test suite, a test case for each rule. */
import type { GateReport, GateResult } from "../../index.js";
import { printable } from "../terminalText.js";

/** Lines of the document. */
export function gateJUnit(report: GateReport): string[] {
  const { image, counts, results } = report;
  const numbers = `tests="${results.length}" failures="${counts.FAIL}" errors="0" skipped="${counts.SKIP}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="nacre gate" ${numbers}>`,
    `  <testsuite name="${escaped(image)}" ${numbers}>`,
    ...results.flatMap(caseLines),
    "  </testsuite>",
    "</testsuites>",
  ];
}

function caseLines(result: GateResult): string[] {
  const { rule, status, source } = result;
  const file = source
    ? ` file="${escaped(source.file)}"${source.line === undefined ? "" : ` line="${source.line}"`}`
    : "";
  const open = `    <testcase name="${escaped(rule)}" classname="nacre.gate"${file}`;
  const text = escaped(detailsOf(result));
  switch (status) {
    case "FAIL":
      return [
        `${open}>`,
        `      <failure type="${escaped(rule)}" message="${escaped(result.message)}">${text}</failure>`,
        "    </testcase>",
      ];
    case "SKIP":
      return [`${open}>`, `      <skipped message="${escaped(result.message)}"/>`, "    </testcase>"];
    case "WARN":
      return [`${open}>`, `      <system-out>${text}</system-out>`, "    </testcase>"];
    case "PASS":
      return [`${open}/>`];
  }
}

function detailsOf({ title, measured, allowed, message, findings = [], more = 0, advice }: GateResult): string {
  return [
    ...[title, message, `measured: ${measured}`, `allowed: ${allowed}`],
    ...findings.map((finding) => `- ${finding}`),
    ...(more > 0 ? [`- and ${more} more`] : []),
    ...(advice ? [advice] : []),
  ]
    .map(printable)
    .join("\n");
}

/** For texts and attributes; what XML cannot hold has been made printable, or is a character of no meaning. */
function escaped(text: string): string {
  const lines = text.split("\n").map((line) => printable(line).replace(/[\ufffe\uffff]/g, "\ufffd"));
  return lines
    .join("\n")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
