/** Advice on a RUN itself: what it fetches is kept in a cache, or its beginning becomes a step of its own. */
import type { RunInstruction } from "../dockerfile/ast.js";
import type { RunStep } from "../plan/graph.js";
import { andParts, type Candidate, flagsOf, instructionFor, type Known, plainRun, timeOfStep } from "./candidate.js";
import { DockerfileEdit } from "./dockerfileEdit.js";
import { installOf, isSystemInstall } from "./installs.js";
import { type ShellCommand, stepCommands, textCommands } from "./shellText.js";
import { planVariant } from "./variant.js";

/** Fewer misses than this are no reason for a cache. */
const FEWEST_MISSES = 2;

/** What a package manager keeps, and where. */
interface CacheRow {
  readonly programs: readonly string[];
  /** Directories, for root. */
  readonly targets: readonly string[];
  /** Words with which it keeps nothing. */
  readonly without?: readonly string[];
  /** The manager does not like to share it. */
  readonly locked?: true;
  /** A variable that names the directory. */
  readonly variable?: string;
  readonly doubt?: string;
}

const LATER = "what later steps take from this directory is not there for them unless they have the same mount";

/** Where package managers keep what they fetch, run by root with nothing set otherwise. */
const CACHES: readonly CacheRow[] = [
  {
    ...{ programs: ["apt-get", "apt"], targets: ["/var/cache/apt", "/var/lib/apt"], locked: true },
    doubt: "images of Debian and Ubuntu delete what apt has fetched: remove /etc/apt/apt.conf.d/docker-clean as well",
  },
  { programs: ["apk"], targets: ["/etc/apk/cache"], without: ["--no-cache"], locked: true },
  { programs: ["dnf", "microdnf", "yum"], targets: ["/var/cache/dnf", "/var/cache/yum"], locked: true },
  {
    ...{ programs: ["pip", "pip3", "python", "python3"], targets: ["/root/.cache/pip"], variable: "PIP_CACHE_DIR" },
    without: ["--no-cache-dir"],
  },
  { programs: ["uv"], targets: ["/root/.cache/uv"], without: ["--no-cache"], variable: "UV_CACHE_DIR" },
  { programs: ["poetry"], targets: ["/root/.cache/pypoetry"], variable: "POETRY_CACHE_DIR" },
  { programs: ["pipenv"], targets: ["/root/.cache/pipenv"], variable: "PIPENV_CACHE_DIR" },
  { programs: ["npm"], targets: ["/root/.npm"], variable: "NPM_CONFIG_CACHE" },
  { programs: ["yarn"], targets: ["/usr/local/share/.cache/yarn"], variable: "YARN_CACHE_FOLDER" },
  { programs: ["pnpm"], targets: ["/root/.local/share/pnpm/store"] },
  { programs: ["bun"], targets: ["/root/.bun/install/cache"], variable: "BUN_INSTALL_CACHE_DIR" },
  { programs: ["go"], targets: ["/go/pkg/mod", "/root/.cache/go-build"], doubt: LATER },
  { programs: ["cargo"], targets: ["/usr/local/cargo/registry"], doubt: LATER },
  { programs: ["mvn", "mvnw"], targets: ["/root/.m2"], doubt: LATER },
  { programs: ["gradle", "gradlew"], targets: ["/root/.gradle"], doubt: LATER },
  { programs: ["composer"], targets: ["/root/.composer/cache"], variable: "COMPOSER_CACHE_DIR" },
  { programs: ["bundle"], targets: ["/usr/local/bundle/cache"], doubt: LATER },
  { programs: ["dotnet"], targets: ["/root/.nuget/packages"], doubt: LATER },
];

/** RUNs of package managers that missed again and again, with a cache for each. */
export function cacheMounts(known: Known): readonly Candidate[] {
  return known.present.plan.steps.flatMap((step) => (step.kind === "run" ? (withCache(known, step) ?? []) : []));
}

function withCache(known: Known, step: RunStep): Candidate | undefined {
  const { dockerfile, present, before } = known;
  const misses = before.filter((build) => build.has(step.id)).length;
  const instruction = instructionFor(dockerfile, step)?.instruction;
  if (misses < FEWEST_MISSES || instruction?.keyword !== "RUN" || !isRoot(step)) return undefined;
  if (step.mounts.some((mount) => /(?:^|,)type=cache(?:,|$)/i.test(mount))) return undefined;
  const found = stepCommands(step).flatMap((command) => {
    const row = rowOf(command);
    return row ? [{ row, command }] : [];
  });
  const [first] = found;
  if (!first) return undefined;
  const mounts = [...new Set(found.flatMap(({ row }) => mountsOf(row, step)))];
  const edit = new DockerfileEdit(dockerfile);
  const origin = { line: instruction.range.start.line, isOther: true };
  const [line = "", ...rest] = edit.linesOf(instruction);
  const flagged = line.replace(/^(\s*\w+)(\s)/, (_whole, word, blank) => `${word}${blank}${mounts.join(" ")} `);
  if (flagged === line) return undefined;
  edit.replace(
    instruction,
    [flagged, ...rest].map((text) => ({ text, origin })),
  );
  const variant = planVariant(present, edit.finish());
  if (!variant) return undefined;
  const shown = [first.command.program, ...first.command.args.slice(0, 2)].join(" ");
  const doubts = found.flatMap(({ row }) => row.doubt ?? []);
  return {
    kind: "cache-mount",
    title: `keep what ${shown} fetches in a cache`,
    because: `it ran in ${misses} builds, and fetched everything anew each time`,
    step,
    confidence: doubts.length > 0 ? "low" : "medium",
    change: { kind: "dockerfile", variant },
    doubt: doubts[0] ?? "what it leaves in its cache is then no part of the image",
    atMost: true,
    atStake: timeOfStep(known, step.id),
  };
}

