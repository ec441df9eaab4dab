/** Listings of files as text, made line by line. */
import type { FileListing, ListedFile, OpenedImage } from "../../index.js";
import { formatBytes } from "../../support/human.js";
import { formatCsvLine } from "../csv.js";
import { padEnd, printable, printableJson } from "../terminalText.js";
import { modeText } from "./fileMode.js";

const GAP = "  ";
const SIZE_WIDTH = 8;

const MARKS: Readonly<Record<NonNullable<ListedFile["change"]>, string>> = {
  ...{ added: "A", modified: "M", touched: "T", removed: "R", unchanged: "=" },
};

/** A tree: marks and facts in columns, then names below each other. */
export function* treeLines(listing: FileListing, hasChanges: boolean, bySize: boolean): Generator<string> {
  const ownerWidth = widthOfOwners(listing, listing.rows());
  const below = (row: number | undefined): number[] => {
    const rows = listing.below(row);
    return bySize ? rows.sort((a, b) => listing.weight(b) - listing.weight(a) || a - b) : rows;
  };
  function* branch(row: number, lead: string, here: string, under: string): Generator<string> {
    const file = listing.file(row);
    const name = row === 0 ? startName(file) : printable(file.name);
    const slash = file.type === "dir" && !name.endsWith("/") ? "/" : "";
    yield `${factsOf(file, ownerWidth, hasChanges)}${lead}${here}${name}${slash}${tailOf(file, hasChanges)}`;
    const children = below(row);
    for (const [at, child] of children.entries()) {
      const isLast = at === children.length - 1;
      yield* branch(child, lead + under, isLast ? "└── " : "├── ", isLast ? "    " : "│   ");
    }
  }
  for (const row of below(undefined)) yield* branch(row, "", "", "");
  yield "";
  yield totalsLine(listing);
}

function startName(file: ListedFile): string {
  return printable(`/${file.path}`);
}

/** A table: one line for each file, the path last. */
export function* tableLines(listing: FileListing, rows: Iterable<number>, hasChanges: boolean): Generator<string> {
  const shown = [...rows];
  const ownerWidth = widthOfOwners(listing, shown);
  const header = [
    ...(hasChanges ? ["CHANGE".padEnd(6)] : []),
    ...["MODE".padEnd(10), "OWNER".padEnd(ownerWidth), "SIZE".padStart(SIZE_WIDTH)],
    ...(hasChanges ? [] : ["LAYER"]),
    "PATH",
  ];
  yield header.join(GAP);
  for (const row of shown) {
    const file = listing.file(row);
    const cells = [
      ...(hasChanges ? [markOf(file).padEnd(6)] : []),
      ...[
        modeText(file.type, file.mode),
        padEnd(`${file.uid}:${file.gid}`, ownerWidth),
        sizeOf(file).padStart(SIZE_WIDTH),
      ],
      ...(hasChanges ? [] : [String(file.layer).padStart(5)]),
      `${startName(file)}${tailOf(file, hasChanges)}`,
    ];
    yield cells.join(GAP);
  }
}

/** The head of the listing, then one object for each file. */
export function* jsonLines(image: OpenedImage, listing: FileListing, rows: Iterable<number>): Generator<string> {
  const { shown, id, root } = image;
  const toc = image.layers.flatMap((layer) => (layer.toc === undefined ? [] : [{ layer: layer.number, ...layer.toc }]));
  const listed = toc.length > 0 ? { tablesOfContents: toc } : {};
  yield printableJson({
    schema: "nacre.tree/1",
    image: shown,
    id,
    digest: root.digest,
    totals: listing.totals,
    ...listed,
  });
  for (const row of rows) {
    const { pathBytes: _, path, name: _name, mode, ...rest } = listing.file(row);
    yield printableJson({ path: `/${path}`, mode: `0${mode.toString(8).padStart(3, "0")}`, ...rest });
  }
}

const CSV_FIELDS = "path,type,mode,uid,gid,size,mtime,link,layer,digest,change,reasons,removed_bytes";

