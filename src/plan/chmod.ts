/** The value of `--chmod`: octal, or the symbolic grammar of chmod(1) (BuildKit's Dockerfile frontend 1.14). */
import { NacreError } from "../support/errors.js";

const CLAUSE = /^[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+$/;

/** True if BuildKit takes the value: octal between 0 and 07777, or clauses such as `u=rwX,go=rX`. */
export function isChmod(value: string): boolean {
  if (/^[0-7]+$/.test(value)) return Number.parseInt(value, 8) <= 0o7777;
  return !/^[0-9]/.test(value) && value.split(",").every((clause) => CLAUSE.test(clause));
}

/** BuildKit's message for any other value. */
export function chmodMessage(value: string): string {
  return `invalid chmod parameter: '${value}'. it should be octal string and between 0 and 07777`;
}

/** A mode change, applied to each entry's own mode. */
export interface ModeChange {
  /** For octal: the mode that created parent directories get too. Undefined for symbolic modes. */
  readonly octal: number | undefined;
  /** The new mode (12 bits) of an entry. */
  apply(mode: number, isDirectory: boolean): number;
}

/**
 * Reads a value of `--chmod`. Symbolic clauses work on each entry's own mode, with umask 0 (POSIX chmod).
 * @throws NacreError PLAN_INVALID if {@link isChmod} does not hold
 */
export function parseChmod(value: string): ModeChange {
  if (!isChmod(value)) throw new NacreError("PLAN_INVALID", chmodMessage(value));
  if (/^[0-7]+$/.test(value)) {
    const octal = Number.parseInt(value, 8);
    return { octal, apply: () => octal };
  }
  const clauses = value.split(",").map(parseClause);
  return {
    octal: undefined,
    apply: (mode, isDirectory) => clauses.reduce((now, clause) => clause(now, isDirectory), mode),
  };
}

type Clause = (mode: number, isDirectory: boolean) => number;

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };

function parseClause(clause: string): Clause {
  const [, whose = "", changes = ""] = /^([ugoa]*)(.*)$/.exec(clause) ?? [];
  const who = [...(whose || "a")].reduce((mask, c) => mask | WHO[c]!, 0);
  const actions = [...changes.matchAll(/([-+=])([rwxXstugo]*)/g)].map(([, operator = "+", what = ""]) => ({
    operator,
    what,
  }));
  return (mode, isDirectory) =>
    actions.reduce((now, { operator, what }) => act(now, who, operator, what, isDirectory), mode);
}

function act(mode: number, who: number, operator: string, what: string, isDirectory: boolean): number {
  const bits = bitsOf(mode, what, isDirectory) & who;
  if (operator === "+") return mode | bits;
  if (operator === "-") return mode & ~bits;
  return (mode & ~who) | bits;
}

function bitsOf(mode: number, what: string, isDirectory: boolean): number {
  if (/^[ugo]$/.test(what)) {
    const own = (mode >> { u: 6, g: 3, o: 0 }[what as "u" | "g" | "o"]) & 7;
    return own * 0o111;
  }
  let bits = 0;
  for (const c of what) {
    if (c === "r") bits |= 0o444;
    else if (c === "w") bits |= 0o222;
    else if (c === "x" || (c === "X" && (isDirectory || (mode & 0o111) !== 0))) bits |= 0o111;
    else if (c === "s") bits |= 0o6000;
    else if (c === "t") bits |= 0o1000;
  }
  return bits;
}
