import type { CopyInstruction, Heredoc, Word } from "../ast.js";
import { type HeredocOpener, readOpener } from "../heredocWords.js";
import { chompTabs, type Statement } from "../scan.js";
import {
  argumentError,
  base,
  checkFlags,
  type Flags,
  type FlagTable,
  jsonArguments,
  plainWords,
} from "../statement.js";

const COPY_FLAGS: FlagTable = {
  from: "string",
  chown: "string",
  chmod: "string",
  link: "boolean",
  exclude: "strings",
  parents: "boolean",
};

const ADD_FLAGS: FlagTable = {
  chown: "string",
  chmod: "string",
  link: "boolean",
  exclude: "strings",
  "keep-git-dir": "boolean",
  checksum: "string",
  unpack: "boolean",
};

/** `COPY [flags] SOURCE… DESTINATION`, words or JSON; and ADD, which has other flags. */
export function parseCopy(statement: Statement): CopyInstruction {
  const keyword = statement.keyword === "ADD" ? "ADD" : "COPY";
  const json = jsonArguments(statement);
  const plain = json ? [] : plainWords(statement);
  const args = json?.values ?? plain;
  const destination = args.at(-1);
  if (!destination || args.length < 2) {
    const message = `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`;
    throw argumentError(
      statement,
      message,
      `write ${keyword} SOURCE DESTINATION, for example ${keyword} . /app`,
      args[0],
    );
  }
  const flags = checkFlags(statement, keyword === "ADD" ? ADD_FLAGS : COPY_FLAGS);
  checkFrom(statement, flags);
  return {
    ...base(statement, json?.words ?? plain, flags.list),
    keyword,
    ...split(statement, keyword, args.slice(0, -1), destination, json !== undefined),
    destination,
    from: flags.text("from"),
    chown: flags.text("chown"),
    chmod: flags.text("chmod"),
    link: flags.truth("link") ?? false,
    exclude: flags.all("exclude").map(({ value }) => value ?? ""),
    parents: flags.truth("parents") ?? false,
    checksum: flags.text("checksum"),
    keepGitDir: flags.truth("keep-git-dir"),
    unpack: flags.truth("unpack"),
  };
}

function checkFrom(statement: Statement, flags: Flags): void {
  const from = flags.get("from");
  if (!from || !/\$./.test(from.value ?? "")) return;
  throw statement.source.error(
    "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
    from.valueRange,
    `put ARG before the first FROM, add FROM ${from.value} AS NAME, and copy with --from=NAME`,
  );
}

/** Parts the sources into paths and here-documents. */
function split(
  statement: Statement,
  keyword: string,
  words: readonly Word[],
  destination: Word,
  json: boolean,
): { sources: readonly Word[]; heredocs: readonly Heredoc[] } {
  if (json) return { sources: words, heredocs: [] };
  if (readOpener(destination.raw)) {
    const hint = `put the destination path last: ${keyword} ${destination.raw} PATH`;
    throw argumentError(statement, `${keyword} cannot accept a heredoc as a destination`, hint, destination);
  }
  // Where names repeat, the last body serves all of them (BuildKit looks bodies up by name).
  const bodies = new Map(statement.heredocs.map((heredoc) => [heredoc.name, heredoc]));
  const sources: Word[] = [];
  const heredocs: Heredoc[] = [];
  for (const word of words) {
    const opener = readOpener(word.raw);
    if (opener) heredocs.push(withBody(statement, opener, word, bodies));
    else sources.push(word);
  }
  if (heredocs.length === 0 && statement.heredocs[0]) throw splitOpener(statement, statement.heredocs[0]);
  return { sources, heredocs };
}

function withBody(
  statement: Statement,
  opener: HeredocOpener,
  word: Word,
  bodies: ReadonlyMap<string, Heredoc>,
): Heredoc {
  const found = bodies.get(opener.name);
  if (!found) {
    const hint = "put blanks around the word, and no backslash before it";
    throw argumentError(statement, `the heredoc ${word.raw} has no body`, hint, word);
  }
  const body = opener.chomp ? chompTabs(found.rawBody) : found.rawBody;
  return { ...found, ...opener, body, word };
}

/** COPY splits at every blank, so `<< EOF` and `<<"a b"` open a body that no source can use. */
function splitOpener(statement: Statement, { word, name }: Heredoc) {
  return argumentError(
    statement,
    `${statement.keyword} cannot use the heredoc ${word.raw}: its word has a blank in it`,
    /\s/.test(name) ? "use a name without blanks" : `write <<${name}, without a blank`,
    word,
  );
}
