/**
 * What stages take from elsewhere: `COPY --from` and `RUN --mount=from=`. Who may name what, and how names are compared,
 * differs by place (BuildKit: toCommand, detectRunMount): COPY knows numbers, mounts do not.
 */
import type { CopyInstruction, Instruction, RunInstruction } from "../dockerfile/ast.js";
import { parseCsv } from "../dockerfile/csv.js";
import type { SourceRange } from "../support/source.js";
import { targetOf } from "./contextTargets.js";
import { flagRange, type Notes } from "./notes.js";
import { findStage, type StageGraph, type StageNode } from "./stageGraph.js";

/** What a `from` means. */
export type Reference =
  /** `aliased`: a named context says that the stage stands here; then it may be a later one. */
  | { readonly kind: "stage"; readonly index: number; readonly aliased?: boolean | undefined }
  | { readonly kind: "scratch" }
  /** An image or named context. */
  | { readonly kind: "image"; readonly reference: string };

/** A use of one. */
export interface Use {
  readonly target: Reference;
  /** The name or number as written. */
  readonly written: string;
  readonly range: SourceRange;
  /** The whole value of `--mount`, if it is one. */
  readonly mount?: string | undefined;
}

/** Every `from` in the instructions, in order. @throws NacreError PLAN_INVALID for a stage number that does not exist */
export function usesOf(instructions: readonly Instruction[], graph: StageGraph, notes: Notes): readonly Use[] {
  return instructions.flatMap((instruction): readonly Use[] => {
    if (instruction.keyword === "COPY" || instruction.keyword === "ADD") {
      const target = copySource(instruction, graph, notes);
      return target ? [{ target, written: instruction.from ?? "", range: flagRange(instruction, "from") }] : [];
    }
    if (instruction.keyword !== "RUN") return [];
    return mountUses(instruction, graph);
  });
}

/** What `COPY --from` names, or undefined without it. @throws NacreError PLAN_INVALID */
export function copySource(instruction: CopyInstruction, graph: StageGraph, notes: Notes): Reference | undefined {
  const { from } = instruction;
  const { nodes } = graph;
  if (from === undefined || from === "") return undefined;
  const range = flagRange(instruction, "from");
  if (/^[+-]?[0-9]+$/.test(from)) {
    const index = Number(from);
    if (nodes[index]) return stageAt(nodes[index]);
    throw notes.invalid(`invalid stage index ${index}`, range, {
      hint: `stages are numbered from 0 to ${nodes.length - 1}; a name is safer: FROM image AS name`,
    });
  }
  return named(from, graph);
}

/** What the `from` of a mount names; undefined without one. Numbers are image names here. */
export function mountSource(from: string | undefined, graph: StageGraph): Reference | undefined {
  return from === undefined || from === "" ? undefined : named(from, graph);
}

/** The `from` of a `--mount` value, as written: it is never expanded. */
export function mountFrom(value: string): string | undefined {
  const fields = parseCsv(value).map((field) => /^from=(.*)$/is.exec(field)?.[1]);
  return fields.findLast((from) => from !== undefined);
}

function mountUses(instruction: RunInstruction, graph: StageGraph): readonly Use[] {
  return instruction.mounts.flatMap((word) => {
    const from = mountFrom(word.raw);
    const target = mountSource(from, graph);
    return from && target ? [{ target, written: from, range: word.range, mount: word.raw }] : [];
  });
}

function named(name: string, graph: StageGraph): Reference {
  const stage = findStage(graph.nodes, name);
  if (stage) return stageAt(stage);
  if (name === "scratch") return { kind: "scratch" };
  const index = targetOf(name, graph.targetPlatform, graph);
  return index === undefined ? { kind: "image", reference: name } : { kind: "stage", index, aliased: true };
}

function stageAt({ index, standIn }: StageNode): Reference {
  return standIn === undefined ? { kind: "stage", index } : { kind: "stage", index: standIn, aliased: true };
}

/**
 * What each stage takes from elsewhere. Its base is among it only where a named context may put a later stage there:
 * otherwise FROM finds earlier ones alone, and no circle can come of it.
 */
export function allUses(graph: StageGraph, notes: Notes): readonly (readonly Use[])[] {
  return graph.nodes.map(({ source, base, aliased, standIn }) => {
    if (standIn !== undefined) return [];
    const { raw, range } = source.from.image;
    const stage = graph.targets.size > 0 && base.kind === "stage";
    const from: readonly Use[] = stage ? [{ target: { ...base, aliased }, written: raw, range }] : [];
    return [...from, ...usesOf(source.instructions, graph, notes)];
  });
}

/**
 * Refuses stages that need each other, whether the target needs them or not.
 * @param uses for each stage what it takes from elsewhere
 * @throws NacreError PLAN_INVALID, `facts.lines` naming the lines involved
 */
export function checkCycles(nodes: readonly StageNode[], uses: readonly (readonly Use[])[], notes: Notes): void {
  const done = new Set<number>();
  for (const root of nodes) {
    // An explicit stack: a file may have more stages in a row than the call stack holds.
    const path: { readonly index: number; next: number }[] = done.has(root.index)
      ? []
      : [{ index: root.index, next: 0 }];
    const onPath = new Set(path.map(({ index }) => index));
    while (path.length > 0) {
      const here = path.at(-1)!;
      const use = uses[here.index]?.[here.next++];
      if (!use) {
        done.add(here.index);
        onPath.delete(here.index);
        path.pop();
      } else if (use.target.kind === "stage" && onPath.has(use.target.index)) {
        const { index } = use.target;
        const around = path.slice(path.findIndex((entry) => entry.index === index));
        const used = around.map((entry) => uses[entry.index]![entry.next - 1]!);
        throw cycle(root, used, notes);
      } else if (use.target.kind === "stage" && !done.has(use.target.index)) {
        onPath.add(use.target.index);
        path.push({ index: use.target.index, next: 0 });
      }
    }
  }
}

function cycle(stage: StageNode, around: readonly Use[], notes: Notes): Error {
  const lines = around.map(({ range }) => range.start.line).sort((a, b) => a - b);
  const what =
    lines.length === 1
      ? `line ${lines[0]} takes from its own stage`
      : `see lines ${lines.slice(0, 10).join(", ")}${lines.length > 10 ? ", …" : ""}`;
  return notes.invalid(`circular dependency detected on stage: ${stage.name}`, around.at(-1)!.range, {
    hint: `${what}; a stage can only take files from stages above it`,
    facts: { lines },
  });
}
