/** `nacre history`. */
import type { HistoryLine, ImageHistory } from "../../index.js";
import { shortDigest } from "../../oci/digest.js";
import { parsePlatform } from "../../oci/platform.js";
import { formatBytes } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { isTemplate, templateOption } from "../template/option.js";
import { printable, printableJson, truncate } from "../terminalText.js";
import { historyAge, secondsOf, sizeOf } from "./imageTime.js";
import { examples, type GlobalOptions, optionsOf } from "./options.js";
import { warn, withImages } from "./withImages.js";

interface HistoryCommandOptions {
  readonly human?: boolean;
  readonly quiet?: boolean;
  /** False for `--no-trunc`. */
  readonly trunc?: boolean;
  readonly platform?: string;
  readonly remote?: boolean;
  readonly layers?: boolean;
  readonly dockerfile?: boolean;
  readonly format: string;
}

/** Columns that an instruction may take, as Docker cuts them. */
const CREATED_BY_WIDTH = 45;
const MISSING = "<missing>";

const EXAMPLES = examples(
  ["nacre history hello", "what made its layers, newest first"],
  ["nacre history --layers hello", "with layers, their compressed sizes, files, waste and a running total"],
  ["nacre history --remote debian:12", "of an image in a registry; no layer is fetched"],
  ["nacre history oci-archive:image.tar", "of an image in an archive"],
  ["nacre history --dockerfile hello", "a Dockerfile that could have made it"],
  ["nacre history --format json hello | jq .Size", "for programs: one JSON object a line"],
);

/** Docker's fields with their headers, and ours. */
const HEADERS = {
  ...{ ID: "IMAGE", CreatedSince: "CREATED", CreatedAt: "CREATED AT", CreatedBy: "CREATED BY", Size: "SIZE" },
  ...{ Comment: "COMMENT", Layer: "LAYER", DiffID: "DIFF ID", MediaType: "MEDIA TYPE", Compressed: "COMPRESSED" },
  ...{ Files: "FILES", Cumulative: "CUM", Base: "BASE", Line: "LINE", SizeBytes: "BYTES" },
  ...{ CompressedBytes: "COMPRESSED BYTES", Waste: "WASTE", WasteBytes: "WASTE BYTES" },
};

/** Declares the command. */
export function historyCommand(invocation: Invocation): Command {
  return new Command("history")
    .summary("show what made the layers of an image")
    .description(
      "Show the history of an image, newest line first: of the store, of an archive (oci:, oci-archive:, docker-archive:, or a path), of a registry (docker://, or a name that the store lacks), or of an engine.",
    )
    .usage("[OPTIONS] IMAGE")
    .argument("<image>", "where the image is")
    .option("-H, --human", "print sizes and times for people (default; --human=false turns it off)")
    .option("--no-human", "print sizes in bytes, and times as they are")
    .option("--no-trunc", "print ids and instructions whole")
    .option("-q, --quiet", "print the ids only")
    .option("--platform <os/arch>", "which image of a multi-platform image")
    .option("--remote", "take the name for one in a registry, whatever the store has")
    .option(
      "--layers",
      "show layers, compressed sizes, files, a running total, waste, the base and lines of the Dockerfile",
    )
    .option("--dockerfile", "print a Dockerfile that could have made the image")
    .addOption(templateOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((image: string, _options: unknown, self: Command) =>
      runHistory(invocation, image, optionsOf<HistoryCommandOptions>(self)),
    );
}

async function runHistory(
  invocation: Invocation,
  image: string,
  options: HistoryCommandOptions & GlobalOptions,
): Promise<void> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const render = await rendererOf(options);
  const { remote } = options;
  const lines = await withImages(invocation, options, async (world, library) => {
    const waste = options.layers === true || /\.Waste/.test(options.format);
    const history = await library.imageHistory(image, world, { platform, remote, waste });
    warn(invocation, image, history.warnings);
    if (!options.dockerfile) return render(history, invocation.now());
    return (await library.reconstructDockerfile(history)).map(printable);
  });
  print(invocation.stdout, lines);
}

type Renderer = (history: ImageHistory, now: number) => string[];

