/** `nacre cat`. */
import { pipeline } from "node:stream/promises";

import type { ImageFile } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import type { Invocation } from "../invocation.js";
import { printableLines } from "../terminalText.js";
import { examples, type GlobalOptions, optionsOf } from "./options.js";
import { addImageFlags, addLayerFlags, openOptions, type ViewFlags, viewChoice } from "./viewOptions.js";
import { warn, withImages } from "./withImages.js";

interface CatOptions extends ViewFlags {
  readonly force?: boolean;
}

const EXAMPLES = examples(
  ["nacre cat debian:12 /etc/os-release", "of an image of the store, or in a registry"],
  ["nacre cat app.tar /app/config.json | jq .", "of an image in an archive"],
  ["nacre cat app --layer 3 /etc/passwd", "as layer 3 has it, whatever came later"],
  ["nacre cat app /usr/bin/tool > tool", "any bytes, as they are"],
);

/** Declares the command. */
export function catCommand(invocation: Invocation): Command {
  const command = new Command("cat")
    .summary("print files of an image")
    .description(
      "Print files of an image, without unpacking it. Symlinks are followed inside the image. From a registry only the layers that are needed are read; of layers with a table of contents (eStargz, zstd:chunked, push --layer-index) only the files, or the blocks that they are in.",
    )
    .usage("[OPTIONS] IMAGE PATH...")
    .argument("<image>", "where the image is")
    .argument("<paths...>", "files in it");
  return addImageFlags(addLayerFlags(command))
    .option("-f, --force", "print to a terminal whatever it is, as it is")
    .addHelpText("after", EXAMPLES)
    .action((image: string, paths: readonly string[], _options: unknown, self: Command) =>
      runCat(invocation, image, paths, optionsOf<CatOptions>(self)),
    );
}

async function runCat(
  invocation: Invocation,
  name: string,
  paths: readonly string[],
  options: CatOptions & GlobalOptions,
): Promise<void> {
  const { stdout, signal } = invocation;
  const isShown = stdout.isTTY === true && options.force !== true;
  await withImages(invocation, options, (world, library) =>
    library.withImage(name, world, openOptions(options), async (image) => {
      warn(invocation, name, image.warnings);
      for (const path of paths) {
        const file = await library.findFile(image, path, viewChoice(options));
        await pipeline(isShown ? harmless(file) : file.open(), stdout, { end: false, signal });
      }
    }),
  );
}

/** Bytes that are looked at to tell text from anything else. */
const SNIFFED = 8192;

/** Text with everything that a terminal could obey shown as an escape. @throws NacreError USAGE for what is no text */
async function* harmless(file: ImageFile): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let isFirst = true;
  for await (const chunk of file.open()) {
    if (isFirst && isBinary(chunk.subarray(0, SNIFFED))) {
      throw new NacreError("USAGE", `${file.path} is no text and is not shown on a terminal`, {
        hint: "send it to a file or a program, or print it all the same with --force",
      });
    }
    isFirst = false;
    yield Buffer.from(shown(decoder.decode(chunk, { stream: true })));
  }
  yield Buffer.from(shown(decoder.decode()));
}

/** Tabs are as harmless as line breaks, and mean something in a file. */
function shown(text: string): string {
  return text.split("\t").map(printableLines).join("\t");
}

/** A NUL, or a beginning that is not UTF-8. */
function isBinary(bytes: Buffer): boolean {
  if (bytes.includes(0)) return true;
  try {
    // The end may lie within a character.
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return false;
  } catch {
    return true;
  }
}
