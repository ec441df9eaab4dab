/** One difference in plain words. Names come from outside: whoever prints them makes them harmless. */
import type { Json } from "../support/json.js";
import type { Change, Edited, FileChange, FileReason, FilesChange, Input, InputChange, VariableChange } from "./why.js";

/** How steps are called; by default `step 4 RUN npm ci`. */
export type StepName = (step: number, instruction: string) => string;

/** Longest stretch of a text that stands in a line. */
const MAX_TEXT = 60;

/** The number as people read it: `1,204`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `step 4 RUN npm ci`. */
export function usualStepName(step: number, instruction: string): string {
  return `step ${step + 1} ${clip(instruction, 40)}`;
}

/** A difference on one line. @param limit how many files, names or members are listed */
export function changeText(change: Change, limit: number, nameOf: StepName = usualStepName): string {
  switch (change.what) {
    case "files":
      return filesText(change, limit);
    case "matches":
      return `files that match ${sourceText(change.source)}: ${listText(change, limit)}`;
    case "sources":
    case "paths":
    case "exclude":
    case "hosts":
    case "devices":
    case "ulimits":
    case "losses":
    case "mounts":
      return `${SETS[change.what]}: ${listText(change, limit)}`;
    case "name":
      return `name of ${sourceText(change.source)}: ${arrow(change)}`;
    case "download":
      return `${sourceText(change.source)} leads to something else: ${shortHex(change.before)} → ${shortHex(change.after)}`;
    case "links":
      return `hard links among the files of ${sourceText(change.source)}`;
    case "input":
      return inputText(change, nameOf);
    case "variable":
      return variableText(change);
    case "variableOrder":
      return "the order of the variables";
    case "command":
      return `command: ${arrow(change)}`;
    case "shell":
      return `shell: ${arrow(change)}`;
    case "heredoc":
      return `heredoc ${change.name}: ${change.change === "content" ? "another content" : HEREDOCS[change.change]}`;
    case "setting":
      return settingText(change.name, change.before, change.after);
    case "mount":
      return mountText(change);
    case "semantics":
      return "this version of nacre makes this instruction differently";
    case "version":
      return "this version of nacre makes keys differently";
    case "kind":
      return `another kind of instruction: ${arrow(change)}`;
    case "other":
      return `something that this version of nacre does not know (${change.name})`;
  }
}

const SETS = {
  sources: "sources",
  paths: "source paths",
  exclude: "--exclude",
  hosts: "names in /etc/hosts",
  devices: "devices",
  ulimits: "limits",
  losses: "what the sandbox cannot keep",
  mounts: "order of the mounts",
} as const;
const HEREDOCS = { added: "new", removed: "gone" } as const;
const SETTINGS: Readonly<Record<string, string>> = {
  cwd: "working directory",
  shmSize: "size of /dev/shm",
  chown: "--chown",
  chmod: "--chmod",
  link: "--link",
  parents: "--parents",
  unpack: "unpacking",
  mtime: "time of all files (--reproducible)",
  security: "--security",
  hostname: "host name",
};

/** `2 of 1,204 files differ: src/a.ts (content), README.md (mode 0644 → 0755)`. */
export function filesText(change: FilesChange, limit: number): string {
  if (!change.known) return `files of ${sourceText(change.source)} differ (which ones is not known any more)`;
  const { files } = change;
  return `${totalsText(change)}: ${cut(files.slice(0, limit).map(fileText), limit, files.length)}`;
}

/** `2 of 1,204 files differ`, with directories if there are some; of a mount with its target. */
export function totalsText({ totals, source }: FilesChange & { readonly known: true }): string {
  const { files, differing, directories } = totals;
  const where = source.kind === "mount" ? ` at ${source.target}` : "";
  const parts = [
    ...(differing > 0
      ? [`${formatCount(differing)} of ${formatCount(files)} file${files === 1 ? "" : "s"}${where}`]
      : []),
    ...(directories > 0 ? [`${formatCount(directories)} ${directories === 1 ? "directory" : "directories"}`] : []),
  ];
  return `${parts.join(" and ")} ${differing + directories === 1 ? "differs" : "differ"}`;
}

/** `README.md (mode 0644 → 0755)`. */
export function fileText({ path, reasons, type }: FileChange): string {
  return `${path}${type === "dir" ? "/" : ""} (${reasons.map(reasonText).join(", ")})`;
}

function reasonText(reason: FileReason): string {
  switch (reason.what) {
    case "content":
      return "content";
    case "hardLinks":
      return "hard links";
    case "added":
    case "removed":
      return reason.what;
    case "link":
      return `link to ${arrow(reason)}`;
    case "capability":
      return "capability";
    default:
      return `${reason.what} ${arrow(reason)}`;
  }
}

function variableText({ name, argument, before, after, masked }: VariableChange): string {
  const what = `${argument ? "argument" : "variable"} ${name}`;
  if (before === undefined) return `${what} is new${masked ? "" : `: ${quoted(after!)}`}`;
  if (after === undefined) return `${what} is gone${masked ? "" : `, was ${quoted(before)}`}`;
  if (masked || before === after) return `${what}: another value, not shown`;
  return `${what}: ${arrow({ before, after })}`;
}

