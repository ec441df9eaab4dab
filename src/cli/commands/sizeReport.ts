/** `nacre size-report`. */
import { parsePlatform } from "../../oci/platform.js";
import { NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { warn, withImages } from "./withImages.js";

interface SizeReportCommandOptions {
  readonly baseline: string;
  readonly top: number;
  readonly depth: number;
  /** False for `--no-files`. */
  readonly files?: boolean;
  readonly platform?: string;
  readonly remote?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre size-report --baseline hello:main hello:pr", "markdown for a comment on a pull request"],
  ["nacre size-report --format table --baseline hello:1 hello:2", "for a terminal"],
  [
    "nacre size-report --no-files --baseline docker://r.example/hello:main oci:out",
    "from manifests alone: no layer is fetched",
  ],
  ["nacre size-report --format json --baseline hello:1 hello:2 | jq .growth.content", "for programs"],
);

/** Declares the command. */
export function sizeReportCommand(invocation: Invocation): Command {
  return new Command("size-report")
    .summary("tell how an image's size has changed")
    .description(
      "Tell how the size of an image has changed since another: as a whole, by layer with its instruction, and by folder.",
    )
    .usage("[OPTIONS] --baseline IMAGE IMAGE")
    .argument("<image>", "where the image is")
    .requiredOption("--baseline <image>", "the image that it is compared with")
    .option("--top <n>", "folders that are told", parseCount, 10)
    .option("--depth <n>", "components of the folders' paths", parseCount, 2)
    .option("--no-files", "look at manifests alone: compressed sizes")
    .option("--platform <os/arch>", "which images of multi-platform images")
    .option("--remote", "take the names for ones in registries, whatever the store has")
    .addOption(formatOption("markdown", "table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((image: string, _options: unknown, self: Command) =>
      runSizeReport(invocation, image, optionsOf<SizeReportCommandOptions>(self)),
    );
}

async function runSizeReport(
  invocation: Invocation,
  image: string,
  options: SizeReportCommandOptions & GlobalOptions,
): Promise<void> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const { baseline, remote, top, depth, files } = options;
  await withImages(invocation, options, (world, library) =>
    library.withImage(image, world, { platform, remote }, async (after) => {
      warn(invocation, image, after.warnings);
      const choice = { platform: platform ?? after.platform, remote };
      await library.withImage(baseline, world, choice, async (before) => {
        warn(invocation, baseline, before.warnings);
        const report = await library.sizeReport(after, before, { top, depth, files, store: world.store });
        if (options.format === "json") return print(invocation.stdout, [printableJson(report)]);
        const text = await import("./sizeReportText.js");
        const lines = options.format === "table" ? text.sizeReportTable(report) : text.sizeReportMarkdown(report);
        return print(invocation.stdout, lines);
      });
    }),
  );
}

function parseCount(text: string): number {
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw new NacreError("USAGE", `not a number: ${JSON.stringify(text)}`, { hint: "write a whole number, e.g. 20" });
}
