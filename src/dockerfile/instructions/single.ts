import type {
  ExposeInstruction,
  MaintainerInstruction,
  StopSignalInstruction,
  UserInstruction,
  VolumeInstruction,
  Word,
  WorkdirInstruction,
} from "../ast.js";
import { trimSpace } from "../chars.js";
import type { Statement } from "../scan.js";
import { argumentError, base, checkFlags, jsonArguments, NO_FLAGS, plainWords, rawFlags } from "../statement.js";

/** `WORKDIR PATH`: the whole rest of the line is the path. */
export function parseWorkdir(statement: Statement): WorkdirInstruction {
  const path = onlyArgument(statement, "write WORKDIR /app");
  const flags = checkFlags(statement, NO_FLAGS);
  return { ...base(statement, [path], flags.list), keyword: "WORKDIR", path };
}

/** `USER NAME[:GROUP]`. */
export function parseUser(statement: Statement): UserInstruction {
  const user = onlyArgument(statement, "write USER name or USER uid:gid");
  const flags = checkFlags(statement, NO_FLAGS);
  return { ...base(statement, [user], flags.list), keyword: "USER", user };
}

/** `MAINTAINER TEXT`. */
export function parseMaintainer(statement: Statement): MaintainerInstruction {
  const text = onlyArgument(statement, "write LABEL org.opencontainers.image.authors=… instead");
  const flags = checkFlags(statement, NO_FLAGS);
  return { ...base(statement, [text], flags.list), keyword: "MAINTAINER", maintainer: text.raw };
}

/** `STOPSIGNAL SIGNAL`. Flags are not looked at: a leading `--x` is dropped, as BuildKit does. */
export function parseStopSignal(statement: Statement): StopSignalInstruction {
  const signal = onlyArgument(statement, "write STOPSIGNAL SIGTERM or a number");
  return { ...base(statement, [signal], rawFlags(statement)), keyword: "STOPSIGNAL", signal };
}

/** `EXPOSE PORT[/PROTO] …`. */
export function parseExpose(statement: Statement): ExposeInstruction {
  const words = plainWords(statement);
  if (words.length === 0) throw argumentError(statement, "EXPOSE requires at least one argument", "write EXPOSE 8080");
  const flags = checkFlags(statement, NO_FLAGS);
  const ports = [...words].sort((a, b) => (a.raw < b.raw ? -1 : a.raw > b.raw ? 1 : 0));
  return { ...base(statement, words, flags.list), keyword: "EXPOSE", ports };
}

/** `VOLUME ["a"]` or `VOLUME a b`. */
export function parseVolume(statement: Statement): VolumeInstruction {
  const json = jsonArguments(statement);
  const words = json?.words ?? plainWords(statement);
  const paths = json?.values.map(({ raw, range }) => ({ raw: trimSpace(raw), range })) ?? words;
  if (paths.length === 0) throw argumentError(statement, "VOLUME requires at least one argument", "write VOLUME /data");
  const flags = checkFlags(statement, NO_FLAGS);
  const empty = paths.find(({ raw }) => raw === "");
  if (empty) throw argumentError(statement, "VOLUME specified can not be an empty string", "name a path", empty);
  return { ...base(statement, words, flags.list), keyword: "VOLUME", paths };
}

function onlyArgument(statement: Statement, hint: string): Word {
  const { joined, rest, keyword } = statement;
  if (rest.end > rest.start) return joined.word(rest);
  throw argumentError(statement, `${keyword} requires exactly one argument`, hint);
}
