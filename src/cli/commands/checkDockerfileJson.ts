/** Findings of a check as `docker buildx build --call check,format=json` prints them (BuildKit: lint.LintResults). */
import type { CheckFinding, DockerfileReport as CheckReport, SourceRange } from "../../index.js";
import { encodeText } from "../../support/bytes.js";
import { printableJson } from "../terminalText.js";

/**
 * The document. Members are those of buildx in its order; `definition` of a source, which only BuildKit can use, is left
 * out. `hint` and `fixable` are nacre's own, and stand behind what buildx knows.
 */
export function checkJson({ file, text, findings, error }: CheckReport): string {
  const document = {
    // Go writes an empty list that was never begun as null, and scripts have learnt to live with it.
    warnings: findings.length === 0 ? null : findings.map(warningOf),
    sources: [{ filename: file, data: Buffer.from(encodeText(text)).toString("base64"), language: "Dockerfile" }],
    ...(error
      ? {
          buildError: {
            message: error.message,
            location: error.place && error.place.text === text ? locationOf(error.place.range) : {},
          },
        }
      : {}),
  };
  return printableJson(document, 2);
}

function warningOf({ rule, description, url, message, range, hint, fix }: CheckFinding) {
  return {
    ruleName: rule,
    description: description ?? message,
    ...(url ? { url } : {}),
    detail: message,
    location: locationOf(range),
    ...(hint ? { hint } : {}),
    ...(fix ? { fixable: true } : {}),
  };
}

/** BuildKit names each line of an instruction by itself. */
function locationOf({ start, end }: SourceRange) {
  const lines = Array.from({ length: Math.max(1, end.line - start.line + 1) }, (_, i) => start.line + i);
  return { ranges: lines.map((line) => ({ start: { line }, end: { line } })) };
}
