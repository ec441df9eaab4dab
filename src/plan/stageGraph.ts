/** The stages of a file and what stands where in it, before anything is planned. */
import type { StageSource } from "../dockerfile/ast.js";
import type { Platform } from "../oci/platform.js";
import type { NamedContexts } from "./contexts.js";

/** What a stage is built on. */
export type StageBase =
  | { readonly kind: "scratch" }
  | { readonly kind: "stage"; readonly index: number }
  /** An image or a named context, as written after expansion. */
  | { readonly kind: "image"; readonly reference: string };

/** A stage that is not planned yet. */
export interface StageNode {
  readonly source: StageSource;
  readonly index: number;
  /** Its name, or `stage-N`. */
  readonly name: string;
  readonly base: StageBase;
  /** `FROM --platform`. */
  readonly platform?: Platform | undefined;
  /** The named context that replaces the stage, body and all. */
  readonly replacedBy?: string | undefined;
  /** The stage that replaces it, body and all: a named context `target:STAGE`. */
  readonly standIn?: number | undefined;
  /** True if the base is a stage only because a named context says so; then it may be a later one. */
  readonly aliased?: boolean | undefined;
}

/** All stages, and the names by which they are found. */
export interface StageGraph {
  readonly nodes: readonly StageNode[];
  readonly contexts: NamedContexts;
  /** Named contexts that are stages of this file: name as the user gave it → index. */
  readonly targets: ReadonlyMap<string, number>;
  /** `--platform`, else the machine's: what images are resolved for. */
  readonly targetPlatform: Platform;
}

/** The last stage of that name; names are compared without regard to case, except by FROM (BuildKit: findStateByName). */
export function findStage(nodes: readonly StageNode[], name: string): StageNode | undefined {
  const wanted = name.toLowerCase();
  return nodes.findLast(({ source }) => source.name === wanted);
}
