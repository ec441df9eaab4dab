/** What commands that look into images work with: the store if there is one, and progress of layers that have to be read. */
import type { Emit, ImageWorld } from "../../index.js";
import { type Invocation, print } from "../invocation.js";
import { openDisplay } from "../progress/display.js";
import { paintFor } from "../style.js";
import { printable } from "../terminalText.js";
import type { GlobalOptions } from "./options.js";
import { type Library, storeThere, withStore } from "./storeAccess.js";

/** Runs the work with all that opening images needs. Layers that are read are shown on a terminal; warnings in any case, once. */
export async function withImages<T>(
  invocation: Invocation,
  options: GlobalOptions,
  work: (world: ImageWorld, library: Library) => Promise<T>,
): Promise<T> {
  const { stderr, env, now, signal } = invocation;
  const isShown = stderr.isTTY === true && env.TERM !== "dumb";
  const display = await openDisplay({
    form: isShown ? "tty" : "quiet",
    stream: stderr,
    now,
    paint: paintFor(stderr, env),
    signal,
  });
  const told = new Set<string>();
  const emit: Emit = (event) => {
    if (event.type === "warning") {
      if (told.has(event.message)) return;
      told.add(event.message);
      if (!isShown) print(stderr, [`warning: ${printable(event.message)}`]);
    }
    display.emit(event);
  };
  const world = { env, signal, now, emit };
  let succeeded = false;
  try {
    const result = (await storeThere(invocation, options))
      ? await withStore(invocation, options, "read", (store, library) => work({ ...world, store }, library))
      : await work(world, await import("../../index.js"));
    succeeded = true;
    return result;
  } finally {
    display.stop(succeeded);
  }
}

/** Shows what is odd about an image. */
export function warn(invocation: Invocation, name: string, messages: readonly string[]): void {
  print(
    invocation.stderr,
    messages.map((message) => `warning: ${printable(name)}: ${printable(message)}`),
  );
}
