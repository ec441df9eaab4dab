/** `nacre diff`. */
import type { DiffOptions, FileDiffPlace, ImageDiff, ImageWorld, LayerChoice } from "../../index.js";
import { parsePlatform } from "../../oci/platform.js";
import { encodeText } from "../../support/bytes.js";
import { NacreError } from "../../support/errors.js";
import { Command, Option } from "../commander.js";
import { FailureWithExit, ReportedFailure } from "../failure.js";
import { type Invocation, print } from "../invocation.js";
import { paintFor } from "../style.js";
import { printable, printableJson } from "../terminalText.js";
import { asLines, writeTexts } from "../writeLines.js";
import { collect, examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import type { Library } from "./storeAccess.js";
import { withImages } from "./withImages.js";

interface DiffCommandOptions {
  readonly by: "final" | "layer";
  readonly semantic?: boolean;
  readonly time?: boolean;
  readonly ignore?: readonly string[];
  readonly only?: readonly string[];
  readonly layer?: string;
  readonly layers?: readonly string[];
  readonly file?: string;
  readonly depth?: number;
  readonly limit?: number;
  readonly nameOnly?: boolean;
  readonly stat?: boolean;
  readonly readShared?: boolean;
  readonly platform?: string;
  readonly remote?: boolean;
  readonly format: "table" | "json" | "markdown" | "html";
}

type Options = DiffCommandOptions & GlobalOptions;

const EXAMPLES = examples(
  ["nacre diff app:1 app:2", "layers, config, history and files"],
  ["nacre diff --stat app:1 app:2", "which folders have grown"],
  ["nacre diff --file etc/passwd app:1 app:2", "one file, as a patch"],
  ["nacre diff --semantic app:1 docker://registry.example/app:1", "without times, history and packing"],
  ["nacre diff --format markdown app:1 app:2", "for a pull request"],
  ["nacre diff app:1 --layer 3", "what layer 3 changes of what lies below it"],
  ["nacre diff app:1 --layers 3 7", "what layers 3 and 7 list"],
  ["nacre diff app:1 --layers 0..5", "what layers 1 to 5 change of layer 0"],
);

/** Declares the command. */
export function diffCommand(invocation: Invocation): Command {
  return new Command("diff")
    .summary("compare two images, or layers of one")
    .description(
      "Compare two images: layers, config, history, and files by content. Layers that both share are never opened. Exit code 0: the same, 1: different, 2: an error.",
    )
    .usage("[OPTIONS] IMAGE IMAGE | IMAGE --layer N | IMAGE --layers N M")
    .argument("[images...]", "where the images are, the older one first")
    .option("--layer <n>", "compare a layer (number from 0, or digest) with what lies below it")
    .option("--layers <n...>", "compare what two layers list (3 7), or all layers up to two of them (0..5)")
    .addOption(byOption())
    .option(
      "--semantic",
      "leave aside times, history, packing (order and form of tars, compression, media types) and names",
    )
    .option("--time", "times of files count")
    .option("--ignore <pattern>", "leave out paths, e.g. 'var/cache/**' or '*.pyc'; repeatable", collect)
    .option("--only <pattern>", "look at these paths only; repeatable", collect)
    .option("--file <path>", "compare one file; text as a patch")
    .option("--name-only", "print the paths that differ")
    .option("--stat", "print sums and folders, no files")
    .addOption(numberOption("--depth <n>", "how deep folders are told apart (default: 2)"))
    .addOption(numberOption("--limit <n>", "most rows of a list; 0: all (default: 100; html 5000; json all)"))
    .option("--read-shared", "read shared layers too, where the store does not know them")
    .option("--platform <os/arch>", "which images of multi-platform images")
    .option("--remote", "take names for those in registries, whatever the store has")
    .addOption(formatOption("table", "json", "markdown", "html"))
    .addHelpText("after", EXAMPLES)
    .action((images: readonly string[], _options: unknown, self: Command) =>
      runDiff(invocation, images, optionsOf<DiffCommandOptions>(self)),
    );
}

function byOption(): Option {
  return new Option(
    "--by <view>",
    "compare what is seen in the end (final), or what layers that belong together list (layer)",
  )
    .choices(["final", "layer"])
    .default("final");
}

function numberOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new NacreError("USAGE", `${flags.split(" ")[0]} is a number, not ${JSON.stringify(text)}`);
  });
}

/** Exit code 1 has a meaning of its own here, so that failures get another. */
async function runDiff(invocation: Invocation, words: readonly string[], options: Options): Promise<void> {
  let isSame: boolean;
  try {
    isSame = await compare(invocation, questionOf(words, options), options);
  } catch (error) {
    throw new FailureWithExit(error, 2);
  }
  if (!isSame) throw new ReportedFailure(undefined);
}

/** What is compared with what. */
type Question =
  | { readonly images: readonly [string, string] }
  | { readonly image: string; readonly choice: LayerChoice };

