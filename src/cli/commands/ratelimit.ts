/** `nacre ratelimit`. */
import type { RateLimitAnswer } from "../../index.js";
import { formatAge } from "../../support/human.js";
import { Command } from "../commander.js";
import { type Invocation, print } from "../invocation.js";
import { renderPairs } from "../table.js";
import { isTemplate, templateOption } from "../template/option.js";
import { printableJson } from "../terminalText.js";
import { examples, optionsOf } from "./options.js";
import { registryEnvOf } from "./registryEnv.js";

const EXAMPLES = examples(
  ["nacre ratelimit", "how many pulls Docker Hub still allows"],
  ["nacre ratelimit --format '{{.Remaining}}'", "the number alone"],
  ["nacre ratelimit registry.example/team/app", "of another registry, if it tells"],
);

/** Fields for templates. */
const HEADERS = {
  ...{ Registry: "REGISTRY", Limit: "LIMIT", Remaining: "REMAINING", WindowSeconds: "WINDOW", Source: "SOURCE" },
};

/** Declares the command. */
export function ratelimitCommand(invocation: Invocation): Command {
  return new Command("ratelimit")
    .summary("show how many pulls a registry still allows")
    .description("Show how many pulls a registry still allows this machine or account. Asking costs no pull.")
    .usage("[OPTIONS] [IMAGE]")
    .argument("[image]", "any image of the registry; default: one of Docker Hub that is there for this")
    .addOption(templateOption("text", "json"))
    .addHelpText("after", EXAMPLES)
    .action((image: string | undefined, _options: unknown, self: Command) =>
      showLimit(invocation, image, optionsOf<{ readonly format: string }>(self)),
    );
}

async function showLimit(
  invocation: Invocation,
  image: string | undefined,
  { format }: { readonly format: string },
): Promise<void> {
  const template = isTemplate(format)
    ? (await import("../template/template.js")).compileListing(format, HEADERS)
    : undefined;
  const { askRateLimit } = await import("../../index.js");
  const answer = await askRateLimit(image, registryEnvOf(invocation));
  const row = rowOf(answer);
  const json = format === "json" ? [printableJson(row)] : undefined;
  print(invocation.stdout, template?.lines([row]) ?? json ?? linesOf(answer));
}

function rowOf({ registry, limit }: RateLimitAnswer): object {
  const { limit: most, remaining, window, source } = limit ?? {};
  return {
    ...{ Registry: registry, Limit: most ?? null, Remaining: remaining ?? null, WindowSeconds: window ?? null },
    Source: source ?? "",
  };
}

function linesOf({ registry, limit }: RateLimitAnswer): string[] {
  if (limit === undefined) return [`${registry} tells of no limit`];
  return renderPairs([
    ["Registry", registry],
    ["Limit", `${limit.limit} pulls in ${formatAge(limit.window * 1000)}`],
    ["Remaining", String(limit.remaining)],
    ...(limit.source === undefined ? [] : ([["Counted for", limit.source]] as const)),
  ]);
}
