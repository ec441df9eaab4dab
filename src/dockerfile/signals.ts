/** Signal names for STOPSIGNAL. */
import { NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";

/** Linux's signals without the prefix SIG (BuildKit takes those of moby/sys/signal). */
const NAMES: readonly string[] = [
  ...[
    "ABRT",
    "ALRM",
    "BUS",
    "CHLD",
    "CLD",
    "CONT",
    "FPE",
    "HUP",
    "ILL",
    "INT",
    "IO",
    "IOT",
    "KILL",
    "PIPE",
    "POLL",
    "PROF",
  ],
  ...["PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2"],
  ...["VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX"],
  ...Array.from({ length: 15 }, (_, i) => `RTMIN+${i + 1}`),
  ...Array.from({ length: 14 }, (_, i) => `RTMAX-${i + 1}`),
];

/**
 * Checks the argument of STOPSIGNAL after expansion: a signal's name, with or without SIG and in any case, or a positive
 * number.
 * @throws NacreError DOCKERFILE_SYNTAX without a place
 */
export function checkSignal(text: string): void {
  if (/^\+?\d+$/.test(text) && Number(text) > 0) return;
  const name = text.toUpperCase().replace(/^SIG/, "");
  if (NAMES.includes(name)) return;
  // A short word is near to too many names.
  const near = nearest(name, NAMES, Math.min(3, name.length - 1));
  const suggestion = near === undefined ? "" : ` (did you mean SIG${near}?)`;
  throw new NacreError("DOCKERFILE_SYNTAX", `invalid signal: ${text}${suggestion}`, {
    hint: `${text === "" ? "the argument expands to nothing; " : ""}write a name such as SIGTERM, or a positive number`,
  });
}
