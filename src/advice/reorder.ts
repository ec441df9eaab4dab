/** Advice: a step that does not need what changes often is put before it. */
import { posix } from "node:path";
import { isLinked } from "../build/stepInputs.js";
import type { LocalContext } from "../context/local.js";
import { walkTree } from "../layer/fileTree.js";
import type { CopyStep, Plan, RunStep, Step } from "../plan/graph.js";
import { fromByteString } from "../support/bytes.js";
import { buildsBecauseOf, type Candidate, instructionFor, type Known, type Standing } from "./candidate.js";
import { DockerfileEdit } from "./dockerfileEdit.js";
import { labelOf } from "./installFirst.js";
import { installOf, isSystemInstall } from "./installs.js";
import { replaySaving } from "./saving.js";
import { type ShellCommand, stepCommands } from "./shellText.js";
import { copiedParts } from "./usedFiles.js";
import { planVariant, type Variant } from "./variant.js";

/** All candidates: at most one for each step, the one that saves most. */
export function reorders(known: Known): readonly Candidate[] {
  const { steps } = known.present.plan;
  return steps.flatMap((step) => {
    const found = steps
      .slice(0, step.id)
      .filter((earlier): earlier is CopyStep => earlier.kind === "copy" && earlier.stage === step.stage)
      .filter((earlier) => buildsBecauseOf(known, earlier.id, step.id) > 0)
      .flatMap((copy) => (step.kind === "run" ? hoist(known, copy, step) : swap(known, copy, step)) ?? []);
    return best(known, found);
  });
}

function best(known: Known, found: readonly Candidate[]): readonly Candidate[] {
  const timed = found.map((one) => ({ one, time: replaySaving(known, one.change).time }));
  const [first] = timed.sort((a, b) => b.time - a.time);
  return first ? [first.one] : [];
}

/** A RUN that shows no sign of reading what a COPY before it brings. */
function hoist(known: Known, copy: CopyStep, run: RunStep): Candidate | undefined {
  const isSystem = isOfSystem(stepCommands(run));
  if (!isSystem && (run.mounts.length > 0 || mayRead(run, copy, known.context))) return undefined;
  const variant = moved(known, copy, run);
  if (!variant) return undefined;
  return {
    kind: "reorder",
    title: `${isSystem ? "install packages" : `put ${labelOf(run)}`} before ${labelOf(copy)}`,
    because: isSystem
      ? `it runs again whenever a file of ${labelOf(copy)} changes, of which packages of the system know nothing`
      : `it runs again whenever a file of ${labelOf(copy)} changes, and does not seem to read any`,
    step: run,
    confidence: isSystem ? "high" : "low",
    change: { kind: "dockerfile", variant },
    doubt: "the program may read what is copied, and where both write, the last one wins",
  };
}

/** The RUN above the COPY, or where that would change its settings, the COPY below the RUN. */
function moved({ dockerfile, present }: Known, copy: CopyStep, step: Step): Variant | undefined {
  const [from, to] = [instructionFor(dockerfile, copy), instructionFor(dockerfile, step)];
  if (!from || !to || from.stage !== to.stage || from.at >= to.at) return undefined;
  const above = new DockerfileEdit(dockerfile).moveAbove(to.instruction, from.instruction).finish();
  const below = (): ReturnType<DockerfileEdit["finish"]> =>
    new DockerfileEdit(dockerfile).moveBelow(from.instruction, to.instruction).finish();
  return planVariant(present, above) ?? planVariant(present, below());
}

/** Commands that install packages of the system, and what people write around them. */
function isOfSystem(commands: readonly ShellCommand[]): boolean {
  return commands.some(isSystemInstall) && commands.every((one) => isSystemInstall(one) || isAround(one));
}

function isAround({ program, args }: ShellCommand): boolean {
  if (["apt-get", "apt", "apk", "dnf", "yum", "microdnf", "zypper"].includes(program)) {
    return args.some((word) => ["update", "upgrade", "clean", "autoremove", "makecache", "autoclean"].includes(word));
  }
  if (["set", "true", "echo", "export"].includes(program)) return true;
  return program === "rm" && args.every((word) => /^(?:-\w+|\/(?:var\/(?:lib|cache|log)|tmp)\/\S*)$/.test(word));
}

/** True unless nothing in the text of a RUN, nor its directory, points at what a COPY brings. */
function mayRead(run: RunStep, copy: CopyStep, context: LocalContext | undefined): boolean {
  const target = posix.resolve("/", copy.destination);
  if (target === "/" || context === undefined || copy.from.kind !== "context") return true;
  if (run.cwd === target || `${run.cwd}/`.startsWith(`${target}/`) || stepCommands(run).some(installOf)) return true;
  const text = [...run.args, run.script?.content ?? ""].join(" ");
  const names = copiedParts(copy, context).flatMap(({ node }) => [
    fromByteString(node.name),
    ...context.children(node).map(({ name }) => fromByteString(name)),
  ]);
  return [target, posix.basename(target), ...names].some((name) => name !== "" && text.includes(name));
}

