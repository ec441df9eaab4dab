/** Why a step misses, in plain words: one line for tables, several for those who want to know. No terminal codes. */
import { arrow, changeText, fileText, formatCount, type StepName, totalsText, usualStepName } from "./changeText.js";
import type { RootCause } from "./rootCause.js";
import type { Change, FileChange, FilesChange, MissReason } from "./why.js";

/** How reasons are told. */
export interface ReasonTextOptions {
  /** Where it began; see rootCause.ts. */
  readonly root?: RootCause | undefined;
  /** How steps are called. */
  readonly stepName?: StepName | undefined;
  /** How many files and other names are listed. Default: 3 on one line, 20 on several. */
  readonly limit?: number | undefined;
}

/** More differences than this do not stand on one line. */
const SHORT_CHANGES = 2;

/** One line: `2 of 1,204 files differ: src/a.ts (content), README.md (mode 0644 → 0755)`. */
export function shortReason(reason: MissReason, options: ReasonTextOptions = {}): string {
  if (reason.kind !== "changed") return plainReason(reason);
  const { limit = 3, stepName = usualStepName, root } = options;
  const told = withRoot(reason, root, stepName);
  if (told !== undefined) return `${told.text}: ${shortReason(told.reason, { limit, stepName })}`;
  if (reason.changes.length === 0) return "changed";
  const texts = mergeFiles(reason.changes).map((change) => changeText(change, limit, stepName));
  const rest = texts.length - SHORT_CHANGES;
  return texts.slice(0, SHORT_CHANGES).join("; ") + (rest > 0 ? `; and ${formatCount(rest)} more` : "");
}

/** The same of a reason that was read back, perhaps one of another version of this program; empty if it cannot be told. */
export function storedReasonText(reason: unknown, options: ReasonTextOptions = {}): string {
  try {
    return shortReason(reason as MissReason, options) ?? "";
  } catch {
    return "";
  }
}

/** Several lines, the first as a sentence of its own; what belongs to it is indented. */
export function longReason(reason: MissReason, options: ReasonTextOptions = {}): readonly string[] {
  if (reason.kind !== "changed") return [plainReason(reason)];
  const { limit = 20, stepName = usualStepName, root } = options;
  const told = withRoot(reason, root, stepName);
  const lines = reason.instruction ? [`the instruction was edited: ${arrow(reason.instruction)}`] : [];
  for (const change of reason.changes) lines.push(...changeLines(change, limit, stepName));
  if (!told) return lines;
  const below = longReason(told.reason, { limit, stepName });
  return [...lines, `it began with ${told.name}:`, ...below.map((line) => `  ${line}`)];
}

function plainReason(reason: Exclude<MissReason, { readonly kind: "changed" }>): string {
  switch (reason.kind) {
    case "first":
      return reason.scope === "project" ? "never built here" : "new in this build";
    case "disabled":
      return `not looked for (--${reason.by})`;
    case "evicted":
      return evictedText(reason.at, reason.why);
    case "unusable":
      return reason.why === "damaged" ? "its record is damaged" : "its layer is gone from the store";
  }
}

function evictedText(at: number | undefined, why: string | undefined): string {
  if (at === undefined) return "its record is gone from the cache";
  return `evicted by gc on ${new Date(at).toISOString().slice(0, 10)}${why === undefined ? "" : ` (${why})`}`;
}

interface ToldRoot {
  readonly text: string;
  readonly name: string;
  readonly reason: MissReason;
}

/** A step in which nothing but others changed is told by where that began. */
function withRoot(
  { changes }: Extract<MissReason, { readonly kind: "changed" }>,
  root: RootCause | undefined,
  stepName: StepName,
): ToldRoot | undefined {
  const last = root?.steps.at(-1);
  if (!root || root.steps.length < 2 || last === undefined || changes[0]?.what !== "input") return undefined;
  const name = stepName(last, root.instruction ?? "").trim();
  return { text: root.reason.kind === "changed" ? `${name} changed` : name, name, reason: root.reason };
}

function changeLines(change: Change, limit: number, stepName: StepName): readonly string[] {
  if (change.what !== "files" || !change.known) return [changeText(change, limit, stepName)];
  const { files } = change;
  const rest = files.length - limit;
  return [
    `${totalsText(change)}${sourceSuffix(change)}:`,
    ...files.slice(0, limit).map((file) => `  ${fileText(file)}`),
    ...(rest > 0 ? [`  … and ${formatCount(rest)} more; all of them with --format json`] : []),
  ];
}

function sourceSuffix({ source }: FilesChange): string {
  return source.kind === "word" && source.text !== undefined ? ` in ${source.text}` : "";
}

/** On one line all source words of a step count together. */
function mergeFiles(changes: readonly Change[]): readonly Change[] {
  const known = changes.filter(isKnownWord);
  if (known.length < 2) return changes;
  const files: FileChange[] = known.flatMap((change) => change.files);
  const sum = (of: (change: KnownFiles) => number): number => known.reduce((all, change) => all + of(change), 0);
  const totals = {
    files: sum((change) => change.totals.files),
    differing: sum((change) => change.totals.differing),
    directories: sum((change) => change.totals.directories),
  };
  const merged: Change = { what: "files", source: known[0]!.source, known: true, totals, files };
  const at = changes.indexOf(known[0]!);
  return changes.flatMap((change, i): readonly Change[] => (i === at ? [merged] : isKnownWord(change) ? [] : [change]));
}

type KnownFiles = FilesChange & { readonly known: true };

function isKnownWord(change: Change): change is KnownFiles {
  return change.what === "files" && change.known && change.source.kind === "word";
}
