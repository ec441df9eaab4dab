/** `nacre image ls`. */

import type { ImageSummary } from "../../index.js";
import { type Digest, shortDigest } from "../../oci/digest.js";
import { formatPlatform } from "../../oci/platform.js";
import { familiarName, parseReference, shortenName } from "../../oci/reference.js";
import { formatAge, formatBytes } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { printable, printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { storeThere, withStore } from "./storeAccess.js";

interface LsOptions {
  readonly digests?: boolean;
  readonly quiet?: boolean;
  /** False for `--no-trunc`. */
  readonly trunc?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre image ls", "all images"],
  ["nacre image ls hello", "the tags of one repository"],
  ["nacre image ls --format json | jq .ID", "for programs: one JSON object a line"],
);

/** Declares the command. */
export function imageLsCommand(invocation: Invocation, name: string, ...aliases: readonly string[]): Command {
  return new Command(name)
    .aliases(aliases)
    .summary(name === "images" ? "list images (the same as image ls)" : "list images")
    .description("List the images in the store, newest first. SIZE is that of the unpacked files.")
    .usage("[OPTIONS] [REPOSITORY[:TAG]]")
    .argument("[repository]", "list only this repository, or this one tag")
    .option("--digests", "show the digests of the manifests")
    .option("-q, --quiet", "print the ids only")
    .option("--no-trunc", "print ids whole")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((filter: string | undefined, _options: unknown, self: Command) =>
      listImages(invocation, filter, optionsOf<LsOptions>(self)),
    );
}

async function listImages(
  invocation: Invocation,
  filter: string | undefined,
  options: LsOptions & GlobalOptions,
): Promise<void> {
  const images = (await storeThere(invocation, options))
    ? await withStore(invocation, options, "read", (store, library) => library.listImages(store))
    : [];
  const rows = rowsOf(images).filter((row) => matches(row, filter));
  print(invocation.stdout, renderRows(rows, options, invocation.now()));
  for (const { names, problem } of images) {
    if (problem) print(invocation.stderr, [`warning: ${names.map(shortenName).join(", ")}: ${printable(problem)}`]);
  }
}

/** One name of an image. */
export interface ImageRow {
  readonly repository: string;
  readonly tag: string;
  readonly image: ImageSummary;
}

/** One row for each name. Names that are no references (other tools may write such) stand as they are. */
export function rowsOf(images: readonly ImageSummary[]): ImageRow[] {
  return images.flatMap((image) =>
    image.names.map((name) => {
      // A name with a digest has no tag.
      const short = shortenName(name).replace(/@sha256:[0-9a-f]{64}$/, "");
      const match = /^(.*):([^:/]+)$/s.exec(short);
      return { repository: match?.[1] ?? short, tag: match?.[2] ?? "<none>", image };
    }),
  );
}

/** The lines of the listing. @param now milliseconds since 1970 */
export function renderRows(rows: readonly ImageRow[], options: LsOptions, now: number): string[] {
  const whole = options.trunc === false;
  if (options.format === "json") return rows.map((row) => printableJson(jsonRow(row, now, whole)));
  if (options.quiet) return [...new Set(rows.map(({ image }) => showId(image.id, whole)))];
  const digests = options.digests === true;
  const headers = ["REPOSITORY", "TAG", ...(digests ? ["DIGEST"] : []), "IMAGE ID", "CREATED", "SIZE"];
  return renderTable(
    headers,
    rows.map(({ repository, tag, image }) => [
      repository,
      tag,
      ...(digests ? [image.descriptor.digest] : []),
      showId(image.id, whole),
      showAge(image.created, now),
      showSize(image.size),
    ]),
  );
}

/** The fields of Docker's `--format json`, and the numbers behind them. */
function jsonRow({ repository, tag, image }: ImageRow, now: number, whole: boolean): object {
  return {
    Repository: repository,
    Tag: tag,
    ID: showId(image.id, whole),
    Digest: image.descriptor.digest,
    CreatedAt: image.created ?? "N/A",
    CreatedSince: showAge(image.created, now),
    Size: showSize(image.size),
    SizeBytes: image.size,
    Platform: image.platform ? formatPlatform(image.platform) : undefined,
    Problem: image.problem,
  };
}

function showId(id: Digest | undefined, whole: boolean): string {
  if (id === undefined) return "<damaged>";
  return whole ? id : shortDigest(id);
}

/** Docker shows `N/A` for times that are not known; it takes all up to the year 2000 for such. */
function showAge(created: string | undefined, now: number): string {
  const time = Date.parse(created ?? "");
  return Number.isNaN(time) || time <= 0 ? "N/A" : `${formatAge(now - time)} ago`;
}

function showSize(bytes: number | undefined): string {
  return bytes === undefined ? "N/A" : formatBytes(bytes);
}

function matches(row: ImageRow, filter: string | undefined): boolean {
  if (filter === undefined) return true;
  const reference = parseReference(filter);
  const wantsTag = /:[^:/]*$/.test(filter);
  const repository = familiarName({ host: reference.host, path: reference.path });
  return row.repository === repository && (!wantsTag || row.tag === reference.tag);
}
