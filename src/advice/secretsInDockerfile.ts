/** SecretInDockerfile: values that look like secrets, in instructions and in build arguments. */
import type { Dockerfile, Instruction } from "../dockerfile/ast.js";
import { type Finding, finding } from "./finding.js";
import { findSecret } from "./secretValues.js";

const FIX = "give it to the step that needs it with RUN --mount=type=secret, and replace it: it may have been seen";

/** Findings in the text of all instructions, and in the build arguments that stages declare. */
export function secretsInDockerfile(file: Dockerfile, buildArgs: Readonly<Record<string, string>>): readonly Finding[] {
  const all = [...file.globalArgs, ...file.stages.flatMap(({ from, instructions }) => [from, ...instructions])];
  return all.flatMap((instruction) => [...inText(instruction, file), ...inArguments(instruction, file, buildArgs)]);
}

function inText(instruction: Instruction, { file, text }: Dockerfile): readonly Finding[] {
  const found = findSecret(textOf(instruction));
  if (found === undefined) return [];
  const where = { file, text, range: instruction.range };
  const stays = instruction.keyword === "COPY" || instruction.keyword === "ADD" ? "the image" : "the image's history";
  const detail = `${instruction.keyword} holds what looks like ${found.what} (${found.masked}): it stays in ${stays}`;
  return [finding("SecretInDockerfile", where, detail, FIX)];
}

function textOf(instruction: Instruction): string {
  const bodies = "heredocs" in instruction ? instruction.heredocs.map(({ rawBody }) => rawBody) : [];
  return [instruction.source, ...bodies].join("\n");
}

function inArguments(
  instruction: Instruction,
  { file, text }: Dockerfile,
  buildArgs: Readonly<Record<string, string>>,
): readonly Finding[] {
  if (instruction.keyword !== "ARG") return [];
  return instruction.args.flatMap(({ name }) => {
    const found = Object.hasOwn(buildArgs, name) ? findSecret(buildArgs[name]!) : undefined;
    if (found === undefined) return [];
    const detail = `--build-arg ${name} looks like ${found.what} (${found.masked}): build arguments stay in the image's history`;
    return finding("SecretInDockerfile", { file, text, range: instruction.range }, detail, FIX);
  });
}
