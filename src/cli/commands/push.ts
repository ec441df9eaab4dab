/** `nacre push`. */
import { availableParallelism } from "node:os";
import type { OutputCompression, PushedImage, PushedLayer, Store } from "../../index.js";
import { parsePlatform } from "../../oci/platform.js";
import { familiarName, formatReference, parseReference } from "../../oci/reference.js";
import { NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { parseCompression, parseJobs, parseLevel } from "./parseValues.js";
import { type Library, withStore } from "./storeAccess.js";
import { type TransferTeller, withTransfers } from "./withTransfers.js";

interface PushCommandOptions {
  readonly allTags?: boolean;
  readonly byDigest?: boolean;
  readonly platform?: string;
  readonly compression?: string;
  readonly compressionLevel?: string;
  readonly forceCompression?: boolean;
  readonly layerIndex?: boolean;
  readonly jobs?: number;
  readonly quiet?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre push registry.example/me/app:1", "the image of that name, to where its name says"],
  ["nacre push app:1 registry.example/me/app:1 ghcr.io/me/app:1", "under other names"],
  ["nacre push --all-tags registry.example/me/app", "all tags of a repository"],
  ["nacre push --layer-index app:1", "nacre cat and tree read single files of it by range"],
  ["nacre push --by-digest app:1 registry.example/me/app", "without a tag; the last line tells the digest"],
);

/** Declares the command. */
export function pushCommand(invocation: Invocation): Command {
  return new Command("push")
    .summary("bring images to registries")
    .description(
      "Bring an image of the store to a registry. Only what the registry lacks is sent; layers that were built here are compressed on the way, others go as they came.",
    )
    .usage("[OPTIONS] IMAGE [NAME[:TAG]...]")
    .argument("<image>", "name, digest or id in the store")
    .argument("[name...]", "names in registries; default: the image's own name. NAME@DIGEST sets no tag")
    .option("-a, --all-tags", "all tags of the repository that IMAGE names")
    .option("--by-digest", "set no tag: the image can be had by its digest alone")
    .option("--platform <os/arch>", "one image of a multi-platform image; default: all of it")
    .option("--compression <kind>", "of layers that are not compressed yet: none, gzip (default) or zstd")
    .option("--compression-level <level>", "gzip 0 to 9, zstd 1 to 22")
    .option("--force-compression", "recompress layers that came compressed, too")
    .option(
      "--layer-index",
      "publish indexes of layers that are compressed here: files can be read without all of a layer",
    )
    .option("--jobs <n>", "blobs at a time (default: 5)", parseJobs)
    .option("-q, --quiet", "print the name only")
    .addOption(formatOption("text", "json"))
    .addHelpText("after", EXAMPLES)
    .action((image: string, names: string[], _options: unknown, self: Command) =>
      runPush(invocation, image, names, optionsOf<PushCommandOptions>(self)),
    );
}

/** An image of the store, and what it is to be called. */
interface Errand {
  readonly image: string;
  readonly names: readonly string[];
}

async function runPush(
  invocation: Invocation,
  image: string,
  names: readonly string[],
  options: PushCommandOptions & GlobalOptions,
): Promise<void> {
  const compression = compressionOf(options);
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const isSilent = options.quiet === true || options.format === "json";
  await withStore(invocation, options, "read", async (store, library) => {
    for (const errand of errandsOf(store, library, image, names, options)) {
      const pushed = await withTransfers(invocation, isSilent, (teller) =>
        library
          .pushToRegistries(store, errand.image, errand.names, {
            byDigest: options.byDigest,
            layerIndex: options.layerIndex,
            ...{ compression, platform, uploads: options.jobs, jobs: availableParallelism(), emit: teller.emit },
            ...{ env: invocation.env, signal: invocation.signal, now: invocation.now },
            ...{ onLayer: tellLayers(teller) },
          })
          .then((done) => tellEnd(teller, done)),
      );
      if (options.format === "json")
        print(
          invocation.stdout,
          pushed.map((one) => printableJson(pushedJson(one))),
        );
      else if (options.quiet)
        print(
          invocation.stdout,
          pushed.map(({ name }) => name),
        );
    }
  });
}

function errandsOf(
  store: Store,
  library: Library,
  image: string,
  names: readonly string[],
  { allTags, byDigest }: PushCommandOptions,
): Errand[] {
  if (!allTags) {
    if (names.length > 0) return [{ image, names }];
    const own = library.findImage(store, image).name ?? unnamed(image);
    return [{ image, names: [byDigest ? repositoryOf(own) : own] }];
  }
  if (byDigest) {
    throw new NacreError("USAGE", "--all-tags and --by-digest exclude each other", { hint: "leave one out" });
  }
  const { host, path, tag } = parseReference(image);
  if (names.length > 0 || image.includes("@") || (tag !== "latest" && tag !== undefined)) {
    throw new NacreError("USAGE", "--all-tags takes the name of a repository, without a tag, and no other name", {
      hint: `write nacre push --all-tags ${image.replace(/[:@][^/]*$/, "")}`,
    });
  }
  const all = store.listReferences().map(({ name }) => name);
  const found = all.filter((name) => name.startsWith(`${host}/${path}:`));
  if (found.length > 0) return found.map((name) => ({ image: name, names: [name] }));
  throw new NacreError("IMAGE_NOT_FOUND", `the store has no image of the repository ${host}/${path}`, {
    hint: "see what there is with: nacre image ls",
  });
}

function repositoryOf(name: string): string {
  return formatReference({ ...parseReference(name), tag: undefined, digest: undefined });
}

function unnamed(image: string): never {
  throw new NacreError("USAGE", `${image} is no name, so it does not say where to push to`, {
    hint: `write nacre push ${image} NAME:TAG`,
  });
}

/** Docker's lines, a head for each repository. */
function tellLayers({ say }: TransferTeller): (layer: PushedLayer, repository: string) => void {
  let last: string | undefined;
  return ({ id, outcome }, repository) => {
    if (repository !== last) say(`The push refers to repository [${repository}]`);
    last = repository;
    const state = { pushed: "Pushed", exists: "Layer already exists", mounted: "" }[outcome.kind];
    say(`${id.slice(7, 19)}: ${outcome.kind === "mounted" ? `Mounted from ${outcome.from}` : state}`);
  };
}

function tellEnd({ say }: TransferTeller, pushed: readonly PushedImage[]): readonly PushedImage[] {
  for (const { name, digest, size } of pushed) {
    const reference = parseReference(name);
    say(`${reference.tag ?? familiarName({ ...reference, digest: undefined })}: digest: ${digest} size: ${size}`);
  }
  return pushed;
}

function pushedJson({ name, digest, size, layers }: PushedImage): object {
  return {
    ...{ Name: name, Digest: digest, Size: size },
    Layers: layers.map((layer) => ({
      ...{ ID: layer.id, Digest: layer.digest, Size: layer.size, Outcome: layer.outcome.kind },
      ...(layer.outcome.kind === "mounted" ? { From: layer.outcome.from } : {}),
    })),
  };
}

function compressionOf(options: PushCommandOptions): OutputCompression {
  const { compression = "gzip", compressionLevel, forceCompression } = options;
  const type = parseCompression(compression, "--compression");
  const level = compressionLevel === undefined ? undefined : parseLevel(type, compressionLevel);
  return { type, level, force: forceCompression === true };
}
