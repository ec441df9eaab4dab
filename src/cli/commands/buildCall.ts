/** `nacre build --call …` and `--check`: which question is asked, and who answers it. */
import type { BuildRequest } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { nearest } from "../../support/suggest.js";
import type { Invocation } from "../invocation.js";
import { type Call, type CallFormat, type CallOptions, FORMATS, METHODS } from "./callOptions.js";
import { parseBoolean } from "./parseValues.js";

/**
 * Reads the flags, `--call METHOD[,format=FORM][,ignorestatus=true]` among them.
 * @throws NacreError USAGE
 */
export function parseCall(options: CallOptions): Call {
  const { check, checkFix, checkDiff, checkFormat } = options;
  const spelled = parseMethod(options.call ?? "check");
  if (spelled.method !== "check" && (check || checkFix || checkDiff || checkFormat !== undefined)) {
    throw usage(`--call ${spelled.method} and a check are two questions`, "ask one of them");
  }
  if (checkFix && checkDiff) throw usage("--check-fix writes what --check-diff only shows", "give one of them");
  if (checkFormat !== undefined && spelled.format !== undefined && checkFormat !== spelled.format) {
    throw usage(`--check-format ${checkFormat} and format=${spelled.format} contradict each other`, "give one of them");
  }
  const format = checkFormat === undefined ? (spelled.format ?? "text") : formatOf(checkFormat, "--check-format");
  if (format === "sarif" && spelled.method !== "check") {
    throw usage(`--call ${spelled.method} has no SARIF form`, "use format=json");
  }
  const fix = checkFix ? "write" : checkDiff ? "diff" : "no";
  return { method: spelled.method, format, ignoreStatus: spelled.ignoreStatus, fix };
}

interface Spelled extends Pick<Call, "method" | "ignoreStatus"> {
  readonly format: CallFormat | undefined;
}

function parseMethod(text: string): Spelled {
  const [name = "", ...fields] = text.split(",");
  let format: CallFormat | undefined;
  let ignoreStatus = false;
  for (const field of fields) {
    const [key = "", value] = split(field);
    if (key === "format" && value !== undefined) format = formatOf(value, "format");
    else if (key === "ignorestatus" && value !== undefined) ignoreStatus = parseBoolean(value, "ignorestatus");
    else throw usage(`unknown part of --call: ${JSON.stringify(field)}`, "write METHOD,format=json,ignorestatus=true");
  }
  return { method: methodOf(name), format, ignoreStatus };
}

/** `lint` is BuildKit's own name for checks; `build` with a check flag beside it asks for the check. */
function methodOf(name: string): Call["method"] {
  if (name === "lint" || name === "build" || name === "") return "check";
  const found = METHODS.find((method) => method === name);
  if (found) return found;
  const near = nearest(name, ["build", ...METHODS]);
  throw usage(
    `unknown method of --call: ${JSON.stringify(name)}`,
    near ? `did you mean ${near}?` : `--call is build, ${METHODS.join(", ")}`,
  );
}

function formatOf(text: string, what: string): CallFormat {
  const found = FORMATS.find((format) => format === text);
  if (found) return found;
  const near = nearest(text, FORMATS);
  throw usage(
    `unknown form ${JSON.stringify(text)}`,
    near ? `did you mean ${near}?` : `${what} is ${FORMATS.join(", ")}`,
  );
}

function split(field: string): [string, string | undefined] {
  const equals = field.indexOf("=");
  return equals < 0 ? [field.trim(), undefined] : [field.slice(0, equals).trim(), field.slice(equals + 1).trim()];
}

/** Answers the question. @throws NacreError, ReportedFailure (findings, which have been printed) */
export async function runCall(invocation: Invocation, request: BuildRequest, call: Call): Promise<void> {
  const { method, format } = call;
  if (method === "check") {
    const { runCheckDockerfile } = await import("./checkDockerfile.js");
    return runCheckDockerfile(invocation, request, call);
  }
  const { runDescribe, runOutline, runTargets } = await import("./outline.js");
  const form = format === "json" ? "json" : "text";
  if (method === "outline") return runOutline(invocation, request, form);
  if (method === "targets") return runTargets(invocation, request, form);
  return runDescribe(invocation, form);
}

function usage(message: string, hint: string): NacreError {
  return new NacreError("USAGE", message, { hint });
}
