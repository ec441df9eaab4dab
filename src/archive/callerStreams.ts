/** Streams that a caller hands over, while the modules that use them are still being loaded. */
import { EventEmitter } from "node:events";

/**
 * Sees to it that a stream which fails before anyone reads or writes it does not end the process. Whoever reads or writes
 * it later gets the failure then.
 */
export function keepFailure(stream: unknown): void {
  if (stream instanceof EventEmitter) stream.on("error", () => {});
}
