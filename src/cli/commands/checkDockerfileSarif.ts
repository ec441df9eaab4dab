/** Findings of a check as SARIF 2.1.0 (OASIS), which code hosts and editors show beside the lines. */
import type { CheckFinding, DockerfileReport as CheckReport, Finding, SourceRange } from "../../index.js";
import { printableJson } from "../terminalText.js";
import { programVersion } from "../version.js";

const SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/**
 * The document: one run, one result for each finding, one of level `error` for what a build would fail with, and one of
 * level `note` for each piece of advice.
 */
export function checkSarif(report: CheckReport, advice: readonly Finding[] = []): string {
  const { file, findings, error } = report;
  const rules = rulesOf(report, advice);
  const uri = encodeURI(file).replaceAll("?", "%3F").replaceAll("#", "%23");
  const indexes = new Map(rules.map(({ id }, index) => [id, index]));
  const results = [
    ...findings.map((finding) => resultOf(finding, uri, indexes.get(finding.rule) ?? -1)),
    ...advice.map((one) => ({
      ...resultOf(
        { ...one, message: one.detail, hint: one.fix, fix: undefined, range: one.place.range },
        uri,
        indexes.get(one.rule) ?? -1,
      ),
      level: "note",
    })),
  ];
  const run = {
    tool: { driver: { name: "nacre", version: programVersion(), rules } },
    columnKind: "utf16CodeUnits",
    artifacts: [{ location: { uri }, roles: ["analysisTarget"] }],
    invocations: [{ executionSuccessful: true }],
    results: error ? [...results, errorOf(error, uri, indexes.get(error.code) ?? -1, report)] : results,
  };
  return printableJson({ $schema: SCHEMA, version: "2.1.0", runs: [run] }, 2);
}

interface SarifRule {
  readonly id: string;
  readonly shortDescription: { readonly text: string };
  readonly helpUri?: string;
  readonly defaultConfiguration: { readonly level: "note" | "warning" | "error" };
}

/** Each rule that has a finding, once. */
function rulesOf({ findings, error }: CheckReport, advice: readonly Finding[]): readonly SarifRule[] {
  const rules = new Map<string, SarifRule>();
  for (const { rule, description, message, url } of findings) {
    const shortDescription = { text: (description ?? message).toWellFormed() };
    const helpUri = url ? { helpUri: url } : {};
    rules.set(rule, { id: rule, shortDescription, ...helpUri, defaultConfiguration: { level: "warning" } });
  }
  for (const { rule, description } of advice) {
    rules.set(rule, { id: rule, shortDescription: { text: description }, defaultConfiguration: { level: "note" } });
  }
  if (error) {
    const shortDescription = { text: "The Dockerfile cannot be built" };
    rules.set(error.code, { id: error.code, shortDescription, defaultConfiguration: { level: "error" } });
  }
  return [...rules.values()];
}

function resultOf({ rule, message, hint, range, focus, fix }: CheckFinding, uri: string, ruleIndex: number) {
  return {
    ruleId: rule,
    ruleIndex,
    level: "warning",
    message: { text: textOf(message, hint) },
    locations: [locationOf(uri, focus ?? range)],
    ...(fix ? { fixes: [fixOf(fix, uri)] } : {}),
  };
}

function fixOf({ description, edits }: NonNullable<CheckFinding["fix"]>, uri: string) {
  const replacements = edits.map(({ range, text }) => ({
    deletedRegion: regionOf(range),
    ...(text === "" ? {} : { insertedContent: { text } }),
  }));
  return { description: { text: description }, artifactChanges: [{ artifactLocation: { uri }, replacements }] };
}

function errorOf(error: NonNullable<CheckReport["error"]>, uri: string, ruleIndex: number, { text }: CheckReport) {
  const { code, message, hint, place } = error;
  const locations =
    place && place.text === text
      ? [locationOf(uri, place.range)]
      : [{ physicalLocation: { artifactLocation: { uri } } }];
  return { ruleId: code, ruleIndex, level: "error", message: { text: textOf(message, hint) }, locations };
}

function textOf(message: string, hint: string | undefined): string {
  return (hint === undefined ? message : `${message} (${hint})`).toWellFormed();
}

function locationOf(uri: string, range: SourceRange) {
  return { physicalLocation: { artifactLocation: { uri }, region: regionOf(range) } };
}

/** Columns count from 1, and the end is the one behind the last character, as in a {@link SourceRange}. */
function regionOf({ start, end }: SourceRange) {
  return {
    startLine: start.line,
    startColumn: start.column + 1,
    endLine: end.line,
    endColumn: end.column + 1,
  };
}
