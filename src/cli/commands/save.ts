/** `nacre save`. */
import { availableParallelism } from "node:os";
import type { Destination, OutputCompression } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import type { Invocation } from "../invocation.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { parseCompression, parseLevel } from "./parseValues.js";
import { withStore } from "./storeAccess.js";
import { withProgress } from "./withProgress.js";

interface SaveCommandOptions {
  readonly output?: string;
  readonly format: "oci" | "oci-dir" | "docker";
  readonly compression?: string;
  readonly compressionLevel?: string;
  readonly forceCompression?: boolean;
  readonly quiet?: boolean;
}

const EXAMPLES = examples(
  ["nacre save -o hello.tar hello:1", "an OCI archive"],
  ["nacre save --format docker hello:1 | docker load", "hand the image to Docker"],
  ["nacre save --format oci-dir -o layout --compression zstd a:1 b:1", "two images in a directory"],
);

/** Declares the command. */
export function saveCommand(invocation: Invocation): Command {
  return new Command("save")
    .summary("write images to an archive")
    .description("Write images of the store to an archive. Without --compression no byte of them changes.")
    .usage("[OPTIONS] IMAGE...")
    .argument("<image...>", "names, digests or ids")
    .option("-o, --output <path>", "the file or directory; default: standard output")
    .addOption(formatOption("oci", "oci-dir", "docker"))
    .option("--compression <kind>", "compress the layers: none, gzip or zstd")
    .option("--compression-level <level>", "gzip 0 to 9, zstd 1 to 22")
    .option("--force-compression", "recompress layers that are compressed already, too")
    .option("-q, --quiet", "no progress")
    .addHelpText("after", EXAMPLES)
    .action((images: string[], _options: unknown, self: Command) =>
      runSave(invocation, images, optionsOf<SaveCommandOptions>(self)),
    );
}

async function runSave(
  invocation: Invocation,
  images: readonly string[],
  options: SaveCommandOptions & GlobalOptions,
): Promise<void> {
  const destination = destinationOf(invocation, options);
  const compression = compressionOf(options);
  await withProgress(invocation, options, `save ${images.join(" ")}`, (step) =>
    withStore(invocation, options, "read", (store, library) =>
      library.saveImages(store, images, {
        destination,
        format: options.format === "docker" ? "docker" : "oci",
        tar: options.format !== "oci-dir",
        compression,
        jobs: availableParallelism(),
        signal: invocation.signal,
        onProgress: (bytes) => step.progress(bytes, undefined, "bytes"),
      }),
    ),
  );
}

function destinationOf(invocation: Invocation, { output, format }: SaveCommandOptions): Destination {
  if (output !== undefined && output !== "-") return { kind: "path", path: output };
  if (format === "oci-dir") {
    throw new NacreError("USAGE", "--format oci-dir needs a directory", { hint: "add --output DIR" });
  }
  if (invocation.stdout.isTTY) {
    throw new NacreError("USAGE", "nacre save would write an archive to the terminal", {
      hint: "add --output FILE, or redirect the output",
    });
  }
  return { kind: "stream", stream: invocation.stdout };
}

function compressionOf(options: SaveCommandOptions): OutputCompression | undefined {
  const { compression, compressionLevel, forceCompression } = options;
  if (compression === undefined) {
    if (compressionLevel === undefined && !forceCompression) return undefined;
    throw new NacreError("USAGE", "a level or force without --compression", { hint: "add --compression gzip or zstd" });
  }
  const type = parseCompression(compression, "--compression");
  const level = compressionLevel === undefined ? undefined : parseLevel(type, compressionLevel);
  return { type, level, force: forceCompression === true };
}
