/** A comparison of images as people read it: sections of rows, in plain texts that each format escapes in its own way. Pure. */
import type {
  ChangeTotals,
  ComparedLayer,
  ConfigChange,
  FileChange,
  FilesDiff,
  HistoryChange,
  ImageDiff,
} from "../../index.js";
import { shortDigest } from "../../oci/digest.js";
import { formatBytes } from "../../support/human.js";
import { truncate } from "../terminalText.js";

/** `+` only in B, `-` only in A, `~` in both, `?` not known, blank for what is no difference. */
export type Sign = "+" | "-" | "~" | "?" | " ";

/** A row of a section. */
export interface ReportRow {
  readonly sign: Sign;
  readonly cells: readonly string[];
}

/** One subject, with its rows. */
export interface ReportSection {
  readonly title: string;
  readonly columns: readonly string[];
  /** Numbers of the columns that hold numbers. */
  readonly numeric: readonly number[];
  readonly rows: readonly ReportRow[];
  /** Rows that are left out. */
  readonly more: number;
  /** Shown at once where sections can be folded. */
  readonly isOpen: boolean;
}

/** All of a comparison. */
export interface DiffReport {
  readonly before: string;
  readonly after: string;
  /** Sentences. */
  readonly summary: readonly string[];
  readonly sections: readonly ReportSection[];
  readonly warnings: readonly string[];
}

/** How much of a comparison is told. */
export interface ReportLimits {
  /** Most rows of a section. */
  readonly rows: number;
  /** Most columns of a value. */
  readonly width: number;
  /** Leave out single files. */
  readonly stat: boolean;
}

/** Makes a report. */
export function reportOf(diff: ImageDiff, limits: ReportLimits): DiffReport {
  const { before, after, warnings, files, layers } = diff;
  const sections = [
    layerSection(diff, limits),
    configSection(diff.config, limits),
    historySection(diff.history, limits),
    ...filesSections(files, "", limits),
    ...layers.flatMap((row) => filesSections(row.files, ` of ${layerPair(row)}`, limits)),
  ];
  return {
    ...{ before: nameOf(before), after: nameOf(after), warnings },
    summary: summaryOf(diff),
    sections: sections.filter((section) => section.rows.length > 0),
  };
}

/** An image, with the part of it that is compared. */
function nameOf({ image, part }: ImageDiff["before"]): string {
  return part === undefined ? image : `${image}, ${part}`;
}

/** What there is to say at once. */
export function summaryOf(diff: ImageDiff): string[] {
  const { before, after, isSame, compared, download, layers, config, history } = diff;
  const lines: string[] = [];
  if (before.part === undefined) lines.push(`A: ${factsOf(before)}`, `B: ${factsOf(after)}`);
  lines.push(isSame ? "Nothing differs" : `They differ in ${differences(diff).join(", ")}`);
  if (compared.ignores.length > 0) lines.push(`Left aside: ${compared.ignores.join(", ")}`);
  if (before.part === undefined) {
    lines.push(`Layers: ${layerCounts(layers)}`);
    if (config.length > 0) lines.push(`Config: ${count(config.length, "difference")}`);
    if (history.length > 0) lines.push(`History: ${count(history.length, "line")}`);
  }
  if (diff.files) lines.push(...totalsOf(diff.files, ""));
  for (const row of layers) if (row.files) lines.push(...totalsOf(row.files, ` of ${layerPair(row)}`));
  if (download && !isSame) {
    const { bytes, layers: number } = download;
    lines.push(`Where A is, B costs a download of ${formatBytes(bytes)}: ${count(number, "layer")} and the config`);
  }
  return lines;
}

function factsOf({ image, platform, layers, compressedSize, digest }: ImageDiff["before"]): string {
  const facts = [platform, count(layers, "layer"), `${formatBytes(compressedSize)} as stored`, shortDigest(digest)];
  return `${image} (${facts.join(", ")})`;
}

function differences({ differs }: ImageDiff): string[] {
  return Object.entries(differs)
    .filter(([, isDifferent]) => isDifferent)
    .map(([name]) => name);
}

function layerCounts(layers: readonly ComparedLayer[]): string {
  const matches = {
    shared: "shared",
    same: "the same on others",
    changed: "changed",
    removed: "only in A",
    added: "only in B",
  };
  const words = Object.entries(matches).flatMap(([match, word]) => {
    const number = layers.filter((row) => row.match === match).length;
    return number === 0 ? [] : [`${number} ${word}`];
  });
  const repacked = layers.filter(({ isRepacked }) => isRepacked).length;
  if (repacked > 0) words.push(`${repacked} packed otherwise`);
  return words.join(", ") || "none";
}

