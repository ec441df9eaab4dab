/** `nacre builds export`. */
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { printableJson } from "../terminalText.js";
import { withHistory } from "./buildsStore.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";

interface ExportOptions {
  readonly output?: string;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre builds export", "the last build as JSON"],
  ["nacre builds export ^1 -o build.json", "the one before, to a file"],
  ["nacre builds export --format chrome-trace -o trace.json", "open it in https://ui.perfetto.dev or chrome://tracing"],
);

/** Declares the command. */
export function exportBuildCommand(invocation: Invocation): Command {
  return new Command("export")
    .summary("write a build as JSON, or as a trace for Chrome and Perfetto")
    .description("Write all that is known of a build for other programs, or its steps as a trace with times.")
    .usage("[OPTIONS] [BUILD]")
    .argument("[build]", "name of a build, the beginning of one, or ^N (default: the last)")
    .addOption(formatOption("json", "chrome-trace"))
    .option("-o, --output <file>", "write to a file; - is standard output", "-")
    .addHelpText("after", EXAMPLES)
    .action((build: string | undefined, _options: unknown, self: Command) =>
      writeBuild(invocation, build, optionsOf<ExportOptions>(self)),
    );
}

async function writeBuild(
  invocation: Invocation,
  wanted: string | undefined,
  { output = "-", ...options }: ExportOptions & GlobalOptions,
): Promise<void> {
  await withHistory(invocation, options, "read", async (store, library) => {
    const build = library.findBuild(store, wanted);
    const document = options.format === "json" ? await library.exportBuild(build) : await library.traceBuild(build);
    if (output === "-") print(invocation.stdout, [printableJson(document, 1)]);
    else await library.writeBuildDocument(document, output);
  });
}
