/** CacheHostileOrder: values that change with each build, and package lists, that make later steps run again for nothing. */
import type { ArgInstruction, Dockerfile, Instruction, RunInstruction, StageSource } from "../dockerfile/ast.js";
import { parseMount } from "../dockerfile/mount.js";
import type { SourcePlace, SourceRange } from "../support/source.js";
import { type Finding, finding } from "./finding.js";
import { installOf, isSystemInstall } from "./installs.js";
import { instructionCommands, instructionText, type ShellCommand } from "./shellText.js";

/** Names of values that differ from build to build. */
const CHANGING =
  /^(?:(?:GIT|VCS|CI|SOURCE|GITHUB|BUILD)_)*(?:SHA|SHORT_SHA|COMMIT|COMMIT_(?:SHA|HASH|ID)|HASH|REVISION|REV)$|^VCS_REF$|^CI_(?:COMMIT|PIPELINE|JOB)_\w+$|^BUILD_(?:DATE|TIME|TIMESTAMP|NUMBER|ID)$|^(?:TIMESTAMP|DATE_CREATED)$/;
/** Names that may be the version of the project, or of something that is fetched. */
const VERSIONS = /^(?:(?:APP|BUILD|RELEASE|PROJECT)_)?VERSION$|^RELEASE$/;
/** Defaults that only stand in for a value from outside. */
const PLACEHOLDER =
  /^(?:|["']?(?:unknown|dev|devel|develop|development|local|none|latest|head|main|master|n\/a|na|undefined|dirty|snapshot|0|0\.0\.0(?:-\w+)?|v?0\.0\.0|1970-.*)["']?)$/i;

/** All findings in the text of a Dockerfile. */
export function cacheOrderFindings(file: Dockerfile): readonly Finding[] {
  return file.stages.flatMap((stage) => [...changingArguments(stage, file), ...loneUpdates(stage, file)]);
}

function changingArguments(stage: StageSource, file: Dockerfile): readonly Finding[] {
  return stage.instructions.flatMap((instruction, at) => {
    if (instruction.keyword !== "ARG") return [];
    return instruction.args.flatMap((arg) => {
      const harmed = isChanging(arg, stage) ? harmedBy(arg.name, stage.instructions.slice(at + 1)) : undefined;
      if (harmed === undefined) return [];
      const { run, command } = harmed;
      const line = run.range.start.line;
      const shown = [command.program, ...command.args.slice(0, 2)].join(" ");
      return finding(
        "CacheHostileOrder",
        placeOf(file, instruction.range),
        `ARG ${arg.name} changes from build to build, and makes ${shown} (line ${line}) run again each time though that does not use it`,
        `move it below line ${run.range.end.line}, to where it is used`,
      );
    });
  });
}

/** A value that is written down is pinned; one from outside may change each time. */
function isChanging({ name, value }: ArgInstruction["args"][number], stage: StageSource): boolean {
  if (value !== undefined && !PLACEHOLDER.test(value.raw)) return false;
  if (CHANGING.test(name)) return true;
  return VERSIONS.test(name) && !isFetchedBy(name, stage);
}

/** A version that some command fetches is that of something else. */
function isFetchedBy(name: string, stage: StageSource): boolean {
  return stage.instructions.some((instruction) => {
    if (instruction.keyword === "ADD") return mentions(instruction.source, new Set([name]));
    if (instruction.keyword !== "RUN" || !mentions(instructionText(instruction), new Set([name]))) return false;
    return instructionCommands(instruction).some(
      (command) => ["curl", "wget", "git", "aria2c"].includes(command.program) || isSlow(command),
    );
  });
}

/** The first slow RUN that does not need the value, if it comes before anything that does. */
function harmedBy(
  name: string,
  rest: readonly Instruction[],
): { readonly run: RunInstruction; readonly command: ShellCommand } | undefined {
  const derived = new Set([name]);
  for (const instruction of rest) {
    const text = instruction.keyword === "RUN" ? instructionText(instruction) : instruction.source;
    const isUse = mentions(text, derived) || instruction.flags.some(({ value }) => mentions(value ?? "", derived));
    if (instruction.keyword === "ENV" || instruction.keyword === "ARG") {
      for (const derivedName of isUse ? definedBy(instruction) : []) derived.add(derivedName);
    } else if (instruction.keyword === "RUN" && !isUse) {
      const command = instructionCommands(instruction).find(isSlow);
      if (command) return { run: instruction, command };
    } else if (isUse && instruction.keyword !== "LABEL") {
      return undefined;
    }
  }
  return undefined;
}

function definedBy(instruction: Extract<Instruction, { keyword: "ENV" | "ARG" }>): readonly string[] {
  if (instruction.keyword === "ARG") return instruction.args.map(({ name }) => name);
  return instruction.pairs.map(({ key }) => key.raw);
}

function mentions(text: string, names: ReadonlySet<string>): boolean {
  return [...text.matchAll(/\$\{?(\w+)/g)].some(([, name = ""]) => names.has(name));
}

function isSlow(command: ShellCommand): boolean {
  return isSystemInstall(command) || installOf(command) !== undefined;
}

/** `apt-get update` in a RUN of its own: later the list is old, and packages that have moved on are not found. */
function loneUpdates(stage: StageSource, file: Dockerfile): readonly Finding[] {
  const runs = stage.instructions.filter((one) => one.keyword === "RUN");
  return runs.flatMap((run, at) => {
    const commands = instructionCommands(run);
    if (!commands.some(isListUpdate) || commands.some(usesList) || keepsLists(run)) return [];
    const install = runs.slice(at + 1).find((later) => instructionCommands(later).some(usesList));
    if (install === undefined || instructionCommands(install).some(isListUpdate)) return [];
    const tool = commands.find(isListUpdate)!.program;
    const line = install.range.start.line;
    return finding(
      "CacheHostileOrder",
      placeOf(file, run.range),
      `${tool} update is a step of its own: from the cache it gives an old list, and the install in line ${line} then asks for packages that are gone`,
      `put both into one RUN: ${tool} update && ${tool} install …`,
    );
  });
}

function isListUpdate({ program, args }: ShellCommand): boolean {
  return (program === "apt-get" || program === "apt") && args.includes("update");
}

function usesList({ program, args }: ShellCommand): boolean {
  const uses = ["install", "upgrade", "dist-upgrade", "full-upgrade", "build-dep", "download", "source"];
  return (program === "apt-get" || program === "apt") && args.some((word) => uses.includes(word));
}

/** Lists in a cache mount are no part of the step's result. */
function keepsLists({ mounts }: RunInstruction): boolean {
  return mounts.some(({ raw }) => {
    try {
      return parseMount(raw).type === "cache";
    } catch {
      return true;
    }
  });
}

function placeOf({ file, text }: Dockerfile, range: SourceRange): SourcePlace {
  return { file, text, range };
}
