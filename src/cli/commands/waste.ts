/** `nacre waste`. */
import type { ImageWorld, OpenedImage } from "../../index.js";
import { parsePlatform } from "../../oci/platform.js";
import { NacreError } from "../../support/errors.js";
import { nearest } from "../../support/suggest.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { printableJson } from "../terminalText.js";
import { collect, examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import type { Library } from "./storeAccess.js";
import { WASTE_VIEWS, type WasteView } from "./wasteText.js";
import { warn, withImages } from "./withImages.js";

interface WasteCommandOptions {
  readonly top: number;
  readonly by?: WasteView;
  readonly depth: number;
  readonly ignore?: readonly string[];
  readonly compat?: string;
  readonly platform?: string;
  readonly remote?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre waste hello", "what its layers store and nobody sees, and what to do about it"],
  ["nacre waste --by path --top 30 hello", "the paths with most of it"],
  ["nacre waste --by folder --depth 3 hello", "summed up by directories"],
  ["nacre waste --format json hello | jq .efficiency", "for programs"],
  ["nacre waste --compat=dive hello", "the numbers that dive would show"],
  ["nacre waste --compat=dive --format json hello", "what dive exports"],
);

/** Declares the command. */
export function wasteCommand(invocation: Invocation): Command {
  return new Command("waste")
    .summary("show what the layers of an image store in vain")
    .description(
      "Show what the layers of an image store and nobody sees in the end: overwritten, deleted, stored again unchanged, or moved by later layers; which layers do it to which, and what to do about it.",
    )
    .usage("[OPTIONS] IMAGE")
    .argument("<image>", "where the image is")
    .option("--top <n>", "entries of each list", parseCount, 10)
    .option("--by <view>", `one list alone: ${WASTE_VIEWS.join(", ")}`, parseView)
    .option("--depth <n>", "components of the directories of --by folder", parseCount, 2)
    .option("--ignore <glob>", "leave paths out; may be repeated", collect)
    .option("--compat <program>", "the numbers of another program: dive")
    .option("--platform <os/arch>", "which image of a multi-platform image")
    .option("--remote", "take the name for one in a registry, whatever the store has")
    .addOption(formatOption("table", "json", "markdown", "csv"))
    .addHelpText("after", EXAMPLES)
    .action((image: string, _options: unknown, self: Command) =>
      runWaste(invocation, image, optionsOf<WasteCommandOptions>(self)),
    );
}

async function runWaste(
  invocation: Invocation,
  image: string,
  options: WasteCommandOptions & GlobalOptions,
): Promise<void> {
  assertCompat(options);
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const { remote } = options;
  await withImages(invocation, options, (world, library) =>
    library.withImage(image, world, { platform, remote }, async (opened) => {
      warn(invocation, image, opened.warnings);
      if (options.compat === "dive") await showAsDive(invocation, opened, library, options);
      else print(invocation.stdout, await wasteLines(opened, world, library, options));
    }),
  );
}

async function wasteLines(
  image: OpenedImage,
  world: ImageWorld,
  library: Library,
  options: WasteCommandOptions,
): Promise<string[]> {
  const { top, depth, ignore } = options;
  const waste = await library.measureWaste(image, { top, depth, ignore, store: world.store });
  if (options.format === "json") return [printableJson(waste)];
  const text = await import("./wasteText.js");
  if (options.format === "csv") return text.wasteCsv(waste, options.by ?? "pair");
  return options.format === "markdown" ? text.wasteMarkdown(waste, options.by) : text.wasteTable(waste, options.by);
}

async function showAsDive(
  { stdout }: Invocation,
  image: OpenedImage,
  library: Library,
  options: WasteCommandOptions,
): Promise<void> {
  const report = await library.measureAsDive(image);
  const { diveLines, diveCsv, writeParts } = await import("./wasteDive.js");
  if (options.format === "json") return writeParts(stdout, report.export(printableJson));
  print(stdout, options.format === "csv" ? diveCsv(report) : diveLines(report, options.top));
}

function assertCompat({ compat, format, by, ignore }: WasteCommandOptions): void {
  if (compat === undefined) return;
  if (compat !== "dive") {
    throw new NacreError("USAGE", `unknown program ${JSON.stringify(compat)}`, { hint: "--compat is dive" });
  }
  const other = by !== undefined ? "--by" : ignore !== undefined ? "--ignore" : undefined;
  if (other !== undefined) throw new NacreError("USAGE", `--compat=dive and ${other} cannot be combined`);
  if (format === "markdown") {
    throw new NacreError("USAGE", "--compat=dive has no markdown", { hint: "--format is table, json or csv" });
  }
}

function parseView(text: string): WasteView {
  const view = WASTE_VIEWS.find((each) => each === text);
  if (view !== undefined) return view;
  const near = nearest(text, WASTE_VIEWS);
  throw new NacreError("USAGE", `unknown view ${JSON.stringify(text)}`, {
    hint: near ? `did you mean ${near}?` : `--by is ${WASTE_VIEWS.join(", ")}`,
  });
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d{1,7}$/.test(text)) return count;
  throw new NacreError("USAGE", `not a number: ${JSON.stringify(text)}`, { hint: "write a whole number, e.g. 20" });
}
