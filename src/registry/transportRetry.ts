/** Trying again: what may pass by itself is waited for, with a chance in it, so that many clients do not come back at once. */
import { setTimeout as sleep } from "node:timers/promises";
import { NacreError } from "../support/errors.js";
import type { HttpLimits } from "./httpClient.js";
import { PassingFailure } from "./httpFailure.js";

/** The usual limits for registries: one that is restarted is back within half a minute. */
export const REGISTRY_ATTEMPTS = 8;
/** Longest wait that the server did not ask for, in milliseconds. */
const MAX_BACKOFF = 30_000;

/** How often, and how patiently. */
export interface RetryRules {
  /** Tries in all; asked after each failure. */
  readonly attempts: () => number;
  readonly limits: HttpLimits;
  readonly signal: AbortSignal | undefined;
  /** For the error when it is stopped: `read X`. */
  readonly doing: string;
}

/**
 * Does something until it succeeds, fails for good, or has been tried often enough.
 * @param once throws PassingFailure for what may pass
 * @throws NacreError the last failure's; CANCELLED
 */
export async function withRetries<T>(once: () => Promise<T>, rules: RetryRules): Promise<T> {
  const patience = new RetryCount(rules);
  for (;;) {
    try {
      return await once();
    } catch (error) {
      await patience.failed(error);
    }
  }
}

/** Counts failures, and waits after each. */
export class RetryCount {
  readonly #rules: RetryRules;
  #failures = 0;

  constructor(rules: RetryRules) {
    this.#rules = rules;
  }

  /** Something was won since the last failure: counting starts anew. */
  progressed(): void {
    this.#failures = 0;
  }

  /**
   * Waits before the next try.
   * @throws the error if it is none that may pass; NacreError if this was the last try; CANCELLED
   */
  async failed(error: unknown): Promise<void> {
    const { limits, signal, doing, attempts } = this.#rules;
    if (!(error instanceof PassingFailure)) throw error;
    if (++this.#failures >= attempts()) throw error.final;
    const longest = Math.min(MAX_BACKOFF, limits.backoff * 2 ** (this.#failures - 1));
    const wait = Math.max(Math.random() * longest, error.retryAfter ?? 0);
    try {
      await sleep(wait, undefined, { signal });
    } catch {
      throw cancelled(doing);
    }
  }
}

/** The error of what was stopped by a signal. @param doing `read X` */
export function cancelled(doing: string): NacreError {
  return new NacreError("CANCELLED", `stopped while trying to ${doing}`);
}
