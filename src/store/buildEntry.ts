/**
 * What is kept of a build. Version 1 had the fields up to `error` and, of a step, `label`, `outcome`, `duration` and `log`;
 * whatever has been added since may be absent.
 */
import * as v from "valibot";
import { isDigest } from "../oci/digest.js";
import { LOG_NAME } from "./logs.js";

/** The form that is written today. */
export const BUILD_VERSION = 2;

const text = v.string();
const maybe = v.optional(text);
const key = v.optional(v.pipe(text, v.regex(/^[0-9a-f]{64}$/)));
const digest = v.optional(v.custom<string>(isDigest));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const stepSchema = v.object({
  /** As people see it: `[build 2/5] RUN make`. */
  label: text,
  outcome: v.picklist(["done", "cached", "error", "cancelled"]),
  /** Milliseconds that it took in this build. */
  duration: v.number(),
  /** Log of the execution, in this build or, for cached steps, in an earlier one. */
  log: v.optional(v.pipe(text, v.regex(LOG_NAME))),
  /** Its number in the plan. */
  id: v.optional(count),
  /** Name of its stage. */
  stage: maybe,
  /** The instruction as it is written. */
  instruction: maybe,
  kind: v.optional(v.picklist(["copy", "run", "workdir"])),
  /** Of the Dockerfile, from 1. */
  line: v.optional(count),
  /** The definition key. */
  key,
  /** Ids of the steps that it needs. */
  inputs: v.optional(v.array(count)),
  /** For cached steps: which key answered. */
  by: v.optional(v.picklist(["definition", "content"])),
  /** Why the cache did not answer, as the explanation of misses has it: any JSON. Nothing here looks into it. */
  reason: v.optional(v.unknown()),
  /** Milliseconds since the build began. */
  started: v.optional(v.number()),
  /** For cached steps: milliseconds that it took when it was made. */
  saved: v.optional(v.number()),
  /** Of its layer. */
  diffId: digest,
  /** Bytes of its layer, uncompressed. */
  size: v.optional(count),
});

const argumentSchema = v.object({
  name: text,
  /** Absent where the argument has none, or it is hidden. */
  value: maybe,
  /** The value looks like a secret and is not kept. */
  hidden: v.optional(v.literal(true)),
});

const inputsSchema = v.object({
  /** Images that the build began with or copied from. */
  bases: v.optional(v.array(v.object({ reference: text, digest: maybe, platform: maybe }))),
  contexts: v.optional(v.array(v.object({ name: text, description: maybe, digest: maybe }))),
  /** What was fetched: by a digest of the content, or by the commit. */
  remotes: v.optional(
    v.array(v.object({ kind: v.picklist(["url", "git"]), address: text, digest: maybe, commit: maybe })),
  ),
});

const headFields = {
  /** The form in which it was written. */
  version: v.picklist([1, 2]),
  /** Milliseconds since 1970. */
  started: v.number(),
  ended: v.number(),
  outcome: v.picklist(["done", "error", "cancelled"]),
  /** The Dockerfile as errors name it. */
  dockerfile: text,
  context: text,
  target: maybe,
  /** What the user calls this build (BUILDKIT_BUILD_NAME). */
  title: maybe,
  names: v.array(text),
  digest: maybe,
  error: maybe,
  /** Identity of Dockerfile and context: 64 hex digits. */
  project: key,
  platform: maybe,
  /** Version of the program. */
  nacre: maybe,
  /** The level at which RUN was executed. */
  isolation: maybe,
};

/** A whole entry. */
export const entrySchema = v.object({
  ...headFields,
  args: v.optional(v.array(argumentSchema)),
  inputs: v.optional(inputsSchema),
  outputs: v.optional(v.array(v.object({ type: text, destination: maybe, digest: maybe }))),
  steps: v.array(stepSchema),
});

/** What listings need of it. */
export const headSchema = v.object({
  ...headFields,
  /** Steps by what became of them. */
  counts: v.object({ steps: count, done: count, cached: count, error: count, cancelled: count }),
});

/** What became of a build. */
export type BuildEntry = Readonly<v.InferOutput<typeof entrySchema>>;
/** What became of a step of a build. */
export type BuildStep = Readonly<v.InferOutput<typeof stepSchema>>;
/** An argument of a build. */
export type BuildArgument = Readonly<v.InferOutput<typeof argumentSchema>>;
/** What a build took from outside. */
export type BuildInputs = Readonly<v.InferOutput<typeof inputsSchema>>;
/** An entry without its steps, arguments, inputs and outputs. */
export type BuildHead = Readonly<v.InferOutput<typeof headSchema>>;

/** A build with its name. */
export interface NamedBuild extends BuildEntry {
  readonly id: string;
}

/** A build with its name, as listings show it. */
export interface BuildSummary extends BuildHead {
  readonly id: string;
}

/** What listings need of an entry. */
export function headOf(entry: BuildEntry): BuildHead {
  const { args: _args, inputs: _inputs, outputs: _outputs, steps, ...head } = entry;
  const counts = { steps: steps.length, done: 0, cached: 0, error: 0, cancelled: 0 };
  for (const { outcome } of steps) counts[outcome]++;
  return { ...head, counts };
}
