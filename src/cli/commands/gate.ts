/** `nacre gate`. */
import { existsSync } from "node:fs";
import type { GateReport, GateRules, ImageWorld, OpenOptions } from "../../index.js";
import { parsePlatform } from "../../oci/platform.js";
import { isNacreError, NacreError } from "../../support/errors.js";
import { Command } from "../commander.js";
import { FailureWithExit, ReportedFailure } from "../failure.js";
import { type Invocation, note, print } from "../invocation.js";
import { addRuleFlags, ruleSettings } from "./gateFlags.js";
import { examples, formatOption, type GlobalOptions, optionsOf } from "./options.js";
import type { Library } from "./storeAccess.js";
import { warn, withImages } from "./withImages.js";

interface GateCommandOptions {
  /** False for `--no-rules`. */
  readonly rules?: string | boolean;
  readonly ciConfig?: string;
  readonly baseline?: string;
  readonly allowMissingBaseline?: boolean;
  readonly platform?: string;
  readonly remote?: boolean;
  readonly format: string;
}

const FORMATS = ["table", "json", "junit", "sarif", "github", "markdown"] as const;

const EXAMPLES = examples(
  ["nacre gate hello", "the rules of ./.nacre-gate.toml or ./.dive-ci, else dive's usual ones"],
  ["nacre gate --max-size 500MB --non-root hello", "rules on the command line; a file's rules count too"],
  ["nacre gate --baseline hello:main --max-growth 5% hello", "against the image that is to be replaced"],
  ["nacre gate --forbidden-paths '*.pem' --forbidden-paths /root/.ssh hello", "files that must not be there"],
  ["nacre gate --max-layers 20 --warn max-layers hello", "a rule that only warns"],
  ["nacre gate --format junit hello > gate.xml", "for a CI system; also sarif, github, markdown, json"],
);

const FOOTER =
  '\nFiles: .nacre-gate.toml has the same names (max-size = "500MB"); a .dive-ci file is taken as it is.\nExit code: 0 all rules hold, 1 one does not, 2 they could not be checked.\n';

/** Declares the command. */
export function gateCommand(invocation: Invocation): Command {
  const command = new Command("gate")
    .summary("check an image against rules")
    .description("Check an image against rules: size, growth, waste, paths, user, labels, base, ports, age, variables.")
    .usage("[OPTIONS] IMAGE")
    .argument("<image>", "where the image is")
    .option(
      "--rules <file>",
      "file of rules: .toml, .json, or one of dive's (default: .nacre-gate.toml, else .dive-ci)",
    )
    .option("--no-rules", "look for no file of rules")
    .option("--ci-config <file>", "the same as --rules (dive's name)")
    .option("--baseline <image>", "the image that growth is measured against")
    .option("--allow-missing-baseline", "skip rules about growth if there is no such image")
    .option("--platform <os/arch>", "which image of a multi-platform image")
    .option("--remote", "take names for ones in registries, whatever the store has");
  return addRuleFlags(command)
    .addOption(formatOption(...FORMATS))
    .addHelpText("after", FOOTER + EXAMPLES)
    .action((image: string, _options: unknown, self: Command) =>
      runGate(invocation, image, optionsOf<GateCommandOptions & Record<string, unknown>>(self)),
    );
}

async function runGate(
  invocation: Invocation,
  image: string,
  options: GateCommandOptions & Record<string, unknown> & GlobalOptions,
): Promise<void> {
  let report: GateReport;
  try {
    report = await evaluate(invocation, image, options);
    print(invocation.stdout, await render(report, options.format, invocation));
  } catch (error) {
    // Exit code 1 is an answer here.
    throw new FailureWithExit(error, 2);
  }
  if (report.status === "FAIL") throw new ReportedFailure(undefined);
}

async function evaluate(
  invocation: Invocation,
  image: string,
  options: GateCommandOptions & Record<string, unknown> & GlobalOptions,
): Promise<GateReport> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const library = await import("../../index.js");
  const rules = await rulesOf(invocation, options, library);
  const { remote } = options;
  // What a layer says of itself is not what a gate is for.
  const open: OpenOptions = { platform, remote, toc: "never" };
  return withImages(invocation, options, (world) =>
    library.withImage(image, world, open, async (opened) => {
      warn(invocation, image, opened.warnings);
      const baseline = await openBaseline(
        rules.baseline,
        options,
        { ...open, platform: opened.platform },
        world,
        library,
      );
      try {
        return await library.evaluateGate(opened, rules, {
          ...{ baseline, baselineMayMiss: options.allowMissingBaseline },
          ...{ store: world.store, now: invocation.now() },
        });
      } finally {
        await baseline?.close();
      }
    }),
  );
}

/** The rules of a file with those of the flags; dive's usual ones where nothing is said. */
async function rulesOf(
  invocation: Invocation,
  options: GateCommandOptions & Record<string, unknown>,
  library: Library,
): Promise<GateRules> {
  const settings = ruleSettings(options);
  if (options.baseline !== undefined) settings.baseline = options.baseline;
  const named = options.ciConfig ?? (typeof options.rules === "string" ? options.rules : undefined);
  const found = options.rules === false ? undefined : library.GATE_FILES.find((file) => existsSync(file));
  const file = named ?? found;
  const flags = await library.readGateRules(settings);
  if (file !== undefined) return library.mergeGateRules(await library.readGateFile(file), flags);
  const isDive = flags.rules.every(({ name }) => Object.hasOwn(library.DIVE_DEFAULTS, name));
  if (!isDive) return flags;
  if (flags.rules.length === 0) note(invocation, "there are no rules: those that dive has by default are checked");
  return library.mergeGateRules(await library.readGateRules(library.DIVE_DEFAULTS), flags);
}

async function openBaseline(
  baseline: string | undefined,
  options: GateCommandOptions,
  open: OpenOptions,
  world: ImageWorld,
  library: Library,
): Promise<Awaited<ReturnType<Library["openImage"]>> | undefined> {
  if (baseline === undefined) return undefined;
  try {
    return await library.openImage(baseline, world, open);
  } catch (error) {
    if (isNacreError(error) && error.code === "IMAGE_NOT_FOUND" && options.allowMissingBaseline) return undefined;
    if (!isNacreError(error) || error.code !== "IMAGE_NOT_FOUND") throw error;
    throw new NacreError("IMAGE_NOT_FOUND", `the baseline is not there: ${error.message}`, {
      hint: "skip rules about growth with --allow-missing-baseline",
      cause: error,
    });
  }
}

async function render(report: GateReport, format: string, { stdout, env }: Invocation): Promise<string[]> {
  if (format === "junit") return (await import("./gateJUnit.js")).gateJUnit(report);
  if (format === "sarif") return [(await import("./gateSarif.js")).gateSarif(report)];
  const text = await import("./gateText.js");
  if (format === "json") return [text.gateJson(report)];
  if (format === "github") return text.gateAnnotations(report);
  if (format === "markdown") return text.gateMarkdown(report);
  const { paintFor } = await import("../style.js");
  return text.gateTable(report, paintFor(stdout, env)).map((line) => line.trimEnd());
}
