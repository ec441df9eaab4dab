/**
 * The secrets of a build: what `--secret` says, read as buildx reads it, and the values, read when a step first asks for
 * one. A value is never part of an error, of JSON, or of what a debugger prints of this object; nor is the text of a
 * `--secret` that could not be read, because someone may have put a value into it.
 */
import * as fs from "node:fs";
import { parseCsv } from "../dockerfile/csv.js";
import { ioError, isNacreError, NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";

/** Most bytes of a secret (BuildKit's limit). */
export const MAX_SECRET_BYTES = 500 * 1024;

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a secret comes from. */
type Origin = { readonly kind: "file"; readonly path: string } | { readonly kind: "env"; readonly name: string };

/** Values by id; see the top of this file. */
export class Secrets {
  readonly #origins: ReadonlyMap<string, Origin>;
  readonly #env: Environment;
  readonly #values = new Map<string, Buffer>();

  constructor(origins: ReadonlyMap<string, Origin>, env: Environment) {
    this.#origins = origins;
    this.#env = env;
  }

  /** What was given, in order. */
  get ids(): readonly string[] {
    return [...this.#origins.keys()];
  }

  /** Secrets whose environment variable is not set: they are empty, as with buildx, which is hardly meant. */
  get unset(): readonly { readonly id: string; readonly variable: string }[] {
    return [...this.#origins].flatMap(([id, origin]) =>
      origin.kind === "env" && this.#env[origin.name] === undefined ? [{ id, variable: origin.name }] : [],
    );
  }

  /**
   * The value of a secret, read once; undefined if there is none of that id.
   * @throws NacreError MOUNT if its file cannot be read, or has become too big
   */
  get(id: string): Buffer | undefined {
    const origin = this.#origins.get(id);
    if (origin === undefined) return undefined;
    let value = this.#values.get(id);
    if (value === undefined) {
      value = origin.kind === "env" ? Buffer.from(this.#env[origin.name] ?? "") : readSecret(id, origin.path);
      this.#values.set(id, value);
    }
    return value;
  }

  toJSON(): unknown {
    return { ids: this.ids };
  }
}

/**
 * Reads the values of `--secret`: `id=ID`, with `src=FILE` (`source`), `env=NAME`, `type=file|env`. Without a source it is
 * the environment variable of that name, if set, else the file of that name. An empty text is nothing; of two with one id
 * the later one counts.
 * @throws NacreError USAGE for what cannot be read, MOUNT for a file that is missing or too big
 */
export function parseSecrets(texts: readonly string[], env: Environment): Secrets {
  const origins = new Map<string, Origin>();
  for (const text of texts) {
    if (text === "") continue;
    const { id, file, variable } = parseSecret(text);
    const origin = originOf(id, file, variable, env);
    // A file is looked for even if a variable is named too, and even if the secret is given again: so does buildx.
    if (file !== "" || origin.kind === "file") checkFile(id, file || id);
    origins.set(id, origin);
  }
  return new Secrets(origins, env);
}

function originOf(id: string, file: string, variable: string, env: Environment): Origin {
  if (variable !== "") return { kind: "env", name: variable };
  if (file !== "") return { kind: "file", path: file };
  return env[id] === undefined ? { kind: "file", path: id } : { kind: "env", name: id };
}

interface Fields {
  id: string;
  file: string;
  variable: string;
}

function parseSecret(text: string): Fields {
  const fields: Fields = { id: "", file: "", variable: "" };
  let type = "";
  for (const field of fieldsOf(text)) {
    const equals = field.indexOf("=");
    if (equals === -1) throw usage("a field of --secret must be a key=value pair");
    const value = field.slice(equals + 1);
    const key = field.slice(0, equals).toLowerCase();
    if (key === "type") type = checkType(value);
    else if (key === "id") fields.id = value;
    else if (key === "src" || key === "source") fields.file = value;
    else if (key === "env") fields.variable = value;
    else throw unknownKey(key);
  }
  if (type === "env" && fields.variable === "") {
    fields.variable = fields.file;
    fields.file = "";
  }
  if (fields.id === "") throw usage("a --secret has no id");
  return fields;
}

function unknownKey(key: string): NacreError {
  const near = nearest(key, ["id", "src", "source", "env", "type"]);
  return usage(
    `unexpected key ${JSON.stringify(key)} in --secret${near === undefined ? "" : ` (did you mean ${near}?)`}`,
  );
}

function checkType(value: string): string {
  if (value === "file" || value === "env") return value;
  throw usage("the type of a --secret is file or env");
}

function fieldsOf(text: string): string[] {
  try {
    return parseCsv(text);
  } catch (error) {
    if (!isNacreError(error)) throw error;
    throw usage("a --secret is malformed: a field with a comma or a quote must be quoted as a whole");
  }
}

function checkFile(id: string, path: string): void {
  let stat: fs.Stats;
  try {
    stat = fs.statSync(path);
  } catch (error) {
    throw unreadable(id, path, error);
  }
  if (stat.isDirectory()) throw isDirectory(id, path);
  if (stat.size > MAX_SECRET_BYTES) throw tooBig(id);
}

/** Pipes (`src=<(…)`) have no size, and devices no end. */
function readSecret(id: string, path: string): Buffer {
  try {
    const fd = fs.openSync(path, "r");
    try {
      return readBounded(fd, id);
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    throw unreadable(id, path, error);
  }
}

function readBounded(fd: number, id: string): Buffer {
  const buffer = Buffer.alloc(MAX_SECRET_BYTES + 1);
  let length = 0;
  for (;;) {
    const count = fs.readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
    if (length > MAX_SECRET_BYTES) throw tooBig(id);
  }
}

function unreadable(id: string, path: string, error: unknown): NacreError {
  return ioError("MOUNT", `reading ${path}, the source of secret ${id},`, error, "correct src= of --secret");
}

function isDirectory(id: string, path: string): NacreError {
  return new NacreError("MOUNT", `${path}, the source of secret ${id}, is a directory`, {
    hint: "name a file with src= of --secret",
    facts: { id, path },
  });
}

function tooBig(id: string): NacreError {
  return new NacreError("MOUNT", `secret ${id} too big. max size 500KiB`, {
    hint: "mount big files with --mount=type=bind from a context of their own: --build-context NAME=DIR",
    facts: { id, limit: MAX_SECRET_BYTES },
  });
}

function usage(message: string): NacreError {
  return new NacreError("USAGE", message, {
    hint: "write --secret id=ID,src=FILE or --secret id=ID,env=VARIABLE",
  });
}
