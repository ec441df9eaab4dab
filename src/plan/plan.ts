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
import { checkCycles, usesOf } from "./references.js";
import { checkBuildArgs, checkNoCacheStages } from "./requestChecks.js";
import { type GlobalScope, globalScope } from "./scope.js";
import { sourceDateEpoch } from "./sourceDate.js";
import { finishStage, type StageState } from "./stageState.js";
import { chooseTarget, readStages } from "./stages.js";

/**
 * Plans a build, or says which bases it has to see first.
 * @throws NacreError PLAN_INVALID or DOCKERFILE_SYNTAX, with the place in the Dockerfile where there is one
 */
export function planBuild(file: Dockerfile, request: PlanRequest): PlanResult {
  const notes = new Notes(file);
  const globals = globalScope(file, request, notes);
  const epoch = readEpoch(file, request, globals, notes);
  const graph = readStages(file, request, globals, notes);
  const target = chooseTarget(graph.nodes, request.target);
  const uses = graph.nodes.map(({ source }) => usesOf(source.instructions, graph.nodes, notes));
  checkCycles(graph.nodes, uses, notes);

  const reach = new Reach(graph, request, uses, notes);
  reach.checkNames();
  reach.visit(target);
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

function readEpoch(file: Dockerfile, request: PlanRequest, globals: GlobalScope, notes: Notes): number | undefined {
  const name = "SOURCE_DATE_EPOCH";
  const given = request.buildArgs.get(name);
  if (given !== undefined) return sourceDateEpoch(given);
  const declared = file.globalArgs.find(({ args }) => args.some((arg) => arg.name === name));
  return declared && sourceDateEpoch(globals.env.get(name), notes.place(declared.range));
}
