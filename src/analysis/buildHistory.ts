/**
 * What can be told from the history of builds. In: entries as the store gives them. Out: plain values. Promises: nothing is
 * read besides, and written only where that is what is asked for. What does the work is loaded when it is asked for.
 */
import type { NamedBuild } from "../store/builds.js";
import type { PlacedStep } from "./buildSteps.js";
import type { BuildComparison } from "./compareBuilds.js";
import type { BuildTrace, ExportedBuild } from "./exportBuild.js";

/** The steps of a build, and what the cache was good for. */
export interface BuildDescription {
  /** In the order of the plan, with the reasons of their misses in words. */
  readonly steps: readonly PlacedStep[];
  /** Milliseconds that the cache has saved, as far as that is known. */
  readonly saved: number;
}

/** Describes the steps of a build. */
export async function describeBuild(build: NamedBuild): Promise<BuildDescription> {
  const { savedBy, stepsOf } = await import("./buildSteps.js");
  return { steps: stepsOf(build), saved: savedBy(build) };
}

/** Compares two builds: steps, inputs, outputs. */
export async function compareBuilds(before: NamedBuild, after: NamedBuild): Promise<BuildComparison> {
  return (await import("./compareBuilds.js")).compareBuilds(before, after);
}

/** A build as a document for other programs. */
export async function exportBuild(build: NamedBuild): Promise<ExportedBuild> {
  return (await import("./exportBuild.js")).exportBuild(build);
}

/** A build as a trace that chrome://tracing and Perfetto open. */
export async function traceBuild(build: NamedBuild): Promise<BuildTrace> {
  return (await import("./exportBuild.js")).traceBuild(build);
}

/**
 * Writes a document of a build to a file, which appears whole.
 * @throws NacreError OUTPUT, DISK_FULL
 */
export async function writeBuildDocument(document: ExportedBuild | BuildTrace, file: string): Promise<void> {
  const { writeDestination } = await import("../archive/destination.js");
  const text = `${JSON.stringify(document, undefined, 1)}\n`;
  await writeDestination({ kind: "path", path: file }, async (sink) => sink(Buffer.from(text)));
}
