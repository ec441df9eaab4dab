/** `nacre search`. */
import type { SearchOrder, SearchResult, TrustBadge } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { nearest } from "../../support/suggest.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { isTemplate, templateOption } from "../template/option.js";
import { printable, printableJson, truncate } from "../terminalText.js";
import { collect, examples, optionsOf } from "./options.js";
import { hubOf, registryEnvOf } from "./registryEnv.js";

interface SearchOptions {
  readonly filter?: readonly string[];
  readonly limit?: string;
  /** False for `--no-trunc`. */
  readonly trunc?: boolean;
  readonly badges?: boolean;
  readonly badge?: readonly string[];
  readonly sort?: string;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre search nginx", "Docker Hub, as docker search shows it"],
  ["nacre search --badges --sort pulls postgres", "with publishers' badges, the most pulled first"],
  ["nacre search --badge official --badge verified redis", "only trusted content"],
  ["nacre search --format '{{.Name}}: {{.StarCount}}' nginx", "a line of one's own for each"],
  ["nacre search registry.example/app", "the catalog of another registry"],
);

/** Widest description, in columns, as Docker cuts it. */
const DESCRIPTION_WIDTH = 45;
const ORDERS: readonly SearchOrder[] = ["best", "pulls", "updated", "stars", "name"];
/** Badges by the words that people may use for them. */
const BADGES: Readonly<Record<string, TrustBadge>> = {
  official: "official",
  verified: "verified_publisher",
  verified_publisher: "verified_publisher",
  sponsored: "open_source",
  open_source: "open_source",
  hardened: "hardened",
};
const BADGE_NAMES = ["official", "verified", "sponsored", "hardened"];

/** Docker's fields for templates, with their headers. */
const HEADERS = {
  ...{ Name: "NAME", Description: "DESCRIPTION", StarCount: "STARS", IsOfficial: "OFFICIAL" },
};
/** What is known of results with details only. */
const DETAIL_HEADERS = {
  ...{ Badge: "BADGE", PullCount: "PULLS", Publisher: "PUBLISHER", UpdatedAt: "UPDATED" },
  ...{ Archived: "ARCHIVED", Architectures: "ARCHITECTURES" },
};

