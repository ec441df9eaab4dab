/** `nacre inspect`. */

import { parsePlatform } from "../../oci/platform.js";
import { isNacreError, NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { withStore } from "./storeAccess.js";

interface InspectOptions {
  readonly raw?: string;
  readonly platform?: string;
  readonly format?: string;
}

const EXAMPLES = examples(
  ["nacre inspect hello:1", "all that is known of the image, as JSON"],
  ["nacre inspect hello:1 | jq '.[0].Layers[].CreatedBy'", "which instruction made which layer"],
  ["nacre inspect --raw manifest hello:1", "the manifest, byte for byte"],
);

/** Declares the command. */
export function inspectCommand(invocation: Invocation): Command {
  return new Command("inspect")
    .summary("print all that is known of images")
    .description("Print all that is known of images as a JSON array, with the fields of docker image inspect.")
    .usage("[OPTIONS] IMAGE...")
    .argument("<image...>", "names, digests or ids")
    .option("--raw <document>", "print the bytes of one document instead: manifest or config")
    .option("--platform <os/arch>", "which image of a multi-platform image")
    .addOption(formatOption("pretty", "json"))
    .addHelpText("after", EXAMPLES)
    .action((images: string[], _options: unknown, self: Command) =>
      inspectImages(invocation, images, optionsOf<InspectOptions>(self)),
    );
}

async function inspectImages(
  invocation: Invocation,
  images: readonly string[],
  options: InspectOptions & GlobalOptions,
): Promise<void> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const raw = rawOf(options.raw, images);
  await withStore(invocation, options, "read", async (store, library) => {
    if (raw) {
      invocation.stdout.write(library.rawDocument(store, images[0]!, raw, platform));
      return;
    }
    const found: unknown[] = [];
    const failures: NacreError[] = [];
    for (const image of images) {
      try {
        found.push(await library.inspectImage(store, image, platform));
      } catch (error) {
        if (!isNacreError(error)) throw error;
        failures.push(error);
      }
    }
    // Like docker: what was found is printed even if something else was not.
    print(invocation.stdout, [printableJson(found, options.format === "json" ? 0 : 4)]);
    if (failures.length > 0) throw new AggregateError(failures);
  });
}

function rawOf(text: string | undefined, images: readonly string[]): "manifest" | "config" | undefined {
  if (text === undefined) return undefined;
  if (text !== "manifest" && text !== "config") {
    throw new NacreError("USAGE", `--raw is manifest or config, not ${JSON.stringify(text)}`);
  }
  if (images.length > 1) throw new NacreError("USAGE", "--raw prints one image at a time");
  return text;
}
