/** `nacre tree`. */
import type { ChangeMark, FileListing, ListFilesOptions, OpenedImage } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { parseSize } from "../../support/human.js";
import { nearest } from "../../support/suggest.js";
import { Command, Option } from "../commander.js";
import { type Invocation, note } from "../invocation.js";
import { printable } from "../terminalText.js";
import { asLines, writeTexts } from "../writeLines.js";
import { collect, examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { addImageFlags, addLayerFlags, openOptions, type ViewFlags, viewChoice } from "./viewOptions.js";
import { warn, withImages } from "./withImages.js";

interface TreeOptions extends ViewFlags {
  readonly glob?: readonly string[];
  readonly regex?: readonly string[];
  readonly change?: readonly string[];
  readonly minSize?: string;
  readonly sort: "name" | "size";
  readonly depth?: string;
  readonly top?: string;
  readonly dirs?: boolean;
  readonly removed?: boolean;
  readonly format: "tree" | "table" | "json" | "csv";
}

const EXAMPLES = examples(
  ["nacre tree app", "the directories of what a container sees, with their sizes"],
  ["nacre tree app /usr/lib --depth all", "everything below a directory"],
  ["nacre tree app --top 20", "the biggest files"],
  ["nacre tree app --top 20 --dirs --depth 3", "the biggest directories, down to three levels"],
  ["nacre tree app --layer 3", "what layer 3 adds, changes and removes"],
  ["nacre tree app --layer 3 --change removed", "only what it removes"],
  ["nacre tree app --glob '*.pyc' --min-size 1kB", "files by their names and sizes"],
  ["nacre tree app --format csv > files.csv", "for a spreadsheet; json for programs"],
);

/** Levels that a tree shows where no flag says what is wanted. */
const USUAL_DEPTH = 2;
const CHANGES: readonly ChangeMark[] = ["added", "modified", "touched", "removed", "unchanged"];

/** Declares the command. */
export function treeCommand(invocation: Invocation): Command {
  const command = new Command("tree")
    .summary("list the files of an image or of a layer")
    .description(
      "List the files of an image: what a container sees, what is there with the layers up to one, or what one layer has and does to those below it (A added, M modified and in what, T only touched, R removed). Sizes of directories are those of all files below, files with several names once.",
    )
    .usage("[OPTIONS] IMAGE [PATH]")
    .argument("<image>", "where the image is")
    .argument("[path]", "where to begin in it; a symlink is followed inside the image");
  return addImageFlags(addLayerFlags(command))
    .option(
      "--glob <pattern>",
      "only paths that fit (*, ?, [a-z], **; what fits a directory fits all below it); may be repeated",
      collect,
    )
    .option("--regex <expression>", "only paths (/usr/bin/env) in which it occurs; may be repeated", collect)
    .option("--change <kinds>", `with --layer: only ${CHANGES.join(", ")}; several with commas`, collect)
    .option("--min-size <size>", "only what has at least this size, e.g. 10MB")
    .addOption(
      new Option("--sort <order>", "names, or what is largest first").choices(["name", "size"]).default("name"),
    )
    .option(
      "--depth <levels>",
      `levels below the path, or all (default: ${USUAL_DEPTH} for a tree without filters, else all)`,
    )
    .option("--top <number>", "only the biggest files, or directories with --dirs")
    .option("--dirs", "only directories")
    .option("--removed", "with --layer: also each file of directories that are removed as a whole")
    .addOption(formatOption("tree", "table", "json", "csv"))
    .addHelpText("after", EXAMPLES)
    .action((image: string, path: string | undefined, _options: unknown, self: Command) =>
      runTree(invocation, image, path, self, optionsOf<TreeOptions>(self)),
    );
}

async function runTree(
  invocation: Invocation,
  name: string,
  path: string | undefined,
  command: Command,
  given: TreeOptions & GlobalOptions,
): Promise<void> {
  // A list of the biggest is no tree.
  const isUsual = command.getOptionValueSource("format") === "default";
  const options = given.top !== undefined && isUsual ? { ...given, format: "table" as const } : given;
  const query = queryOf(options, path);
  const top = options.top === undefined ? undefined : parseNumber(options.top, "--top");
  await withImages(invocation, options, (world, library) =>
    library.withImage(name, world, openOptions(options), async (image) => {
      warn(invocation, name, image.warnings);
      const listing = await library.listFiles(image, query);
      await show(invocation, image, listing, options, top);
      remark(invocation, image, listing.totals.isCut ? query.depth : undefined, options);
    }),
  );
}

function queryOf(options: TreeOptions, path: string | undefined): ListFilesOptions {
  const { glob, regex, change, minSize, dirs, removed, top, layer, depth, format } = options;
  const isFiltered = [glob, regex, change, minSize, top, layer, dirs].some((flag) => flag !== undefined);
  const usual = format === "tree" && !isFiltered ? USUAL_DEPTH : undefined;
  return {
    ...viewChoice(options),
    ...{ path, globs: glob, regexes: regex, changes: change?.flatMap(parseChanges) },
    minSize: minSize === undefined ? undefined : parseSize(minSize),
    only: dirs ? "directories" : top === undefined ? undefined : "files",
    depth: depth === undefined ? usual : depth === "all" ? undefined : parseNumber(depth, "--depth"),
    removedBelow: removed,
  };
}

function parseChanges(text: string): ChangeMark[] {
  return text.split(",").map((word) => {
    const found = CHANGES.find((change) => change === word);
    if (found !== undefined) return found;
    const near = nearest(word, CHANGES);
    throw new NacreError("USAGE", `unknown change ${JSON.stringify(word)}`, {
      hint: near ? `did you mean ${near}?` : `changes are ${CHANGES.join(", ")}`,
    });
  });
}

function parseNumber(text: string, flag: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const hint = flag === "--depth" ? "give a number of levels, or all" : "give a number";
  throw new NacreError("USAGE", `${flag} is a number, not ${JSON.stringify(text)}`, { hint });
}

async function show(
  { stdout }: Invocation,
  image: OpenedImage,
  listing: FileListing,
  { format, sort, layer }: TreeOptions,
  top: number | undefined,
): Promise<void> {
  const text = await import("./treeText.js");
  const isBySize = sort === "size" || top !== undefined;
  const hasChanges = layer !== undefined;
  const rows = (): Iterable<number> => (isBySize ? listing.bySize(top) : listing.rows());
  const lines = {
    tree: () => text.treeLines(listing, hasChanges, sort === "size"),
    table: () => text.tableLines(listing, rows(), hasChanges),
    json: () => text.jsonLines(image, listing, rows()),
    csv: () => text.csvLines(listing, rows()),
  }[format]();
  await writeTexts(stdout, asLines(lines));
}

function remark(invocation: Invocation, image: OpenedImage, depth: number | undefined, options: TreeOptions): void {
  if (depth !== undefined && options.depth === undefined)
    note(invocation, `${depth} levels are shown; more with --depth`);
  const told = image.layers.filter(({ toc }) => toc !== undefined);
  if (told.length === 0) return;
  const which =
    told.length === 1 ? `layer ${told[0]!.number}` : `layers ${told.map(({ number }) => number).join(", ")}`;
  const trust = told.every(({ toc }) => toc!.isVerified) ? "" : ", for which nothing vouches";
  note(
    invocation,
    printable(`${which} as listed in its own table of contents${trust}; --toc never reads the layer itself`),
  );
}
