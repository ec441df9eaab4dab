/** Which stages above one seem to make a file, as far as the Dockerfile's text tells. */
import { posix } from "node:path";
import type { Instruction, StageSource } from "../dockerfile/ast.js";
import { parseDockerfile } from "../dockerfile/dockerfile.js";
import type { SourcePlace } from "../support/source.js";

/** A stage that may have a file. */
export interface EarlierStage {
  /** Name, or number. */
  readonly name: string;
}

/** A stage that seems to have it. */
export interface LikelyStage extends EarlierStage {
  /** What points to it: `has the WORKDIR /app`. */
  readonly why: string;
  /** Where it would be there. */
  readonly path: string;
}

/**
 * Stages before number `stage`, latest first among the likely ones.
 * @param place somewhere in the Dockerfile, whose text is read again
 * @param path absolute, as it would be in the stage
 */
export function stagesThatMayHave(
  place: SourcePlace,
  stage: number,
  path: string,
): { readonly likely: readonly LikelyStage[]; readonly all: readonly EarlierStage[] } {
  const earlier = stagesBefore(place, stage);
  const likely = earlier.flatMap((source): readonly LikelyStage[] => {
    const found = likelyPath(source, path);
    return found ? [{ name: nameOf(source), ...found }] : [];
  });
  return { likely: likely.reverse(), all: earlier.map((source) => ({ name: nameOf(source) })) };
}

/** A place in a trigger of a base, or in no whole Dockerfile, tells nothing. */
function stagesBefore(place: SourcePlace, stage: number): readonly StageSource[] {
  try {
    return parseDockerfile(place.text, place.file).stages.slice(0, stage);
  } catch {
    return [];
  }
}

function nameOf({ name, index }: StageSource): string {
  return name ?? String(index);
}

function likelyPath(stage: StageSource, path: string): Omit<LikelyStage, "name"> | undefined {
  let workdir = "/";
  let found: Omit<LikelyStage, "name"> | undefined;
  for (const instruction of stage.instructions) {
    if (instruction.keyword === "WORKDIR") {
      workdir = posix.resolve(workdir, instruction.path.raw);
      if (isBelow(path, workdir)) found = { why: `has the WORKDIR ${workdir}`, path };
    } else if (instruction.keyword === "COPY" || instruction.keyword === "ADD") {
      const target = posix.resolve(workdir, instruction.destination.raw);
      if (isBelow(path, target)) found = { why: `fills ${target}`, path };
    } else {
      found = madeBy(instruction, workdir, path) ?? found;
    }
  }
  return found;
}

/** A command that names the file as what it writes: `-o app`, `--output=/out/app`, `> app`. */
function madeBy(instruction: Instruction, workdir: string, path: string): Omit<LikelyStage, "name"> | undefined {
  if (instruction.keyword !== "RUN") return undefined;
  const text = [instruction.source, ...instruction.heredocs.map(({ body }) => body)].join("\n");
  for (const [, target = ""] of text.matchAll(
    /(?:\s-o|\s--out(?:put|-dir|dir)?|\s--target|\s--prefix|>)[ =]*([^\s;&|"']+)/g,
  )) {
    const made = posix.resolve(workdir, target);
    const asked = posix.resolve(workdir, `.${path}`);
    const at = [path, asked].find((one) => one === made || one.startsWith(`${made}/`));
    if (at !== undefined) return { why: `makes ${made} in line ${instruction.range.start.line}`, path: at };
  }
  return undefined;
}

function isBelow(path: string, directory: string): boolean {
  return directory !== "/" && !directory.includes("$") && (path === directory || path.startsWith(`${directory}/`));
}
