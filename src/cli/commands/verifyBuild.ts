/** `nacre verify` of a Dockerfile: builds are compared. */
import type { BuildVerification, ImageCause } from "../../index.js";
import { NacreError } from "../../support/errors.js";
import { type Invocation, note, print, readStdin, stdinChunks } from "../invocation.js";
import { type Paint, paintFor } from "../style.js";
import { printable, printableJson, truncate } from "../terminalText.js";
import { type BuildOptions, makeBuildRequest } from "./buildRequest.js";
import type { GlobalOptions } from "./options.js";

/** Flags by commander's attribute names. */
export interface VerifyBuildOptions extends Omit<BuildOptions, "platform"> {
  readonly times?: string;
  readonly against?: string;
  readonly all?: boolean;
}

/** Columns that an instruction may take. */
const INSTRUCTION_WIDTH = 70;

/**
 * Builds, compares and prints.
 * @returns what to fail with if the images differ
 * @throws NacreError as a build
 */
export async function verifyABuild(
  invocation: Invocation,
  place: { readonly context: string; readonly file?: string | undefined },
  options: VerifyBuildOptions & GlobalOptions & { readonly platform?: string; readonly format: string },
): Promise<NacreError | undefined> {
  const { platform, ...others } = options;
  const buildOptions = {
    ...others,
    ...(place.file === undefined ? {} : { file: place.file }),
    ...(platform === undefined ? {} : { platform: [platform] }),
  };
  const request = await makeBuildRequest(place.context, buildOptions, {
    env: invocation.env,
    stdout: { stream: invocation.stdout, isTTY: invocation.stdout.isTTY === true },
    readStdin: () => readStdin(invocation),
    stdin: () => stdinChunks(invocation),
  });
  const times = timesOf(options.times);
  const { verifyBuild, defaultStorePath } = await import("../../index.js");
  const result = await verifyBuild({
    ...request,
    store: options.store ?? defaultStorePath(invocation.env),
    ...{ times, against: options.against, signal: invocation.signal },
    onProgress: (doing) => note(invocation, doing),
  });
  const paint = paintFor(invocation.stdout, invocation.env);
  const lines = options.format === "json" ? [printableJson(result)] : renderBuilds(result, options.all === true, paint);
  print(invocation.stdout, lines);
  return result.reproducible
    ? undefined
    : new NacreError("CHECK_FAILED", "the images differ", { hint: hintOf(result) });
}

function timesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const times = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (times >= 1) return times;
  throw new NacreError("USAGE", `--times is not a number of 1 or more: ${JSON.stringify(text)}`, {
    hint: "e.g. --times 3",
  });
}

function hintOf({ causes }: BuildVerification): string | undefined {
  const isTime = (cause: ImageCause): boolean => cause.class === "mtime" || cause.class === "created";
  return causes.every(isTime) && causes.length > 0
    ? "only times differ: set SOURCE_DATE_EPOCH, and build with --reproducible"
    : undefined;
}

/** The lines of a verdict. */
export function renderBuilds(result: BuildVerification, isAll: boolean, paint: Paint): string[] {
  const { builds, against, causes, differs, reproducible } = result;
  const [first, ...others] = causes;
  const names = [
    ...builds.map((digest, at) => `build ${at + 1}:   ${digest}`),
    ...(against ? [`${printable(against.image)}:   ${against.digest}`] : []),
  ];
  if (first === undefined) return [...names, paint("done", "the same image")];
  if (reproducible) {
    const verdict = paint("done", "the same files and settings; the layers are compressed otherwise");
    return [...names, verdict, ...(isAll ? causes.flatMap(causeLines) : [])];
  }
  const what = differs === undefined ? "the build is not the image" : `build ${differs} differs from build 1`;
  const shown = isAll ? causes : [first];
  const rest = isAll || others.length === 0 ? [] : [`… and ${others.length} more: see them with --all`];
  return [...names, "", paint("error", what), ...shown.flatMap(causeLines), ...rest];
}

function causeLines(cause: ImageCause): string[] {
  const { layer, createdBy, line, count } = cause;
  const more = count !== undefined && count > 1 ? ` (and ${count - 1} more)` : "";
  const head = `  ${cause.class}: ${printable(cause.message)}${more}`;
  if (layer === undefined) return [head];
  const place = line === undefined ? "" : `, ${line.dockerfile}:${line.line}`;
  return [
    head,
    `      layer ${layer}${printable(place)}: ${truncate(printable(createdBy ?? "unknown"), INSTRUCTION_WIDTH)}`,
  ];
}
