/** `nacre tag`. */
import { Command } from "../commander.js";
import type { Invocation } from "../invocation.js";
import { examples, type GlobalOptions, optionsOf } from "./options.js";
import { withStore } from "./storeAccess.js";

const EXAMPLES = examples(
  ["nacre tag hello:1 hello:latest", "one more name"],
  ["nacre tag 4c2f registry.example/hello:1", "by the beginning of the id"],
);

/** Declares the command. */
export function tagCommand(invocation: Invocation): Command {
  return new Command("tag")
    .summary("give an image another name")
    .description("Give an image of the store another name. A name that another image had moves over.")
    .usage("[OPTIONS] IMAGE NAME[:TAG]...")
    .argument("<image>", "name, digest or id")
    .argument("<name...>", "new names")
    .addHelpText("after", EXAMPLES)
    .action(async (image: string, names: string[], _options: unknown, self: Command) => {
      const options = optionsOf<GlobalOptions>(self);
      await withStore(invocation, options, "write", (store, library) => library.tagImage(store, image, names));
    });
}
