/** `nacre load`. */

import type { LoadedImage } from "../../index.js";
import { parsePlatform } from "../../oci/platform.js";
import { shortenName } from "../../oci/reference.js";
import { NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { type Invocation, print, stdinChunks } from "../invocation.js";
import { collect, examples, type GlobalOptions, optionsOf } from "./options.js";
import { withStore } from "./storeAccess.js";
import { type Step, withProgress } from "./withProgress.js";

interface LoadCommandOptions {
  readonly input?: string;
  readonly rootfs?: boolean;
  readonly tag?: readonly string[];
  readonly name?: readonly string[];
  readonly platform?: string;
  readonly allPlatforms?: boolean;
  readonly quiet?: boolean;
}

const EXAMPLES = examples(
  ["nacre load hello.tar", "an OCI archive, or what docker save wrote"],
  ["docker save alpine | nacre load -", "straight out of Docker"],
  ["nacre load --name v2 -t app:2 layout/", "one image of an OCI layout directory, by its tag"],
  ["nacre load --rootfs -t debian:12 rootfs.tar", "a root file system as an image of one layer"],
);

/** Declares the command. */
export function loadCommand(invocation: Invocation): Command {
  return new Command("load")
    .summary("take images out of an archive into the store")
    .description(
      "Load images from an OCI archive or directory, or a docker-archive of any age; compressed or not. - is standard input.",
    )
    .usage("[OPTIONS] FILE|DIRECTORY|-")
    .argument("[file]", "the archive; - for standard input")
    .option("-i, --input <file>", "the same as the argument")
    .option("--rootfs", "the file is a tar of a root file system; needs --tag")
    .option("-t, --tag <name>", "a name for the image instead of those in the archive", collect)
    .option("--name <name>", "load only the image of this name or tag in the archive", collect)
    .option("--platform <os/arch>", "which image of a multi-platform image (with --rootfs: what to call it)")
    .option("--all-platforms", "all images of a multi-platform image")
    .option("-q, --quiet", "no progress")
    .addHelpText("after", EXAMPLES)
    .action((file: string | undefined, _options: unknown, self: Command) =>
      runLoad(invocation, file, optionsOf<LoadCommandOptions>(self)),
    );
}

async function runLoad(
  invocation: Invocation,
  argument: string | undefined,
  options: LoadCommandOptions & GlobalOptions,
): Promise<void> {
  const file = fileOf(invocation, argument, options);
  const loaded = await withProgress(invocation, options, `load ${file}`, (step) =>
    options.rootfs ? loadRootfs(invocation, file, options, step) : loadArchive(invocation, file, options, step),
  );
  print(
    invocation.stdout,
    loaded.flatMap(({ names }) => names.map((name) => `Loaded image: ${shortenName(name)}`)),
  );
}

function fileOf(invocation: Invocation, argument: string | undefined, options: LoadCommandOptions): string {
  if (argument !== undefined && options.input !== undefined) {
    throw new NacreError("USAGE", "the archive is given twice: as an argument and with --input");
  }
  const file = argument ?? options.input;
  if (file === undefined || (file === "-" && invocation.stdin.isTTY)) {
    throw new NacreError("USAGE", "nacre load needs an archive", { hint: "name a file, or pipe one to: nacre load -" });
  }
  return file;
}

function loadArchive(
  invocation: Invocation,
  file: string,
  options: LoadCommandOptions & GlobalOptions,
  step: Step,
): Promise<LoadedImage[]> {
  return withStore(invocation, options, "write", (store, library) =>
    library.loadImages(store, file === "-" ? stdinChunks(invocation) : file, {
      ...(file === "-" ? { name: "standard input" } : {}),
      names: options.name,
      tags: options.tag,
      platform: options.platform === undefined ? undefined : parsePlatform(options.platform),
      allPlatforms: options.allPlatforms,
      signal: invocation.signal,
      onProgress: counter(step),
    }),
  );
}

/** Adds up what is read. */
function counter(step: Step): (bytes: number) => void {
  let read = 0;
  return (bytes) => {
    read += bytes;
    step.progress(read, undefined, "bytes");
  };
}

async function loadRootfs(
  invocation: Invocation,
  file: string,
  options: LoadCommandOptions & GlobalOptions,
  step: Step,
): Promise<LoadedImage[]> {
  const tags = options.tag ?? [];
  if (tags.length === 0) {
    throw new NacreError("USAGE", "--rootfs needs a name for the image", { hint: "add --tag NAME" });
  }
  const loaded = await withStore(invocation, options, "write", (store, library) =>
    library.loadRootfs(store, file === "-" ? stdinChunks(invocation) : file, {
      tags,
      platform: options.platform === undefined ? undefined : parsePlatform(options.platform),
      created: new Date(invocation.now()).toISOString(),
      signal: invocation.signal,
      onProgress: counter(step),
    }),
  );
  return [loaded];
}
