/** `nacre build --check`, `--check-fix` and `--check-diff`. */
import type { BuildRequest, DockerfileReport as CheckReport, Finding, FixedDockerfile } from "../../index.js";
import { encodeText } from "../../support/bytes.js";
import { NacreError } from "../../support/errors.js";
import { ReportedFailure } from "../failure.js";
import { type Invocation, note, type OutputStream, print } from "../invocation.js";
import { paintFor } from "../style.js";
import { printable, printableLines } from "../terminalText.js";
import type { Call } from "./callOptions.js";
import { adviceOf, renderAdvice } from "./checkAdvice.js";
import { countText, renderCheck } from "./checkDockerfileText.js";

/**
 * Checks, and mends where that is asked for. Exit code 0 if nothing is left to say, 1 otherwise.
 * @throws NacreError (the error of the Dockerfile, after the findings), ReportedFailure if there are findings
 */
export async function runCheckDockerfile(invocation: Invocation, request: BuildRequest, call: Call): Promise<void> {
  if (call.fix !== "no") return runFix(invocation, request, call);
  const { checkDockerfile } = await import("../../index.js");
  const report = await checkDockerfile(request);
  const advice = call.format === "json" ? [] : await adviceOf(invocation, request, report);
  await show(invocation, report, call, invocation.stdout, advice);
  end(report, call);
}

async function runFix(invocation: Invocation, request: BuildRequest, call: Call): Promise<void> {
  const { fixDockerfile, writeDockerfile } = await import("../../index.js");
  const fixed = await fixDockerfile(request);
  const changed = fixed.after.text !== fixed.before.text;
  if (call.fix === "diff") {
    await showDiff(invocation, fixed);
    return end(fixed.before, call);
  }
  const isText = request.dockerfile?.kind === "text";
  if (fixed.path === undefined && !isText && !fixed.before.error) {
    throw new NacreError("USAGE", "--check-fix can write only to a Dockerfile on this machine", {
      hint: "show the changes with --check-diff, or send the Dockerfile with -f -",
    });
  }
  if (fixed.path !== undefined && changed) await writeDockerfile(fixed.path, fixed.after.text);
  // Where the text itself is the result, it has standard output for itself.
  const reports = isText ? invocation.stderr : invocation.stdout;
  if (isText) await write(invocation.stdout, encodeText(fixed.after.text));
  tellMended(invocation, fixed);
  await show(invocation, fixed.after, call, reports);
  end(fixed.after, call);
}

function tellMended(invocation: Invocation, { before, mended }: FixedDockerfile): void {
  const lines = mended.map(
    ({ rule, fix, focus, range }) =>
      `mended ${printable(before.file)}:${(focus ?? range).start.line} ${rule}: ${fix?.description ?? ""}`,
  );
  print(invocation.stderr, lines);
}

async function showDiff(invocation: Invocation, { before, after }: FixedDockerfile): Promise<void> {
  const { unifiedDiff } = await import("../../support/lineDiff.js");
  const diff = unifiedDiff(before.text, after.text, before.file);
  if (diff === "") note(invocation, "there is nothing that can be mended without changing what is built");
  const terminal = invocation.stdout.isTTY === true;
  await write(invocation.stdout, terminal ? Buffer.from(printableLines(diff)) : encodeText(diff));
}

function write(stream: OutputStream, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** @param advice what nacre's own checks say of the context: told, but no reason for another exit code */
async function show(
  invocation: Invocation,
  report: CheckReport,
  call: Call,
  stream: OutputStream,
  advice: readonly Finding[] = [],
): Promise<void> {
  for (const remark of report.remarks) note(invocation, remark);
  if (call.format === "text") {
    const { renderExcerpt } = await import("../../index.js");
    const style = { paint: paintFor(stream, invocation.env), excerpt: renderExcerpt };
    print(stream, [...renderCheck(report, style), ...renderAdvice(advice, style)]);
  } else if (call.format === "json") {
    const { checkJson } = await import("./checkDockerfileJson.js");
    print(stream, [checkJson(report)]);
  } else {
    const { checkSarif } = await import("./checkDockerfileSarif.js");
    print(stream, [checkSarif(report, advice)]);
  }
}

/** An error ends the command whatever is asked for; findings do unless their status is to be ignored (as buildx does). */
function end({ error, findings }: CheckReport, { ignoreStatus }: Call): void {
  if (error) throw error;
  if (findings.length === 0 || ignoreStatus) return;
  throw new ReportedFailure(new NacreError("CHECK_FAILED", countText(findings.length)));
}
