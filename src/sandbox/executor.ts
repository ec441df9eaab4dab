/** Carrying out a {@link RootPlan}: the part in which the levels `namespaces` and `oci` differ. */
import type { Hand } from "./hand.js";
import type { RootPlan } from "./rootPlan.js";
import type { RunExit, RunIo } from "./types.js";

/** Mounts a plan's root in a mount namespace of its own, runs the process in it, and leaves nothing but the upper directory. */
export interface Executor {
  readonly level: "namespaces" | "oci";
  /**
   * @throws NacreError CANCELLED once everything is gone; ISOLATION or MOUNT where a mount is refused, with the words of the
   *   tool that refused it; DISK_FULL
   */
  execute(plan: RootPlan, io: RunIo, options: ExecuteOptions): Promise<RunExit>;
  /** Ends processes that wait for a further step, if there are any. */
  close?(): void;
}

/** How an executor is made. */
export interface ExecutorOptions {
  /** More steps are to be expected: processes for the next one are started while one runs. Then it must be closed. */
  readonly series?: boolean | undefined;
}

/** Of one execution. */
export interface ExecuteOptions {
  readonly hand: Hand;
  readonly signal?: AbortSignal | undefined;
  /** In place of the plan's. */
  readonly args?: readonly string[] | undefined;
  readonly warn: (rule: string, message: string) => void;
}
