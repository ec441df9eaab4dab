/** `nacre image ls`. */
import type { ImageListing, ListedImage, ListedName, SizeModel } from "../../index.js";
import { type Digest, shortDigest } from "../../oci/digest.js";
import { NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { isTemplate, templateOption } from "../template/option.js";
import { printable, printableJson } from "../terminalText.js";
import { ageOf, goTime, sizeOf } from "./imageTime.js";
import { imageTree } from "./imageTree.js";
import { collect, examples, type GlobalOptions, optionsOf } from "./options.js";
import { storeThere, withStore } from "./storeAccess.js";

interface LsOptions {
  readonly all?: boolean;
  readonly digests?: boolean;
  readonly filter?: readonly string[];
  readonly quiet?: boolean;
  readonly size?: SizeModel;
  readonly tree?: boolean;
  /** False for `--no-trunc`. */
  readonly trunc?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre image ls", "all images"],
  ["nacre image ls 'team/*'", "the images whose names fit"],
  ["nacre image ls --filter label=tier=front --filter until=24h", "with that label, made more than a day ago"],
  ["nacre image ls --size disk --tree", "with their platforms, and what they take on the disk"],
  ["nacre image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}'", "lines of your own"],
  ["nacre image ls --format json | jq .ID", "for programs: one JSON object a line"],
);

const FILTERS = `
Filters (all of them must fit, one of several reference):
  reference=GLOB            the name, with its tag or without: *, ? and [a-z] stop at slashes
  label=NAME[=VALUE]        has that label
  before=IMAGE since=IMAGE  made before or after that one
  until=TIME                made before a time (2024-05-06, RFC 3339) or a duration ago (24h)
  dangling=true|false       without, or with a name`;

/** What the column of sizes is called. */
const SIZES: Readonly<Record<SizeModel, string>> = {
  unpacked: "SIZE",
  content: "CONTENT SIZE",
  disk: "DISK USAGE",
};

/** Docker's fields of templates with their headers, and ours. */
const HEADERS = {
  ...{ ID: "IMAGE ID", Repository: "REPOSITORY", Tag: "TAG", Digest: "DIGEST", CreatedSince: "CREATED" },
  ...{ CreatedAt: "CREATED AT", Size: "SIZE", Containers: "CONTAINERS", VirtualSize: "SIZE" },
  ...{ SharedSize: "SHARED SIZE", UniqueSize: "UNIQUE SIZE", Platform: "PLATFORM", Labels: "LABELS" },
  ...{ SizeBytes: "BYTES", SizeModel: "SIZE OF", Problem: "PROBLEM" },
};

/** Declares the command. */
export function imageLsCommand(invocation: Invocation, name: string, ...aliases: readonly string[]): Command {
  return new Command(name)
    .aliases(aliases)
    .summary(name === "images" ? "list images (the same as image ls)" : "list images")
    .description(
      "List the images in the store, newest first. SIZE is that of the unpacked files, as Docker's; --size shows others.",
    )
    .usage("[OPTIONS] [REPOSITORY[:TAG]]")
    .argument("[repository]", "list only this repository, or this one tag; wildcards are allowed")
    .option("-a, --all", "all images (there are no others: for docker's users)")
    .option("--digests", "show what the names stand for in registries: digests of manifests or image indexes")
    .option("-f, --filter <name=value>", "list only what fits, see below; may be repeated", collect)
    .option("-q, --quiet", "print the ids only")
    .option("--no-trunc", "print ids whole")
    .option(
      "--size <model>",
      "unpacked: bytes of all files; content: blobs of the manifest; disk: all that the store has of it",
      sizeModelOf,
    )
    .option("--tree", "show the platforms of multi-platform images")
    .addOption(templateOption("table", "json"))
    .addHelpText("after", `${FILTERS}\n${EXAMPLES}`)
    .action((filter: string | undefined, _options: unknown, self: Command) =>
      runLs(invocation, filter, optionsOf<LsOptions>(self)),
    );
}

async function runLs(
  invocation: Invocation,
  reference: string | undefined,
  options: LsOptions & GlobalOptions,
): Promise<void> {
  const render = await rendererOf(options);
  const { now, stdout, stderr } = invocation;
  const query = { filters: options.filter, reference, size: options.size, platforms: options.tree, now };
  const listing = (await storeThere(invocation, options))
    ? await withStore(invocation, options, "read", (store, library) => library.listImages(store, query))
    : NOTHING;
  print(stdout, render(listing, now()));
  for (const { names, problem } of listing.images) {
    if (problem) print(stderr, [`warning: ${printable(names.map(fullName).join(", "))}: ${printable(problem)}`]);
  }
}

const NOTHING: ImageListing = { schemaVersion: 1, sizeModel: "unpacked", images: [], totalSize: 0 };

type Renderer = (listing: ImageListing, now: number) => string[];

/** How a listing is shown; a template is read before the store is. */
async function rendererOf(options: LsOptions): Promise<Renderer> {
  const whole = options.trunc === false;
  const { format } = options;
  if (isTemplate(format)) {
    const { compileListing } = await import("../template/template.js");
    const { lines } = compileListing(format, HEADERS);
    return (listing, now) => lines(templateRows(listing, now, whole));
  }
  if (format === "json") return (listing, now) => jsonRows(listing, now, whole).map((row) => printableJson(row));
  if (options.quiet) return (listing) => rowsOf(listing).map(({ image }) => idOf(image.id, whole));
  if (options.tree) return (listing) => imageTree(listing, SIZES[listing.sizeModel], whole);
  return (listing, now) => tableLines(listing, now, options.digests === true, whole);
}

/** One name of an image. */
interface Row extends ListedName {
  readonly image: ListedImage;
}

/** One row for each name. */
function rowsOf({ images }: ImageListing): Row[] {
  return images.flatMap((image) => image.names.map((name) => ({ ...name, image })));
}

function tableLines(listing: ImageListing, now: number, digests: boolean, whole: boolean): string[] {
  const size = SIZES[listing.sizeModel];
  return renderTable(
    ["REPOSITORY", "TAG", ...(digests ? ["DIGEST"] : []), "IMAGE ID", "CREATED", size],
    rowsOf(listing).map(({ repository = "<none>", tag = "<none>", image }) => [
      ...[repository, tag, ...(digests ? [image.digest] : [])],
      ...[idOf(image.id, whole), ageOf(image.created, now), sizeOf(image.size)],
    ]),
  );
}

/** The fields of Docker's `--format json`, and the facts behind them. */
function jsonRows(listing: ImageListing, now: number, whole: boolean): Record<keyof typeof HEADERS, unknown>[] {
  return rowsOf(listing).map(({ repository = "<none>", tag = "<none>", image }) => ({
    ...{ Containers: "N/A", CreatedAt: goTime(image.created), CreatedSince: ageOf(image.created, now) },
    ...{
      Digest: image.digest,
      ID: idOf(image.id, whole),
      Repository: repository,
      SharedSize: sizeOf(image.sharedSize),
    },
    ...{ Size: sizeOf(image.size), Tag: tag, UniqueSize: sizeOf(image.uniqueSize), VirtualSize: sizeOf(image.size) },
    ...{ Platform: image.platform, Labels: image.labels, SizeBytes: image.size, SizeModel: listing.sizeModel },
    Problem: image.problem,
  }));
}

/** Templates print texts as they are: they are made harmless before. */
function templateRows(listing: ImageListing, now: number, whole: boolean): object[] {
  return jsonRows(listing, now, whole).map((row) => ({
    ...row,
    ...{ Repository: printable(String(row.Repository)), Tag: printable(String(row.Tag)) },
    Platform: printable(String(row.Platform ?? "<none>")),
    Labels: harmless(row.Labels as Readonly<Record<string, string>>),
    SizeBytes: row.SizeBytes ?? 0,
    Problem: printable(String(row.Problem ?? "")),
  }));
}

function harmless(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [printable(name), printable(value)]));
}

function idOf(id: Digest | undefined, whole: boolean): string {
  if (id === undefined) return "<damaged>";
  return whole ? id : shortDigest(id);
}

function fullName({ repository = "<none>", tag }: ListedName): string {
  return tag === undefined ? repository : `${repository}:${tag}`;
}

function sizeModelOf(text: string): SizeModel {
  if (text === "content" || text === "unpacked" || text === "disk") return text;
  throw new NacreError("USAGE", `unknown model of sizes ${JSON.stringify(text)}`, {
    hint: "--size is unpacked, content or disk",
  });
}