function totalsOf({ totals, moves, ignored, repeated }: FilesDiff, of: string): string[] {
  const { added, removed, changed, unsettled, isComplete } = totals;
  const words = [`${added} added`, `${removed} removed`, `${changed} changed`];
  if (unsettled > 0) words.push(`${unsettled} not settled`);
  const notes = [
    ...(moves > 0 ? [`${count(moves, "file")} moved`] : []),
    ...(ignored > 0 ? [`${count(ignored, "difference")} left out by patterns`] : []),
    ...(repeated && repeated.files > 0
      ? [`${count(repeated.files, "file")} listed again unchanged (${formatBytes(repeated.bytes)})`]
      : []),
  ];
  return [
    `Files${of}: ${words.join(", ")} (${signedBytes(totals.delta)})${notes.length > 0 ? `; ${notes.join(", ")}` : ""}`,
    ...(isComplete ? [] : [UNREAD]),
  ];
}

const UNREAD = "What is marked with ? hinges on shared layers that were not read: --read-shared reads them";

function layerPair({ before, after }: ComparedLayer): string {
  if (before === undefined) return `layer ${after?.number} of B`;
  if (after === undefined) return `layer ${before.number} of A`;
  return `layers ${before.number} of A and ${after.number} of B`;
}

function layerSection({ layers, before }: ImageDiff, limits: ReportLimits): ReportSection {
  const signs = { shared: " ", same: "~", changed: "~", added: "+", removed: "-" } as const;
  const own =
    before.part === undefined ? layers.filter(({ match, isRepacked }) => match !== "shared" || isRepacked) : layers;
  const rows = own.map((row): ReportRow => {
    const { before: a, after: b, match, isRepacked } = row;
    const size = (layer: typeof a): string => (layer ? formatBytes(layer.compressedSize) : "");
    const cells = [String(a?.number ?? ""), String(b?.number ?? ""), isRepacked ? `${match}, repacked` : match];
    return { sign: signs[match], cells: [...cells, size(a), size(b), cut(b?.createdBy ?? a?.createdBy ?? "", limits)] };
  });
  const columns = ["LAYER OF A", "OF B", "MATCH", "SIZE IN A", "IN B", "CREATED BY"];
  return sectionOf(`Layers: ${layerCounts(layers)}`, columns, rows, limits, [0, 1, 3, 4]);
}

const SIGNS = { added: "+", removed: "-", changed: "~", unsettled: "?" } as const;

function configSection(config: readonly ConfigChange[], limits: ReportLimits): ReportSection {
  const rows = config.map(({ field, key, kind, before, after }): ReportRow => {
    const name = key === undefined ? field : `${field} ${key}`;
    return { sign: SIGNS[kind], cells: [cut(name, limits), valueText(before, limits), valueText(after, limits)] };
  });
  return sectionOf(`Config: ${count(rows.length, "difference")}`, ["WHAT", "A", "B"], rows, limits);
}

function valueText(value: ConfigChange["before"], limits: ReportLimits): string {
  if (value === undefined) return "";
  return cut(typeof value === "string" ? value : JSON.stringify(value), limits);
}

function historySection(history: readonly HistoryChange[], limits: ReportLimits): ReportSection {
  const rows = history.map(({ kind, fields, before, after }): ReportRow => {
    const text = after?.entry.created_by ?? before?.entry.created_by ?? "";
    const times = [before, after].map((line) => line?.entry.created ?? "").join(" → ");
    const what = fields.length === 1 && fields[0] === "created" ? `created ${times}` : fields.join(", ");
    return { sign: SIGNS[kind], cells: [what || kind, cut(text, limits)] };
  });
  return sectionOf(`History: ${count(rows.length, "line")}`, ["WHAT", "CREATED BY"], rows, limits);
}

function filesSections(files: FilesDiff | undefined, of: string, limits: ReportLimits): ReportSection[] {
  if (files === undefined) return [];
  const folders = files.folders.map(({ path, delta, added, removed, changed, unsettled }): ReportRow => {
    const counts = [added, removed, changed, unsettled].map(String);
    return {
      sign: delta > 0 ? "+" : delta < 0 ? "-" : "~",
      cells: [formatBytes(Math.abs(delta)), ...counts, `/${path}`],
    };
  });
  const columns = ["BYTES", "ADDED", "REMOVED", "CHANGED", "UNSETTLED", "FOLDER"];
  const isPlain = files.totals.unsettled === 0;
  const drop = <T>(cells: readonly T[]): readonly T[] => (isPlain ? cells.filter((_, at) => at !== 4) : cells);
  const section = sectionOf(
    `Folders${of}: ${signedBytes(files.totals.delta)}`,
    drop(columns),
    folders.map((row) => ({ ...row, cells: drop(row.cells) })),
    limits,
    isPlain ? [0, 1, 2, 3] : [0, 1, 2, 3, 4],
  );
  return limits.stat ? [section] : [section, changesSection(files, of, limits)];
}

