/** Rules about sizes, growth, layers and waste. */
import { NacreError } from "../support/errors.js";
import { formatBytes } from "../support/human.js";
import type { GateRuleName, GateValue, GrowthLimit } from "./gateRules.js";
import type { GateFacts, GateOutcome } from "./gateTypes.js";
import { instructionsOf } from "./layerInstructions.js";
import type { OpenedImage } from "./types.js";
import { layerName } from "./wasteAdvice.js";

/** Below this, a share of waste is noise: default of `waste-floor`. */
const WASTE_FLOOR = 1_000_000;
/** Layers that are named where one is too big. */
const FINDINGS = 20;

/** Checks a rule about sizes. @throws NacreError as evaluateGate */
export async function checkSizes(name: GateRuleName, value: GateValue, facts: GateFacts): Promise<GateOutcome> {
  const { image } = facts;
  switch (name) {
    case "max-size":
      return atMost(await unpackedSize(image), value as number, "the image has", SIZE_ADVICE);
    case "max-content-size":
      return atMost(contentSize(image), value as number, "the image's blobs have", SIZE_ADVICE);
    case "max-growth":
      return growth(value as GrowthLimit, facts, unpackedSize);
    case "max-content-growth":
      return growth(value as GrowthLimit, facts, async (each) => contentSize(each));
    case "max-layer-size":
      return layerSize(value as number, facts);
    case "max-layers":
      return layerCount(value as number, image);
    case "max-waste":
      return waste(value as number, facts);
    case "max-waste-percent":
      return wastePercent(value as number, facts);
    default:
      return diveRule(name, value as number, facts);
  }
}

const SIZE_ADVICE = "what takes the room: nacre tree --top 20 IMAGE; what is stored in vain: nacre waste IMAGE";

/** Bytes of the regular files of all layers: what Docker calls the size of an image. @throws NacreError as OpenedLayer.index */
export async function unpackedSize(image: OpenedImage): Promise<number> {
  let sum = 0;
  for (const layer of image.layers) {
    const known = layer.hasIndex();
    sum += (await layer.stats()).bytes;
    if (!known) layer.forget();
  }
  return sum;
}

/** Bytes of config and layers as the manifest names them: what is transferred. */
export function contentSize({ manifest }: OpenedImage): number {
  return manifest.layers.reduce((sum, { size }) => sum + size, manifest.config.size);
}

function atMost(measured: number, limit: number, subject: string, advice: string): GateOutcome {
  const isOver = measured > limit;
  return {
    status: isOver ? "FAIL" : "PASS",
    ...{ measured: formatBytes(measured), value: measured, allowed: `at most ${formatBytes(limit)}` },
    message: isOver
      ? `${subject} ${formatBytes(measured)}, ${formatBytes(measured - limit)} too many`
      : `${subject} ${formatBytes(measured)}`,
    ...(isOver ? { advice } : {}),
  };
}

async function growth(
  { amount, isPercent }: GrowthLimit,
  { image, context }: GateFacts,
  sizeOf: (image: OpenedImage) => Promise<number>,
): Promise<GateOutcome> {
  const { baseline } = context;
  const allowed = isPercent ? `at most ${amount}%` : `at most ${formatBytes(amount)}`;
  if (baseline === undefined) {
    if (context.baselineMayMiss) return { status: "SKIP", measured: "", allowed, message: "there is no baseline yet" };
    throw new NacreError("USAGE", "a rule about growth needs a baseline", {
      hint: "name the image to compare with: --baseline IMAGE, or baseline in the file of rules",
    });
  }
  const [before, after] = [await sizeOf(baseline), await sizeOf(image)];
  const delta = after - before;
  const percent = before === 0 ? (delta > 0 ? Number.POSITIVE_INFINITY : 0) : (delta / before) * 100;
  const isOver = (isPercent ? percent : delta) > amount;
  const measured = `${delta < 0 ? "-" : "+"}${formatBytes(Math.abs(delta))} (${percentText(percent)})`;
  return {
    status: isOver ? "FAIL" : "PASS",
    ...{ measured, value: isPercent ? percent : delta, allowed },
    message: `from ${formatBytes(before)} to ${formatBytes(after)} since ${baseline.shown}: ${measured}`,
    ...(isOver ? { advice: "what has grown: nacre size-report --baseline BASELINE IMAGE" } : {}),
  };
}

function percentText(percent: number): string {
  return Number.isFinite(percent) ? `${percent < 0 ? "" : "+"}${percent.toFixed(1)}%` : "new";
}

