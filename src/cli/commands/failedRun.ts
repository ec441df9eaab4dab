/** What `nacre build` does when a RUN has failed and its root still exists: nothing, ask, or open a shell. */
import type { FailedRun } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { canAsk, confirm } from "../confirm.js";
import { type Invocation, print } from "../invocation.js";
import type { Display, ProgressForm } from "../progress/display.js";
import { printable } from "../terminalText.js";
import type { FailureAction } from "./runOptions.js";

/**
 * The handler for a build request, or undefined if failures are just told.
 * @throws NacreError USAGE where a shell is wanted and there is no terminal
 */
export function failureHandler(
  invocation: Invocation,
  action: FailureAction,
  display: Display,
  form: ProgressForm,
): ((failed: FailedRun) => Promise<void>) | undefined {
  if (action === "stop") return undefined;
  if (!canAsk(invocation) || form === "rawjson") {
    throw new NacreError("USAGE", "a shell for a failed step needs a terminal", {
      hint: "leave --debug-shell and --on-failure away where nobody sits at a keyboard",
    });
  }
  let busy = false;
  return async (failed) => {
    // Of two steps that fail at the same time, the first one gets the terminal.
    if (busy) return;
    busy = true;
    display.suspend();
    print(invocation.stderr, ["", ...failed.tail.map(printable), printable(failed.message)]);
    if (action === "ask" && !(await confirm(invocation, "Open a shell in the root of this step?"))) return;
    print(invocation.stderr, ["a shell in the step's root; what it changes is thrown away; end it with: exit"]);
    const leave = invocation.leaveSignals ?? ((work) => work());
    await leave(failed.openShell);
  };
}
