import type { FromInstruction, Word } from "../ast.js";
import type { Statement } from "../scan.js";
import { argumentError, base, checkFlags, plainWords } from "../statement.js";

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;

/** `FROM [--platform=P] IMAGE [AS NAME]` (BuildKit: parseFrom). */
export function parseFrom(statement: Statement): FromInstruction {
  const words = plainWords(statement);
  const name = stageName(statement, words);
  const flags = checkFlags(statement, { platform: "string" });
  const platform = flags.get("platform");
  return {
    ...base(statement, words, flags.list),
    keyword: "FROM",
    image: words[0]!,
    platform: platform?.value ? { raw: platform.value, range: platform.valueRange } : undefined,
    name,
  };
}

function stageName(statement: Statement, words: readonly Word[]): string | undefined {
  if (words.length === 1) return undefined;
  const as = words[1]?.raw.toLowerCase() === "as";
  const written = words[2];
  if (words.length !== 3 || !as || !written) {
    const at = words.length > 3 && as ? words[3] : words[1];
    throw argumentError(statement, "FROM requires either one or three arguments", hint(words, as), at);
  }
  const name = written.raw.toLowerCase();
  if (!STAGE_NAME.test(name)) {
    throw argumentError(
      statement,
      `invalid name for build stage: ${JSON.stringify(written.raw)}, name can't start with a number or contain symbols`,
      "begin the name with a letter and use letters, digits, -, _ and . only",
      written,
    );
  }
  return name;
}

function hint(words: readonly Word[], as: boolean): string {
  if (words.length === 0) return "name the image to start from, or scratch: FROM debian:13";
  if (words.length === 2 && as) return "give the stage a name after AS";
  const [image, second] = words.map(({ raw }) => raw);
  if (second?.startsWith("#")) return "a comment needs a line of its own: remove what follows the image";
  if (image?.includes("${") && !image.endsWith("}")) return "FROM is split at every blank, also within ${…}";
  if (words.length === 2)
    return `write FROM ${image} AS ${second} to name the stage, or FROM ${image}:${second} for a tag`;
  return "write FROM IMAGE or FROM IMAGE AS NAME";
}
