/** Progress on a terminal: the lines of one frame, made from the state alone. What draws them is in display.ts. */
import { formatSeconds } from "../../support/human.js";
import type { Paint, Role } from "../style.js";
import { displayWidth, padEnd, truncate } from "../terminalText.js";
import { describeProgress, vertexTime } from "./describe.js";
import { countVertices, type ProgressState, type Vertex } from "./state.js";

/** Lines of output shown below a running step. */
const SHOWN_LOG_LINES = 4;

/** The terminal that a frame is made for. */
export interface View {
  /** Columns. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly paint: Paint;
  /** Say why steps miss. */
  readonly explain?: boolean | undefined;
  /** The last frame: nothing is collapsed, and it says that the work has ended. */
  readonly final?: boolean | undefined;
  /** A signal has asked for the end; work is being cleaned up. */
  readonly stopping?: boolean | undefined;
}

/**
 * The lines of a frame: a header, the steps that have finished, the running ones with their details. A frame is one row
 * lower than the terminal; when it gets too high, first the oldest finished steps collapse into one line, then details go,
 * then the last of the running steps.
 */
export function renderFrame(state: ProgressState, view: View): string[] {
  const vertices = [...state.vertices.values()];
  const header = renderHeader(state, view);
  if (view.final) return [header, ...vertices.flatMap((vertex) => renderVertex(vertex, view, 0))];
  const room = Math.max(1, view.height - 2);
  const finished = vertices.filter((vertex) => vertex.ended !== undefined).sort((a, b) => a.ended! - b.ended!);
  const running = renderRunning(
    vertices.filter((vertex) => vertex.ended === undefined),
    view,
    room,
  );
  return [header, ...renderFinished(finished, view, room - running.length), ...running];
}

function renderHeader(state: ProgressState, view: View): string {
  const { total, finished } = countVertices(state);
  const elapsed = state.started === undefined ? 0 : view.now - state.started;
  const stopping = view.stopping ? " STOPPING (Ctrl-C again ends at once)" : "";
  const end = view.final ? ` ${finalWord(state, finished === total)}` : stopping;
  return view.paint("strong", truncate(`[+] ${formatSeconds(elapsed)} (${finished}/${total})${end}`, usable(view)));
}

function finalWord(state: ProgressState, allEnded: boolean): string {
  const outcomes = new Set([...state.vertices.values()].map((vertex) => vertex.outcome));
  if (outcomes.has("error")) return "FAILED";
  return allEnded && !outcomes.has("cancelled") ? "FINISHED" : "STOPPED";
}

function renderFinished(finished: readonly Vertex[], view: View, room: number): string[] {
  if (room <= 0) return [];
  if (finished.length <= room) return finished.flatMap((vertex) => renderVertex(vertex, view, 0));
  const shown = room === 1 ? [] : finished.slice(1 - room);
  const hidden = finished.slice(0, finished.length - shown.length);
  const cached = hidden.filter((vertex) => vertex.outcome === "cached").length;
  const summary = ` => ${hidden.length} more finished${cached > 0 ? ` (${cached} cached)` : ""}`;
  return [
    view.paint("done", truncate(summary, usable(view))),
    ...shown.flatMap((vertex) => renderVertex(vertex, view, 0)),
  ];
}

function renderRunning(running: readonly Vertex[], view: View, room: number): string[] {
  for (const details of [SHOWN_LOG_LINES, 1, 0]) {
    const lines = running.flatMap((vertex) => renderVertex(vertex, view, details));
    if (lines.length <= room) return lines;
  }
  const shown = running.slice(0, room - 1).flatMap((vertex) => renderVertex(vertex, view, 0));
  return [...shown, truncate(` => ${running.length - shown.length} more running`, usable(view))];
}

/** A vertex: its line, how far it is, and at most `details` lines of its output. */
function renderVertex(vertex: Vertex, view: View, details: number): string[] {
  const lines = [statusLine(vertex, view)];
  const why = view.explain ? vertex.decision?.reason : undefined;
  if (why !== undefined) lines.push(truncate(` => => MISS ${why}`, usable(view)));
  if (vertex.ended !== undefined || details === 0) return lines;
  const detail = (text: string): string => truncate(` => => ${text}`, usable(view));
  if (vertex.progress) lines.push(detail(describeProgress(vertex, vertex.progress)));
  for (const line of vertex.logs.slice(-details)) lines.push(detail(`# ${line.text}`));
  return lines;
}

const MARKS: Readonly<Record<string, readonly [word: string, role: Role]>> = {
  done: ["", "done"],
  cached: ["CACHED ", "cached"],
  error: ["ERROR ", "error"],
  cancelled: ["CANCELED ", "warning"],
};

function statusLine(vertex: Vertex, view: View): string {
  const [word, role] = MARKS[vertex.outcome ?? ""] ?? ["", undefined];
  const time = vertexTime(vertex, view.now);
  const same = vertex.outcome === "cached" && vertex.decision?.by === "content" ? "(same content) " : "";
  const left = ` => ${word}${same}${vertex.name}`;
  const room = usable(view) - displayWidth(time) - 1;
  const line = room < 12 ? truncate(left, usable(view)) : `${padEnd(truncate(left, room), room)} ${time}`;
  return role ? view.paint(role, line) : line;
}

/** A terminal's last column stays free: writing there wraps on some. */
function usable(view: View): number {
  return Math.max(1, view.width - 1);
}
