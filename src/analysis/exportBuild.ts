/** A build as a document for other programs. */
import { shortenName } from "../oci/reference.js";
import type { NamedBuild } from "../store/builds.js";
import { type PlacedStep, stepsOf } from "./buildSteps.js";

/** A build as JSON. A new `version` means that a field has gone or changed its meaning; fields may be added without one. */
export interface ExportedBuild {
  readonly format: "nacre-build";
  readonly version: 1;
  readonly build: NamedBuild;
}

/** The document of a build. */
export function exportBuild(build: NamedBuild): ExportedBuild {
  return { format: "nacre-build", version: 1, build };
}

/** An event of Chrome's trace format. Times in microseconds since the build began. */
export interface TraceEvent {
  readonly name: string;
  /** `X`: something that has a beginning and a duration. `M`: a name of a process or lane. */
  readonly ph: "X" | "M";
  readonly pid: number;
  /** The lane: 0 is the build itself, the steps share the others. */
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

/** A trace that chrome://tracing and Perfetto open (Trace Event Format, JSON object form). */
export interface BuildTrace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: "ms";
  readonly otherData: Readonly<Record<string, string>>;
}

/**
 * The trace of a build: steps that ran at the same time stand in different lanes, of which there are no more than needed.
 * Entries of version 1 do not say when a step began: their steps follow each other then.
 */
export function traceBuild(build: NamedBuild): BuildTrace {
  const { id, started, ended } = build;
  const timed = timedSteps(stepsOf(build));
  const { lanes, laneOf } = sharedOut(timed);
  const duration = microseconds(Math.max(0, ended - started));
  return {
    traceEvents: [
      named("process_name", 0, `nacre build ${build.title ?? (build.names[0] && shortenName(build.names[0])) ?? id}`),
      named("thread_name", 0, "build"),
      ...Array.from({ length: lanes }, (_, lane) => named("thread_name", lane + 1, `steps ${lane + 1}`)),
      {
        name: `build ${id}`,
        cat: build.outcome,
        ph: "X",
        pid: 1,
        tid: 0,
        ts: 0,
        dur: duration,
        args: { dockerfile: build.dockerfile, context: build.context, target: build.target, error: build.error },
      },
      ...timed.map((step) => stepEvent(step, laneOf.get(step)!)),
    ],
    displayTimeUnit: "ms",
    otherData: {
      build: id,
      started: new Date(started).toISOString(),
      ...(timed.some(({ known }) => !known)
        ? { note: "when its steps began is not known: they are shown in a row" }
        : {}),
    },
  };
}

interface TimedStep {
  readonly step: PlacedStep;
  /** Microseconds. */
  readonly from: number;
  readonly to: number;
  /** It is known when it began. */
  readonly known: boolean;
}

function timedSteps(steps: readonly PlacedStep[]): TimedStep[] {
  const known = steps.every(({ started }) => started !== undefined);
  let end = 0;
  return steps.map((step) => {
    const from = known ? Math.max(0, microseconds(step.started!)) : end;
    end = from + Math.max(0, microseconds(step.duration));
    return { step, from, to: end, known };
  });
}

/** Puts each step into the first lane that is free when it begins. */
function sharedOut(steps: readonly TimedStep[]): { lanes: number; laneOf: ReadonlyMap<TimedStep, number> } {
  const ends: number[] = [];
  const laneOf = new Map<TimedStep, number>();
  for (const step of [...steps].sort((a, b) => a.from - b.from || a.to - b.to)) {
    const free = ends.findIndex((end) => end <= step.from);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = step.to;
    laneOf.set(step, lane + 1);
  }
  return { lanes: ends.length, laneOf };
}

function stepEvent({ step, from, to }: TimedStep, lane: number): TraceEvent {
  const { number, label, outcome, by, why, saved, line, inputs, size, diffId, key } = step;
  return {
    name: label,
    cat: outcome,
    ph: "X",
    pid: 1,
    tid: lane,
    ts: from,
    dur: to - from,
    args: { step: number, outcome, by, why, saved, line, inputs, size, diffId, key },
  };
}

function named(name: "process_name" | "thread_name", lane: number, text: string): TraceEvent {
  return { name, ph: "M", pid: 1, tid: lane, args: { name: text } };
}

function microseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000);
}