/** A header, then one line for each file. Control characters are shown as escapes; spreadsheets take nothing for a formula. */
export function* csvLines(listing: FileListing, rows: Iterable<number>): Generator<string> {
  yield CSV_FIELDS;
  for (const row of rows) {
    const { path, type, mode, uid, gid, size, mtime, link, layer, digest, change, reasons, removedBytes } =
      listing.file(row);
    const octal = `0${mode.toString(8).padStart(3, "0")}`;
    const numbers = [uid, gid, size].map(String);
    const texts = [harmlessCell(link), String(layer), digest, change, reasons?.join(" "), String(removedBytes ?? "")];
    const time = new Date(mtime * 1000);
    const shownTime = Number.isNaN(time.getTime()) ? String(mtime) : time.toISOString();
    const cells = [printable(`/${path}`), type, octal, ...numbers, shownTime, ...texts].map((cell) => cell ?? "");
    yield cells.map((cell) => (cell === "" ? "" : formatCsvLine([cell]))).join(",");
  }
}

/** Spreadsheets take what begins like this for a formula. Paths begin with a slash. */
function harmlessCell(text: string | undefined): string | undefined {
  return text === undefined ? undefined : printable(text).replace(/^[=+\-@]/, "'$&");
}

function factsOf(file: ListedFile, ownerWidth: number, hasChanges: boolean): string {
  const mark = hasChanges ? `${MARKS[file.change ?? "unchanged"]} ` : "";
  const owner = padEnd(`${file.uid}:${file.gid}`, ownerWidth);
  return `${mark}${modeText(file.type, file.mode)}${GAP}${owner}${GAP}${sizeOf(file).padStart(SIZE_WIDTH)}${GAP}`;
}

/** Of what is removed, the bytes that are hidden. */
function sizeOf({ type, size, removedBytes, change, device }: ListedFile): string {
  if (device !== undefined) return `${device[0]},${device[1]}`;
  if (change === "removed") return `-${formatBytes(removedBytes ?? 0)}`;
  return type === "file" || type === "dir" ? formatBytes(size) : "-";
}

function markOf({ change }: ListedFile): string {
  return change === undefined ? "" : MARKS[change];
}

/** Where a link leads, and what a layer changed. */
function tailOf(
  { type, link, isHardLink, reasons = [], change, removedBytes, isOpaque }: ListedFile,
  hasChanges: boolean,
): string {
  const to = type === "symlink" && link !== undefined ? ` -> ${printable(link)}` : "";
  const first = isHardLink && link !== undefined ? ` (same file as ${printable(`/${link}`)})` : "";
  if (!hasChanges) return `${to}${first}`;
  const notes = [
    ...(change === "modified" ? reasons : []),
    ...(isOpaque && !reasons.includes("opaque") ? ["opaque"] : []),
    ...(change !== "removed" && removedBytes ? [`removes ${formatBytes(removedBytes)}`] : []),
  ];
  return `${to}${first}${notes.length > 0 ? `  [${notes.join(", ")}]` : ""}`;
}

function totalsLine({ totals }: FileListing): string {
  const { files, directories, bytes, changes, removedBytes = 0 } = totals;
  const text = [
    counted(directories, "directory", "directories"),
    counted(files, "file", "files"),
    formatBytes(bytes),
  ].join(", ");
  if (changes === undefined) return text;
  const { added, modified, touched, removed, unchanged } = changes;
  const counts = `${added} added, ${modified} modified, ${touched} touched, ${removed} removed, ${unchanged} unchanged`;
  return `${text}: ${counts}${removedBytes > 0 ? `; ${formatBytes(removedBytes)} of lower layers removed` : ""}`;
}

function widthOfOwners(listing: FileListing, rows: Iterable<number>): number {
  let width = "OWNER".length;
  for (const row of rows) width = Math.max(width, listing.owner(row).length);
  return width;
}

/** `1 file`, `2 files`. */
export function counted(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