/** Two COPYs that write to different places. */
function swap(known: Known, copy: CopyStep, step: Step): Candidate | undefined {
  if (step.kind !== "copy" || isLinked(step)) return undefined;
  const variant = moved(known, copy, step);
  if (!variant) return undefined;
  const safe = areApart(known, copy, step);
  return {
    kind: "reorder",
    title: `put ${labelOf(step)} before ${labelOf(copy)}`,
    because: `it is copied again whenever a file of ${labelOf(copy)} changes`,
    step,
    confidence: "high",
    change: { kind: "dockerfile", variant },
    ...(safe ? { safe: "nothing runs between them, and they write to different places" } : { doubt: SWAP_DOUBT }),
  };
}

const SWAP_DOUBT = "both may write to the same place, through a symlink perhaps: then the last one wins";

/**
 * True if all copies from the one to the other may stand in any order: nothing but copies of the context is between and
 * before them, from an empty image, so that there is no symlink; and no target lies in another one's.
 */
function areApart({ dockerfile, present, context }: Known, first: CopyStep, last: CopyStep): boolean {
  // Of a base that is not there nothing is known, not even whether it is empty.
  const isUnknown = [...present.bases.values()].some((base) => base.kind === "image" && base.standIn === true);
  if (context === undefined || isUnknown) return false;
  const chain = chainOf(present.plan, last);
  if (chain === undefined || !chain.includes(first) || chain.some((copy) => !isPlain(copy, context))) return false;
  const [from, to] = [instructionFor(dockerfile, first), instructionFor(dockerfile, last)];
  if (!from || !to || !isQuiet(from, to)) return false;
  const concerned = chain.slice(chain.indexOf(first));
  if (new Set(concerned.map(({ chown, chmod }) => `${chown} ${chmod}`)).size > 1) return false;
  // Names are looked up in a file that one of them may bring.
  if (concerned.some(({ chown = "0" }) => !/^\d+(?::\d+)?$/.test(chown))) return false;
  const targets = concerned.map((copy) => targetsOf(copy, context));
  return targets.every((some, i) => targets.slice(i + 1).every((others) => !overlap(some, others)));
}

/** The copies that a step's files come from, the first one first; undefined if anything else does, or a base. */
function chainOf({ steps }: Plan, last: CopyStep): readonly CopyStep[] | undefined {
  const chain: CopyStep[] = [last];
  for (;;) {
    const { parent } = chain[0]!;
    if (parent.kind === "scratch") return chain;
    const below = parent.kind === "step" ? steps[parent.id] : undefined;
    if (below?.kind !== "copy") return undefined;
    chain.unshift(below);
  }
}

/** Files of the main context as they stand there, none of them a symlink. */
function isPlain(copy: CopyStep, context: LocalContext): boolean {
  const { keyword, from, heredocs, parents } = copy;
  if (keyword !== "COPY" || from.kind !== "context" || from.name !== "" || heredocs.length > 0 || parents) return false;
  let plain = true;
  for (const { node } of copiedParts(copy, context)) {
    walkTree(context, node, ({ type }) => {
      plain &&= type === "file" || type === "dir";
      return plain;
    });
  }
  return plain;
}

/** Nothing between two instructions does more than describe the image. */
function isQuiet(from: Standing, to: Standing): boolean {
  const between = from.stage.instructions.slice(from.at + 1, to.at);
  const quiet = ["COPY", "LABEL", "EXPOSE", "CMD", "ENTRYPOINT", "ENV", "ARG", "STOPSIGNAL", "HEALTHCHECK"];
  return between.every(({ keyword }) => quiet.includes(keyword));
}

/** The paths that a COPY writes: all that lies below them may be its. */
function targetsOf(copy: CopyStep, context: LocalContext): readonly string[] {
  const into = posix.resolve("/", copy.destination);
  const parts = copiedParts(copy, context);
  const isDirectory = copy.destination.endsWith("/") || parts.length > 1;
  return parts.map(({ node }) =>
    node.type === "dir" || !isDirectory ? into : posix.join(into, fromByteString(node.name)),
  );
}

function overlap(some: readonly string[], others: readonly string[]): boolean {
  const isIn = (path: string, other: string): boolean =>
    other === "/" || path === other || path.startsWith(`${other}/`);
  return some.some((path) => others.some((other) => isIn(path, other) || isIn(other, path)));
}
