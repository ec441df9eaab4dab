/** `nacre pull`. */
import type { Emit, PulledImage, PullPolicy } from "../../index.js";
import { parsePlatform } from "../../oci/platform.js";
import { parseReference } from "../../oci/reference.js";
import { NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { openDisplay } from "../progress/display.js";
import { paintFor } from "../style.js";
import { printable, printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { readJobs } from "./parseValues.js";
import { endLines, hasDefaultTag, headLine, layerLines, pulledJson } from "./pullText.js";
import { withStore } from "./storeAccess.js";

interface PullCommandOptions {
  readonly platform?: string;
  readonly allPlatforms?: boolean;
  readonly policy: PullPolicy;
  readonly offline?: boolean;
  readonly jobs?: number;
  readonly quiet?: boolean;
  readonly format: string;
}

const POLICIES: readonly string[] = ["always", "missing", "never"];

const EXAMPLES = examples(
  ["nacre pull alpine", "the newest one, for this machine"],
  ["nacre pull --platform linux/arm64 debian:12", "for another machine"],
  ["nacre pull --policy missing ghcr.io/me/app:1", "only if it is not in the store yet"],
);

/** Declares the command. */
export function pullCommand(invocation: Invocation): Command {
  return new Command("pull")
    .summary("get images from registries")
    .description(
      "Get images from registries into the store. Layers that are there are not fetched again, and what was interrupted goes on where it stopped.",
    )
    .usage("[OPTIONS] NAME[:TAG|@DIGEST]...")
    .argument("<image...>", "names; without a host, of Docker Hub")
    .option("--platform <os/arch>", "which image of a multi-platform image (also: DOCKER_DEFAULT_PLATFORM)")
    .option("--all-platforms", "all images of a multi-platform image")
    .option("--policy <when>", "ask the registry: always, missing (from the store) or never", parsePolicy, "always")
    .option("--offline", "the same as --policy never")
    .option("--jobs <n>", "layers at a time (default: 3)", (text) => readJobs(text, "leave it out for 3"))
    .option("-q, --quiet", "print the name only")
    .addOption(formatOption("text", "json"))
    .addHelpText("after", EXAMPLES)
    .action((images: string[], _options: unknown, self: Command) =>
      runPull(invocation, images, optionsOf<PullCommandOptions>(self)),
    );
}

async function runPull(
  invocation: Invocation,
  images: readonly string[],
  options: PullCommandOptions & GlobalOptions,
): Promise<void> {
  // All of them are looked at before anything is done.
  for (const image of images) parseReference(image);
  const platform = platformOf(invocation, options);
  for (const image of images) {
    const isText = options.format === "text" && !options.quiet;
    if (isText && hasDefaultTag(image)) print(invocation.stdout, ["Using default tag: latest"]);
    let isBegun = !isText;
    const begin = (): void => {
      if (!isBegun) print(invocation.stdout, [headLine(image)]);
      isBegun = true;
    };
    const pulled = await withPullProgress(invocation, isText, options.quiet === true, (emit) =>
      withStore(invocation, options, "write", (store, library) =>
        library.pullFromRegistry(store, image, {
          ...{ platform, allPlatforms: options.allPlatforms, policy: options.policy, offline: options.offline },
          ...{ jobs: options.jobs, emit, onResolved: begin, env: invocation.env },
          ...{ signal: invocation.signal, now: invocation.now },
        }),
      ),
    );
    begin();
    print(invocation.stdout, resultLines(pulled, options));
  }
}

function resultLines(pulled: PulledImage, { format, quiet }: PullCommandOptions): string[] {
  if (format === "json") return [printableJson(pulledJson(pulled))];
  return quiet ? [pulled.name] : endLines(pulled);
}

function platformOf({ env }: Invocation, { platform, allPlatforms }: PullCommandOptions) {
  const text = platform ?? env.DOCKER_DEFAULT_PLATFORM;
  if (platform !== undefined && allPlatforms) {
    throw new NacreError("USAGE", "--platform and --all-platforms exclude each other", { hint: "leave one out" });
  }
  return text ? parsePlatform(text) : undefined;
}

/** Bars on a terminal; elsewhere, where text is wanted, a line for each change. Warnings come in any case. */
async function withPullProgress<T>(
  invocation: Invocation,
  isText: boolean,
  quiet: boolean,
  work: (emit: Emit) => Promise<T>,
): Promise<T> {
  const { stdout, stderr, env, now, signal } = invocation;
  const isShown = stderr.isTTY === true && env.TERM !== "dumb" && !quiet;
  const display = await openDisplay({
    ...{ form: isShown ? "tty" : "quiet", stream: stderr, now, paint: paintFor(stderr, env), signal },
  });
  const lines = layerLines();
  const emit: Emit = (event) => {
    display.emit(event);
    if (isShown) return;
    if (isText) print(stdout, lines(event));
    if (event.type === "warning") print(stderr, [`WARNING: ${printable(event.message)}`]);
  };
  try {
    const result = await work(emit);
    display.stop(true);
    return result;
  } catch (error) {
    display.stop(false);
    throw error;
  }
}

function parsePolicy(text: string): string {
  if (POLICIES.includes(text)) return text;
  throw new NacreError("USAGE", `unknown policy ${JSON.stringify(text)}`, {
    hint: `--policy is ${POLICIES.join(", ")}`,
  });
}
