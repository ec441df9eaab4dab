/**
 * What a project's steps were keyed as when they last succeeded, so that a later miss can be explained even after their
 * records are gone. One file a project, `projects/HEX`; losing one costs explanations and nothing else.
 */
import { rmSync, statSync } from "node:fs";
import * as v from "valibot";
import { type Digest, isDigest } from "../oci/digest.js";
import { namesIn, readIfThere, unlinkIfThere } from "../store/files.js";
import { sealOf, unseal } from "../store/sealed.js";
import type { Store } from "../store/store.js";
import type { Json } from "../support/json.js";

/** Most bytes of a project's file. */
const MAX_BYTES = 64 << 20;
/** Projects that are kept. */
const KEPT = 500;
const NAME = /^[0-9a-f]{64}$/;

const digest = v.custom<Digest>(isDigest);
const stepSchema = v.object({
  /** Name of the stage, or `stage-N`. */
  stage: v.string(),
  /** The instruction as written, on one line. */
  instruction: v.string(),
  label: v.string(),
  kind: v.picklist(["copy", "run", "workdir"]),
  key: v.string(),
  ingredients: v.custom<Json>((value) => typeof value === "object" && value !== null),
  /** Names of the base images that the ingredients mention, by digest. */
  references: v.optional(v.record(v.string(), v.string())),
  /** The packed lists of its context sources. */
  lists: v.optional(digest),
  /** When its layer was made, milliseconds since 1970. */
  created: v.number(),
  /** How long that took, milliseconds. */
  duration: v.number(),
  /** Bytes of its layer, uncompressed. */
  size: v.number(),
});

const stateSchema = v.object({ version: v.literal(1), steps: v.array(stepSchema) });

/** A step as it last succeeded. */
export type StepState = Readonly<v.InferOutput<typeof stepSchema>>;

/** The steps of a project; undefined if nothing is known, or what is there is damaged. Never throws. */
export function readProject(store: Store, name: string): readonly StepState[] | undefined {
  try {
    const content = unseal(sealName(name), readIfThere(pathOf(store, name), MAX_BYTES));
    return content && v.parse(stateSchema, JSON.parse(content.toString("utf8"))).steps;
  } catch {
    return undefined;
  }
}

/** Notes the steps of a project. @throws NacreError STORE, DISK_FULL */
export function putProject(store: Store, name: string, steps: readonly StepState[]): void {
  const content = Buffer.from(JSON.stringify({ version: 1, steps }));
  if (content.length > MAX_BYTES) return;
  store.directory.ensure("projects");
  store.directory.publish(pathOf(store, name), [sealOf(sealName(name), content), content], { mode: 0o600 });
  removeOldest(store);
}

/** Forgets the steps of a project. */
export function forgetProject(store: Store, name: string): void {
  unlinkIfThere(pathOf(store, name));
}

function pathOf(store: Store, name: string): string {
  return store.directory.at("projects", name);
}

function sealName(name: string): string {
  return `project:${name}`;
}

function removeOldest(store: Store): void {
  const names = namesIn(store.directory.at("projects")).filter((name) => NAME.test(name));
  if (names.length <= KEPT * 1.1) return;
  const aged = names.map((name) => {
    const path = pathOf(store, name);
    return { path, time: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 };
  });
  for (const { path } of aged.sort((a, b) => b.time - a.time).slice(KEPT)) rmSync(path, { force: true });
}
