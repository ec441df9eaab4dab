/**
 * The instruction behind a line of a history. Builders write there what they did, each in its own way: classic ones put
 * `/bin/sh -c #(nop)` before what ran no command, BuildKit `# buildkit` behind everything; both put the values of arguments
 * before a command (`|2 A=1 B=2 /bin/sh -c …`) and print lists as Go does. Pure.
 */

/** Keywords that a line can begin with; anything else was a command. */
const KEYWORD =
  /^(?:ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR) /;

/** An instruction. */
export interface ToldInstruction {
  /** As a Dockerfile has it; may have several lines. */
  readonly text: string;
  /** Values of arguments that the command saw, as they stand in the history. */
  readonly args?: string | undefined;
}

/**
 * Reads a line.
 * @param isEmpty it made no layer
 * @returns undefined if it says nothing
 */
export function readHistoryLine(createdBy: string, isEmpty: boolean): ToldInstruction | undefined {
  const text = createdBy.trim().replace(/ *# buildkit$/, "");
  if (text === "") return undefined;
  const nop = /^(?:\/bin\/sh -c|cmd \/S \/C|powershell -Command [^#]*)\s*#\(nop\)\s+(.*)$/s.exec(text);
  if (nop) return { text: plain(nop[1]!.trim()) };
  if (text.startsWith("RUN ")) return command(text.slice(4));
  if (KEYWORD.test(text)) return { text: plain(text) };
  // What made no layer was no command.
  return isEmpty && !/^(?:\/bin\/sh -c |\|\d)/.test(text) ? { text: `# ${text.replace(/\s+/g, " ")}` } : command(text);
}

/** The default shell is left out; as many arguments as the number says stand before it. */
function command(text: string): ToldInstruction {
  const marked = /^\|\d+ (?:(.*?) )??(?=\/bin\/sh -c )/s.exec(text);
  const bare = (marked ? text.slice(marked[0].length) : text.replace(/^\|\d+ /, "")).replace(/^\/bin\/sh -c /, "");
  return { text: `RUN ${joinLines(bare)}`, ...(marked?.[1] ? { args: marked[1].replace(/\s+/g, " ") } : {}) };
}

/** Heredocs stand in a history as they were written; other line breaks were continued. */
function joinLines(text: string): string {
  return /<<-?\s*["']?\w/.test(text) ? text : text.replace(/\\?\n/g, " \\\n");
}

function plain(text: string): string {
  const [, keyword = "", rest = ""] = /^(\w+)\s+(.*)$/s.exec(text) ?? [];
  switch (keyword) {
    case "CMD":
    case "ENTRYPOINT":
      return `${keyword} ${jsonList(rest)}`;
    case "SHELL":
    case "VOLUME":
      return `${keyword} ${jsonWords(rest)}`;
    case "EXPOSE":
      return `EXPOSE ${ports(rest)}`;
    case "HEALTHCHECK":
      return `HEALTHCHECK ${healthcheck(rest)}`;
    case "ADD":
    case "COPY":
      return `${keyword} ${rest.replace(/^(file|dir|multi):([0-9a-f]{1,64}) in (.*)$/s, "$1:$2 $3").trim()}`;
    case "ENV":
    case "LABEL":
      return `${keyword} ${joinLines(quoted(rest))}`;
    default:
      return joinLines(text);
  }
}

/** `A=b c D=e`: what has no quotes goes up to the next name. Values are no templates any more. */
function quoted(text: string): string {
  if (!/^[\w./-]+=/.test(text)) return text;
  return text
    .split(/ (?=[A-Za-z_][\w./-]*=)/)
    .map((pair) => {
      const at = pair.indexOf("=") + 1;
      const value = pair.slice(at);
      if (/^[\w./:@%+,=-]+$/.test(value) || /^"[^"]*"$/.test(value)) return pair;
      return `${pair.slice(0, at)}"${value.replace(/["\\$]/g, "\\$&")}"`;
    })
    .join(" ");
}

/** `["a" "b"]`, as Go prints quoted lists. */
function jsonList(text: string): string {
  const words = quotedWords(text);
  return words === undefined ? text : JSON.stringify(words).replaceAll('","', '", "');
}

function quotedWords(text: string): string[] | undefined {
  if (!/^\[(?:"(?:[^"\\]|\\.)*"[ ,]*)*\]$/s.test(text)) return undefined;
  try {
    return [...text.matchAll(/"(?:[^"\\]|\\.)*"/gs)].map(
      ([word]) => JSON.parse(word.replace(/\\x([0-9a-f]{2})/g, "\\u00$1")) as string,
    );
  } catch {
    return undefined;
  }
}

/** `[a b]`, without quotes: blanks within a word cannot be told. */
function jsonWords(text: string): string {
  const inner = /^\[([^"]*)\]$/s.exec(text)?.[1];
  if (inner === undefined) return text;
  return JSON.stringify(inner.split(/[ ,]+/).filter(Boolean)).replaceAll('","', '", "');
}

/** `map[80/tcp:{} 53/udp:{}]`, or `[80/tcp]`. */
function ports(text: string): string {
  const inner = /^(?:map)?\[(.*)\]$/s.exec(text)?.[1];
  return inner === undefined ? text : inner.replaceAll(":{}", "").trim();
}

/** `&{["CMD" "true"] "30s" "0s" "0s" "0s" '\x03'}`: test, interval, timeout, start period, start interval, retries. */
function healthcheck(text: string): string {
  const [, list, times = "", retries] = /^&\{(\[.*\]) ((?:"[^"]*" )+)'(.*)'\}$/s.exec(text) ?? [];
  const words = list === undefined ? undefined : quotedWords(list);
  if (words === undefined) return text;
  if (words[0] === "NONE") return "NONE";
  const given = [...times.matchAll(/"([^"]*)"/g)].map(([, time]) => time!);
  const names =
    given.length === 3
      ? ["interval", "timeout", "start-period"]
      : ["interval", "timeout", "start-period", "start-interval"];
  const flags = names.flatMap((name, at) =>
    given[at] === undefined || /^0s?$/.test(given[at]) ? [] : [`--${name}=${given[at]} `],
  );
  const count = characterCode(retries ?? "");
  const test =
    words[0] === "CMD-SHELL" ? words.slice(1).join(" ") : JSON.stringify(words.slice(1)).replaceAll('","', '", "');
  return `${flags.join("")}${count > 0 ? `--retries=${count} ` : ""}CMD ${test}`;
}

/** A number that Go printed as a character: `\x03`, `\n`, `A`. */
function characterCode(text: string): number {
  const escapes: Readonly<Record<string, number>> = {
    "\\a": 7,
    "\\b": 8,
    "\\t": 9,
    "\\n": 10,
    "\\v": 11,
    "\\f": 12,
    "\\r": 13,
  };
  const hex = /^\\[xuU]([0-9a-f]+)$/.exec(text)?.[1];
  if (hex !== undefined) return Number.parseInt(hex, 16);
  return escapes[text] ?? text.replace(/^\\(?=.)/, "").codePointAt(0) ?? 0;
}
