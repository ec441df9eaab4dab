/** `nacre verify`: whether an image is what it says, and whether a Dockerfile builds the same image again. */
import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { VerifyReport } from "../../index.js";
import { parsePlatform } from "../../oci/platform.js";
import { NacreError } from "../../support/errors.js";
import { formatBytes } from "../../support/human.js";
import { Command } from "../commander.js";
import { FailureWithExit } from "../failure.js";
import { type Invocation, print } from "../invocation.js";
import { type Paint, paintFor } from "../style.js";
import { renderTable } from "../table.js";
import { printable, printableJson } from "../terminalText.js";
import { collect, examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import { addRunOptions } from "./runOptions.js";
import type { VerifyBuildOptions } from "./verifyBuild.js";
import { withImages } from "./withImages.js";

interface VerifyOptions extends VerifyBuildOptions {
  readonly platform?: string;
  readonly remote?: boolean;
  readonly strict?: boolean;
  readonly format: string;
}

const EXAMPLES = examples(
  ["nacre verify hello:1", "every digest, size, type, diffID and tar of an image"],
  ["nacre verify docker://debian:12", "of an image in a registry, with all its platforms"],
  ["nacre verify oci:DIR --format json", "for programs"],
  ["nacre verify .", "build this directory twice, and tell why the images differ"],
  ["SOURCE_DATE_EPOCH=0 nacre verify . --reproducible", "with all times set, so that only the rest can differ"],
  ["nacre verify . --against hello:1", "is this image what the Dockerfile makes?"],
);

/** Declares the command. */
export function verifyCommand(invocation: Invocation): Command {
  const command = new Command("verify")
    .summary("check an image's structure and digests, or whether a Dockerfile builds the same image again")
    .description(
      "Check an image: every document and blob is read and compared with its digest and size, every tar with its diffID, and what they say with each other. Or, for a Dockerfile or the directory of one: build it twice without the cache, and tell why the images differ. Exit code 0: sound or reproducible, 1: not, 2: it could not be found out.",
    )
    .usage("[OPTIONS] IMAGE|DOCKERFILE|DIRECTORY")
    .argument("<what>", "where the image is (as for nacre inspect), or a Dockerfile, or a directory with one")
    .option("--platform <os/arch>", "of an image: only this one of its platforms; of a build: for this one")
    .addOption(formatOption("table", "json"))
    .optionsGroup("Images:")
    .option("--remote", "take the name for one in a registry, whatever the store has")
    .option("--strict", "warnings are failures, too")
    .optionsGroup("Builds:")
    .option("--times <number>", "builds that are compared (default: 2; with --against 1)")
    .option("--against <image>", "compare with this image")
    .option("--all", "tell all causes (default: the first)")
    .option("--reproducible", "build with every time set to SOURCE_DATE_EPOCH, or to 0")
    .option("-f, --file <path>", "the Dockerfile (default: DIRECTORY/Dockerfile)")
    .option("--target <stage>", "build this stage")
    .option("--build-arg <name=value>", "set an ARG", collect)
    .option("--build-context <name=source>", "a further context", collect)
    .option("--label <name=value>", "set a label", collect)
    .option("--offline", "ask nothing of the network")
    .option("--ignorefile <path>", "the ignore file")
    .option("--lock-file <path>", "the lock file (default: DIRECTORY/nacre.lock)");
  addRunOptions(command);
  return command
    .addHelpText("after", EXAMPLES)
    .action((what: string, _options: unknown, self: Command) =>
      withExitCodes(invocation, () => runVerify(invocation, what, optionsOf<VerifyOptions>(self))),
    );
}

/** Exit code 1 says that something is wrong with what was verified; all else that goes wrong is 2. */
async function withExitCodes(invocation: Invocation, work: () => Promise<NacreError | undefined>): Promise<void> {
  let verdict: NacreError | undefined;
  try {
    verdict = await work();
  } catch (error) {
    throw invocation.signal.aborted ? error : new FailureWithExit(error, 2);
  }
  if (verdict !== undefined) throw verdict;
}

async function runVerify(
  invocation: Invocation,
  what: string,
  options: VerifyOptions & GlobalOptions,
): Promise<NacreError | undefined> {
  const place = buildPlace(what, options);
  if (place === undefined) return verifyAnImage(invocation, what, options);
  const { verifyABuild } = await import("./verifyBuild.js");
  return verifyABuild(invocation, place, options);
}

/** A directory that is no image layout, a file of a Dockerfile's name, or anything with flags for builds, is built. */
function buildPlace(
  what: string,
  { file, times, against }: VerifyOptions,
): { readonly context: string; readonly file?: string | undefined } | undefined {
  if (file !== undefined || times !== undefined || against !== undefined) {
    return isDockerfile(what) && file === undefined
      ? { context: join(what, ".."), file: what }
      : { context: what, file };
  }
  if (isDockerfile(what)) return { context: join(what, ".."), file: what };
  const isDirectory = !what.includes("\0") && statSync(what, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isDirectory || existsSync(join(what, "oci-layout")) || existsSync(join(what, "manifest.json"))) return undefined;
  const isPath = /^(?:\.{0,2}\/|\.{1,2}$)/.test(what) || what.endsWith("/");
  return isPath || existsSync(join(what, "Dockerfile")) || existsSync(join(what, "dockerfile"))
    ? { context: what }
    : undefined;
}

function isDockerfile(path: string): boolean {
  if (path.includes("\0") || !/(?:^|\.)(?:docker|container)file(?:\.|$)/i.test(basename(path))) return false;
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

async function verifyAnImage(
  invocation: Invocation,
  image: string,
  options: VerifyOptions & GlobalOptions,
): Promise<NacreError | undefined> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const report = await withImages(invocation, options, (world, library) =>
    library.verifyImage(image, world, { platform, remote: options.remote, toc: "never" }),
  );
  const paint = paintFor(invocation.stdout, invocation.env);
  print(invocation.stdout, options.format === "json" ? [printableJson(report)] : renderVerification(report, paint));
  return verdictOf(report, options.strict === true);
}

function verdictOf({ findings, image }: VerifyReport, isStrict: boolean): NacreError | undefined {
  const counted = (severity: string): number =>
    findings.reduce((sum, one) => sum + (one.severity === severity ? (one.count ?? 1) : 0), 0);
  const [errors, warnings] = [counted("error"), counted("warning")];
  if (errors > 0) return new NacreError("CONTENT_INVALID", `${count(errors, "error")} in ${image}`);
  if (isStrict && warnings > 0) return new NacreError("CONTENT_INVALID", `${count(warnings, "warning")} in ${image}`);
  return undefined;
}

/** The lines of a report: what was found, then what was looked at. */
export function renderVerification(report: VerifyReport, paint: Paint): string[] {
  const { findings, totals, sound } = report;
  const rows = findings.map((one) => [one.severity, one.class, placeText(one), one.message]);
  const table = rows.length === 0 ? [] : renderTable(["SEVERITY", "CLASS", "WHERE", "WHAT"], rows);
  const painted = table.map((line, at) => (at === 0 ? line : paintSeverity(line, paint)));
  const documents = totals.indexes + totals.manifests + totals.configs;
  const seen = [
    count(documents, "document"),
    `${count(totals.layers, "layer")} with ${count(totals.members, "member")}`,
    ...(totals.referrers > 0 ? [count(totals.referrers, "referrer")] : []),
  ];
  const verdict = sound ? paint("done", "sound") : paint("error", "not sound");
  const summary = `${printable(report.image)}: ${seen.join(", ")}, ${formatBytes(totals.bytes)} read: ${verdict}`;
  return [...painted, ...(painted.length > 0 ? [""] : []), summary];
}

function paintSeverity(line: string, paint: Paint): string {
  const [word = ""] = line.split(" ", 1);
  const role = word === "error" ? "error" : word === "warning" ? "warning" : undefined;
  return role === undefined ? line : paint(role, word) + line.slice(word.length);
}

function placeText({ platform, layer, path, digest }: VerifyReport["findings"][number]): string {
  const where = [
    ...(platform === undefined ? [] : [platform]),
    ...(layer === undefined
      ? digest === undefined || path !== undefined
        ? []
        : [digest.slice(0, 19)]
      : [`layer ${layer}`]),
    ...(path === undefined ? [] : [path]),
  ];
  return where.join(" ");
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
