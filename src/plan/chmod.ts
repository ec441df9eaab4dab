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
 * Reads a value of `--chmod`. Symbolic clauses work on each entry's own mode, with umask 0 (setmode(3)).
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
    apply: (mode, isDirectory) => clauses.reduce((now, clause) => clause(now, mode, isDirectory), mode),
  };
}

/** Gives the mode after a clause from the mode before it; `first` is the entry's own mode, before all clauses. */
type Clause = (mode: number, first: number, isDirectory: boolean) => number;

// As in setmode(3), which BuildKit's parser follows: nothing but `-t` takes the sticky bit away.
const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o0007, a: 0o6777 };
const STICKY = 0o1000;

function parseClause(clause: string): Clause {
  const [, whose = "", changes = ""] = /^([ugoa]*)(.*)$/.exec(clause) ?? [];
  const who = [...(whose || "a")].reduce((mask, c) => mask | WHO[c]!, 0);
  const actions = [...changes.matchAll(/([-+=])([rwxXstugo]*)/g)].map(([, operator = "+", what = ""]) => ({
    operator,
    what,
  }));
  return (mode, first, isDirectory) =>
    actions.reduce((now, { operator, what }) => {
      const copied = /^[ugo]$/.test(what);
      const bits = copied ? bitsOfClass(now, what) & who : bitsOfLetters(first, what, isDirectory) & who;
      const sticky = !copied && what.includes("t") && who !== WHO.o ? STICKY : 0;
      if (operator === "+") return now | bits | sticky;
      if (operator === "-") return now & ~(bits | sticky);
      return (now & ~(copied ? who & 0o777 : who)) | bits | sticky;
    }, mode);
}

/** What one class of users may, given to all. */
function bitsOfClass(mode: number, which: string): number {
  return ((mode >> { u: 6, g: 3, o: 0 }[which as "u" | "g" | "o"]) & 7) * 0o111;
}

/** The bits of permission letters but `t`. X asks the mode that the entry had at first. */
function bitsOfLetters(first: number, what: string, isDirectory: boolean): number {
  let bits = 0;
  for (const c of what) {
    if (c === "r") bits |= 0o444;
    else if (c === "w") bits |= 0o222;
    else if (c === "x" || (c === "X" && (isDirectory || (first & 0o111) !== 0))) bits |= 0o111;
    else if (c === "s") bits |= 0o6000;
  }
  return bits;
}
