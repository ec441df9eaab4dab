/** Advice: manifests first, then the installation, then everything else. */

import type { CopyInstruction, RunInstruction } from "../dockerfile/ast.js";
import { pathOf, type TreeNode } from "../layer/fileTree.js";
import type { CopyStep, RunStep } from "../plan/graph.js";
import { fromByteString } from "../support/bytes.js";
import {
  andParts,
  buildsBecauseOf,
  type Candidate,
  flagsOf,
  instructionFor,
  type Known,
  plainRun,
} from "./candidate.js";
import { type InstallSource, installSources, isOfParts, manifestCopies } from "./copyBeforeDependencies.js";
import { DockerfileEdit, type EditedDockerfile } from "./dockerfileEdit.js";
import { listed } from "./finding.js";
import { planVariant } from "./variant.js";

const DOUBT =
  "the installation may read files that are then not there yet, and what the copy lays over what was installed may be another thing";

/** All candidates. */
export function installFirst(known: Known): readonly Candidate[] {
  const { context, present } = known;
  if (context === undefined) return [];
  return present.plan.steps.flatMap((step) => {
    if (step.kind !== "run" || step.mounts.length > 0) return [];
    const [source] = installSources(step, present.plan, context);
    if (source?.install.command === undefined || isOfParts(source, context)) return [];
    return candidate(known, step, source) ?? [];
  });
}

function candidate(known: Known, step: RunStep, source: InstallSource): Candidate | undefined {
  const { dockerfile, present } = known;
  const { copy, files, install } = source;
  const run = plainRun(dockerfile, step);
  const from = instructionFor(dockerfile, copy);
  if (!run || from?.instruction.keyword !== "COPY" || from.stage !== run.stage || from.at > run.at) return undefined;
  if (buildsBecauseOf(known, copy.id, step.id) === 0) return undefined;
  const edited = editOf(known, { step, source, run: run.instruction, from: from.instruction });
  const variant = edited && planVariant(present, edited.file);
  if (!variant) return undefined;
  const names = files.map((node) => fromByteString(pathOf(node)));
  const between = run.stage.instructions.slice(from.at + 1, run.at);
  const isNear = !between.some(({ keyword }) => keyword === "RUN" || keyword === "COPY" || keyword === "ADD");
  return {
    kind: "install-first",
    title: `install with ${listed(names)} alone, and copy the rest afterwards`,
    because: `${install.shown} runs again whenever any file of ${labelOf(copy)} changes`,
    step,
    confidence: edited.atMost ? "medium" : isNear ? "high" : "medium",
    change: { kind: "dockerfile", variant },
    doubt: DOUBT,
    atMost: edited.atMost,
  };
}

/** What a step is called without its number. */
export function labelOf({ label }: Pick<CopyStep, "label">): string {
  return label.replace(/^\[[^\]]*\] /, "");
}

interface Found {
  readonly step: RunStep;
  readonly source: InstallSource;
  readonly run: RunInstruction;
  readonly from: CopyInstruction;
}

/** The installation by itself moves; where it is only the beginning of a RUN, or of a build, it is put in front. */
function editOf(
  { dockerfile }: Known,
  { step, source, run, from }: Found,
): { readonly file: EditedDockerfile; readonly atMost: boolean } | undefined {
  const { install, copy, files } = source;
  const flags = flagsOf(dockerfile, run);
  const parts = run.command.form === "shell" ? andParts(run.command.text) : undefined;
  if (flags === undefined || parts === undefined || !isFirst(parts[0]!, install.shown)) return undefined;
  const edit = new DockerfileEdit(dockerfile);
  const line = copy.place.range.start.line;
  const copies = manifestCopies(source, copyWords(from));
  edit.insertAbove(from, copies, { line, takes: takerOf(files), cheap: true });
  const isWhole = install.command === install.shown;
  if (isWhole && parts.length === 1) return { file: edit.moveBelow(from, run).finish(), atMost: false };
  const origin = { line: step.place.range.start.line, isOther: true };
  const rest = isWhole ? parts.slice(1) : parts;
  const moved = edit.remove(from);
  edit.replace(run, [
    { text: `RUN ${flags}${isWhole ? parts[0]! : install.command!}`, origin },
    ...moved,
    { text: `RUN ${flags}${rest.join(" && ")}`, origin: { ...origin, cheap: true } },
  ]);
  return { file: edit.finish(), atMost: true };
}

/** `COPY` with those flags that concern owners and modes. */
function copyWords({ chown, chmod, link }: CopyInstruction): string {
  const flags = [
    ...(link ? ["--link"] : []),
    ...(chown === undefined ? [] : [`--chown=${chown}`]),
    ...(chmod === undefined ? [] : [`--chmod=${chmod}`]),
  ];
  return ["COPY", ...flags].join(" ");
}

function takerOf(files: readonly TreeNode[]): (path: string) => boolean {
  const paths = files.map((node) => fromByteString(pathOf(node)));
  return (path) => paths.some((name) => path === name || path.startsWith(`${name}/`));
}

/** The words are compared: quotes and blanks may differ. */
function isFirst(part: string, shown: string): boolean {
  return part
    .replace(/["'\\]/g, "")
    .split(/\s+/)
    .join(" ")
    .endsWith(shown);
}