/** The base's layers are its makers' affair. */
async function layerSize(limit: number, { image, context, base }: GateFacts): Promise<GateOutcome> {
  const first = base()?.layers ?? 0;
  const instructions = instructionsOf(image, context.store);
  const sizes: { readonly number: number; readonly bytes: number }[] = [];
  for (const layer of image.layers.slice(first)) {
    sizes.push({ number: layer.number, bytes: (await layer.stats()).bytes });
  }
  sizes.sort((a, b) => b.bytes - a.bytes);
  const tooBig = sizes.filter(({ bytes }) => bytes > limit);
  const biggest = sizes[0]?.bytes ?? 0;
  const named = tooBig.map(({ number, bytes }) => {
    return `${layerName({ number, instruction: instructions[number]!.instruction })}: ${formatBytes(bytes)}`;
  });
  return {
    status: tooBig.length > 0 ? "FAIL" : "PASS",
    ...{ measured: formatBytes(biggest), value: biggest, allowed: `at most ${formatBytes(limit)}` },
    message: tooBig.length > 0 ? `too big: ${named[0]}` : `the biggest layer has ${formatBytes(biggest)}`,
    ...(tooBig.length > 0
      ? {
          ...{ advice: "split the instruction, or let it write less: nacre tree --layer N --top 20 IMAGE" },
          ...{ findings: named.slice(0, FINDINGS), more: Math.max(0, named.length - FINDINGS) },
        }
      : {}),
  };
}

function layerCount(limit: number, { layers }: OpenedImage): GateOutcome {
  const isOver = layers.length > limit;
  return {
    status: isOver ? "FAIL" : "PASS",
    ...{ measured: String(layers.length), value: layers.length, allowed: `at most ${limit}` },
    message: `the image has ${layers.length} layers`,
    ...(isOver ? { advice: "join RUN and COPY instructions, or build in a stage and copy its result" } : {}),
  };
}

async function waste(limit: number, { waste: measure }: GateFacts): Promise<GateOutcome> {
  const { reclaimable, pairs } = await measure();
  const outcome = atMost(reclaimable, limit, "stored in vain:", pairs[0]?.advice.text ?? "");
  return reclaimable > limit ? { ...outcome, findings: pairs.map(({ text }) => text) } : outcome;
}

async function wastePercent(limit: number, { waste: measure, rules }: GateFacts): Promise<GateOutcome> {
  const { reclaimable, stored, efficiency, pairs } = await measure();
  const floor = rules.wasteFloor ?? WASTE_FLOOR;
  const percent = (1 - efficiency) * 100;
  const isOver = percent > limit && reclaimable > floor;
  const measured = `${percent.toFixed(1)}% (${formatBytes(reclaimable)})`;
  const isBelowFloor = percent > limit && !isOver;
  return {
    status: isOver ? "FAIL" : "PASS",
    ...{ measured, value: percent, allowed: `at most ${limit}%` },
    message: `${formatBytes(reclaimable)} of ${formatBytes(stored)} are stored in vain${isBelowFloor ? `: up to ${formatBytes(floor)} no share is too high` : ""}`,
    ...(isOver ? { advice: pairs[0]?.advice.text, findings: pairs.map(({ text }) => text) } : {}),
  };
}

/** As dive compares: at the limit is still well, and what is no number (0/0) passes. */
async function diveRule(name: GateRuleName, limit: number, { dive }: GateFacts): Promise<GateOutcome> {
  const { efficiency, wastedBytes, userWastedPercent } = await dive();
  const advice = "what dive counts: nacre waste --compat=dive IMAGE; what is really stored in vain: nacre waste IMAGE";
  if (name === "highestWastedBytes") return atMost(wastedBytes, limit, "dive counts as wasted:", advice);
  const isEfficiency = name === "lowestEfficiency";
  const measured = isEfficiency ? efficiency : userWastedPercent;
  const isBad = isEfficiency ? measured < limit : measured > limit;
  const shown = Number.isFinite(measured) ? measured.toFixed(4) : measured > 0 ? "infinite" : "not a number (0/0)";
  return {
    status: isBad ? "FAIL" : "PASS",
    ...{ measured: shown, ...(Number.isFinite(measured) ? { value: measured } : {}) },
    allowed: `at ${isEfficiency ? "least" : "most"} ${limit}`,
    message: `dive's ${isEfficiency ? "efficiency" : "share of wasted bytes above the lowest layer"} is ${shown}`,
    ...(isBad ? { advice } : {}),
  };
}
