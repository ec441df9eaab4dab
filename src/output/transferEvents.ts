/** Events of one transfer: it begins, comes on, and ends as what it has become. */
import { type Emit, type Outcome, silent } from "../support/events.js";

/** Who is told of transfers. */
export interface TransferEnv {
  readonly emit?: Emit | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a transfer between its events.
 * @param work gets who is to be told of the bytes so far; says how it ended
 */
export async function withTransferEvents<T>(
  { emit = silent, now, signal }: TransferEnv,
  { id, name, total }: { readonly id: string; readonly name: string; readonly total: number },
  work: (onBytes: (bytes: number) => void) => Promise<readonly [Outcome, T]>,
): Promise<T> {
  emit({ type: "start", id, name, time: now() });
  try {
    const onBytes = (current: number): void =>
      emit({ type: "progress", id, current, total, unit: "bytes", time: now() });
    const [outcome, result] = await work(onBytes);
    emit({ type: "end", id, outcome, time: now() });
    return result;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const end = signal?.aborted ? { outcome: "cancelled" as const } : { outcome: "error" as const, error: message };
    emit({ type: "end", id, ...end, time: now() });
    throw error;
  }
}
