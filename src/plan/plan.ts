/**
 * Planning: in come a parsed Dockerfile, what the user asked for, and the configs of the base images known so far; out
 * comes the graph of steps that the target needs, each with its inputs named and its texts expanded, and the config and
 * history that the image will have. While bases are missing, all those that can be named at once come out instead; the
 * caller looks them up and asks again. Promises: the same input gives the same plan; no I/O, no clock; a stage that the
 * target does not need asks for nothing; what BuildKit refuses is refused in its words, with the place.
 */
import type { Dockerfile } from "../dockerfile/ast.js";
import type { Plan, PlannedStage, PlanRequest, PlanResult } from "./graph.js";
import { Notes } from "./notes.js";
import { planStages } from "./planStages.js";
import { Reach } from "./reach.js";
import { allUses, checkCycles } from "./references.js";
import { checkBuildArgs, checkNoCacheStages } from "./requestChecks.js";
import { globalScope } from "./scope.js";
import { resolveSourceDate } from "./sourceDate.js";
import type { StageGraph, StageNode } from "./stageGraph.js";
import { finishStage, type StageState } from "./stageState.js";
import { chooseTarget, readStages } from "./stages.js";

/**
 * Plans a build, or says which bases it has to see first.
 * @param notes gets the warnings; one's own shows them also where planning fails or wants bases
 * @throws NacreError PLAN_INVALID or DOCKERFILE_SYNTAX, with the place in the Dockerfile where there is one
 */
export function planBuild(file: Dockerfile, asked: PlanRequest, notes: Notes = new Notes(file)): PlanResult {
  const { epoch, request, globals, graph, target, reach } = survey(file, asked, notes);
  if (reach.bases.wanted.length > 0) return { kind: "wanted", bases: reach.bases.wanted };

  const planning = { request, globals, targetPlatform: graph.targetPlatform, notes };
  const { steps, states } = planStages(reach, graph, planning);
  checkBuildArgs(file, reach.stages, request, notes);
  checkNoCacheStages(graph.nodes, request, notes);
  const plan: Plan = {
    steps,
    bases: reach.bases.used,
    stages: states.map(finishStage),
    target: finishTarget(states.find(({ node }) => node === target)!, request),
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
    warnings: notes.warnings,
  };
  return { kind: "plan", plan };
}

/** What is known before any instruction is applied; the reach may still want bases. */
export interface Survey extends ReturnType<typeof resolveSourceDate> {
  readonly graph: StageGraph;
  readonly target: StageNode;
  readonly reach: Reach;
}

/**
 * Links the stages and finds out which of them the target needs.
 * @throws NacreError PLAN_INVALID or DOCKERFILE_SYNTAX
 */
export function survey(file: Dockerfile, asked: PlanRequest, notes: Notes): Survey {
  const dated = resolveSourceDate(file, asked, globalScope(file, asked, notes), notes);
  const { request, globals } = dated;
  const graph = readStages(file, request, globals, notes);
  const target = chooseTarget(graph.nodes, request.target);
  const uses = allUses(graph, notes);
  checkCycles(graph.nodes, uses, notes);
  const reach = new Reach(graph, request, uses, notes);
  reach.checkNames();
  reach.visit(target);
  if (request.allStages) for (const node of graph.nodes) reach.visit(node);
  return { ...dated, graph, target, reach };
}

/** What only the target gets: the labels of the command line, last and without history, and the platform asked for. */
function finishTarget(state: StageState, { labels, platform }: PlanRequest): PlannedStage {
  const stage = finishStage(state);
  const { Labels } = stage.config;
  return {
    ...stage,
    config: labels.size > 0 ? { ...stage.config, Labels: { ...Labels, ...Object.fromEntries(labels) } } : stage.config,
    platform: platform ?? stage.platform,
  };
}
