/** Advice that changes no Dockerfile: bases are locked, and files that no one needs are kept out of the context. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { lockPathOf, readLock } from "../build/lockFile.js";
import type { CopyStep } from "../plan/graph.js";
import { decodeText } from "../support/bytes.js";
import type { Candidate, Known } from "./candidate.js";
import { listed } from "./finding.js";
import { labelOf } from "./installFirst.js";
import type { Cause } from "./missCauses.js";

/** Bases that moved from build to build. One candidate: all bases are locked together. */
export function lockBases({ present, builds }: Known): readonly Candidate[] {
  const { request, plan } = present;
  const references = new Set<string>();
  const steps = new Set<number>();
  for (const { steps: past } of builds) {
    for (const { own, present: id } of past) {
      for (const cause of own) {
        if (cause.kind !== "base" || id === undefined || cause.reference.includes("@")) continue;
        references.add(cause.reference);
        steps.add(id);
      }
    }
  }
  const used = [...plan.bases.values()].map(({ reference }) => reference);
  const moved = [...references].filter((reference) => used.includes(reference));
  const [first] = steps;
  if (moved.length === 0 || first === undefined || isLocked(present)) return [];
  return [
    {
      kind: "lock-base",
      title: `lock ${listed(moved)} in nacre.lock`,
      because: "what is built on it is made again whenever that name comes to stand for another image",
      step: plan.steps[first]!,
      confidence: "high",
      change: {
        kind: "command",
        command:
          request.lockFile === undefined ? "nacre lock update" : `nacre lock update --lock-file ${request.lockFile}`,
        removes: (cause) => cause.kind === "base" && moved.includes(cause.reference),
      },
      safe: "the image stays as it is built now; updates of the base come when you ask for them (nacre lock update), to builds with --locked",
    },
  ];
}

/** True if there is a lock file already, whatever it says. */
function isLocked({ request }: Known["present"]): boolean {
  try {
    return readLock(lockPathOf(request)) !== undefined;
  } catch {
    return true;
  }
}

/** What tools and people leave about, and images rarely want. */
const LITTER: readonly { readonly pattern: string; readonly is: RegExp }[] = [
  { pattern: ".git", is: /^\.git(?:\/|$)/ },
  { pattern: "**/node_modules", is: /(?:^|\/)node_modules(?:\/|$)/ },
  { pattern: "**/*.log", is: /\.log$/ },
  { pattern: "**/coverage", is: /(?:^|\/)coverage(?:\/|$)/ },
  { pattern: "**/dist", is: /(?:^|\/)dist(?:\/|$)/ },
  { pattern: "**/__pycache__", is: /(?:^|\/)__pycache__(?:\/|$)/ },
  { pattern: "**/.pytest_cache", is: /(?:^|\/)\.pytest_cache(?:\/|$)/ },
  { pattern: "**/.DS_Store", is: /(?:^|\/)\.DS_Store$/ },
  { pattern: "**/*.swp", is: /\.swp$/ },
  { pattern: "**/*~", is: /~$/ },
  { pattern: ".idea", is: /^\.idea(?:\/|$)/ },
  { pattern: ".vscode", is: /^\.vscode(?:\/|$)/ },
];

/** Litter that made a COPY of another stage than the final one miss. */
export function ignorePatterns(known: Known): readonly Candidate[] {
  const { present, context } = known;
  if (context === undefined || present.request.dockerfile?.kind === "url") return [];
  const final = finalSteps(known);
  return present.plan.steps.flatMap((step) =>
    step.kind === "copy" && step.from.kind === "context" && step.from.name === "" && !final.has(step.id)
      ? (ignoreCandidate(known, step) ?? [])
      : [],
  );
}

/** The steps whose files are in an image that was asked for themselves, not by way of a COPY. */
function finalSteps({ present: { plan }, targets }: Known): ReadonlySet<number> {
  const { steps, stages, target } = plan;
  const wanted = stages.filter(({ index, name }) =>
    targets.some((one) =>
      one === undefined ? index === target.index : [name, `${index}`].includes(one.toLowerCase()),
    ),
  );
  const final = new Set<number>();
  for (const { result } of wanted) {
    for (let at = result; at.kind === "step"; at = steps[at.id]!.parent) final.add(at.id);
  }
  return final;
}

function ignoreCandidate(known: Known, step: CopyStep): Candidate | undefined {
  const causes = known.builds.flatMap(({ byPresent }) => byPresent.get(step.id)?.own ?? []);
  const paths = causes.flatMap((cause) => (cause.kind === "file" ? [cause.path] : []));
  const found = LITTER.filter(({ is }) => paths.some((path) => is.test(path)));
  if (found.length === 0) return undefined;
  const file = known.ignore?.file ?? ".dockerignore";
  const before = known.ignore ? textOf(known, file) : "";
  if (before === undefined) return undefined;
  const patterns = found.map(({ pattern }) => pattern);
  const open = before === "" || before.endsWith("\n") ? before : `${before}\n`;
  return {
    kind: "ignore",
    title: `keep ${listed(patterns)} out of the context`,
    because: `${labelOf(step)} takes them, and everything on top is made again when one of them changes`,
    step,
    confidence: "medium",
    change: {
      kind: "ignore",
      file,
      before,
      after: `${open}${patterns.map((pattern) => `${pattern}\n`).join("")}`,
      removes: (cause: Cause) => cause.kind === "file" && found.some(({ is }) => is.test(cause.path)),
    },
    doubt: "the stage is not the final one, but what it makes may depend on these files",
  };
}

function textOf({ present }: Known, file: string): string | undefined {
  const { context } = present.request;
  if (typeof context !== "string" || file === "/dev/null") return undefined;
  try {
    return decodeText(readFileSync(resolve(context, file)));
  } catch {
    return undefined;
  }
}
