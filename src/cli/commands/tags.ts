/** `nacre tags`. */
import type { TagInfo, TagOrder } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatAge, formatBytes } from "../../support/human.js";
import { nearest } from "../../support/suggest.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { isTemplate, templateOption } from "../template/option.js";
import { printable, printableJson } from "../terminalText.js";
import { examples, optionsOf } from "./options.js";
import { hubOf, registryEnvOf } from "./registryEnv.js";

interface TagsOptions {
  readonly sort: string;
  readonly limit?: string;
  readonly quiet?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre tags alpine", "all tags, the newest version first"],
  ["nacre tags -q --limit 5 postgres", "the five newest, one a line"],
  ["nacre tags --sort updated node", "the last pushed first (Docker Hub)"],
  ["nacre tags --format 'alpine:{{.Tag}}' alpine", "names for other commands"],
  ["nacre tags registry.example/team/app", "of another registry"],
);

/** Fields for templates, with their headers. */
const HEADERS = {
  ...{ Tag: "TAG", UpdatedAt: "UPDATED AT", UpdatedSince: "UPDATED", Size: "SIZE", SizeBytes: "BYTES" },
  ...{ Digest: "DIGEST", Platforms: "PLATFORMS" },
};

const ORDERS: readonly TagOrder[] = ["version", "name", "updated"];

/** Declares the command. */
export function tagsCommand(invocation: Invocation): Command {
  return new Command("tags")
    .summary("list the tags of a repository")
    .description("List the tags that a registry has of a repository.")
    .usage("[OPTIONS] REPOSITORY")
    .argument("<repository>", "[HOST/]NAME")
    .option("--sort <key>", `${ORDERS.join(", ")}; updated is for Docker Hub`, "version")
    .option("--limit <number>", "at most so many, the first ones (default: all)")
    .option("-q, --quiet", "print the tags only")
    .addOption(templateOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((repository: string, _options: unknown, self: Command) => listAll(invocation, repository, optionsOf(self)));
}

async function listAll(invocation: Invocation, repository: string, options: TagsOptions): Promise<void> {
  const sort = orderOf(options.sort);
  const limit = limitOf(options.limit);
  const template = isTemplate(options.format)
    ? (await import("../template/template.js")).compileListing(options.format, HEADERS)
    : undefined;
  const { listTags } = await import("../../index.js");
  const tags = await listTags(repository, { env: registryEnvOf(invocation), sort, limit, hub: hubOf(invocation) });
  const now = invocation.now();
  const lines = template?.lines(tags.map((tag) => templateRow(tag, now)));
  print(invocation.stdout, lines ?? render(tags, options, sort === "updated", now));
}

function render(tags: readonly TagInfo[], options: TagsOptions, details: boolean, now: number): string[] {
  if (options.format === "json") return tags.map((tag) => printableJson(jsonRow(tag)));
  if (options.quiet) return tags.map(({ tag }) => printable(tag));
  if (!details) {
    return renderTable(
      ["TAG"],
      tags.map(({ tag }) => [tag]),
    );
  }
  const cells = tags.map(({ tag, updated, size, platforms = [] }) => [
    tag,
    showAge(updated, now),
    showSize(size),
    platforms.join(", "),
  ]);
  return renderTable(["TAG", "UPDATED", "SIZE", "PLATFORMS"], cells);
}

function showAge(updated: string | undefined, now: number): string {
  return updated === undefined ? "N/A" : `${formatAge(now - Date.parse(updated))} ago`;
}

function showSize(size: number | undefined): string {
  return size === undefined ? "N/A" : formatBytes(size);
}

/** The fields as templates see them; `{{json .}}` has them as `--format json` does. */
function templateRow(tag: TagInfo, now: number): object {
  const row: object = Object.create({ toJSON: () => jsonRow(tag) });
  return Object.assign(row, {
    ...{ Tag: tag.tag, UpdatedAt: tag.updated ?? "", UpdatedSince: showAge(tag.updated, now) },
    ...{
      Size: showSize(tag.size),
      SizeBytes: tag.size ?? "",
      Digest: tag.digest ?? "",
      Platforms: tag.platforms ?? [],
    },
  });
}

function jsonRow({ tag, updated, size, digest, platforms }: TagInfo): object {
  return { Tag: tag, UpdatedAt: updated, SizeBytes: size, Digest: digest, Platforms: platforms };
}

function orderOf(text: string): TagOrder {
  const order = ORDERS.find((each) => each === text);
  if (order) return order;
  const near = nearest(text, ORDERS);
  const hint = near ? `did you mean ${near}?` : `--sort is one of ${ORDERS.join(", ")}`;
  throw new NacreError("USAGE", `unknown --sort ${JSON.stringify(text)}`, { hint });
}

function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text) && Number(text) >= 1) return Number(text);
  throw new NacreError("USAGE", `--limit is not a number of 1 or more: ${JSON.stringify(text)}`, {
    hint: "e.g. --limit 10",
  });
}
