/**
 * Named contexts that are stages of the same file (`--build-context NAME=target:STAGE`): wherever NAME is asked for, that
 * stage answers, also from further down. (Docker knows such values from `bake` alone, where another build's result answers.)
 */
import { NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import type { PlanRequest } from "./graph.js";
import type { Notes } from "./notes.js";
import { findStage, type StageGraph, type StageNode } from "./stageGraph.js";

/** Those among `--build-context` values that are stages of the file, for {@link PlanRequest.contextTargets}. */
export function contextTargets(contexts: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const targets = Object.entries(contexts).filter(([, value]) => value.startsWith("target:"));
  return new Map(targets.map(([name, value]) => [name, value.slice("target:".length)]));
}

/**
 * The graph with every stage and base that such a context stands for replaced.
 * @throws NacreError PLAN_INVALID for a stage that is not there, or one that stands for itself
 */
export function linkTargets(graph: StageGraph, request: PlanRequest, notes: Notes): StageGraph {
  const given = request.contextTargets ?? new Map<string, string>();
  if (given.size === 0) return graph;
  const { nodes } = graph;
  const named = new Map([...given].map(([name, stage]) => [name, stageOf(name, stage, nodes)]));
  const final = (first: number, name: string): number => {
    const seen = new Set<number>();
    for (let index = first; ; ) {
      if (seen.has(index)) throw circular(nodes[index]!, name, notes);
      seen.add(index);
      const next = nodes[index]!.replacedBy;
      const target = next === undefined ? undefined : named.get(next);
      if (target === undefined) return index;
      index = target;
    }
  };
  const targets = new Map([...named].map(([name, index]) => [name, final(index, name)]));
  const linked = nodes.map((node) => withTargets(node, graph, targets));
  return { ...graph, nodes: linked.map((node) => onStandIn(node, linked)), targets };
}

function withTargets(node: StageNode, graph: StageGraph, targets: StageGraph["targets"]): StageNode {
  const { replacedBy, ...rest } = node;
  const standIn = replacedBy === undefined ? undefined : targets.get(replacedBy);
  if (standIn !== undefined) return { ...rest, standIn };
  if (node.base.kind !== "image") return node;
  const index = targetOf(node.base.reference, node.platform ?? graph.targetPlatform, { ...graph, targets });
  return index === undefined ? node : { ...node, base: { kind: "stage", index }, aliased: true };
}

/** A stage that is built on one that has gone is built on what stands for it. */
function onStandIn(node: StageNode, nodes: readonly StageNode[]): StageNode {
  const index = node.base.kind === "stage" ? nodes[node.base.index]?.standIn : undefined;
  return index === undefined ? node : { ...node, base: { kind: "stage", index }, aliased: true };
}

/** The stage that stands for the image of that name, if a named context says so. */
export function targetOf(
  reference: string,
  platform: StageGraph["targetPlatform"],
  { contexts, targets }: StageGraph,
): number | undefined {
  const name = contexts.find(reference, platform);
  return name === undefined ? undefined : targets.get(name);
}

function stageOf(name: string, stage: string, nodes: readonly StageNode[]): number {
  const found = findStage(nodes, stage);
  if (found) return found.index;
  const names = nodes.flatMap(({ source }) => source.name ?? []);
  const near = nearest(stage, names);
  throw new NacreError(
    "PLAN_INVALID",
    `failed to find target ${stage} for context ${name}${near === undefined ? "" : ` (did you mean ${near}?)`}`,
    { hint: `the stages are: ${names.join(", ") || "without names"}`, facts: { target: stage, context: name } },
  );
}

function circular(node: StageNode, context: string, notes: Notes): NacreError {
  return notes.invalid(`circular dependency detected on stage: ${node.name}`, node.source.from.range, {
    hint: `the context ${context} stands for itself; let it name another stage`,
    facts: { lines: [node.source.from.range.start.line] },
  });
}
