/** The words of `nacre context why`. */
import type { ExplainedPath } from "../../index.js";
import { printable } from "../terminalText.js";

type Decision = ExplainedPath["decisions"][number];

/** Lines that tell of one path: the verdict, and where several patterns had a say, each of them. */
export function explanationOf(path: ExplainedPath): string[] {
  const lines = [`${printable(path.asked)}: ${verdictOf(path)}`, ...remarksOf(path)];
  if (path.decisions.length > 1) {
    lines.push(
      ...path.decisions.map(
        (decision) => `  ${ruleOf(path, decision)} ${decision.effect} ${printable(shown(decision.matched))}`,
      ),
    );
  }
  return lines;
}

function verdictOf(path: ExplainedPath): string {
  const { decision } = path;
  switch (path.fate) {
    case "kept":
      return decision ? `kept by ${ruleOf(path, decision)}${matchedAbove(path, decision)}` : keptWithoutRule(path);
    case "parent":
      return `kept only as a directory above ${printable(path.below ?? "what is kept")}; ${ruleOf(path, decision!)} drops the rest`;
    case "dropped":
      return `dropped by ${decision ? ruleOf(path, decision) + matchedAbove(path, decision) : "a directory above it"}`;
    case "missing":
      return `not there${decision ? `; ${ruleOf(path, decision)} would ${decision.effect === "drops" ? "drop" : "keep"} it` : ""}`;
    case "outside":
      return "outside the context: COPY cannot reach it";
  }
}

function keptWithoutRule({ ignoreFile, path }: ExplainedPath): string {
  if (path === "") return "kept: it is the context itself";
  return ignoreFile === undefined
    ? "kept: there is no ignore file"
    : `kept: no rule of ${printable(ignoreFile)} matches`;
}

function remarksOf({ role, fate, through, path }: ExplainedPath): string[] {
  const read = role === "dockerfile" ? "a build reads its Dockerfile" : "a build reads its ignore file";
  return [
    ...(role && fate === "dropped" ? [`  ${read} all the same, but COPY cannot take it`] : []),
    ...(through
      ? [`  ${printable(through.path)} is a symlink to ${printable(through.target)}: this is ${printable(shown(path))}`]
      : []),
  ];
}

function ruleOf({ ignoreFile }: ExplainedPath, { line, pattern }: Decision): string {
  return `${printable(ignoreFile ?? "")}:${line}: ${printable(pattern)}`;
}

function matchedAbove({ path }: ExplainedPath, { matched }: Decision): string {
  return matched === path ? "" : ` (through ${printable(matched)}/)`;
}

function shown(path: string): string {
  return path === "" ? "the context itself" : path;
}
