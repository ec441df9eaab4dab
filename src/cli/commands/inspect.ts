/** `nacre inspect`. */
import { parsePlatform } from "../../oci/platform.js";
import { isNacreError, NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { isTemplate, templateOption } from "../template/option.js";
import { printableJson, printableLines } from "../terminalText.js";
import { examples, type GlobalOptions, optionsOf } from "./options.js";
import { withImages } from "./withImages.js";

interface InspectOptions {
  readonly raw?: string;
  readonly platform?: string;
  readonly remote?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre inspect hello:1", "all that is known of the image, as JSON"],
  ["nacre inspect hello:1 | jq '.[0].Layers[].CreatedBy'", "which instruction made which layer"],
  ["nacre inspect --format '{{json .Config.Env}}' hello:1", "one field of it"],
  ["nacre inspect --remote debian:12", "of an image in a registry; no layer is fetched"],
  ["nacre inspect docker-archive:image.tar", "of an image in an archive"],
  ["nacre inspect --raw manifest hello:1", "the manifest, byte for byte"],
);

/** Declares the command. */
export function inspectCommand(invocation: Invocation): Command {
  return new Command("inspect")
    .summary("print all that is known of images")
    .description(
      "Print all that is known of images as a JSON array, with the fields of docker image inspect: of images in the store, in archives (oci:, oci-archive:, docker-archive:, or a path), registries (docker://, or a name that the store lacks) and engines.",
    )
    .usage("[OPTIONS] IMAGE...")
    .argument("<image...>", "where the images are")
    .option("--raw <document>", "print the bytes of one document instead: manifest or config")
    .option("--platform <os/arch>", "which image of a multi-platform image")
    .option("--remote", "take names for ones in registries, whatever the store has")
    .addOption(templateOption("pretty", "json"))
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
  const render = await rendererOf(options.format);
  const { remote } = options;
  const { stdout } = invocation;
  await withImages(invocation, options, async (world, library) => {
    if (raw) {
      stdout.write(await library.rawDocument(images[0]!, raw, world, { platform, remote }));
      return;
    }
    const found: unknown[] = [];
    const failures: NacreError[] = [];
    for (const image of images) {
      try {
        found.push(await library.inspectImage(image, world, { platform, remote }));
      } catch (error) {
        if (!isNacreError(error)) throw error;
        failures.push(error);
      }
    }
    // Like docker: what was found is printed even if something else was not.
    print(stdout, render(found));
    if (failures.length > 0) throw new AggregateError(failures);
  });
}

/** How what was found is shown; a template is read before anything is looked for. */
async function rendererOf(format: string): Promise<(found: readonly unknown[]) => string[]> {
  if (!isTemplate(format)) return (found) => [printableJson(found, format === "json" ? 0 : 4)];
  const { compileTemplate } = await import("../template/template.js");
  const template = compileTemplate(format);
  return (found) => found.map((image) => printableLines(template.render(image)));
}

function rawOf(text: string | undefined, images: readonly string[]): "manifest" | "config" | undefined {
  if (text === undefined) return undefined;
  if (text !== "manifest" && text !== "config") {
    throw new NacreError("USAGE", `--raw is manifest or config, not ${JSON.stringify(text)}`);
  }
  if (images.length > 1) throw new NacreError("USAGE", "--raw prints one image at a time");
  return text;
}