async function rendererOf(options: HistoryCommandOptions): Promise<Renderer> {
  const { format, quiet } = options;
  if (isTemplate(format)) {
    const { compileListing } = await import("../template/template.js");
    const { lines } = compileListing(format, HEADERS);
    return (history, now) => lines(rowsOf(history, now, options).map(harmless));
  }
  if (format === "json") return (history, now) => rowsOf(history, now, options).map((row) => printableJson(row));
  if (quiet) return (history, now) => rowsOf(history, now, options).map(({ ID }) => ID);
  return (history, now) => tableLines(history, rowsOf(history, now, options), options);
}

/** A line with Docker's field names, and ours. */
type Row = ReturnType<typeof rowOf>;

function rowsOf({ lines, id }: ImageHistory, now: number, options: HistoryCommandOptions): Row[] {
  const whole = options.trunc === false;
  return lines.map((line, at) => rowOf(line, at > 0 ? MISSING : whole ? id : shortDigest(id), now, options));
}

function rowOf(line: HistoryLine, id: string, now: number, { trunc, human }: HistoryCommandOptions) {
  const { layer, created, createdBy, comment, size } = line;
  const isWhole = trunc === false;
  const bytes = (value: number | undefined): string =>
    human === false && value !== undefined ? String(value) : sizeOf(value);
  const told = line.isTold ? createdBy : "(no history)";
  const text = told.replaceAll("\t", " ");
  return {
    Comment: comment,
    CreatedAt: secondsOf(created),
    CreatedBy: isWhole ? text : truncate(text, CREATED_BY_WIDTH),
    CreatedSince: human === false ? secondsOf(created) : historyAge(created, now),
    ID: id,
    Size: bytes(size),
    ...{ SizeBytes: size, Cumulative: bytes(line.cumulativeSize) },
    Layer: layer && (isWhole ? layer.digest : shortDigest(layer.digest)),
    ...{ DiffID: layer?.diffId, MediaType: layer?.mediaType },
    ...{ Compressed: layer && bytes(layer.compressedSize), CompressedBytes: layer?.compressedSize },
    ...{ Waste: layer && bytes(layer.wasted), WasteBytes: layer?.wasted },
    ...{ Files: layer?.files, Base: layer?.isBase, Line: layer?.line?.line },
  };
}

/** Templates print texts as they are: they are made harmless before, and what is not known is empty. */
function harmless(row: Row): object {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === "string" ? printable(value) : (value ?? "")]),
  );
}

function tableLines({ base, lines }: ImageHistory, rows: readonly Row[], options: HistoryCommandOptions): string[] {
  const time = options.human === false ? "CREATED AT" : "CREATED";
  if (options.layers) return layerLines(rows, time, base?.name ?? base?.digest?.slice(0, 19) ?? "base");
  // Of remote layers the compressed size is all that is known.
  const isPartial = lines.some(({ size }) => size === undefined);
  return renderTable(
    ["IMAGE", time, "CREATED BY", "SIZE", ...(isPartial ? ["COMPRESSED"] : []), "COMMENT"],
    rows.map((row) => [
      ...[row.ID, row.CreatedSince, shown(row.CreatedBy, options), row.Size],
      ...(isPartial ? [row.Compressed ?? formatBytes(0)] : []),
      row.Comment,
    ]),
  );
}

function layerLines(rows: readonly Row[], time: string, base: string): string[] {
  const hasBase = rows.some(({ Base }) => Base !== undefined);
  const hasLine = rows.some(({ Line }) => Line !== undefined);
  const header = ["LAYER", time, "CREATED BY", "SIZE", "COMPRESSED", "CUM", "FILES", "WASTE"];
  return renderTable(
    [...header, ...(hasBase ? ["BASE"] : []), ...(hasLine ? ["LINE"] : [])],
    rows.map((row) => [
      ...[row.Layer ?? "-", row.CreatedSince, row.CreatedBy, row.Size, row.Compressed ?? "-", row.Cumulative],
      row.Layer === undefined ? "-" : String(row.Files ?? "N/A"),
      row.Waste ?? "-",
      ...(hasBase ? [row.Base ? base : ""] : []),
      ...(hasLine ? [String(row.Line ?? "")] : []),
    ]),
  );
}

/** Escapes make a text longer: what is cut is cut once more. */
function shown(text: string, { trunc }: HistoryCommandOptions): string {
  const safe = printable(text);
  return trunc === false ? safe : truncate(safe, CREATED_BY_WIDTH);
}
