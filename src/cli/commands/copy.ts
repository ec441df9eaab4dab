/** `nacre copy`. */
import type { CopiedBlob, CopyReport, Store } from "../../index.js";
import { parsePlatform } from "../../oci/platform.js";
import { NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { printable, printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { parseJobs } from "./parseValues.js";
import { type Access, withStore } from "./storeAccess.js";
import { withTransfers } from "./withTransfers.js";

interface CopyCommandOptions {
  readonly all?: boolean;
  readonly platform?: string;
  readonly referrers?: boolean;
  readonly allowDigestChange?: boolean;
  readonly jobs?: number;
  readonly quiet?: boolean;
  readonly format: string;
}

const PLACES = `
Places:
  [docker://]NAME[:TAG|@DIGEST]   a registry
  oci:DIR[:TAG]                   an OCI layout, as a directory
  oci-archive:FILE[:TAG]          an OCI layout, as a tar
  docker-archive:FILE[:NAME:TAG]  what docker save writes
  store:NAME                      this program's store
  docker-daemon:NAME              Docker, through its socket
  containers-storage:NAME         what Podman and Buildah keep, through skopeo`;

const EXAMPLES = examples(
  ["nacre copy --all alpine:3 registry.example/alpine:3", "all platforms, from registry to registry"],
  ["nacre copy --referrers ghcr.io/me/app:1 oci:mirror:1", "with signatures and attestations"],
  ["nacre copy store:app:1 docker-daemon:app:1", "into Docker"],
);

/** Declares the command. */
export function copyCommand(invocation: Invocation): Command {
  return new Command("copy")
    .summary("copy an image between registries, archives, the store and local engines")
    .description(
      "Copy an image byte for byte: manifests keep their digests, layers are not compressed anew. What is there already is not sent.",
    )
    .usage("[OPTIONS] SOURCE DESTINATION")
    .argument("<source>", "where the image is")
    .argument("<destination>", "where it is to be")
    .option("--all", "all images of a multi-platform image, and the index itself")
    .option("--platform <os/arch>", "which image of a multi-platform image; default: this machine's")
    .option("--referrers", "what refers to it, too: signatures, attestations, SBOMs")
    .option("--allow-digest-change", "where the destination cannot hold all of it, copy what it can hold")
    .option("--jobs <n>", "blobs at a time (default: 5)", parseJobs)
    .option("-q, --quiet", "print the digest only")
    .addOption(formatOption("text", "json"))
    .addHelpText("after", `${PLACES}\n${EXAMPLES}`)
    .action((from: string, to: string, _options: unknown, self: Command) =>
      runCopy(invocation, from, to, optionsOf<CopyCommandOptions>(self)),
    );
}

async function runCopy(
  invocation: Invocation,
  from: string,
  to: string,
  options: CopyCommandOptions & GlobalOptions,
): Promise<void> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const { all, referrers, allowDigestChange, jobs, quiet, format } = options;
  const { env, signal, now, stdout } = invocation;
  const report = await withTransfers(invocation, quiet === true || format === "json", async ({ emit, say }) => {
    const library = await import("../../index.js");
    const done = await withOptionalStore(invocation, options, (openStore) =>
      library.copyBetween(from, to, {
        ...{ platform, all, referrers, allowDigestChange, jobs, emit, openStore, env, signal, now },
        onBlob: (blob) => say(blobLine(blob)),
      }),
    );
    for (const line of endLines(done)) say(line);
    return done;
  });
  if (format === "json") print(stdout, [printableJson(reportJson(report))]);
  else if (quiet) print(stdout, [report.descriptor.digest]);
}

/** Gives the work a way to open the store, and closes it afterwards where that was done. */
async function withOptionalStore<T>(
  invocation: Invocation,
  options: GlobalOptions,
  work: (openStore: (access: Access) => Promise<Store>) => Promise<T>,
): Promise<T> {
  let release = (): void => {};
  let closing: Promise<unknown> | undefined;
  const openStore = (access: Access): Promise<Store> =>
    new Promise((resolve, reject) => {
      if (closing !== undefined) {
        reject(new NacreError("INTERNAL", "the store was opened twice"));
        return;
      }
      closing = withStore(invocation, options, access, (store) => {
        resolve(store);
        return new Promise<void>((done) => {
          release = done;
        });
      });
      closing.catch(reject);
    });
  try {
    return await work(openStore);
  } finally {
    release();
    await closing?.catch(() => {});
  }
}

function blobLine({ digest, outcome }: CopiedBlob): string {
  const states = { pushed: "Copied", exists: "Already exists", mounted: "" };
  const state = outcome.kind === "mounted" ? `Mounted from ${outcome.from}` : states[outcome.kind];
  return `${digest.slice(7, 19)}: ${state}`;
}

function endLines({ from, to, descriptor, referrers, tags }: CopyReport): string[] {
  const beside = referrers.length + tags.length;
  return [
    ...(beside > 0 ? [`Beside it: ${referrers.length} referrers, ${tags.length} tags of signatures and the like`] : []),
    printable(`Copied ${from} to ${to}`),
    `digest: ${descriptor.digest} size: ${descriptor.size}`,
  ];
}

function reportJson({ from, to, descriptor, blobs, referrers, tags }: CopyReport): object {
  return {
    ...{ From: from, To: to, Digest: descriptor.digest, MediaType: descriptor.mediaType, Size: descriptor.size },
    Blobs: blobs.map(({ digest, size, outcome }) => ({
      ...{ Digest: digest, Size: size, Outcome: outcome.kind },
      ...(outcome.kind === "mounted" ? { From: outcome.from } : {}),
    })),
    Referrers: referrers,
    Tags: tags,
  };
}
