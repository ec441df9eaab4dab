/** `nacre build`: the options as typed on the command line, turned into a build request. Pure but for what is handed in. */
import type { BuildRequest, DockerfileSource, OutputRequest } from "../../index.js";
import { parsePlatform } from "../../oci/platform.js";
import { familiarName, isReference, parseReference, type Reference } from "../../oci/reference.js";
import { decodeText } from "../../support/bytes.js";
import { isNacreError, NacreError } from "../../support/errors.js";
import { nearest } from "../../support/suggest.js";
import type { Environment } from "../invocation.js";
import { proxyArguments } from "./buildEnvironment.js";
import { parseOutput, plainForm, type StdoutTarget } from "./buildOutput.js";
import { type RunOptions, runRequestOf } from "./runOptions.js";

/** Options of `nacre build` by commander's attribute names. */
export interface BuildOptions extends RunOptions {
  readonly file?: string;
  readonly ignorefile?: string;
  readonly offline?: boolean;
  readonly pull?: boolean;
  readonly push?: boolean;
  readonly load?: boolean;
  readonly lock?: boolean;
  readonly locked?: boolean;
  readonly lockFile?: string;
  readonly tag?: readonly string[];
  readonly target?: string;
  readonly ignoreSyntax?: boolean;
  readonly buildArg?: readonly string[];
  readonly buildContext?: readonly string[];
  readonly label?: readonly string[];
  readonly annotation?: readonly string[];
  readonly platform?: readonly string[];
  /** False for `--no-cache` (commander's spelling of a negated flag). */
  readonly cache?: boolean;
  /** Values of `--no-cache-filter`, likewise; `true` where it is not given. */
  readonly cacheFilter?: readonly string[] | true;
  readonly network?: string;
  readonly output?: readonly string[];
  readonly iidfile?: string;
  readonly metadataFile?: string;
  readonly quiet?: boolean;
  readonly progress?: string;
  readonly reproducible?: boolean;
  readonly store?: string;
  readonly jobs?: string;
  readonly name?: string;
  readonly explain?: boolean;
}

/** What the request is made from beside the options. */
export interface RequestSources {
  readonly env: Environment;
  /** Version of this program. */
  readonly program?: string | undefined;
  readonly stdout: StdoutTarget;
  /** Reads a Dockerfile from standard input (`-f -`). */
  readonly readStdin: () => Promise<Uint8Array>;
  /** Standard input as it comes (a context of `-`). */
  readonly stdin: () => AsyncIterable<Uint8Array>;
}

/**
 * Makes the request. Relative paths stay as they are: the library takes them from the working directory.
 * @throws NacreError USAGE, REFERENCE_INVALID
 */
export async function makeBuildRequest(
  context: string | undefined,
  options: BuildOptions,
  sources: RequestSources,
): Promise<BuildRequest> {
  const { outputs, names, canonicalNames } = outputsOf(options, sources.stdout);
  return {
    context: contextOf(context, options.file, sources),
    ignoreFile: options.ignorefile,
    tags: [...(options.tag ?? []), ...names].map(checkTag),
    canonicalNames,
    target: options.target,
    name: options.name,
    ignoreSyntax: options.ignoreSyntax,
    buildArgs: buildArgs(options.buildArg ?? [], options.buildContext ?? [], sources.env),
    buildContexts: pairs("--build-context", options.buildContext ?? []),
    labels: labels(options.label ?? []),
    annotations: annotations(options.annotation ?? []),
    platform: platformOf(options.platform ?? platformDefault(sources.env)),
    noCache: options.cache === false,
    noCacheFilter: stagesOf(options.cacheFilter),
    offline: options.offline ?? /^(1|true|yes)$/i.test(sources.env.NACRE_OFFLINE ?? ""),
    pull: options.pull === true,
    lock: lockOf(options),
    lockFile: options.lockFile,
    network: networkOf(options.network),
    ...runRequestOf(options, sources.env),
    outputs,
    iidFile: options.iidfile,
    metadataFile: options.metadataFile,
    sourceDateEpoch: sourceDateEpoch(sources.env, options.buildContext ?? []),
    reproducible: options.reproducible === true,
    store: options.store,
    env: sources.env,
    program: sources.program,
    jobs: jobsOf(options.jobs),
    dockerfile: await dockerfileOf(options.file, sources.readStdin),
  };
}

