/** `nacre pull`. */
import type { Emit, PulledImage, PulledTag, PullPolicy } from "../../index.js";
import { type Platform, parsePlatform } from "../../oci/platform.js";
import { familiarName, parseReference } from "../../oci/reference.js";
import { isNacreError, NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { openDisplay } from "../progress/display.js";
import { paintFor } from "../style.js";
import { printable, printableJson } from "../terminalText.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { readJobs } from "./parseValues.js";
import { endLines, hasDefaultTag, headLine, layerLines, pulledJson, statusLine } from "./pullText.js";
import { withStore } from "./storeAccess.js";

interface PullCommandOptions {
  readonly allTags?: boolean;
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
  ["nacre pull --all-tags registry.example/team/app", "every tag of a repository"],
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
    .option("-a, --all-tags", "all tags of the repository; one that fails does not stop the others")
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
  if (options.allTags) return pullTags(invocation, images, options, platform);
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

/** @throws AggregateError with the failures of all tags, after all have been tried */
async function pullTags(
  invocation: Invocation,
  repositories: readonly string[],
  options: PullCommandOptions & GlobalOptions,
  platform: Platform | undefined,
): Promise<void> {
  if (options.offline || options.policy !== "always") {
    throw new NacreError("USAGE", "--all-tags asks the registry which tags there are", {
      hint: "leave out --policy and --offline",
    });
  }
  const failures: NacreError[] = [];
  for (const repository of repositories) {
    const isText = options.format === "text" && !options.quiet;
    const say = (lines: readonly string[]): void => print(invocation.stdout, isText ? lines : []);
    const ended = ({ tag, image, error }: PulledTag): void => {
      if (image) say([`Digest: ${image.descriptor.digest}`]);
      if (image && options.format === "json") print(invocation.stdout, [printableJson(pulledJson(image))]);
      if (error) failures.push(ofTag(repository, tag, error));
    };
    const pulling = withPullProgress(invocation, isText, options.quiet === true, (emit) =>
      withStore(invocation, options, "write", (store, library) =>
        library.pullAllTags(store, repository, {
          ...{ platform, allPlatforms: options.allPlatforms, jobs: options.jobs, emit, env: invocation.env },
          ...{ signal: invocation.signal, now: invocation.now, onPulled: ended },
          onTag: (tag) => say([headLine(`${repository}:${tag}`)]),
        }),
      ),
    );
    const pulled = await pulling.catch((error: unknown) => {
      if (!isNacreError(error) || error.code === "CANCELLED" || error.code === "USAGE") throw error;
      failures.push(error);
      return [];
    });
    const done = pulled.flatMap(({ image }) => image ?? []);
    if (done.length === 0) continue;
    const { host, path } = parseReference(repository);
    say([
      statusLine(
        familiarName({ host, path }),
        done.some(({ status }) => status === "new"),
      ),
    ]);
    if (options.format !== "json") print(invocation.stdout, [`${host}/${path}`]);
  }
  if (failures.length > 0) throw new AggregateError(failures);
}

function ofTag(repository: string, tag: string, error: NacreError): NacreError {
  const { code, message, hint, facts } = error;
  return new NacreError(code, `${repository}:${tag} was not pulled: ${message}`, { hint, facts, cause: error });
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
