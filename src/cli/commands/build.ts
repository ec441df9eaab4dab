/** `nacre build`. */

import type { BuildRequest, BuildResult, OutputRequest } from "../../index.js";
import { shortenName } from "../../oci/reference.js";
import { NacreError } from "../../support/errors.js";
import { formatBytes, formatSeconds } from "../../support/human.js";
import { nearest } from "../../support/suggest.js";
import { Command, Option } from "../commander.js";
import { failureToJson, ReportedFailure, toldError } from "../failure.js";
import { housekeepingFor } from "../housekeeping.js";
import {
  type Environment,
  type Invocation,
  note,
  type OutputStream,
  print,
  readStdin,
  stdinChunks,
} from "../invocation.js";
import { type Display, openDisplay, type ProgressForm } from "../progress/display.js";
import { paintFor } from "../style.js";
import { printable, printableJson } from "../terminalText.js";
import { programVersion } from "../version.js";
import { environmentNotes } from "./buildEnvironment.js";
import { addFileOptions } from "./buildFileOptions.js";
import { type BuildOptions, makeBuildRequest } from "./buildRequest.js";
import { addCallOptions, type CallOptions, wantsCall } from "./callOptions.js";
import { answerForeignFlags, FOREIGN_FLAGS } from "./foreignFlags.js";
import { collect, examples, optionsOf } from "./options.js";
import { addRunOptions, failureActionOf } from "./runOptions.js";
import { storePath } from "./storeAccess.js";

const EXAMPLES = examples(
  ["nacre build -t hello:1 .", "build ./Dockerfile, keep the image in the store"],
  ["nacre build -t hello:1 -o type=oci,dest=hello.tar .", "and write an OCI archive"],
  ["nacre build -o type=docker,dest=- . | docker load", "hand the image to Docker"],
  ["nacre build -o out .", "the files of the last stage, in a directory"],
  ["nacre build --build-context base=oci-layout://dir:tag .", "FROM base is an image in an OCI layout"],
  ["nacre build -f - . < Other.Dockerfile", "a Dockerfile from standard input"],
  ["tar c . | nacre build -", "a context from standard input"],
  ["nacre build https://example.com/repo.git#v1:dir", "a directory of a tag of a git repository"],
  ["nacre build --secret id=npm,src=.npmrc .", "a file for RUN --mount=type=secret,id=npm"],
  ["nacre build --debug-shell .", "when a RUN fails, look around in its root"],
);

/** Declares the command. */
export function buildCommand(invocation: Invocation): Command {
  const command = new Command("build")
    .summary("build an image from a Dockerfile")
    .description("Build an image from a Dockerfile and the files of a context.")
    .usage("[OPTIONS] PATH | URL | -")
    .argument(
      "[path]",
      "the context: a directory, a git address, the URL of an archive or of a Dockerfile, or - for either on standard input",
    );
  addFileOptions(command);
  addResultOptions(command);
  addRunOptions(command);
  addCallOptions(command);
  addExecutionOptions(command);
  for (const { flags } of FOREIGN_FLAGS) {
    const option = new Option(flags).hideHelp();
    command.addOption(option.required ? option.argParser(collect) : option);
  }
  command.addHelpText(
    "after",
    `${EXAMPLES}\n\nOther flags of docker build are refused with a reason, or taken with a note.`,
  );
  return command.action((path: string | undefined, _options: unknown, self: Command) =>
    runBuild(invocation, path, optionsOf<BuildOptions & CallOptions>(self)),
  );
}

function addResultOptions(command: Command): void {
  command
    .optionsGroup("Result:")
    .option("-t, --tag <name[:tag]>", "a name for the image", collect)
    .option(
      "-o, --output <spec>",
      "write the result: type=oci|docker|local|tar,dest=PATH,… (or a directory, or -), or type=registry",
      collect,
    )
    .option("--push", "push the image to its names (-o type=registry)")
    .option("--load", "load the image into Docker on this machine (Podman: -o type=podman)")
    .option("--label <key=value>", "a label of the image", collect)
    .option("--annotation <key=value>", "an annotation of the manifest", collect)
    .option("--iidfile <path>", "write the image's digest to a file")
    .option("--metadata-file <path>", "write facts about the result to a JSON file")
    .option("--reproducible", "every time in new layers is SOURCE_DATE_EPOCH (0 if unset)");
}

function addExecutionOptions(command: Command): void {
  command
    .optionsGroup("Execution:")
    .option("--name <name>", "what this build is called; builds of one name are compared with each other")
    .option("--no-cache", "execute every step again")
    .option("--no-cache-filter <stages>", "execute the steps of these stages again", collect)
    .option("--jobs <number>", "steps and compressions at once (default: the number of processors)")
    .optionsGroup("Progress:")
    .option("--explain", "say of each step that is made why the cache did not answer")
    .option("--progress <form>", "auto, tty, plain, quiet, none or rawjson (default: $BUILDKIT_PROGRESS, else auto)")
    .option("-q, --quiet", "no progress; print the image's digest at the end")
    .optionsGroup("Other:");
}

/** What the reader gets to see. */
export interface ProgressChoice {
  readonly form: ProgressForm;
  /** Print the digest, and nothing else, to standard output. */
  readonly digestOnly: boolean;
}

const FORMS = ["auto", "tty", "plain", "quiet", "none", "rawjson"];

/**
 * Chooses the form of progress from the flags, `$BUILDKIT_PROGRESS` and the stream.
 * @throws NacreError USAGE
 */
