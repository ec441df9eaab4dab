/** `nacre extract`. */
import type { ExtractReport, Overwrite } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { formatBytes } from "../../support/human.js";
import { Command, Option } from "../commander.js";
import { type Invocation, note, print } from "../invocation.js";
import { printable, printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { counted } from "./treeText.js";
import { addImageFlags, addLayerFlags, openOptions, type ViewFlags, viewChoice } from "./viewOptions.js";
import { warn, withImages } from "./withImages.js";

interface ExtractCommandOptions extends ViewFlags {
  readonly output?: string;
  readonly force?: boolean;
  /** False for `--no-clobber`. */
  readonly clobber?: boolean;
  readonly preserve?: boolean;
  readonly devices?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre extract app /etc/nginx nginx", "what is in /etc/nginx, into the directory nginx"],
  ["nacre extract app /usr/bin/tool .", "one file, into this directory"],
  ["nacre extract debian:12 / root", "everything that a container would see"],
  ["nacre extract app --layer 3 / layer3", "what one layer brings"],
  ["nacre extract app /srv -o - | tar -t", "as a tar, to another program"],
);

/** Declares the command. */
export function extractCommand(invocation: Invocation): Command {
  const command = new Command("extract")
    .summary("take files out of an image")
    .description(
      "Write a file of an image, or all that is in a directory, to the disk or as a tar. Nothing is ever written outside of the destination: no symlink is followed on the way, be it the image's or one that lies there. Files that are there already are an error, setuid and setgid bits are dropped, devices and pipes left out, unless flags say otherwise.",
    )
    .usage("[OPTIONS] IMAGE PATH DESTINATION")
    .argument("<image>", "where the image is")
    .argument("<path>", "file or directory in it; a symlink is followed inside the image")
    .argument("[destination]", "directory for what is in a directory; name or directory for a file");
  return addImageFlags(addLayerFlags(command))
    .option("-o, --output <file>", "write a tar instead; - for standard output")
    .option("-f, --force", "replace files that are there")
    .addOption(new Option("-n, --no-clobber", "keep files that are there").conflicts("force"))
    .option("-p, --preserve", "keep setuid and setgid bits and, as root, owners")
    .option("--devices", "make devices and pipes (root only)")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((image: string, path: string, destination: string | undefined, _options: unknown, self: Command) =>
      runExtract(invocation, image, path, destination, optionsOf<ExtractCommandOptions>(self)),
    );
}

async function runExtract(
  invocation: Invocation,
  name: string,
  path: string,
  destination: string | undefined,
  options: ExtractCommandOptions & GlobalOptions,
): Promise<void> {
  const { output } = options;
  if ((destination === undefined) === (output === undefined)) {
    throw new NacreError("USAGE", "give a destination, or --output for a tar", {
      hint: "nacre extract IMAGE PATH DIRECTORY, or nacre extract IMAGE PATH -o FILE",
    });
  }
  if (options.devices && process.getuid?.() !== 0) throw new NacreError("USAGE", "--devices needs root");
  const { stdout, signal } = invocation;
  if (output === "-" && stdout.isTTY === true) {
    throw new NacreError("USAGE", "a tar is not written to a terminal", { hint: "send it to a file or a program" });
  }
  const report = await withImages(invocation, options, (world, library) =>
    library.withImage(name, world, openOptions(options), (image) => {
      warn(invocation, name, image.warnings);
      const choice = { ...viewChoice(options), signal };
      if (destination === undefined) {
        const to =
          output === "-" ? ({ kind: "stream", stream: stdout } as const) : ({ kind: "path", path: output! } as const);
        return library.extractToTar(image, path, to, choice);
      }
      const { preserve, devices } = options;
      return library.extractFiles(image, path, destination, {
        ...choice,
        overwrite: overwriteOf(options),
        preserve,
        devices,
      });
    }),
  );
  tell(invocation, report, options);
}

function overwriteOf({ force, clobber }: ExtractCommandOptions): Overwrite {
  if (force) return "replace";
  return clobber === false ? "keep" : "refuse";
}

const WHY: Readonly<Record<string, string>> = {
  device: "devices are made with --devices, as root",
  pipe: "pipes are made with --devices, as root",
  "broken-link": "hard links that lead to nothing in the image",
  kept: "there already",
};
/** Names of what was left out that are shown for each reason. */
const SHOWN_NAMES = 3;

/** A tar may be on standard output: then nothing else is. */
function tell(invocation: Invocation, report: ExtractReport, { format, output }: ExtractCommandOptions): void {
  const { files, directories, links, bytes, leftOut, leftOutCount } = report;
  for (const why of new Set(leftOut.map((each) => each.why))) {
    const names = leftOut.filter((each) => each.why === why).map((each) => printable(each.path));
    const more = names.length > SHOWN_NAMES ? ", …" : "";
    note(invocation, `left out: ${names.slice(0, SHOWN_NAMES).join(", ")}${more} (${WHY[why]})`);
  }
  if (leftOutCount > SHOWN_NAMES) note(invocation, `${leftOutCount} left out in all`);
  const stream = output === "-" ? invocation.stderr : invocation.stdout;
  if (format === "json") print(stream, [printableJson({ schema: "nacre.extract/1", ...report })]);
  else if (output !== "-") {
    const written = `${counted(files, "file", "files")} (${formatBytes(bytes)})`;
    print(stream, [
      `${written}, ${counted(directories, "directory", "directories")}, ${counted(links, "link", "links")}`,
    ]);
  }
}
