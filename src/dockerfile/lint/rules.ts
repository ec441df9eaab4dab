/**
 * The catalogue of BuildKit's build checks: names, descriptions and pages of documentation as its linter gives them. What
 * fires when is elsewhere: textRules.ts for what the text alone shows, plan/ for what needs variables and bases, build/
 * for what needs the ignore file.
 */

/** One rule. */
export interface LintRule {
  readonly name: string;
  /** BuildKit's sentence for the rule as such. */
  readonly description: string;
  /** The page that explains it. */
  readonly url: string;
  /** Only runs where the check options ask for it. */
  readonly experimental: boolean;
  /** `--check-fix` mends at least some of its findings. */
  readonly fixable: boolean;
}

const PAGES = "https://docs.docker.com/go/dockerfile/rule/";

/** All rules, in the order in which they came into BuildKit. */
export const LINT_RULES: readonly LintRule[] = [
  rule("StageNameCasing", "Stage names should be lowercase", { fixable: true }),
  rule("FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword", { fixable: true }),
  rule("NoEmptyContinuation", "Empty continuation lines will become errors in a future release", { fixable: true }),
  rule(
    "ConsistentInstructionCasing",
    "All commands within the Dockerfile should use the same casing (either upper or lower)",
    { fixable: true },
  ),
  rule("DuplicateStageName", "Stage names should be unique"),
  rule("ReservedStageName", "Reserved words should not be used as stage names"),
  rule(
    "JSONArgsRecommended",
    "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    { fixable: true },
  ),
  rule(
    "MaintainerDeprecated",
    "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
  ),
  rule("UndefinedArgInFrom", "FROM command must use declared ARGs"),
  rule("UndefinedVar", "Variables should be defined before their use"),
  rule(
    "WorkdirRelativePath",
    "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
    { fixable: true },
  ),
  rule("MultipleInstructionsDisallowed", "Multiple instructions of the same type should not be used in the same stage"),
  rule("LegacyKeyValueFormat", "Legacy key/value format with whitespace separator should not be used", {
    fixable: true,
  }),
  rule("InvalidBaseImagePlatform", "Base image platform does not match expected target platform"),
  rule(
    "RedundantTargetPlatform",
    "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    { fixable: true },
  ),
  rule("SecretsUsedInArgOrEnv", "Sensitive data should not be used in the ARG or ENV commands"),
  rule("InvalidDefaultArgInFrom", "Default value for global ARG results in an empty or invalid base image name"),
  rule("FromPlatformFlagConstDisallowed", "FROM --platform flag should not use a constant value"),
  rule("CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore"),
  rule(
    "InvalidDefinitionDescription",
    "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.",
    { experimental: true },
  ),
  rule("ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase", { fixable: true }),
  rule(
    "ExposeInvalidFormat",
    "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
    { fixable: true },
  ),
];

const BY_NAME: ReadonlyMap<string, LintRule> = new Map(LINT_RULES.map((one) => [one.name, one]));

/** BuildKit's rule of that name; undefined for remarks of nacre's own. Names are compared exactly, as BuildKit does. */
export function findLintRule(name: string): LintRule | undefined {
  return BY_NAME.get(name);
}

function rule(
  name: string,
  description: string,
  { experimental = false, fixable = false }: { experimental?: boolean; fixable?: boolean } = {},
): LintRule {
  const page = name.replace(/([a-z])([A-Z])|([A-Z])([A-Z][a-z])/g, "$1$3-$2$4").toLowerCase();
  return { name, description, url: `${PAGES}${page}/`, experimental, fixable };
}
