/** Histories of builds for tests of advice: steps with what became of them, in few words. */
import type { MissReason } from "../../src/cache/why.js";
import type { BuildStep, NamedBuild } from "../../src/store/builds.js";

/** A step of a past build: its instruction, and why it missed; the cache answered where that is not given. */
export interface PastRow {
  readonly instruction: string;
  readonly stage?: string;
  readonly inputs?: readonly number[];
  readonly reason?: unknown;
  readonly duration?: number;
  readonly outcome?: BuildStep["outcome"];
}

/** A build of these steps; each takes files from the one before unless told otherwise. */
export function pastBuild(id: string, rows: readonly PastRow[]): NamedBuild {
  const steps = rows.map((row, at): BuildStep => {
    const { instruction, stage = "stage-0", inputs, reason, duration = 1000, outcome } = row;
    const kind = instruction.startsWith("RUN") ? "run" : instruction.startsWith("WORKDIR") ? "workdir" : "copy";
    const came = outcome ?? (reason === undefined ? "cached" : "done");
    return {
      ...{ id: at, stage, instruction, kind, label: `[${at + 1}/9] ${instruction}`, outcome: came },
      inputs: [...(inputs ?? (at === 0 ? [] : [at - 1]))],
      ...(came === "cached" ? { duration: 0, saved: duration, by: "definition" } : { duration, reason }),
    };
  });
  return {
    ...{ version: 2, id, started: 1_700_000_000_000, ended: 1_700_000_001_000, outcome: "done" },
    ...{ dockerfile: "Dockerfile", context: ".", names: [], steps },
  };
}

/** Files of a COPY changed. */
export function files(...paths: readonly string[]): MissReason {
  return {
    kind: "changed",
    changes: [
      {
        what: "files",
        source: { kind: "word", word: 0 },
        known: true,
        totals: { files: 10, differing: paths.length, directories: 0 },
        files: paths.map((path) => ({ path, type: "file", reasons: [{ what: "content", before: 1, after: 2 }] })),
      },
    ],
  };
}

/** Something below changed. */
export function below(...steps: readonly number[]): MissReason {
  return {
    kind: "changed",
    changes: steps.map((step) => ({ what: "input", role: "parent", step, same: true })),
  };
}

/** An argument has another value. */
export function argument(name: string): MissReason {
  return { kind: "changed", changes: [{ what: "variable", name, argument: true, before: "1", after: "2" }] };
}

/** The base has moved. */
export function base(reference: string): MissReason {
  const image = (digit: string) => ({
    ...{ kind: "image" as const, digest: `sha256:${digit.repeat(64)}`, platform: "linux/amd64", reference },
  });
  return { kind: "changed", changes: [{ what: "input", role: "parent", before: image("1"), after: image("2") }] };
}
