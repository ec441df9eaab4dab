/** Colours, only where they can be seen. */
import { styleText } from "node:util";

/** What a text means; the colour follows from it. */
export type Role = "done" | "cached" | "error" | "warning" | "hint" | "strong";

/** Gives a text the colour of a role, or returns it as it is. */
export type Paint = (role: Role, text: string) => string;

const COLOURS = {
  done: "blue",
  cached: "cyan",
  error: "red",
  warning: "yellow",
  hint: "green",
  strong: "bold",
} as const satisfies Readonly<Record<Role, Parameters<typeof styleText>[0]>>;

/** Paints with terminal colours. */
export const inColour: Paint = (role, text) => styleText(COLOURS[role], text, { validateStream: false });

/** Paints nothing. */
export const inPlain: Paint = (_role, text) => text;

/** The subset of a stream that decides about colours. */
export interface MaybeTerminal {
  readonly isTTY?: boolean | undefined;
}

/**
 * Colours for a stream: only on a terminal, and not under NO_COLOR (no-color.org: set and not empty) or TERM=dumb.
 */
export function paintFor(stream: MaybeTerminal, env: Readonly<Record<string, string | undefined>>): Paint {
  const wanted = stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
  return wanted ? inColour : inPlain;
}
