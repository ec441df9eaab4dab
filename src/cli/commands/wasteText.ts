/** The waste of an image as tables, markdown and CSV. */
import type { ImageWaste, WasteLayer } from "../../index.js";
import { formatBytes } from "../../support/human.js";
import { formatCsvLine } from "../csv.js";
import { markdownCode, markdownTable, markdownText } from "../markdown.js";
import { renderPairs, renderTable } from "../table.js";
import { printable, truncate } from "../terminalText.js";

/** What `--by` may be. */
export const WASTE_VIEWS = ["pair", "layer", "path", "cause", "folder", "duplicate"] as const;
export type WasteView = (typeof WASTE_VIEWS)[number];

/** Columns that an instruction may take in a table. */
const INSTRUCTION_WIDTH = 60;

/** A list of the measurement: names of columns (those of numbers end in `:`), cells, and how many entries are left out. */
interface View {
  readonly headers: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  readonly more: number;
}

/** Lines for people. @param by one list alone */
export function wasteTable(waste: ImageWaste, by: WasteView | undefined): string[] {
  if (by !== undefined) return tableOf(waste, by);
  const layers = waste.reclaimable === 0 ? [] : ["", ...adviceLines(waste)];
  const rest = waste.reclaimable === 0 ? [] : ["", ...tableOf(waste, "path")];
  return [...renderPairs(summary(waste)), ...layers, ...rest];
}

/** Markdown, as for a comment. @param by one list alone */
export function wasteMarkdown(waste: ImageWaste, by: WasteView | undefined): string[] {
  if (by !== undefined) return markdownView(waste, by);
  return [
    `### Waste of ${markdownCode(waste.image)}`,
    "",
    ...markdownTable(
      ["", ""],
      summary(waste).map(([name, value]) => [name, markdownText(value)]),
    ),
    ...(waste.reclaimable === 0 ? [] : ["", ...markdownPairs(waste), "", ...markdownView(waste, "path")]),
  ];
}

/** CSV with a header; numbers are bytes. */
export function wasteCsv(waste: ImageWaste, by: WasteView): string[] {
  const { headers, rows } = viewOf(waste, by, String);
  const names = headers.map((header) => header.replace(/:$/, "").toLowerCase().replaceAll(" ", "_"));
  return [formatCsvLine(names), ...rows.map((row) => formatCsvLine(row.map((cell) => harmlessCell(String(cell)))))];
}

/** Spreadsheets take what begins with these for a formula. */
function harmlessCell(text: string): string {
  return printable(/^[=+\-@]/.test(text) && !/^-?\d/.test(text) ? `'${text}` : text);
}

function summary(waste: ImageWaste): [name: string, value: string][] {
  const { stored, visible, reclaimable, copies, efficiency, origin, causes, duplicates } = waste;
  const pairs: [string, string][] = [
    ["image", waste.image],
    ["stored", `${formatBytes(stored)} in ${count(copies.stored, "file")} of ${count(waste.layers.length, "layer")}`],
    ["seen", formatBytes(visible)],
    [
      "wasted",
      `${formatBytes(reclaimable)} in ${count(copies.wasted, "file")}, about ${formatBytes(waste.compressedReclaimable)} compressed`,
    ],
    ["efficiency", percent(efficiency)],
  ];
  for (const [cause, { bytes }] of Object.entries(causes)) {
    if (bytes > 0) pairs.push([`  ${cause}`, formatBytes(bytes)]);
  }
  if (origin !== undefined) {
    const { base, baseStored, inBase, hiddenBase, ownStored, own, ownEfficiency } = origin;
    pairs.push(
      [
        "base",
        `${base.name ?? base.digest ?? "base"}: ${count(base.layers, "layer")}, ${formatBytes(baseStored)}, ${formatBytes(inBase)} wasted in it, ${formatBytes(hiddenBase)} hidden by later layers`,
      ],
      [
        "own layers",
        `${formatBytes(ownStored)}, ${formatBytes(own)} of it needless: efficiency ${percent(ownEfficiency)}`,
      ],
    );
  }
  if (duplicates.redundant > 0) {
    pairs.push([
      "duplicates",
      `${formatBytes(duplicates.redundant)} are copies of other files in the image (not counted as wasted)`,
    ]);
  }
  return pairs;
}