export function chooseProgress(
  options: { readonly quiet?: boolean; readonly progress?: string },
  env: Environment,
  stream: OutputStream,
): ProgressChoice {
  const wanted = options.progress ?? (env.BUILDKIT_PROGRESS || "auto");
  if (!FORMS.includes(wanted)) {
    const near = nearest(wanted, FORMS);
    throw new NacreError("USAGE", `unknown form of progress ${JSON.stringify(wanted)}`, {
      hint: near ? `did you mean ${near}?` : `--progress is ${FORMS.join(", ")}`,
    });
  }
  if (options.quiet || wanted === "quiet") return { form: "quiet", digestOnly: true };
  if (wanted === "none") return { form: "quiet", digestOnly: false };
  if (wanted === "plain" || wanted === "rawjson") return { form: wanted, digestOnly: false };
  const terminal = stream.isTTY === true && env.TERM !== "dumb";
  if (wanted === "tty" && !terminal) {
    throw new NacreError("USAGE", "--progress=tty needs a terminal on standard error", {
      hint: "use --progress=plain",
    });
  }
  return { form: terminal ? "tty" : "plain", digestOnly: false };
}

async function runBuild(
  invocation: Invocation,
  path: string | undefined,
  options: BuildOptions & CallOptions,
): Promise<void> {
  const { form, digestOnly } = chooseProgress(options, invocation.env, invocation.stderr);
  const notes = [
    ...answerForeignFlags(options as Readonly<Record<string, unknown>>),
    ...environmentNotes(invocation.env),
  ];
  const request = await makeBuildRequest(path, options, {
    env: invocation.env,
    program: programVersion(),
    stdout: { stream: invocation.stdout, isTTY: invocation.stdout.isTTY === true },
    readStdin: () => readStdin(invocation),
    stdin: () => stdinChunks(invocation),
  });
  if (options.dryRun) {
    const { runPreview } = await import("./plan.js");
    const chosen = { format: "table", ...options };
    return runPreview(invocation, { ...request, store: await storePath(invocation, options) }, chosen);
  }
  if (wantsCall(options)) {
    const { parseCall, runCall } = await import("./buildCall.js");
    return runCall(invocation, { ...request, store: await storePath(invocation, options) }, parseCall(options));
  }
  if (form === "rawjson")
    print(
      invocation.stderr,
      notes.map((message) => printableJson({ type: "note", message })),
    );
  else for (const text of notes) note(invocation, text);
  const paint = paintFor(invocation.stderr, invocation.env);
  const { now, signal } = invocation;
  const explain = options.explain === true;
  const display = await openDisplay({ form, stream: invocation.stderr, now, paint, signal, explain });
  const started = now();
  const store = await storePath(invocation, options);
  const { failureHandler } = await import("./failedRun.js");
  const onFailedRun = failureHandler(invocation, failureActionOf(options), display, form);
  const result = await execute(invocation, { ...request, store, onFailedRun }, display, form);
  const summary = { result, request, duration: now() - started };
  if (digestOnly) print(invocation.stdout, [result.digest]);
  else if (form === "rawjson") print(invocation.stderr, [summaryToJson(summary)]);
  else if (form !== "quiet") print(invocation.stderr, ["", ...renderSummary(summary)]);
}

async function execute(
  invocation: Invocation,
  request: BuildRequest & { readonly store: string },
  display: Display,
  form: ProgressForm,
): Promise<BuildResult> {
  const library = await import("../../index.js");
  const { env, signal } = invocation;
  const limits = () => library.valuesOf(library.configuredLimits(request.store, env));
  const housekeeping = housekeepingFor(request.store, env, limits);
  try {
    const result = await library.build({ ...request, housekeeping, emit: display.emit, signal });
    display.stop(true);
    return result;
  } catch (error) {
    display.stop(false);
    if (form !== "rawjson") throw error;
    print(invocation.stderr, [failureToJson(toldError(error, invocation.signal))]);
    throw new ReportedFailure(error);
  }
}

/** What is told about a finished build. */
export interface BuildSummary {
  readonly result: BuildResult;
  readonly request: BuildRequest;
  /** Milliseconds. */
  readonly duration: number;
}

/** Lines that say what was built and written. */
export function renderSummary({ result, request, duration }: BuildSummary): string[] {
  const cached = result.steps.filter((step) => step.outcome === "cached").length;
  const steps = result.steps.length === 0 ? "no steps" : `${cached} of ${result.steps.length} steps cached`;
  const size = result.size === undefined ? [] : [formatBytes(result.size)];
  const names =
    result.names.length === 0
      ? "an image without a name"
      : result.names.map((name) => printable(shortenName(name))).join(", ");
  const lines = [
    `built ${names}`,
    `  ${[result.digest, ...size].join("  ")}  in ${formatSeconds(duration)}  (${steps})`,
  ];
  for (const output of request.outputs ?? []) lines.push(...renderOutput(output, result));
  return lines;
}

function renderOutput(output: OutputRequest, { names }: BuildResult): string[] {
  if (output.type === "registry")
    return (output.names ?? names).map((name) => `pushed ${printable(shortenName(name))}`);
  if (output.type === "engine") return [`loaded into ${output.engine}`];
  const { type, destination } = output;
  return [`wrote ${destination.kind === "path" ? printable(destination.path) : "standard output"} (${type})`];
}

function summaryToJson({ result, duration }: BuildSummary): string {
  const { digest, configDigest, names, steps, size } = result;
  return printableJson({ type: "result", digest, configDigest, names, size, steps, duration });
}
