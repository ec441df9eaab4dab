/** `nacre lock`: the file that says which images the names of base images stand for. */
import type { UpdatedLock } from "../../index.js";
import { Command } from "../commander.js";
import { type Invocation, print, readStdin, stdinChunks } from "../invocation.js";
import { renderTable } from "../table.js";
import { printable, printableJson } from "../terminalText.js";
import { type BuildOptions, makeBuildRequest } from "./buildRequest.js";
import { collect, examples, formatOption, optionsOf } from "./options.js";

interface LockOptions extends BuildOptions {
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre lock update", "look up what the Dockerfile's base images are now"],
  ["nacre build --locked .", "build with what is locked, and nothing else"],
);

/** Declares the group of commands. */
export function lockCommand(invocation: Invocation): Command {
  const group = new Command("lock")
    .summary("base images by digest, for builds that are the same later (update)")
    .description("Keep the digests of base images in nacre.lock, beside the Dockerfile.")
    .usage("COMMAND [OPTIONS]");
  group.addCommand(updateCommand(invocation));
  return group;
}

function updateCommand(invocation: Invocation): Command {
  return new Command("update")
    .summary("look up base images and write nacre.lock")
    .description("Ask registries what the names of a Dockerfile's base images stand for, and write that to nacre.lock.")
    .usage("[OPTIONS] [PATH]")
    .argument("[path]", "directory of the context", ".")
    .option("-f, --file <path>", "the Dockerfile (default: PATH/Dockerfile)")
    .option("--lock-file <path>", "the lock file (default: PATH/nacre.lock)")
    .option("--build-arg <name=value>", "set an ARG that FROM uses", collect)
    .option("--build-context <name=source>", "a further context", collect)
    .option("--platform <os/arch>", "the platform of the image", collect)
    .addOption(formatOption("table", "json"))
    .addHelpText("after", EXAMPLES)
    .action((path: string, _options: unknown, self: Command) =>
      runUpdate(invocation, path, optionsOf<LockOptions>(self)),
    );
}

async function runUpdate(invocation: Invocation, path: string, options: LockOptions): Promise<void> {
  const request = await makeBuildRequest(path, options, {
    env: invocation.env,
    stdout: { stream: invocation.stdout, isTTY: invocation.stdout.isTTY === true },
    readStdin: () => readStdin(invocation),
    stdin: () => stdinChunks(invocation),
  });
  const { updateLock } = await import("../../index.js");
  const updated = await updateLock({ ...request, signal: invocation.signal });
  print(invocation.stdout, options.format === "json" ? updated.images.map(printableJson) : renderUpdated(updated));
}

/** What changed, one line an image. */
export function renderUpdated({ path, images }: UpdatedLock): string[] {
  if (images.length === 0) return [`${printable(path)}: no base images`];
  const rows = images.map(({ name, before, after }) => [
    printable(name),
    after.slice(7, 19),
    before === after ? "as before" : before === undefined ? "new" : `was ${before.slice(7, 19)}`,
  ]);
  return [...renderTable(["IMAGE", "DIGEST", "CHANGE"], rows), "", `wrote ${printable(path)}`];
}
