/** Progress as lines that are never redrawn, in the form of BuildKit's `--progress=plain`. */
import type { NacreEvent } from "../../support/events.js";
import { describeNote, describeProgress, vertexTime } from "./describe.js";
import { applyEvent, logLines, type ProgressState, type Vertex } from "./state.js";

/** Time between two lines about the progress of one vertex, in milliseconds. */
const PROGRESS_INTERVAL = 2000;
/**
 * A vertex that starts while another one is shown is announced only if it has not ended within this time, so that the
 * steps of a cached build do not interrupt each other. Milliseconds.
 */
const PATIENCE = 100;

/** Turns events into lines. Keeps what is needed to know which vertex the reader saw last. */
export interface PlainReader {
  /** Takes the event into the state. @returns lines to print, without terminators */
  take(event: NacreEvent): string[];
}

/** A reader that prints `#4 [2/5] COPY . .`, `#4 CACHED`, `#4 DONE 0.1s`, `#4 0.312 text`. */
export function plainReader(state: ProgressState): PlainReader {
  let shown: Vertex | undefined;
  const waiting = new Set<Vertex>();
  const reported = new Map<Vertex, number>();
  const explained = new Set<Vertex>();

  /** Lines that lead over to a vertex: BuildKit parts blocks by an empty line and marks an unfinished one by `...`. */
  const turnTo = (vertex: Vertex): string[] => {
    if (shown === vertex) return [];
    const lines: string[] = [];
    if (shown) lines.push(...(shown.ended === undefined ? [`#${shown.number} ...`] : []), "");
    shown = vertex;
    lines.push(`#${vertex.number} ${vertex.name}`);
    if (state.explain && vertex.decision?.reason !== undefined && !explained.has(vertex)) {
      lines.push(`#${vertex.number} MISS ${vertex.decision.reason}`);
      explained.add(vertex);
    }
    waiting.delete(vertex);
    return lines;
  };

  /** Announces those that have been at work for long enough to be worth a line. */
  const announce = (now: number): string[] =>
    [...waiting].flatMap((vertex) => (now - vertex.started < PATIENCE ? [] : turnTo(vertex)));

  const progressLines = (vertex: Vertex, force: boolean): string[] => {
    const progress = vertex.progress;
    if (!progress || progress.current === 0) return [];
    const last = reported.get(vertex) ?? vertex.started;
    if (!force && progress.time - last < PROGRESS_INTERVAL) return [];
    reported.set(vertex, progress.time);
    const done = force && vertex.outcome === "done" ? " done" : "";
    return [`#${vertex.number} ${describeProgress(vertex, progress)} ${vertexTime(vertex, progress.time)}${done}`];
  };

  return {
    take(event) {
      const vertex = applyEvent(state, event);
      if (event.type === "note") return [describeNote(event)];
      if (!vertex || event.type === "warning") return [];
      const body: string[] = [];
      if (event.type === "start" && shown && shown.ended === undefined) waiting.add(vertex);
      else if (event.type === "start") return [...announce(event.time), ...turnTo(vertex)];
      if (event.type === "progress") body.push(...progressLines(vertex, false));
      if (event.type === "log") body.push(...logs(vertex, event.text, event.time));
      if (event.type === "end") body.push(...progressLines(vertex, true), endLine(vertex));
      const before = announce(event.time);
      return body.length === 0 ? before : [...before, ...turnTo(vertex), ...body];
    },
  };
}

function logs(vertex: Vertex, text: string, time: number): string[] {
  const seconds = (Math.max(0, time - vertex.started) / 1000).toFixed(3);
  return logLines(text, time).map((line) => `#${vertex.number} ${seconds} ${line.text}`);
}

function endLine(vertex: Vertex): string {
  const prefix = `#${vertex.number}`;
  switch (vertex.outcome) {
    case "cached":
      return `${prefix} CACHED${vertex.decision?.by === "content" ? " (same content)" : ""}`;
    case "error":
      return `${prefix} ERROR${vertex.error === undefined ? "" : `: ${logLines(vertex.error, 0)[0]?.text}`}`;
    case "cancelled":
      return `${prefix} CANCELED`;
    default:
      return `${prefix} DONE ${vertexTime(vertex, vertex.ended ?? vertex.started)}`;
  }
}
