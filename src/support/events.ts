/**
 * What happens during a build or another long command, as data. Terminal, plain lines, JSON and library users are
 * readers of this one stream.
 */
import type { SourcePlace } from "./source.js";

/** How a piece of work ended. */
export type Outcome = "done" | "cached" | "error" | "cancelled";

export type NacreEvent =
  /** A vertex of the work begins: a step, or internal work such as reading the context (ids starting with `internal:`). */
  | { readonly type: "start"; readonly id: string; readonly name: string; readonly time: number }
  /** Progress within it; `unit` says what is counted. `total` is absent where it is not known. */
  | {
      readonly type: "progress";
      readonly id: string;
      readonly current: number;
      readonly total?: number | undefined;
      readonly unit: "bytes" | "files";
      readonly time: number;
    }
  /** A line of output, or a remark, that belongs to it. */
  | { readonly type: "log"; readonly id: string; readonly text: string; readonly time: number }
  | {
      readonly type: "end";
      readonly id: string;
      readonly outcome: Outcome;
      /** Message of the failure where `outcome` is `error`. */
      readonly error?: string | undefined;
      readonly time: number;
    }
  /** What the cache says of a step. */
  | {
      readonly type: "decision";
      readonly id: string;
      readonly answer: "hit" | "miss";
      /** For hits: which key found the record, that of the step's definition or that of what its inputs hold. */
      readonly by?: "definition" | "content" | undefined;
      /** For misses: why, in one line. */
      readonly reason?: string | undefined;
      readonly time: number;
    }
  | {
      readonly type: "warning";
      /** Lint rule or stable name. */
      readonly rule: string;
      readonly message: string;
      readonly place?: SourcePlace | undefined;
      readonly time: number;
    }
  /** A remark that asks for nothing to be done. */
  | {
      readonly type: "note";
      /** Stable name. */
      readonly rule: string;
      readonly message: string;
      readonly place?: SourcePlace | undefined;
      readonly time: number;
    };

/** Receives events; must not throw. `time` is in milliseconds since 1970. */
export type Emit = (event: NacreEvent) => void;

/** Throws away all events. */
export const silent: Emit = () => {};
