/** Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once. */
import { NacreError } from "../support/errors.js";

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** The subset of `process` that signals need. */
export interface SignalSource {
  readonly pid: number;
  on(name: NodeJS.Signals, listener: () => void): unknown;
  off(name: NodeJS.Signals, listener: () => void): unknown;
  kill(pid: number, name: NodeJS.Signals): unknown;
}

/** Signals being listened to. */
export interface SignalWatch {
  /** Aborted by the first signal, with a NacreError CANCELLED as reason. */
  readonly signal: AbortSignal;
  /** The exit code that the signal demands (128 + its number), or undefined if none came. */
  exitCode(): number | undefined;
  /** While the work goes on, Ctrl-C is the affair of another program on the terminal. */
  leaveToOthers<T>(work: () => Promise<T>): Promise<T>;
  /** Stops listening. */
  close(): void;
}

/** Listens to SIGINT and SIGTERM until closed. */
export function watchSignals(source: SignalSource): SignalWatch {
  const controller = new AbortController();
  let exitCode: number | undefined;
  let left = false;
  const listeners = Object.entries(SIGNALS).map(([name, code]) => {
    const signal = name as NodeJS.Signals;
    const listener = (): void => {
      if (left && name === "SIGINT") return;
      if (exitCode !== undefined) {
        close();
        source.kill(source.pid, signal);
        return;
      }
      exitCode = code;
      controller.abort(new NacreError("CANCELLED", `stopped by ${signal}`));
    };
    return [signal, listener] as const;
  });
  const close = (): void => {
    for (const [signal, listener] of listeners) source.off(signal, listener);
  };
  for (const [signal, listener] of listeners) source.on(signal, listener);
  const leaveToOthers = async <T>(work: () => Promise<T>): Promise<T> => {
    left = true;
    try {
      return await work();
    } finally {
      left = false;
    }
  };
  return { signal: controller.signal, exitCode: () => exitCode, leaveToOthers, close };
}
