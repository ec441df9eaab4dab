/** Whether two plans build the same: what is shown to people (labels, places) left aside. */
import { isDeepStrictEqual } from "node:util";
import { plainCommand } from "../dockerfile/lint/jsonCommand.js";
import type { ContainerConfig } from "../oci/documents.js";
import type { Plan, PlannedStage, Step } from "../plan/graph.js";

/**
 * True if both plans execute the same steps and end in the same configs and histories. A CMD or ENTRYPOINT of plain words
 * may lose its shell, if the stage has only one of the two.
 */
export function sameBuild(before: Plan, after: Plan): boolean {
  if (before.stages.length !== after.stages.length) return false;
  const outline = (plan: Plan): unknown => ({
    steps: plan.steps.map(stepOf),
    stages: plan.stages.map(stageOf),
    bases: [...plan.bases.keys()].sort(),
    target: plan.target.index,
    epoch: plan.sourceDateEpoch,
  });
  if (!isDeepStrictEqual(withoutPlaces(outline(before)), withoutPlaces(outline(after)))) return false;
  return before.stages.every((stage, i) => commandsAgree(stage.config, after.stages[i]!.config));
}

function stepOf(step: Step): unknown {
  const { label: _label, ...rest } = step;
  if (rest.kind !== "run") return rest;
  // What a mount is from is named by `mountSources`; how it is spelt does not matter.
  const mounts = rest.mounts.map((mount) => mount.replace(/(^|,)from=[^,]*/gi, (from) => from.toLowerCase()));
  return { ...rest, mounts };
}

/** A copy of plain data in which everything that points into the file is gone: a fix may move it. */
function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Map) return [...value].map(withoutPlaces);
  if (isPlace(value) || isRange(value)) return undefined;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutPlaces(member)]));
}

function isPlace(value: object): boolean {
  return "file" in value && "text" in value && "range" in value;
}

function isRange(value: object): boolean {
  return "start" in value && typeof value.start === "object" && value.start !== null && "column" in value.start;
}

function stageOf({ config, history, ...rest }: PlannedStage): unknown {
  const { Cmd, Entrypoint, ...others } = config;
  const lines = history.map(({ createdBy, step }) => [/^(?:CMD|ENTRYPOINT) /.exec(createdBy)?.[0] ?? createdBy, step]);
  return { ...rest, lines, config: others, Cmd: withoutShell(Cmd), Entrypoint: withoutShell(Entrypoint) };
}

/** A command of plain words as these words, whether a shell is between or not. */
function withoutShell(args: readonly string[] | null | undefined): readonly string[] | null | undefined {
  if (args?.length !== 3 || args[0] !== "/bin/sh" || args[1] !== "-c") return args;
  return plainCommand(args[2]!) ?? args;
}

/** The arguments that follow an ENTRYPOINT reach the program in the JSON form, and are lost on a shell. */
function commandsAgree(before: ContainerConfig, after: ContainerConfig): boolean {
  const same =
    isDeepStrictEqual(before.Cmd ?? null, after.Cmd ?? null) &&
    isDeepStrictEqual(before.Entrypoint ?? null, after.Entrypoint ?? null);
  return same || (after.Cmd ?? []).length === 0 || (after.Entrypoint ?? []).length === 0;
}
