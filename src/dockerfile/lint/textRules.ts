/**
 * The rules that the text of a Dockerfile alone decides, in all its stages, needed or not. Order and scope are those of
 * BuildKit: first what is seen while an instruction is read, then stage names, then casing.
 */
import type { ArgInstruction, Dockerfile, FromInstruction, Instruction, SourceWarning } from "../ast.js";
import { caseOf, keywordRange, stageNameWords, writtenKeyword } from "./keywords.js";
import { isCheckComment } from "./options.js";

/** Names that mean something else where a stage could be named. */
const RESERVED: ReadonlySet<string> = new Set(["context", "scratch"]);

/** Everything that the text shows, what the parser noted included. */
export function textFindings(file: Dockerfile): readonly SourceWarning[] {
  const read = instructionsOf(file).flatMap(instructionFindings);
  return [...file.warnings, ...read, ...stageNameFindings(file), ...casingFindings(file)];
}

/** All instructions of a file in order, global ARGs included. */
export function instructionsOf({ globalArgs, stages }: Dockerfile): readonly Instruction[] {
  return [...globalArgs, ...stages.flatMap(({ from, instructions }): Instruction[] => [from, ...instructions])];
}

/** What one instruction shows by itself: also told of the instructions before a syntax error. */
export function instructionFindings(instruction: Instruction): readonly SourceWarning[] {
  if (instruction.keyword === "FROM") return [...fromFindings(instruction), ...descriptionFindings(instruction)];
  if (instruction.keyword === "ARG") return descriptionFindings(instruction);
  if (instruction.keyword !== "MAINTAINER") return [];
  const author = JSON.stringify(instruction.maintainer);
  return [
    {
      rule: "MaintainerDeprecated",
      message: "Maintainer instruction is deprecated in favor of using label",
      hint: `write LABEL org.opencontainers.image.authors=${author} (the image then has a label in place of an author)`,
      range: instruction.range,
    },
  ];
}

function fromFindings(from: FromInstruction): readonly SourceWarning[] {
  const words = stageNameWords(from);
  if (!words) return [];
  const found: SourceWarning[] = [];
  const { range } = from;
  if (words.name.raw !== words.name.raw.toLowerCase()) {
    const message = `Stage name '${words.name.raw}' should be lowercase`;
    found.push({ rule: "StageNameCasing", message, range, focus: words.name.range });
  }
  const keyword = writtenKeyword(from);
  const wanted = caseOf(keyword);
  if (wanted && caseOf(words.as.raw) !== wanted) {
    const message = `'${words.as.raw}' and '${keyword}' keywords' casing do not match`;
    found.push({ rule: "FromAsCasing", message, range, focus: words.as.range });
  }
  return found;
}

/** The last comment line above a definition is its description, and begins with its name. */
function descriptionFindings(instruction: FromInstruction | ArgInstruction): readonly SourceWarning[] {
  const { keyword, comments, range } = instruction;
  const names = keyword === "ARG" ? instruction.args.map(({ name }) => name) : (instruction.name ?? []);
  const last = comments.findLast((comment) => !isCheckComment(comment));
  if (last === undefined || names.length === 0 || [names].flat().includes(last.split(" ", 1)[0]!)) return [];
  const example = typeof names === "string" ? names : names.length === 1 ? names[0] : "<arg_key>";
  const message = `Comment for ${keyword} should follow the format: \`# ${example} <description>\``;
  const hint = "put an empty line or an empty comment (#) below the comment if it describes something else";
  return [{ rule: "InvalidDefinitionDescription", message, hint, range }];
}

function stageNameFindings({ stages }: Dockerfile): readonly SourceWarning[] {
  const seen = new Set<string>();
  return stages.flatMap(({ from, name }) => {
    if (name === undefined) return [];
    const found: SourceWarning[] = [];
    const focus = stageNameWords(from)?.name.range;
    if (RESERVED.has(name)) {
      const message = `Stage name should not use the same name as reserved stage "${name}"`;
      found.push({ rule: "ReservedStageName", message, range: from.range, focus });
    }
    if (seen.has(name)) {
      const message = `Duplicate stage name "${name}", stage names should be unique`;
      found.push({ rule: "DuplicateStageName", message, range: from.range, focus });
    }
    seen.add(name);
    return found;
  });
}

/** Compares each keyword but those of global ARGs with the case of most. */
function casingFindings(file: Dockerfile): readonly SourceWarning[] {
  const wanted = majorityCase(file);
  return counted(file).flatMap((instruction) => {
    const keyword = writtenKeyword(instruction);
    if (keyword === inCase(keyword, wanted)) return [];
    const message = `Command '${keyword}' should match the case of the command majority (${wanted}case)`;
    const { range } = instruction;
    return [{ rule: "ConsistentInstructionCasing", message, range, focus: keywordRange(instruction) }];
  });
}

/** The case of most keywords of a file that are in one case; upper if there is no majority. */
export function majorityCase(file: Dockerfile): "upper" | "lower" {
  const cases = counted(file).map((instruction) => caseOf(writtenKeyword(instruction)));
  const lower = cases.filter((one) => one === "lower").length;
  return lower > cases.filter((one) => one === "upper").length ? "lower" : "upper";
}

/** The word in that case. */
export function inCase(word: string, wanted: "upper" | "lower"): string {
  return wanted === "upper" ? word.toUpperCase() : word.toLowerCase();
}

function counted({ stages }: Dockerfile): readonly Instruction[] {
  return stages.flatMap(({ from, instructions }): Instruction[] => [from, ...instructions]);
}
