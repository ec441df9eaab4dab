/**
 * What made a step of a past build miss, as far as a replay has to know it. The history keeps reasons as any JSON, cut where
 * they were long, and written by whatever version: nothing is taken for granted here, and what is not understood counts as
 * a cause that cannot be removed.
 */

/** One thing that made a step miss. */
export type Cause =
  /** A file of a context came, went or changed. */
  | { readonly kind: "file"; readonly path: string }
  /** Files changed, and it is not known which, or not of all. */
  | { readonly kind: "files" }
  /** A variable of a RUN has another value. `argument`: it comes from ARG. */
  | { readonly kind: "variable"; readonly name: string; readonly argument: boolean }
  /** A base image moved. */
  | { readonly kind: "base"; readonly reference: string }
  /** The instruction, its settings or its place were edited, or what it says leads to something else. */
  | { readonly kind: "instruction" }
  /** It was never made before, was forgotten, or was not to be looked for. */
  | { readonly kind: "first" | "evicted" | "unusable" | "disabled" }
  /** Something else. */
  | { readonly kind: "other" };

/** Kinds of causes. */
export type CauseKind = Cause["kind"];

/** Why a step of a past build missed. */
export interface MissCauses {
  /** What differed of the step itself; what it is built on aside. */
  readonly own: readonly Cause[];
  /** Numbers of steps of the same build, whose keys were other ones. */
  readonly from: readonly number[];
}

/** More files of one reason than this are not told apart: they count as unknown ones. */
const MAX_FILES = 2_000;
/** Differences of a step of which no other instruction, argument or file would be rid. */
const EDITS: ReadonlySet<string> = new Set([
  ...["sources", "name", "download", "variableOrder", "command", "shell", "heredoc", "setting", "hosts", "devices"],
  ...["ulimits", "exclude", "paths", "mounts", "mount", "kind"],
]);

/** The causes that a reason of the history names. Never none: then it is something else. */
export function causesOf(reason: unknown): MissCauses {
  const own: Cause[] = [];
  const from: number[] = [];
  const { kind, changes, truncated } = fieldsOf(reason);
  if (kind === "first" || kind === "evicted" || kind === "unusable" || kind === "disabled") own.push({ kind });
  else if (kind === "changed" && Array.isArray(changes)) {
    for (const change of changes) addChange(fieldsOf(change), own, from);
    if (truncated === true && own.some(isOfFiles)) own.push({ kind: "files" });
  }
  if (own.length === 0 && from.length === 0) own.push({ kind: "other" });
  return { own: distinctCauses(own), from: [...new Set(from)] };
}

function isOfFiles({ kind }: Cause): boolean {
  return kind === "file" || kind === "files";
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function addChange(change: Fields, own: Cause[], from: number[]): void {
  const { what } = change;
  if (what === "files" || what === "matches") own.push(...filesOf(change));
  else if (what === "input") addInput(change, own, from);
  else if (what === "variable" && typeof change.name === "string") {
    own.push({ kind: "variable", name: change.name, argument: change.argument === true });
  } else own.push({ kind: typeof what === "string" && EDITS.has(what) ? "instruction" : "other" });
}

function filesOf({ known, files, added, removed }: Fields): readonly Cause[] {
  const lists = [files, added, removed].filter((list) => Array.isArray(list)).flat();
  const paths = lists.map((item) => (typeof item === "string" ? item : fieldsOf(item).path));
  const isWhole = known !== false && paths.length > 0 && paths.length <= MAX_FILES;
  if (!isWhole || !paths.every((path) => typeof path === "string")) return [{ kind: "files" }];
  return paths.map((path) => ({ kind: "file", path }));
}

/** Another image below, another step, or the same step made of something else. */
function addInput({ step, same, before, after }: Fields, own: Cause[], from: number[]): void {
  const [old, fresh] = [fieldsOf(before), fieldsOf(after)];
  if (old.kind === "image" && fresh.kind === "image") {
    const isSameName = old.reference === fresh.reference && old.platform === fresh.platform;
    const reference = typeof fresh.reference === "string" ? fresh.reference : "";
    own.push(isSameName ? { kind: "base", reference } : { kind: "instruction" });
  } else if (typeof step === "number" && Number.isSafeInteger(step) && same === true) from.push(step);
  else own.push({ kind: "instruction" });
}

/** Tells causes apart. */
export function causeKey(cause: Cause): string {
  switch (cause.kind) {
    case "file":
      return `file ${cause.path}`;
    case "variable":
      return `variable ${cause.name}`;
    case "base":
      return `base ${cause.reference}`;
    default:
      return cause.kind;
  }
}

function distinctCauses(causes: readonly Cause[]): readonly Cause[] {
  return [...new Map(causes.map((cause) => [causeKey(cause), cause])).values()];
}
