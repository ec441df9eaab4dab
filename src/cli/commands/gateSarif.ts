/** The result of a gate as SARIF 2.1.0 (OASIS). */
import type { GateReport, GateResult } from "../../index.js";
import { printableJson } from "../terminalText.js";
import { programVersion } from "../version.js";

const SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

const LEVELS: Readonly<Record<GateResult["status"], readonly [level: string, kind: string]>> = {
  PASS: ["none", "pass"],
  FAIL: ["error", "fail"],
  WARN: ["warning", "fail"],
  SKIP: ["none", "notApplicable"],
};

/** The document: one run, one rule and one result for each rule that was checked. */
export function gateSarif(report: GateReport): string {
  const rules = report.results.map(({ rule, title }) => ({ id: rule, shortDescription: { text: title } }));
  const run = {
    tool: { driver: { name: "nacre", version: programVersion(), rules } },
    columnKind: "utf16CodeUnits",
    invocations: [{ executionSuccessful: true }],
    results: report.results.map((result, ruleIndex) => resultOf(result, ruleIndex, report)),
    properties: { image: report.image.toWellFormed(), digest: report.digest },
  };
  return printableJson({ $schema: SCHEMA, version: "2.1.0", runs: [run] }, 2);
}

function resultOf(
  { rule, status, message, advice, findings, source }: GateResult,
  ruleIndex: number,
  report: GateReport,
) {
  const [level, kind] = LEVELS[status];
  const isBad = status === "FAIL" || status === "WARN";
  const more =
    isBad && findings && findings.length > 1 ? `\n${findings.map((finding) => `- ${finding}`).join("\n")}` : "";
  const text = `${report.image}: ${message}${advice ? ` (${advice})` : ""}${more}`;
  return {
    ...{ ruleId: rule, ruleIndex, level, kind },
    message: { text: text.toWellFormed() },
    locations: [
      {
        ...(source ? { physicalLocation: physical(source) } : {}),
        logicalLocations: [{ name: report.image.toWellFormed(), kind: "resource" }],
      },
    ],
    partialFingerprints: { "nacre/rule": rule },
  };
}

function physical({ file, line }: NonNullable<GateResult["source"]>) {
  const uri = encodeURI(file.toWellFormed()).replaceAll("?", "%3F").replaceAll("#", "%23");
  return { artifactLocation: { uri }, ...(line === undefined ? {} : { region: { startLine: line } }) };
}
