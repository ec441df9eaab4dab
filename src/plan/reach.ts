/**
 * Which stages the target needs, and through which bases. Stages out of reach are never asked for: their images need not
 * even exist (BuildKit: allReachable). A base that turns out to have triggers can bring further stages and images in.
 */

import { parseMount } from "../dockerfile/mount.js";
import { type BaseAnswer, type BaseQuestion, BaseTable } from "./bases.js";
import type { PlanRequest } from "./graph.js";
import type { Notes } from "./notes.js";
import { declaredTriggers, imageTriggers, parseTriggers, type StageInstruction } from "./onbuild.js";
import { mountFrom, type Reference, type Use, usesOf } from "./references.js";
import type { StageGraph, StageNode } from "./stageGraph.js";

/** A stage that is needed, with all it needs itself. */
export interface ReachedStage {
  readonly node: StageNode;
  /** The image or context it stands on or is replaced by; undefined on scratch or on a stage. */
  readonly base?: BaseAnswer | undefined;
  /** Triggers first, then its own; none if a named context replaces the stage. */
  readonly instructions: readonly StageInstruction[];
}

/** Walks the graph from the target, asking for bases. */
export class Reach {
  readonly bases: BaseTable;
  readonly #graph: StageGraph;
  readonly #request: PlanRequest;
  readonly #notes: Notes;
  readonly #uses: readonly (readonly Use[])[];
  readonly #reached = new Map<number, ReachedStage>();

  /** @param uses for each stage what its own instructions take from elsewhere */
  constructor(graph: StageGraph, request: PlanRequest, uses: readonly (readonly Use[])[], notes: Notes) {
    this.bases = new BaseTable(request, notes);
    this.#graph = graph;
    this.#request = request;
    this.#notes = notes;
    this.#uses = uses;
  }

  /** The stages reached so far, in file order. */
  get stages(): readonly ReachedStage[] {
    return [...this.#reached.values()].sort((a, b) => a.node.index - b.node.index);
  }

  /**
   * Checks every image name of the file, also in stages that are not needed (BuildKit does so too).
   * @throws NacreError PLAN_INVALID for a malformed one
   */
  checkNames(): void {
    for (const node of this.#graph.nodes) {
      const own = this.#baseQuestion(node);
      const others = (this.#uses[node.index] ?? []).map(({ target, range }) => this.question(target, range));
      for (const question of [own, ...others]) if (question) this.bases.fullName(question);
    }
  }

  /**
   * Reaches the stage and all it needs.
   * @throws NacreError PLAN_INVALID if a stage takes from one that is not above it
   */
  visit(target: StageNode): void {
    const pending = [target];
    for (let node = pending.pop(); node; node = pending.pop()) {
      if (!this.#reached.has(node.index)) pending.push(...this.#reach(node));
    }
  }

  /** Resolves one stage. @returns the stages that it needs itself */
  #reach(node: StageNode): readonly StageNode[] {
    const stage = this.#resolve(node);
    this.#reached.set(node.index, stage);
    if (node.replacedBy !== undefined) return [];
    const base = node.base.kind === "stage" ? [this.#graph.nodes[node.base.index]!] : [];
    const triggered = stage.instructions.filter(({ onbuild }) => onbuild);
    const uses = [...usesOf(triggered, this.#graph, this.#notes), ...(this.#uses[node.index] ?? [])];
    return [...base, ...uses.flatMap((use) => this.#follow(use, node) ?? [])];
  }

  /** The question for what a `from` outside the file's stages names; undefined for stages and scratch. */
  question(target: Reference, range: Use["range"]): BaseQuestion | undefined {
    if (target.kind !== "image") return undefined;
    const { targetPlatform, contexts } = this.#graph;
    return {
      reference: target.reference,
      platform: targetPlatform,
      explicitPlatform: this.#request.platform !== undefined,
      range,
      context: contexts.find(target.reference, targetPlatform),
    };
  }

  #follow(use: Use, from: StageNode): StageNode | undefined {
    const question = this.question(use.target, use.range);
    if (question) this.bases.ask(question);
    if (use.target.kind !== "stage") return undefined;
    const source = this.#graph.nodes[use.target.index]!;
    const ready = source.replacedBy !== undefined || use.target.aliased === true;
    if (source.index >= from.index && !ready) throw tooLate(use, source, from, this.#notes);
    return source;
  }

  #resolve(node: StageNode): ReachedStage {
    const { source } = node;
    const question = this.#baseQuestion(node);
    const base = question && this.bases.ask(question);
    if (node.replacedBy !== undefined) return { node, base, instructions: [] };
    const instructions = [...parseTriggers(this.#triggers(node, base), node, this.#notes), ...source.instructions];
    return { node, base, instructions };
  }

  #baseQuestion(node: StageNode): BaseQuestion | undefined {
    const { targetPlatform, contexts } = this.#graph;
    const platform = node.platform ?? targetPlatform;
    const explicitPlatform = node.platform !== undefined || this.#request.platform !== undefined;
    const range = node.source.from.image.range;
    if (node.replacedBy !== undefined) {
      return { reference: node.name, platform, explicitPlatform, range, context: node.replacedBy };
    }
    if (node.base.kind !== "image") return undefined;
    const { reference } = node.base;
    return { reference, platform, explicitPlatform, range, context: contexts.find(reference, platform) };
  }

  /** Nothing for stages built on one that a named context replaces: BuildKit runs no triggers of such images. */
  #triggers(node: StageNode, base: BaseAnswer | undefined): readonly string[] {
    if (node.base.kind !== "stage") return base ? imageTriggers(base.known) : [];
    const parent = this.#graph.nodes[node.base.index]!;
    return parent.replacedBy === undefined ? declaredTriggers(parent) : [];
  }
}

function tooLate(use: Use, source: StageNode, from: StageNode, notes: Notes): Error {
  const hint = `move the stage ${source.name} above the stage ${from.name}`;
  if (use.mount !== undefined) {
    const value = use.mount;
    const { target } = notes.at(use.range, () => parseMount(value));
    const message = `cannot mount from stage ${JSON.stringify(mountFrom(use.mount))} to ${JSON.stringify(target)}, stage needs to be defined before current command`;
    return notes.invalid(message, use.range, { hint });
  }
  const message = `cannot copy from stage ${JSON.stringify(use.written)}, it needs to be defined before current stage ${JSON.stringify(from.name)}`;
  return notes.invalid(message, use.range, { hint });
}