function questionOf(
  words: readonly string[],
  { layer, layers, nameOnly, stat, format, file, by, semantic, time }: Options,
): Question {
  if ((nameOnly || stat) && format !== "table") throw usage("--name-only and --stat are tables", "leave out --format");
  if (nameOnly && stat) throw usage("--name-only and --stat do not go together", "give either of them");
  if (file !== undefined && !["table", "json"].includes(format))
    throw usage(`--file has no ${format}`, "use table or json");
  if (semantic && time) throw usage("--semantic leaves times aside, --time wants them", "give either of them");
  if (layer !== undefined && layers !== undefined)
    throw usage("--layer and --layers do not go together", "give either of them");
  if (layer === undefined && layers === undefined) return imagesOf(words);
  if (by === "layer") throw usage("--by is about two images", "leave it out: --layers N M compares what layers list");
  // `--layers` takes every word behind it: the image may be among them.
  const wanted = layers === undefined ? 0 : layers[0]!.includes("..") ? 1 : 2;
  const [image, ...more] = [...words, ...(layers ?? []).slice(wanted)];
  if (image === undefined || more.length > 0) throw usage("layers are compared within one image", "give one IMAGE");
  return { image, choice: layer !== undefined ? { layer } : choiceOf(layers!.slice(0, wanted)) };
}

function imagesOf([a, b, ...more]: readonly string[]): Question {
  if (a !== undefined && b !== undefined && more.length === 0) return { images: [a, b] };
  const hint = "give two images, or one with --layer or --layers; see: nacre diff --help";
  throw usage("two images are needed", hint);
}

function choiceOf([a = "", b]: readonly string[]): LayerChoice {
  if (a.includes("..")) {
    const [from = "", to = "", ...more] = a.split("..");
    if (from === "" || to === "" || more.length > 0)
      throw usage(`not a range of layers: ${JSON.stringify(a)}`, "write e.g. 0..5");
    return { from, to };
  }
  if (b === undefined) throw usage("--layers takes two layers, or a range", "write e.g. --layers 3 7 or --layers 0..5");
  return { pair: [a, b] };
}

function usage(message: string, hint: string): NacreError {
  return new NacreError("USAGE", message, { hint });
}

/** @returns true if nothing differs */
async function compare(invocation: Invocation, question: Question, options: Options): Promise<boolean> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const { by, semantic, ignore, only, depth, readShared, remote, time: times } = options;
  const asked: DiffOptions = { by, semantic, ignore, only, depth, readShared, remote, times, platform };
  if (options.file !== undefined) return compareOne(invocation, question, options.file, asked, options);
  const diff = await withImages(invocation, options, (world, library) => askDiff(library, question, world, asked));
  print(
    invocation.stderr,
    diff.warnings.map((warning) => `warning: ${printable(warning)}`),
  );
  await writeTexts(invocation.stdout, await textsOf(diff, options, invocation));
  return diff.isSame;
}

function askDiff(library: Library, question: Question, world: ImageWorld, asked: DiffOptions): Promise<ImageDiff> {
  if ("image" in question) return library.diffLayers(question.image, question.choice, world, asked);
  return library.diffImages(...question.images, world, asked);
}

async function compareOne(
  invocation: Invocation,
  question: Question,
  path: string,
  asked: DiffOptions,
  options: Options,
): Promise<boolean> {
  const place: FileDiffPlace =
    "image" in question
      ? { image: question.image, layers: question.choice }
      : { before: question.images[0], after: question.images[1] };
  const file = await withImages(invocation, options, (world, library) => library.diffFile(path, place, world, asked));
  if (options.format === "json") print(invocation.stdout, [printableJson(file)]);
  else {
    const { renderFile } = await import("./diffText.js");
    const { stdout, env } = invocation;
    const lines = renderFile(file, stdout.isTTY === true, paintFor(stdout, env));
    for (const line of lines) stdout.write(encodeText(`${line}\n`));
  }
  return file.isSame;
}

/** Rows of each list, and columns of each value, where nothing else is asked for. */
const LIMITS = {
  table: { rows: 100, width: 120 },
  markdown: { rows: 2000, width: 200 },
  html: { rows: 5000, width: 1000 },
} as const;

async function textsOf(diff: ImageDiff, options: Options, { stdout, env }: Invocation): Promise<Iterable<string>> {
  const { format, nameOnly, stat = false, limit } = options;
  const most = limit === 0 ? Number.POSITIVE_INFINITY : limit;
  if (format === "json") return (await import("./diffJson.js")).jsonTexts(diff, most);
  if (nameOnly) return asLines((await import("./diffJson.js")).changedPaths(diff, most));
  const { reportOf } = await import("./diffReport.js");
  const { rows, width } = LIMITS[format];
  const report = reportOf(diff, { rows: most ?? rows, width, stat });
  if (format === "markdown") return [(await import("./diffMarkdown.js")).renderMarkdown(report)];
  if (format === "html") return (await import("./diffHtml.js")).renderHtml(report);
  return asLines((await import("./diffText.js")).renderText(report, paintFor(stdout, env)));
}
