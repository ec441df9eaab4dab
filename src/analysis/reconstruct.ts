/**
 * A Dockerfile out of a history: what the image was probably made with. What a history does not hold (the files that COPY
 * took, stages, the base where nothing tells of it) stays open and is said in comments. Pure.
 */
import { readHistoryLine } from "./historyInstruction.js";
import type { HistoryLine, ImageHistory } from "./imageHistory.js";

/** Writes a Dockerfile. @returns lines */
export function reconstructDockerfile({ image, base, lines }: ImageHistory): string[] {
  const oldest = [...lines].reverse();
  const head = [`# Reconstructed from the history of ${oneLine(image)}: the files of COPY and ADD are not in it.`];
  const stated = base?.name ?? base?.digest;
  if (stated === undefined || base?.layers === undefined) {
    const note =
      stated === undefined ? [] : [`# It began with ${oneLine(stated)}; how much of it that made is not known.`];
    return [...head, ...note, "FROM scratch", ...oldest.flatMap(instructionLines)];
  }
  return [
    ...head,
    `FROM ${oneLine(stated)}`,
    ...oldest.slice(endOfBase(oldest, base.layers)).flatMap(instructionLines),
  ];
}

/**
 * How many lines are the base's: those up to its last layer, and those without a layer behind it that were written in the same
 * second. Later ones could be either's.
 */
function endOfBase(oldest: readonly HistoryLine[], layers: number): number {
  const last = oldest.findIndex(({ layer }) => layer?.number === layers - 1);
  const second = oldest[last]?.created?.slice(0, 19);
  let end = last + 1;
  while (second !== undefined && oldest[end]?.isEmpty && oldest[end]?.created?.slice(0, 19) === second) end++;
  return end;
}

function instructionLines(line: HistoryLine): string[] {
  if (!line.isTold) return ["# a layer that the history does not speak of"];
  const told = readHistoryLine(line.createdBy, line.isEmpty);
  if (told === undefined) return [`# ${line.comment === "" ? "a line without an instruction" : oneLine(line.comment)}`];
  const notes = told.args === undefined ? [] : [`# with the arguments ${oneLine(told.args)}`];
  return [...notes, ...told.text.split("\n")];
}

/** What stands in a comment must not end it. */
function oneLine(text: string): string {
  return text.replace(/[\r\n\u2028\u2029]+/g, " ");
}