function contextOf(
  context: string | undefined,
  file: string | undefined,
  sources: RequestSources,
): BuildRequest["context"] {
  if (context === undefined) {
    throw usage("nacre build needs the path of a context directory", "build this directory with: nacre build .");
  }
  if (context !== "-") return context;
  if (file === "-") {
    throw usage(
      "can't use stdin for both build context and dockerfile",
      "give the context as a directory, or name a Dockerfile that lies in the archive",
    );
  }
  return { stream: sources.stdin() };
}

async function dockerfileOf(
  file: string | undefined,
  readStdin: () => Promise<Uint8Array>,
): Promise<DockerfileSource | undefined> {
  if (file === undefined || file === "") return undefined;
  if (file !== "-") {
    if (/^https?:\/\//.test(file)) return { kind: "url", url: file };
    return { kind: "file", path: file };
  }
  return { kind: "text", text: decodeText(await readStdin()), name: "-" };
}

function checkTag(tag: string): string {
  const reference = parseTag(tag);
  if (reference.digest) throw usage(`a tag cannot have a digest: ${tag}`, "write name:tag");
  return familiarName(reference);
}

function parseTag(tag: string): Reference {
  if (tag === "") throw usage("--tag is empty", "write --tag name:tag");
  try {
    return parseReference(tag);
  } catch (error) {
    if (!isNacreError(error)) throw error;
    const lower = tag.toLowerCase();
    throw usage(`--tag: ${error.message}`, isReference(lower) ? `did you mean ${lower}?` : (error.hint ?? ""));
  }
}

/** `NAME=value`; `NAME` takes the value from the environment, and is not passed where there is none (as docker does). */
function buildArgs(given: readonly string[], contexts: readonly string[], env: Environment): Record<string, string> {
  const args = new Map<string, string>();
  for (const text of given) {
    const [name, value] = split(text);
    if (name === "") throw usage(`--build-arg ${JSON.stringify(text)} has no name`, "write NAME=value");
    const actual = value ?? env[name];
    if (actual !== undefined) args.set(name, actual);
  }
  return { ...proxyArguments(env, new Set(args.keys())), ...sourceOfTime(env, contexts), ...Object.fromEntries(args) };
}

/** `key=value`, or `key` with an empty value, as docker takes labels. */
function labels(given: readonly string[]): Record<string, string> {
  const entries = given.map((text): [string, string] => {
    const [key, value] = split(text);
    if (key === "") throw usage(`--label ${JSON.stringify(text)} has no key`, "write key=value");
    return [key, value ?? ""];
  });
  return Object.fromEntries(entries);
}

/** `[manifest:]key=value`; buildx's other levels need an image index. */
function annotations(given: readonly string[]): Record<string, string> {
  const plain = given.map((text) => {
    const level = /^((?:manifest|index)(?:-descriptor)?(?:\[[^\]]*\])?(?:,[a-z-]+(?:\[[^\]]*\])?)*):/.exec(text)?.[1];
    if (level === undefined) return text;
    if (level !== "manifest") {
      throw usage(
        `--annotation for ${level} is not available: annotations go to the manifest of a single image`,
        "write key=value",
      );
    }
    return text.slice(level.length + 1);
  });
  return pairs("--annotation", plain);
}

function pairs(flag: string, given: readonly string[]): Record<string, string> {
  const entries = given.map((text): [string, string] => {
    const [key, value] = split(text);
    if (key === "" || value === undefined) {
      throw usage(`${flag} ${JSON.stringify(text)} is not key=value`, `write ${flag} key=value`);
    }
    return [key, value];
  });
  return Object.fromEntries(entries);
}

function split(text: string): [string, string | undefined] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}

/** Stage names, which may be separated by commas too. */
function stagesOf(given: readonly string[] | true | undefined): string[] {
  if (given === undefined || given === true) return [];
  return given.flatMap((stages) => stages.split(",")).filter((stage) => stage !== "");
}