function isRoot({ user }: RunStep): boolean {
  return /^(?:|root|0)(?::|$)/.test(user);
}

function rowOf(command: ShellCommand): CacheRow | undefined {
  if (installOf(command) === undefined && !isSystemInstall(command)) return undefined;
  const row = CACHES.find(({ programs }) => programs.includes(command.program));
  return row?.without?.some((word) => command.args.includes(word)) ? undefined : row;
}

function mountsOf({ targets, locked, variable }: CacheRow, { env }: RunStep): readonly string[] {
  const set = variable && env.find((pair) => pair.startsWith(`${variable}=`))?.slice(variable.length + 1);
  const usable = set?.startsWith("/") && !/[\s,"']/.test(set) ? [set] : targets;
  return usable.map((target) => `--mount=type=cache,target=${target}${locked ? ",sharing=locked" : ""}`);
}

/** RUNs that begin with an installation, and of which only what comes after it was edited. */
export function splitRuns(known: Known): readonly Candidate[] {
  return known.present.plan.steps.flatMap((step) => (step.kind === "run" ? (splitRun(known, step) ?? []) : []));
}

function splitRun(known: Known, step: RunStep): Candidate | undefined {
  const { dockerfile, present } = known;
  const run = plainRun(dockerfile, step);
  const text = run?.instruction.command.form === "shell" ? run.instruction.command.text : "";
  const parts = run && andParts(text);
  const flags = run && flagsOf(dockerfile, run.instruction);
  if (!run || !parts || flags === undefined) return undefined;
  const slow = installsAtFirst(parts, step);
  if (slow === 0 || slow === parts.length) return undefined;
  const stable = parts.slice(0, slow).join(" && ");
  const unedited = buildsWithBeginning(known, step, `RUN ${flags}${stable} && `);
  if (unedited.size < FEWEST_MISSES) return undefined;
  const edit = new DockerfileEdit(dockerfile);
  const origin = { line: step.place.range.start.line, isOther: true };
  edit.replace(run.instruction, [
    { text: `RUN ${flags}${stable}`, origin: { ...origin, unedited } },
    { text: `RUN ${flags}${parts.slice(slow).join(" && ")}`, origin: { ...origin, cheap: true } },
  ]);
  const variant = planVariant(present, edit.finish());
  if (!variant) return undefined;
  return {
    kind: "split-run",
    title: `make the installation at the beginning of ${shownRun(run.instruction)} a step of its own`,
    because: `it was edited in ${unedited.size} builds, and each time only behind that`,
    step,
    confidence: "low",
    change: { kind: "dockerfile", variant },
    doubt: "what a later command removes stays in the layer below, and takes its room",
    atMost: true,
  };
}

/** How many commands at the beginning install something, or stand before such a one. */
function installsAtFirst(parts: readonly string[], { cwd }: RunStep): number {
  let last = 0;
  for (const [i, part] of parts.entries()) {
    const commands = textCommands(part, cwd);
    if (commands.some((one) => isSystemInstall(one) || installOf(one) !== undefined)) last = i + 1;
    else if (!commands.some(({ args }) => args.includes("update"))) break;
  }
  return last;
}

/** Builds in which the step was edited and began with that text all the same. */
function buildsWithBeginning({ builds }: Known, { id }: RunStep, beginning: string): ReadonlySet<string> {
  const wanted = oneLine(beginning);
  const found = builds.filter(({ byPresent }) => {
    const past = byPresent.get(id);
    return past?.own.some(({ kind }) => kind === "instruction") && oneLine(past.instruction).startsWith(wanted);
  });
  return new Set(found.map((build) => build.id));
}

function oneLine(text: string): string {
  return text
    .replace(/\\\s*\n/g, " ")
    .replace(/\\ /g, " ")
    .replace(/\s+/g, " ");
}

function shownRun({ source }: RunInstruction): string {
  return source.length > 50 ? `${source.slice(0, 49)}…` : source;
}
