/** `nacre rm`. */

import { shortenName } from "../../oci/reference.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { examples, type GlobalOptions, optionsOf } from "./options.js";
import { withStore } from "./storeAccess.js";

interface RmOptions {
  readonly force?: boolean;
}

const EXAMPLES = examples(
  ["nacre rm hello:1", "remove one name"],
  ["nacre rm 4c2fd1", "remove an image with all its names, by the beginning of its id"],
  ["nacre rm hello:1 && nacre prune", "and free the space"],
);

/** Declares the command. */
export function rmCommand(invocation: Invocation, name: string, ...aliases: readonly string[]): Command {
  return new Command(name)
    .aliases(aliases)
    .summary("remove images")
    .description("Remove names of images. What nothing needs any more is freed by nacre prune.")
    .usage("[OPTIONS] IMAGE...")
    .argument("<image...>", "names, digests or ids")
    .option("-f, --force", "by id: remove all names, even of different repositories")
    .addHelpText("after", EXAMPLES)
    .action((images: string[], _options: unknown, self: Command) =>
      removeImages(invocation, images, optionsOf<RmOptions>(self)),
    );
}

async function removeImages(
  invocation: Invocation,
  images: readonly string[],
  options: RmOptions & GlobalOptions,
): Promise<void> {
  await withStore(invocation, options, "write", async (store, library) => {
    const { untagged, deleted, failures } = await library.removeImages(store, images, { force: options.force });
    print(invocation.stdout, [
      ...untagged.map((name) => `Untagged: ${shortenName(name)}`),
      ...deleted.map((id) => `Deleted: ${id}`),
    ]);
    if (failures.length > 0) throw new AggregateError(failures);
  });
}