function inputText(change: InputChange, nameOf: StepName): string {
  const { before, after, same, step } = change;
  if (same && step !== undefined) {
    const instruction = after?.kind === "step" ? after.instruction : undefined;
    return `${nameOf(step, instruction ?? "").trim()} changed`;
  }
  const where = change.role === "mount" ? ` at ${change.mount}` : change.role === "source" ? " copied from" : "";
  if (before?.kind === "image" && after?.kind === "image")
    return imageText(before, after, change.role === "parent", where);
  const words = { parent: "built on", source: "copied from", mount: `bound at ${change.mount}:` }[change.role];
  if (!after) return `no longer ${words} ${called(before, nameOf)}`;
  return `${words} ${called(after, nameOf)}${before ? ` in place of ${called(before, nameOf)}` : ""}`;
}

type Image = Extract<Input, { readonly kind: "image" }>;

function imageText(before: Image, after: Image, isBase: boolean, where: string): string {
  const what = isBase ? "base" : `image${where}`;
  const [old, fresh] = [before.reference, after.reference];
  if (old !== undefined && fresh !== undefined && old !== fresh)
    return `${what}: ${arrow({ before: old, after: fresh })}`;
  const named = fresh === undefined ? what : `${what} ${fresh}`;
  if (before.digest === after.digest) return `platform of ${named}: ${before.platform} → ${after.platform}`;
  return `${named} moved: ${shortHex(before.digest)} → ${shortHex(after.digest)}`;
}

function called(input: Input | undefined, nameOf: StepName): string {
  switch (input?.kind) {
    case "image":
      return `the image ${input.reference ?? shortHex(input.digest)}`;
    case "step":
      return input.step === undefined ? "another step" : nameOf(input.step, input.instruction ?? "");
    case "tree":
      return "a directory";
    case "context":
      return "the context";
    case "content":
      return `the files ${shortHex(input.digest)}`;
    default:
      return "nothing";
  }
}

function settingText(name: string, before: Json | undefined, after: Json | undefined): string {
  const what = SETTINGS[name] ?? name;
  if (before === undefined && after === true) return `${what} is new`;
  if (before === true && after === undefined) return `${what} is gone`;
  return `${what}: ${valueText(before)} → ${valueText(after)}`;
}

function mountText(change: Extract<Change, { readonly what: "mount" }>): string {
  const what = `${change.type} mount ${change.target}`;
  if (change.change !== "changed") return `${what}: ${HEREDOCS[change.change]}`;
  return `${what}: ${(change.fields ?? []).map(({ name, before, after }) => settingText(name, before, after)).join(", ")}`;
}

function valueText(value: Json | undefined): string {
  if (value === undefined || value === "") return "none";
  return typeof value === "string" ? quoted(value) : JSON.stringify(value);
}

/** Members that came and went: `a, b new; c gone`. */
function listText(
  {
    added,
    removed,
    reordered,
  }: { readonly added: readonly string[]; readonly removed: readonly string[]; readonly reordered?: true | undefined },
  limit: number,
): string {
  return [
    ...(added.length > 0 ? [`${cut(added, limit, added.length)} new`] : []),
    ...(removed.length > 0 ? [`${cut(removed, limit, removed.length)} gone`] : []),
    ...(reordered ? ["another order"] : []),
  ].join("; ");
}

/** The first of some texts, and how many there are besides. */
function cut(texts: readonly string[], limit: number, total: number): string {
  const shown = texts.slice(0, limit).join(", ");
  return total > limit ? `${shown}, … and ${formatCount(total - limit)} more` : shown;
}

function sourceText(source: FilesChange["source"]): string {
  if (source.kind === "mount") return `the mount ${source.target}`;
  if (source.kind === "tree") return "the base";
  return source.text === undefined ? `source ${source.word + 1}` : source.text;
}

/** Before and after, long ones from shortly before where they differ. */
export function arrow({ before, after }: Edited): string {
  let same = 0;
  while (same < Math.min(before.length, after.length) && before[same] === after[same]) same++;
  const long = Math.max(before.length, after.length) > MAX_TEXT;
  const from = long ? Math.max(0, same - 15) : 0;
  const part = (text: string): string => quoted((from > 0 ? "…" : "") + clip(text.slice(from), MAX_TEXT));
  return `${part(before)} → ${part(after)}`;
}

/** Texts whose ends would not be seen are quoted. */
function quoted(text: string): string {
  return text === "" || /^\s|\s$|\n/.test(text) ? JSON.stringify(text) : text;
}

function clip(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function shortHex(digest: string): string {
  const [, name = "", hex = digest] = /^(sha256:)(.*)$/.exec(digest) ?? [];
  return hex.length > 12 ? `${name}${hex.slice(0, 12)}…` : digest;
}
