/** What has happened so far, gathered from the event stream: the one state that the readers of progress draw from. */
import type { NacreEvent, Outcome } from "../../support/events.js";
import { printable } from "../terminalText.js";

/** Most lines of output that are remembered for each vertex; a failing step shows the last of them. */
const KEPT_LOG_LINES = 20;

/** A line of output. */
export interface LogLine {
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** A step or a piece of internal work. */
export interface Vertex {
  readonly id: string;
  /** Its number in the output, from 1, in the order of starting. */
  readonly number: number;
  /** Its name, safe to print. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly started: number;
  ended?: number;
  outcome?: Outcome;
  error?: string;
  progress?: Progress;
  /** The last lines of output, oldest first. */
  readonly logs: LogLine[];
  /** What the cache said of it, safe to print. */
  readonly decision?: Decision | undefined;
}

/** What the cache says of a step. */
export interface Decision {
  readonly answer: "hit" | "miss";
  readonly by?: "definition" | "content" | undefined;
  /** Why it misses. */
  readonly reason?: string | undefined;
}

/** How far a vertex has come. */
export interface Progress {
  readonly current: number;
  readonly total?: number | undefined;
  readonly unit: "bytes" | "files";
  readonly time: number;
}

/** A warning for the list at the end. */
export interface Warning {
  readonly rule: string;
  readonly message: string;
  readonly line?: number | undefined;
}

/** Everything that has happened. Only {@link applyEvent} changes it. */
export interface ProgressState {
  /** Time of the first event, in milliseconds since 1970. */
  started: number | undefined;
  /** In the order of starting. */
  readonly vertices: Map<string, Vertex>;
  readonly warnings: Warning[];
  /** What the cache said of steps, by id; it comes before they start. */
  readonly decisions: Map<string, Decision>;
  /** The reader wants to know why steps miss. */
  readonly explain: boolean;
}

/** A state in which nothing has happened. */
export function emptyState(explain = false): ProgressState {
  return { started: undefined, vertices: new Map(), warnings: [], decisions: new Map(), explain };
}

/** Takes one event in. @returns the vertex that it belongs to, if any */
export function applyEvent(state: ProgressState, event: NacreEvent): Vertex | undefined {
  state.started ??= event.time;
  if (event.type === "warning") {
    state.warnings.push({ rule: event.rule, message: event.message, line: event.place?.range.start.line });
    return undefined;
  }
  if (event.type === "note") return undefined;
  if (event.type === "decision") {
    const { answer, by, reason } = event;
    state.decisions.set(event.id, { answer, by, reason: reason === undefined ? undefined : printable(reason) });
    return undefined;
  }
  const vertex = state.vertices.get(event.id) ?? addVertex(state, event);
  if (event.type === "progress") {
    vertex.progress = { current: event.current, total: event.total, unit: event.unit, time: event.time };
  } else if (event.type === "log") {
    vertex.logs.push(...logLines(event.text, event.time));
    vertex.logs.splice(0, vertex.logs.length - KEPT_LOG_LINES);
  } else if (event.type === "end") {
    vertex.ended = event.time;
    vertex.outcome = event.outcome;
    if (event.error !== undefined) vertex.error = event.error;
  }
  return vertex;
}

/** The lines of a log event, safe to print. A carriage return redraws a line on a terminal: only its last form counts. */
export function logLines(text: string, time: number): LogLine[] {
  return text
    .replace(/\r?\n$/, "")
    .split(/\r?\n/)
    .map((line) => ({ text: printable(line.slice(line.replace(/\r+$/, "").lastIndexOf("\r") + 1)), time }));
}

/** Every vertex that has ended, or not, by `ended`. */
export function countVertices(state: ProgressState): { readonly total: number; readonly finished: number } {
  let finished = 0;
  for (const vertex of state.vertices.values()) if (vertex.ended !== undefined) finished++;
  return { total: state.vertices.size, finished };
}

/** The vertex that failed, if one has. */
export function failedVertex(state: ProgressState): Vertex | undefined {
  for (const vertex of state.vertices.values()) if (vertex.outcome === "error") return vertex;
  return undefined;
}

function addVertex(
  state: ProgressState,
  event: Exclude<NacreEvent, { type: "warning" | "note" | "decision" }>,
): Vertex {
  const name = event.type === "start" ? event.name : event.id;
  const vertex: Vertex = {
    id: event.id,
    number: state.vertices.size + 1,
    name: printable(name.replace(/\s*\n\s*/g, " ")),
    started: event.time,
    logs: [],
    decision: state.decisions.get(event.id),
  };
  state.vertices.set(event.id, vertex);
  return vertex;
}
