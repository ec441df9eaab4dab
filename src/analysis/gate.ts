/**
 * A gate: rules that an image has to keep, for continuous integration. In come an opened image and rules, out comes what was
 * measured, what is allowed and what to do, rule by rule. Only what the rules ask for is looked at: rules about the config
 * open no layer.
 */
import { findBase } from "./baseImage.js";
import { measureAsDive } from "./diveExport.js";
import { checkConfig } from "./gateConfig.js";
import { checkPaths } from "./gatePaths.js";
import { GATE_RULES, type GateRule, type GateRules, type GateSettings, readGateRules } from "./gateRules.js";
import { checkSizes } from "./gateSizes.js";
import type { GateContext, GateFacts, GateOutcome, GateReport, GateResult, GateStatus } from "./gateTypes.js";
import { measureWaste } from "./measureWaste.js";
import { stackOf, treeOf } from "./mergedTree.js";
import type { OpenedImage } from "./types.js";

/**
 * Checks an image.
 * @param rules as they are written, or read by readGateRules or readGateFile
 * @throws NacreError USAGE for rules that make no sense; as OpenedLayer.index where a rule needs a layer that cannot be read:
 *   what was not measured never passes
 */
export async function evaluateGate(
  image: OpenedImage,
  rules: GateRules | GateSettings,
  context: GateContext,
): Promise<GateReport> {
  const read = isRead(rules) ? rules : readGateRules(rules);
  const facts = factsOf(image, read, context);
  const results: GateResult[] = [];
  for (const rule of read.rules) results.push(resultOf(rule, await outcomeOf(rule, facts), read));
  const counts = { PASS: 0, FAIL: 0, WARN: 0, SKIP: 0 } as Record<GateStatus, number>;
  for (const { status } of results) counts[status]++;
  return {
    schema: "nacre.gate/1",
    ...{ image: image.shown, digest: image.descriptor.digest },
    ...(context.baseline ? { baseline: context.baseline.shown } : {}),
    ...{ status: counts.FAIL > 0 ? "FAIL" : "PASS", counts, results },
  };
}

function isRead(rules: GateRules | GateSettings): rules is GateRules {
  return Array.isArray(rules.rules) && Array.isArray(rules.ignorePaths);
}

function outcomeOf(rule: GateRule, facts: GateFacts): Promise<GateOutcome> {
  if (rule.value === "off") {
    return Promise.resolve({ status: "SKIP", measured: "", allowed: "", message: "the rule is switched off" });
  }
  switch (rule.name) {
    case "required-paths":
    case "forbidden-paths":
    case "forbidden-paths-anywhere":
    case "only-paths":
      return checkPaths(rule.name, rule.value as readonly string[], facts);
    case "non-root":
    case "required-labels":
    case "allowed-bases":
    case "allowed-ports":
    case "forbidden-ports":
    case "platforms":
    case "max-age":
    case "no-secret-env":
    case "forbidden-env":
      return checkConfig(rule.name, rule.value, facts);
    default:
      return checkSizes(rule.name, rule.value, facts);
  }
}

function resultOf({ name, source }: GateRule, outcome: GateOutcome, { warn }: GateRules): GateResult {
  const status = outcome.status === "FAIL" && warn.includes(name) ? "WARN" : outcome.status;
  return { rule: name, title: GATE_RULES[name].title, ...outcome, status, ...(source ? { source } : {}) };
}

function factsOf(image: OpenedImage, rules: GateRules, context: GateContext): GateFacts {
  const { store } = context;
  const { ignorePaths } = rules;
  return {
    ...{ image, rules, context },
    base: once(() => findBase(image, store)),
    waste: once(() => measureWaste(image, { store, ignore: ignorePaths, top: 3 })),
    dive: once(() => measureAsDive(image)),
    stack: once(async () => stackOf(await treeOf(image))),
  };
}

function once<T>(find: () => T): () => T {
  let found: { readonly value: T } | undefined;
  return () => {
    found ??= { value: find() };
    return found.value;
  };
}