/** Declares the command. */
export function searchCommand(invocation: Invocation): Command {
  return new Command("search")
    .summary("search Docker Hub or another registry")
    .description(
      "Search Docker Hub for images; with HOST/TERM, the names that another registry tells. HOST/ lists all of them.",
    )
    .usage("[OPTIONS] TERM")
    .argument("<term>", "a part of the name")
    .option("-f, --filter <name=value>", "only such results: is-official=true|false, stars=NUMBER", collect)
    .option("--limit <number>", "at most so many results, 1 to 100 (default: 25)")
    .option("--no-trunc", "show descriptions whole")
    .option("--badges", "show badges of trusted content, and numbers of pulls")
    .option("--badge <kind>", `only images with this badge: ${BADGE_NAMES.join(", ")}`, collect)
    .option("--sort <key>", `${ORDERS.join(", ")} (default: best)`)
    .addOption(templateOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((term: string, _options: unknown, self: Command) => search(invocation, term, optionsOf(self)));
}

async function search(invocation: Invocation, term: string, options: SearchOptions): Promise<void> {
  const badges = (options.badge ?? []).map(badgeOf);
  const sort = orderOf(options.sort);
  const lines = await templateOf(options);
  const asked = options.badges === true || badges.length > 0 || sort === "pulls" || sort === "updated";
  const details = asked || namesDetails(options.format);
  const { BADGE_LABELS, searchImages } = await import("../../index.js");
  const results = await searchImages(term, {
    env: registryEnvOf(invocation),
    limit: limitOf(options.limit),
    ...{ filters: options.filter, details, badges, sort, hub: hubOf(invocation), hardened: hardenedOf(invocation) },
  });
  const shown = results.map((result) => ({ ...result, description: describe(result, options.trunc === false) }));
  const labels = details ? BADGE_LABELS : undefined;
  print(
    invocation.stdout,
    lines ? lines(shown.map((result) => templateRow(result, BADGE_LABELS, details))) : render(shown, options, labels),
  );
}

/** What a template makes of rows; read before anything is asked for. */
async function templateOf({ format }: SearchOptions): Promise<((rows: readonly object[]) => string[]) | undefined> {
  if (!isTemplate(format)) return undefined;
  const { compileListing } = await import("../template/template.js");
  return compileListing(format, { ...HEADERS, ...DETAIL_HEADERS }).lines;
}

/** True for a template that asks for what only results with details have. */
function namesDetails(format: string): boolean {
  return isTemplate(format) && Object.keys(DETAIL_HEADERS).some((field) => new RegExp(`\\.${field}\\b`).test(format));
}

/** @param labels how badges are called, where they are to be shown */
function render(
  rows: readonly SearchResult[],
  options: SearchOptions,
  labels: Readonly<Record<TrustBadge, string>> | undefined,
): string[] {
  if (options.format === "json") return rows.map((row) => printableJson(jsonRow(row, labels !== undefined)));
  if (!labels) {
    const cells = rows.map((row) => [row.name, row.description, starsOf(row), row.official ? "[OK]" : ""]);
    return renderTable(["NAME", "DESCRIPTION", "STARS", "OFFICIAL"], cells);
  }
  const cells = rows.map((row) => [
    row.name,
    row.description,
    starsOf(row),
    row.pulls ?? "",
    row.badge ? labels[row.badge] : "",
  ]);
  return renderTable(["NAME", "DESCRIPTION", "STARS", "PULLS", "BADGE"], cells);
}

/** In one line, and made harmless before it is cut: an escape shown as text is longer than what it stands for. */
function describe({ description }: SearchResult, whole: boolean): string {
  const line = printable(description.replace(/[\r\n]/g, " "));
  return whole ? line : truncate(line, DESCRIPTION_WIDTH);
}

function starsOf({ stars }: SearchResult): string {
  return stars === undefined ? "" : String(stars);
}

/** The fields of Docker's `--format json`, all of them texts, and with details those that Docker does not have. */
function jsonRow(result: SearchResult, details: boolean): object {
  const { name, description, stars, official, badge, pulls, publisher, updated, archived, architectures } = result;
  const plain = { Description: description, IsOfficial: String(official), Name: name, StarCount: String(stars ?? 0) };
  if (!details) return plain;
  const more = { Badge: badge ?? "", PullCount: pulls, Publisher: publisher, UpdatedAt: updated };
  return { ...plain, ...more, Archived: archived, Architectures: architectures };
}

/** The fields as templates see them; `{{json .}}` has them as `--format json` does. */
function templateRow(result: SearchResult, labels: Readonly<Record<TrustBadge, string>>, details: boolean): object {
  const { name, description, official, badge, pulls, publisher, updated, archived, architectures } = result;
  const row: object = Object.create({ toJSON: () => jsonRow(result, details) });
  return Object.assign(row, {
    ...{ Name: name, Description: description, StarCount: String(result.stars ?? 0) },
    ...{ IsOfficial: official ? "[OK]" : "" },
    ...{
      Badge: badge ? labels[badge] : "",
      PullCount: pulls ?? "",
      Publisher: publisher ?? "",
      UpdatedAt: updated ?? "",
    },
    ...{ Archived: archived ?? false, Architectures: architectures ?? [] },
  });
}

function badgeOf(text: string): TrustBadge {
  const badge = Object.hasOwn(BADGES, text) ? BADGES[text] : undefined;
  if (badge) return badge;
  throw unknown("badge", text, BADGE_NAMES);
}

function orderOf(text: string | undefined): SearchOrder {
  const order = ORDERS.find((each) => each === (text ?? "best"));
  if (order) return order;
  throw unknown("sort", text!, ORDERS);
}

function unknown(flag: string, text: string, choices: readonly string[]): NacreError {
  const near = nearest(text, choices);
  const hint = near ? `did you mean ${near}?` : `--${flag} is one of ${choices.join(", ")}`;
  return new NacreError("USAGE", `unknown --${flag} ${JSON.stringify(text)}`, { hint });
}

function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^[+-]?\d{1,9}$/.test(text) ? Number(text) : badLimit(text);
}

function badLimit(text: string): never {
  throw new NacreError("USAGE", `--limit is not a number: ${JSON.stringify(text)}`, { hint: "e.g. --limit 50" });
}

/** Where a company keeps its copies of hardened images. */
function hardenedOf({ env }: Invocation): string[] {
  return (env.NACRE_HARDENED ?? "").split(/[\s,]+/).filter(Boolean);
}
