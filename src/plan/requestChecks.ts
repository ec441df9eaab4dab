/** Parts of the request that nothing in the file answers to: worth a warning, never an error. */
import type { Dockerfile } from "../dockerfile/ast.js";
import { nearest } from "../support/suggest.js";
import type { PlanRequest } from "./graph.js";
import type { Notes } from "./notes.js";
import type { ReachedStage } from "./reach.js";
import { isPredefined } from "./scope.js";
import { findStage, type StageNode } from "./stageGraph.js";

/** Warns of every build argument that no ARG of the file or of a trigger declares. */
export function checkBuildArgs(
  file: Dockerfile,
  reached: readonly ReachedStage[],
  request: PlanRequest,
  notes: Notes,
): void {
  const stages = [...file.stages, ...reached].flatMap(({ instructions }) => instructions);
  const declared = new Set(
    [...file.globalArgs, ...stages].flatMap((one) => (one.keyword === "ARG" ? one.args.map(({ name }) => name) : [])),
  );
  for (const name of request.buildArgs.keys()) {
    if (declared.has(name) || isPredefined(name)) continue;
    const near = nearest(name, declared);
    const message = `Build argument ${name} is not declared by any ARG${near === undefined ? "" : ` (did you mean ${near}?)`}`;
    notes.warn("UnusedBuildArg", message);
  }
}

/** Warns of every stage of `--no-cache-filter` that the file does not have. */
export function checkNoCacheStages(nodes: readonly StageNode[], request: PlanRequest, notes: Notes): void {
  for (const name of request.noCacheStages) {
    if (findStage(nodes, name)) continue;
    const near = nearest(
      name,
      nodes.flatMap(({ source }) => source.name ?? []),
    );
    const message = `--no-cache-filter names no stage: ${name}${near === undefined ? "" : ` (did you mean ${near}?)`}`;
    notes.warn("UnknownNoCacheStage", message);
  }
}