function platformOf(given: readonly string[]): string | undefined {
  const all = given.flatMap((text) => text.split(",")).filter((text) => text !== "");
  if (all.length > 1) {
    const each = all.map((platform) => `--platform ${platform}`).join(" and ");
    throw usage(`several platforms at once are not available: ${all.join(", ")}`, `build each by itself, with ${each}`);
  }
  if (all[0] !== undefined) parsePlatform(all[0]);
  return all[0];
}

/** As the docker command has it. */
function platformDefault({ DOCKER_DEFAULT_PLATFORM: platform }: Environment): readonly string[] {
  return platform ? [platform] : [];
}

const NETWORKS = ["default", "none", "host"];

function networkOf(network: string | undefined): string | undefined {
  if (network === undefined || NETWORKS.includes(network)) return network;
  const near = nearest(network, NETWORKS);
  throw usage(
    `unknown network ${JSON.stringify(network)}`,
    near ? `did you mean ${near}?` : `--network is ${NETWORKS.join(", ")}`,
  );
}

function outputsOf(
  options: BuildOptions,
  stdout: StdoutTarget,
): { outputs: readonly OutputRequest[]; names: readonly string[]; canonicalNames?: readonly string[] | undefined } {
  const parsed = (options.output ?? []).map((text) => parseOutput(text, stdout));
  const outputs = parsed.flatMap((item) => (item.kind === "output" ? [item.output] : []));
  if (options.push) outputs.push({ type: "registry", ...plainForm() });
  if (options.load) outputs.push({ type: "engine", engine: "docker", ...plainForm() });
  const streams = outputs.filter((output) => "destination" in output && output.destination.kind === "stream").length;
  if (streams > 1) throw usage("two outputs cannot both go to standard output", "give one of them a dest=FILE");
  if (streams > 0 && (options.quiet || options.progress === "quiet")) {
    throw usage(
      "the output and the digest of --quiet cannot both go to standard output",
      "use --iidfile, or dest=FILE",
    );
  }
  const named = parsed.flatMap((item) => (item.kind === "names" ? [item] : []));
  const names = named.flatMap((item) => item.names);
  const canonicalNames = named.some((item) => item.canonical)
    ? named.flatMap((item) => (item.canonical ? item.names : []))
    : undefined;
  return { outputs, names, canonicalNames };
}

/** `--lock` writes the lock file, `--locked` holds it. */
function lockOf({ lock, locked }: BuildOptions): BuildRequest["lock"] {
  if (lock && locked) throw usage("--lock and --locked contradict each other", "leave one of them out");
  return lock ? "write" : locked ? "hold" : undefined;
}

/** SOURCE_DATE_EPOCH of the environment as a build argument, where it names a context that tells the time. */
function sourceOfTime(env: Environment, contexts: readonly string[]): Record<string, string> {
  const text = env.SOURCE_DATE_EPOCH ?? "";
  const isName = text === "context" || contexts.some((context) => text !== "" && context.startsWith(`${text}=`));
  return isName ? { SOURCE_DATE_EPOCH: text } : {};
}

function sourceDateEpoch(env: Environment, contexts: readonly string[]): number | undefined {
  const text = env.SOURCE_DATE_EPOCH;
  if (text === undefined || text === "" || sourceOfTime(env, contexts).SOURCE_DATE_EPOCH !== undefined)
    return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  // Dates beyond the year 9999 have no RFC 3339 form.
  if (seconds <= 253_402_300_799) return seconds;
  throw usage(
    `SOURCE_DATE_EPOCH is not a number of seconds: ${JSON.stringify(text)}`,
    "e.g. SOURCE_DATE_EPOCH=1700000000",
  );
}

function jobsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const jobs = /^\d+$/.test(text) ? Number(text) : 0;
  if (jobs >= 1 && jobs <= 1024) return jobs;
  throw usage(`--jobs is not a number of 1 or more: ${JSON.stringify(text)}`, "e.g. --jobs 4");
}

function usage(message: string, hint: string): NacreError {
  return new NacreError("USAGE", message, { hint });
}
