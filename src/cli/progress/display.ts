/** The readers of progress at work: they take events and write to a stream. */
import type { Emit } from "../../support/events.js";
import type { OutputStream } from "../invocation.js";
import type { Paint } from "../style.js";
import { displayWidth } from "../terminalText.js";
import { describeFailure, describeWarnings } from "./describe.js";
import { eventToJson } from "./rawjson.js";
import { applyEvent, emptyState, failedVertex, type ProgressState } from "./state.js";

/** Time between two frames on a terminal, in milliseconds. */
const FRAME_INTERVAL = 100;

/** The forms of progress; `quiet` shows nothing. */
export type ProgressForm = "tty" | "plain" | "rawjson" | "quiet";

/** Where progress goes. */
export interface DisplaySettings {
  readonly form: ProgressForm;
  readonly stream: OutputStream;
  readonly now: () => number;
  readonly paint: Paint;
  readonly signal: AbortSignal;
  /** Say why steps miss. */
  readonly explain?: boolean | undefined;
}

/** A display of progress. */
export interface Display {
  readonly emit: Emit;
  /** Leaves the terminal to something else; nothing more is drawn until the end. */
  suspend(): void;
  /** Ends it: the last frame, then the warnings after success, or the failing step's output. Call once. */
  stop(succeeded: boolean): void;
}

/** Opens a display. Nothing is written before the first event. Only the reader of the form that is used is loaded. */
export async function openDisplay(settings: DisplaySettings): Promise<Display> {
  const state = emptyState(settings.explain);
  const close = (succeeded: boolean): void => {
    const lines = succeeded ? describeWarnings(state) : describeFailure(failedVertex(state));
    writeLines(settings.stream, lines);
  };
  switch (settings.form) {
    case "quiet":
      return { emit: () => {}, suspend: () => {}, stop: () => {} };
    case "rawjson":
      return {
        emit: (event) => writeLines(settings.stream, [eventToJson(event)]),
        suspend: () => {},
        stop: () => {},
      };
    case "plain": {
      const { plainReader } = await import("./plain.js");
      const reader = plainReader(state);
      return { emit: (event) => writeLines(settings.stream, reader.take(event)), suspend: () => {}, stop: close };
    }
    case "tty":
      return openTerminal(settings, state, close);
  }
}

async function openTerminal(settings: DisplaySettings, state: ProgressState, close: Display["stop"]): Promise<Display> {
  const [{ renderFrame }, readline] = await Promise.all([import("./tty.js"), import("node:readline")]);
  const { stream, now, paint, signal } = settings;
  let drawn: readonly string[] = [];
  const draw = (final: boolean): void => {
    // A terminal that no one has told its size says 0.
    const size = { width: stream.columns || 80, height: stream.rows || 24 };
    const view = { ...size, now: now(), paint, final, stopping: signal.aborted, explain: state.explain };
    const lines = renderFrame(state, view);
    stream.cork?.();
    moveToFirstRow(readline, stream, drawn, view.width);
    stream.write(lines.map((line) => `${line}\n`).join(""));
    stream.uncork?.();
    drawn = lines;
  };
  let timer: NodeJS.Timeout | undefined;
  let suspended = false;
  return {
    emit(event) {
      applyEvent(state, event);
      if (!suspended) timer ??= setInterval(() => draw(false), FRAME_INTERVAL).unref();
    },
    suspend() {
      clearInterval(timer);
      suspended = true;
      draw(false);
      // The next frame begins below what is written meanwhile.
      drawn = [];
    },
    stop(succeeded) {
      clearInterval(timer);
      if (state.vertices.size > 0) draw(true);
      close(succeeded);
    },
  };
}

type Readline = typeof import("node:readline");

/** Puts the cursor where the last frame began. A terminal that got narrower since has wrapped the frame's long lines. */
function moveToFirstRow(readline: Readline, stream: OutputStream, drawn: readonly string[], width: number): void {
  const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / width)), 0);
  if (rows === 0) return;
  readline.moveCursor(stream, 0, -rows);
  readline.cursorTo(stream, 0);
  readline.clearScreenDown(stream);
}

function writeLines(stream: OutputStream, lines: readonly string[]): void {
  if (lines.length > 0) stream.write(`${lines.join("\n")}\n`);
}