function changesSection({ changes, totals }: FilesDiff, of: string, limits: ReportLimits): ReportSection {
  const rows: ReportRow[] = [];
  for (let at = 0; at < Math.min(changes.length, limits.rows); at++) rows.push(changeRow(changes.at(at), limits));
  const title = `Files${of}: ${countsOf(totals)}`;
  return {
    title,
    columns: ["CHANGE", "SIZE", "PATH"],
    numeric: [1],
    rows,
    more: changes.length - rows.length,
    isOpen: false,
  };
}

function countsOf({ added, removed, changed, unsettled }: ChangeTotals): string {
  return `${added} added, ${removed} removed, ${changed} changed${unsettled > 0 ? `, ${unsettled} not settled` : ""}`;
}

/** A path that differs. */
export function changeRow(change: FileChange, limits: ReportLimits): ReportRow {
  const { before, after, path, kind } = change;
  const type = (after ?? before)?.type;
  return {
    sign: SIGNS[kind],
    cells: [cut(whatOf(change), limits), sizeOf(change), `/${path}${type === "dir" && path !== "" ? "/" : ""}`],
  };
}

function sizeOf({ before, after, kind }: FileChange): string {
  const isFile = [before, after].some((facts) => facts?.type === "file");
  if (!isFile) return "";
  if (kind === "changed") {
    const delta = (after?.size ?? 0) - (before?.size ?? 0);
    return delta === 0 ? "" : signedBytes(delta);
  }
  return formatBytes((after ?? before)?.size ?? 0);
}

function whatOf({ kind, before, after, reasons, moved }: FileChange): string {
  const facts = after ?? before;
  if (kind === "unsettled") return facts ? `only listed in ${after ? (before ? "both" : "B") : "A"}` : "removed by one";
  if (kind !== "changed") {
    const where = moved === undefined ? "" : kind === "added" ? `, was /${moved}` : `, now /${moved}`;
    const type = facts === undefined || facts.type === "file" ? "" : ` ${facts.type}`;
    const link = facts?.link === undefined ? "" : ` to ${facts.link}`;
    return `${moved === undefined ? kind : "moved"}${type}${link}${where}`;
  }
  return reasons.map((reason) => reasonText(reason, before, after)).join(", ");
}

type Facts = FileChange["before"];

function reasonText(reason: FileChange["reasons"][number], a: Facts, b: Facts): string {
  const arrow = (one: string, other: string): string => `${reason} ${one} → ${other}`;
  if (a === undefined || b === undefined) return reason;
  switch (reason) {
    case "type":
      return arrow(a.type, b.type);
    case "mode":
      return arrow(octal(a.mode), octal(b.mode));
    case "owner":
      return arrow(`${a.uid}:${a.gid}`, `${b.uid}:${b.gid}`);
    case "link":
      return arrow(a.link ?? "", b.link ?? "");
    case "device":
      return arrow((a.device ?? []).join(":"), (b.device ?? []).join(":"));
    case "time":
      return arrow(timeText(a.mtime), timeText(b.mtime));
    case "xattr":
      return `xattr ${xattrNames(a, b)}`;
    case "hardlink":
      return "hard links";
    default:
      return reason;
  }
}

/** Four octal digits, as chmod takes them. */
export function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

function timeText(seconds: number): string {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? `${seconds}` : time.toISOString().replace(/\.000Z$/, "Z");
}

function xattrNames(a: NonNullable<Facts>, b: NonNullable<Facts>): string {
  const names = new Set([...Object.keys(a.xattrs ?? {}), ...Object.keys(b.xattrs ?? {})]);
  return [...names].filter((name) => a.xattrs?.[name] !== b.xattrs?.[name]).join(" ");
}

function sectionOf(
  title: string,
  columns: readonly string[],
  rows: readonly ReportRow[],
  limits: ReportLimits,
  numeric: readonly number[] = [],
): ReportSection {
  const shown = rows.slice(0, limits.rows);
  return { title, columns, numeric, rows: shown, more: rows.length - shown.length, isOpen: false };
}

function cut(text: string, { width }: ReportLimits): string {
  return text.length <= width ? text : truncate(text.slice(0, width * 4), width);
}

/** Bytes with their sign. */
export function signedBytes(bytes: number): string {
  return bytes === 0 ? "0B" : `${bytes > 0 ? "+" : "-"}${formatBytes(Math.abs(bytes))}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