/** Who does what to whom, and the remedy. */
function adviceLines({ pairs, more, layers }: ImageWaste): string[] {
  const lines = pairs.flatMap(({ text, copies, examples, advice, hiddenBy }) => [
    `${printable(text)}${place(layers[hiddenBy]!)}`,
    `    ${count(copies, "file")}, e.g. ${printable(examples.map((path) => `/${path}`).join(" "))}`,
    `    -> ${printable(advice.text)}`,
  ]);
  return more.pairs > 0 ? [...lines, `and ${count(more.pairs, "more pair")} of layers`] : lines;
}

function markdownPairs({ pairs, more, layers }: ImageWaste): string[] {
  const lines = pairs.map(
    ({ text, copies, advice, hiddenBy }) =>
      `- **${markdownText(text)}**${markdownText(place(layers[hiddenBy]!))} (${count(copies, "file")}): ${markdownText(advice.text)}`,
  );
  return more.pairs > 0 ? [...lines, `- and ${count(more.pairs, "more pair")} of layers`] : lines;
}

function place({ line }: WasteLayer): string {
  return line === undefined ? "" : ` (${printable(line.dockerfile)}:${line.line})`;
}

function tableOf(waste: ImageWaste, by: WasteView): string[] {
  const { headers, rows, more } = viewOf(waste, by, formatBytes);
  const cells = rows.map((row) => row.map((cell) => truncateCell(String(cell), by)));
  const lines = renderTable(
    headers.map((header) => header.replace(/:$/, "")),
    cells,
  );
  return more > 0 ? [...lines, `and ${more} more (--top)`] : lines;
}

/** Instructions are cut, paths never. */
function truncateCell(text: string, by: WasteView): string {
  return by === "layer" || by === "pair" ? truncate(printable(text), INSTRUCTION_WIDTH) : text;
}

function markdownView(waste: ImageWaste, by: WasteView): string[] {
  const { headers, rows, more } = viewOf(waste, by, formatBytes);
  const cells = rows.map((row) =>
    row.map((cell) => (/^[\w.% -]*$/.test(String(cell)) ? String(cell) : markdownCode(String(cell)))),
  );
  return [...markdownTable(headers, cells), ...(more > 0 ? ["", `and ${more} more`] : [])];
}

function viewOf(waste: ImageWaste, by: WasteView, size: (bytes: number) => string): View {
  const { more } = waste;
  switch (by) {
    case "layer":
      return layerView(waste, size);
    case "pair":
      return pairView(waste, size);
    case "cause":
      return {
        headers: ["CAUSE", "WASTED:", "FILES:"],
        rows: Object.entries(waste.causes).map(([cause, { bytes, copies }]) => [cause, size(bytes), copies]),
        more: 0,
      };
    case "path":
      return {
        headers: ["WASTED:", "FILES:", "CAUSE", "STORED BY", "HIDDEN BY", "PATH"],
        rows: waste.paths.map(({ bytes, copies, causes, storedBy, hiddenBy, path }) => [
          ...[size(bytes), copies, causes.join(" "), storedBy.join(" "), hiddenBy.join(" "), path],
        ]),
        more: more.paths,
      };
    case "folder":
      return {
        headers: ["WASTED:", "FILES:", "FOLDER"],
        rows: waste.folders.map(({ bytes, copies, path }) => [size(bytes), copies, path]),
        more: more.folders,
      };
    case "duplicate":
      return {
        headers: ["REDUNDANT:", "COPIES:", "SIZE:", "PATHS"],
        rows: waste.duplicates.top.map(({ redundant, copies, bytes, paths }) => [
          ...[size(redundant), copies, size(bytes), paths.join(" ")],
        ]),
        more: more.duplicates,
      };
  }
}

function layerView({ layers }: ImageWaste, size: (bytes: number) => string): View {
  return {
    headers: ["LAYER:", "STORED:", "SEEN:", "WASTED:", "HIDES:", "INSTRUCTION"],
    rows: layers.map(({ number, stored, visible, wasted, hides, instruction }) => [
      ...[number, size(stored), size(visible), size(wasted), size(hides), instruction],
    ]),
    more: 0,
  };
}

function pairView({ pairs, more, layers }: ImageWaste, size: (bytes: number) => string): View {
  return {
    headers: ["WASTED:", "FILES:", "CAUSE", "STORED BY:", "HIDDEN BY:", "INSTRUCTION"],
    rows: pairs.map(({ bytes, copies, cause, storedBy, hiddenBy }) => [
      ...[size(bytes), copies, cause, storedBy, hiddenBy, layers[hiddenBy]!.instruction],
    ]),
    more: more.pairs,
  };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Rounded down, so that only what is whole shows as whole. */
function percent(ratio: number): string {
  return `${(Math.floor(ratio * 1000) / 10).toFixed(1)}%`;
}
