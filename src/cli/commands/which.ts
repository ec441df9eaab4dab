/** `nacre which`. */
import type { PathHistory, PathVersion } from "../../index.js";
import { shortDigest } from "../../oci/digest.js";
import { formatBytes } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderTable } from "../table.js";
import { printable, printableJson, truncate } from "../terminalText.js";
import { modeText } from "./fileMode.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { addImageFlags, openOptions, type ViewFlags } from "./viewOptions.js";
import { warn, withImages } from "./withImages.js";

interface WhichOptions extends ViewFlags {
  readonly follow?: boolean;
  /** False for `--no-trunc`. */
  readonly trunc?: boolean;
  readonly format: string;
}

/** Columns that an instruction may take. */
const INSTRUCTION_WIDTH = 60;

const EXAMPLES = examples(
  ["nacre which app /etc/passwd", "which layers and instructions wrote it"],
  ["nacre which app /tmp/build.log", "also if it is gone: who removed it, and what remains stored"],
  ["nacre which app --follow /bin/sh", "of what the symlink leads to"],
  ["nacre which app /app --format json | jq -r '.versions[].instruction'", "for programs"],
);

/** Declares the command. */
export function whichCommand(invocation: Invocation): Command {
  const command = new Command("which")
    .summary("show which layers of an image wrote a path")
    .description(
      "Show what the layers of an image did to one path, oldest first: which added it, changed it (and in what), removed it and brought it back, by which instruction, and what it was each time.",
    )
    .usage("[OPTIONS] IMAGE PATH")
    .argument("<image>", "where the image is")
    .argument("<path>", "path in it; it may be gone");
  return addImageFlags(command)
    .option("--follow", "of a symlink, what it leads to")
    .option("--no-trunc", "print digests and instructions whole")
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((image: string, path: string, _options: unknown, self: Command) =>
      runWhich(invocation, image, path, optionsOf<WhichOptions>(self)),
    );
}

async function runWhich(
  invocation: Invocation,
  name: string,
  path: string,
  options: WhichOptions & GlobalOptions,
): Promise<void> {
  const { follow, format, trunc } = options;
  const history = await withImages(invocation, options, (world, library) =>
    library.withImage(name, world, openOptions(options), (image) => {
      warn(invocation, name, image.warnings);
      return library.whichLayers(image, path, { follow, store: world.store });
    }),
  );
  print(invocation.stdout, format === "json" ? [printableJson(history)] : tableLines(history, trunc === false));
}

function tableLines(history: PathHistory, isWhole: boolean): string[] {
  const { path, versions, isPresent } = history;
  const hasLine = versions.some(({ line }) => line !== undefined);
  const header = ["LAYER", "ACTION", "SIZE", "MODE", "OWNER", "DIGEST", ...(hasLine ? ["LINE"] : []), "INSTRUCTION"];
  const rows = versions.map((version) => {
    const { file, layer, line, instruction = "" } = version;
    const text = instruction.replace(/\s+/g, " ");
    return [
      `${layer.number} ${isWhole ? layer.digest : shortDigest(layer.digest)}`,
      actionText(version),
      file === undefined || file.type !== "file" ? "-" : formatBytes(file.size),
      file === undefined ? "-" : modeText(file.type, file.mode),
      file === undefined ? "-" : `${file.uid}:${file.gid}`,
      contentText(version, isWhole),
      ...(hasLine ? [line === undefined ? "-" : String(line.line)] : []),
      isWhole ? printable(text) : truncate(printable(text), INSTRUCTION_WIDTH),
    ];
  });
  const state = isPresent
    ? []
    : [`${printable(path)} is gone from the image; what layers stored of it is still part of it.`];
  return [...renderTable(header, rows), ...state];
}

function actionText({ action, reasons, cause, at }: PathVersion): string {
  if (action !== "removed") return reasons.length > 0 ? `${action}: ${reasons.join(", ")}` : action;
  if (cause === "directory-removed") return `removed with ${printable(at ?? "/")}`;
  if (cause === "directory-replaced") return `removed: ${printable(at ?? "/")} is no directory any more`;
  return cause === "opaque" ? `removed: ${printable(at ?? "/")} was emptied` : "removed";
}

function contentText({ file }: PathVersion, isWhole: boolean): string {
  if (file?.link !== undefined && file.type === "symlink") return `-> ${printable(file.link)}`;
  if (file?.digest === undefined) return "-";
  return isWhole ? file.digest : file.digest.slice(0, 12);
}
