/** Phrases that the readers of progress share. */
import type { NacreEvent } from "../../support/events.js";
import { formatBytes, formatSeconds } from "../../support/human.js";
import { printable } from "../terminalText.js";
import type { Progress, ProgressState, Vertex } from "./state.js";

/** Rates over shorter times say nothing. Milliseconds. */
const MIN_RATE_TIME = 500;

/** How long a vertex took, or has been going on at `now`: `0.1s`. */
export function vertexTime(vertex: Vertex, now: number): string {
  return formatSeconds((vertex.ended ?? now) - vertex.started);
}

/** `12.3MB / 900MB`, `1200 files`; with the rate where it is known: `12.3MB / 900MB  140MB/s`. */
export function describeProgress(vertex: Vertex, progress: Progress): string {
  const amount = (value: number): string => (progress.unit === "bytes" ? formatBytes(value) : String(value));
  const total = progress.total === undefined ? "" : ` / ${amount(progress.total)}`;
  const text = `${amount(progress.current)}${total}${progress.unit === "files" ? " files" : ""}`;
  const elapsed = progress.time - vertex.started;
  if (progress.unit !== "bytes" || elapsed < MIN_RATE_TIME || progress.current === 0) return text;
  return `${text}  ${formatBytes(progress.current / (elapsed / 1000))}/s`;
}

/** `note: SyntaxIgnored: … (line 1)`. */
export function describeNote({ rule, message, place }: Extract<NacreEvent, { type: "note" }>): string {
  return `note: ${rule}: ${printable(message)}${place ? ` (line ${place.range.start.line})` : ""}`;
}

/** The list of warnings that closes a build, as BuildKit prints it; no lines if there are none. */
export function describeWarnings(state: ProgressState): string[] {
  const count = state.warnings.length;
  if (count === 0) return [];
  return [
    "",
    `${count} warning${count === 1 ? "" : "s"} found:`,
    ...state.warnings.map(
      ({ rule, message, line }) => ` - ${rule}: ${printable(message)}${line === undefined ? "" : ` (line ${line})`}`,
    ),
  ];
}

/** The failed step with the end of its output, as BuildKit repeats it above the error; no lines if it printed nothing. */
export function describeFailure(vertex: Vertex | undefined): string[] {
  if (!vertex || vertex.logs.length === 0) return [];
  const logs = vertex.logs.map((line) => `${((line.time - vertex.started) / 1000).toFixed(3)} ${line.text}`);
  return ["------", ` > ${vertex.name}:`, ...logs, "------"];
}
