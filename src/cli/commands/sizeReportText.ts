/** A report about sizes as markdown and as tables. */
import type { SizeReport, SizeRow } from "../../index.js";
import { formatBytes } from "../../support/human.js";
import { markdownCode, markdownTable } from "../markdown.js";
import { renderPairs, renderTable } from "../table.js";
import { printable, truncate } from "../terminalText.js";

/** Columns that an instruction may take in a table. */
const INSTRUCTION_WIDTH = 60;
/** Rows of layers in a comment, and characters of an instruction there: comments are bounded. */
const MOST_ROWS = 100;
const MOST_TEXT = 200;

/** Markdown, made for a comment on a pull request. */
export function sizeReportMarkdown(report: SizeReport): string[] {
  const { image, baseline } = report;
  return [
    `### Size of ${markdownCode(image.name)}: ${headline(report)}`,
    "",
    `Compared with ${markdownCode(baseline.name)}. ${sharing(report)}`,
    "",
    ...markdownTable(["", "Before:", "After:", "Growth:"], totals(report)),
    ...markdownLayers(report),
    ...markdownFolders(report),
  ];
}

/** Tables for a terminal. */
export function sizeReportTable(report: SizeReport): string[] {
  const { image, baseline, layers, folders = [], moreFolders } = report;
  const cut = (row: SizeRow): string => truncate(printable(row.instruction + place(row)), INSTRUCTION_WIDTH);
  const layerRows = layers.map((row) => [...layerCells(row), cut(row)]);
  const folderRows = folders.map(({ before, after, growth, path }) => {
    return [formatBytes(before), formatBytes(after), signed(growth), path];
  });
  return [
    ...renderPairs([
      ["image", image.name],
      ["baseline", baseline.name],
      ["layers", sharing(report)],
    ]),
    "",
    ...renderTable(["", "BEFORE", "AFTER", "GROWTH"], totals(report)),
    ...(layerRows.length === 0
      ? []
      : ["", ...renderTable(["LAYER", ...sizeHeaders(report), "INSTRUCTION"], layerRows)]),
    ...(folderRows.length === 0 ? [] : ["", ...renderTable(["BEFORE", "AFTER", "GROWTH", "FOLDER"], folderRows)]),
    ...(moreFolders > 0 ? [`and ${moreFolders} more (--top)`] : []),
  ];
}

function headline({ image, baseline, growth }: SizeReport): string {
  const [now, before, change] =
    growth.unpacked === undefined
      ? [image.content, baseline.content, growth.content]
      : [image.unpacked!, baseline.unpacked!, growth.unpacked];
  if (change === 0) return `${formatBytes(now)}, unchanged`;
  const share = before === 0 ? "" : ` (${change > 0 ? "+" : "-"}${((Math.abs(change) / before) * 100).toFixed(1)}%)`;
  return `${formatBytes(now)}, ${signed(change)}${share}`;
}

function sharing({ sharedLayers, image, download }: SizeReport): string {
  return `${sharedLayers} of ${image.layers} layers are shared; who has the baseline fetches ${formatBytes(download)}.`;
}

/** Files are there only if they were looked at. */
function totals({ image, baseline, growth }: SizeReport): string[][] {
  const size = (name: string, what: "content" | "unpacked" | "visible"): string[][] =>
    growth[what] === undefined
      ? []
      : [[name, formatBytes(baseline[what]!), formatBytes(image[what]!), signed(growth[what])]];
  const number = (name: string, what: "files" | "layers"): string[][] =>
    growth[what] === undefined
      ? []
      : [
          [
            name,
            String(baseline[what]),
            String(image[what]),
            growth[what] > 0 ? `+${growth[what]}` : String(growth[what]),
          ],
        ];
  return [
    ...size("compressed", "content"),
    ...size("unpacked", "unpacked"),
    ...size("seen", "visible"),
    ...number("files", "files"),
    ...number("layers", "layers"),
  ];
}

function sizeHeaders({ growth }: SizeReport): string[] {
  return growth.unpacked === undefined ? ["BEFORE", "AFTER", "GROWTH"] : ["BEFORE", "AFTER", "GROWTH", "COMPRESSED"];
}

function layerCells({ match, before, after, content, unpacked }: SizeRow): string[] {
  const size = (layer: SizeRow["before"]): string =>
    layer === undefined ? "-" : formatBytes(layer.unpacked ?? layer.content);
  return [
    ...[match, size(before), size(after), signed(unpacked ?? content)],
    ...(unpacked === undefined ? [] : [signed(content)]),
  ];
}

function markdownLayers(report: SizeReport): string[] {
  const { layers } = report;
  if (layers.length === 0) return [];
  const rows = layers
    .slice(0, MOST_ROWS)
    .map((row) => [...layerCells(row), markdownCode(truncate(row.instruction + place(row), MOST_TEXT))]);
  const headers = [
    "Layer",
    ...sizeHeaders(report).map((name) => `${name[0]}${name.slice(1).toLowerCase()}:`),
    "Instruction",
  ];
  const more = layers.length > MOST_ROWS ? [`and ${layers.length - MOST_ROWS} more layers`] : [];
  return ["", ...markdownTable(headers, rows), ...more];
}

function markdownFolders({ folders = [], moreFolders }: SizeReport): string[] {
  if (folders.length === 0) return [];
  const rows = folders.map(({ path, before, after, growth }) => {
    return [markdownCode(truncate(path, MOST_TEXT)), formatBytes(before), formatBytes(after), signed(growth)];
  });
  return [
    "",
    `<details><summary>Folders that have changed (${folders.length + moreFolders})</summary>`,
    "",
    ...markdownTable(["Folder", "Before:", "After:", "Growth:"], rows),
    ...(moreFolders > 0 ? ["", `and ${moreFolders} more`] : []),
    "",
    "</details>",
  ];
}

function place({ line }: SizeRow): string {
  return line === undefined ? "" : ` (${line.dockerfile}:${line.line})`;
}

function signed(bytes: number): string {
  return bytes === 0 ? "0B" : `${bytes < 0 ? "-" : "+"}${formatBytes(Math.abs(bytes))}`;
}
