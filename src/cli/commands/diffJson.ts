/** A comparison of images as JSON, and as a list of paths: made piece by piece, however many files differ. */
import type { FileChange, ImageDiff } from "../../index.js";
import { printable, printableJson } from "../terminalText.js";

/** A list of changes, as a comparison has them. */
type Changes = NonNullable<ImageDiff["files"]>["changes"];

/**
 * One JSON object, in pieces: a line for each file, so that tools for lines can work with it too.
 * @param most files of each list; `omitted` beside the list says how many are left out
 */
export function* jsonTexts(diff: ImageDiff, most = Number.POSITIVE_INFINITY): Generator<string> {
  yield* pieces(diff, most);
  yield "\n";
}

function* pieces(value: unknown, most: number): Generator<string> {
  if (isChanges(value)) yield* listPieces(value, most);
  else if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) {
      yield at === 0 ? "[" : ",";
      yield* pieces(item, most);
    }
    yield value.length === 0 ? "[]" : "]";
  } else if (typeof value === "object" && value !== null) yield* objectPieces(value, most);
  else yield printableJson(value);
}

function* objectPieces(value: object, most: number): Generator<string> {
  let separator = "{";
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    yield `${separator}${printableJson(key)}:`;
    yield* pieces(member, most);
    if (isChanges(member) && member.length > most) yield `,"omitted":${member.length - most}`;
    separator = ",";
  }
  yield separator === "{" ? "{}" : "}";
}

function* listPieces(changes: Changes, most: number): Generator<string> {
  yield "[";
  for (let at = 0; at < Math.min(changes.length, most); at++)
    yield `${at === 0 ? "" : ","}\n${printableJson(changes.at(at))}`;
  yield changes.length === 0 ? "]" : "\n]";
}

function isChanges(value: unknown): value is Changes {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Symbol.iterator in value;
}

/** The paths that differ, one by one, those of each layer where layers were compared. */
export function* changedPaths({ files, layers }: ImageDiff, most = Number.POSITIVE_INFINITY): Generator<string> {
  for (const list of [files, ...layers.map((row) => row.files)]) {
    const changes: Iterable<FileChange> = list?.changes ?? [];
    let shown = 0;
    for (const { path } of changes) {
      if (shown++ >= most) break;
      yield `/${printable(path)}`;
    }
  }
}
