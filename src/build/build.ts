import type { Digest } from "../oci/digest.js";
import { parsePlatform } from "../oci/platform.js";
import { formatReference, parseReference } from "../oci/reference.js";
import type { OutputResult } from "../output/request.js";
import { builderNotes } from "../plan/builderArguments.js";
import type { Plan } from "../plan/graph.js";
import { storeCleaner } from "../sandbox/storeCleaner.js";
import { type BuildEntry, putBuild } from "../store/builds.js";
import { defaultStorePath, Store } from "../store/store.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { noteAbout } from "./aboutBuild.js";
import { type AssembledImage, assemble } from "./assemble.js";
import { BaseLocks } from "./baseLocks.js";
import { Bases } from "./bases.js";
import { checkRunOptions } from "./checkRunOptions.js";
import { Contexts } from "./contexts.js";
import { type LoadedDockerfile, syntaxNote } from "./dockerfileSource.js";
import type { Fetches } from "./fetches.js";
import { keepHouse } from "./housekeeping.js";
import { Inputs, readInputs, shownContext } from "./inputs.js";
import { epochOf } from "./keyer.js";
import { asWarnings, ignoredSources, Lint, placedWarnings } from "./lint.js";
import { lockPathOf } from "./lockFile.js";
import { canonicalReferences, runOutputs } from "./outputs.js";
import { planWith } from "./planRounds.js";
import { projectOf } from "./project.js";
import type { BuildRequest, BuildResult } from "./request.js";
import { checkResultFiles, writeResultFiles } from "./resultFiles.js";
import type { Runs } from "./runs.js";
import { Session } from "./session.js";
import { type Solution, Solver } from "./solver.js";
import { argumentNames } from "./stepStates.js";
import { StepTraces } from "./stepTraces.js";
import { checkSupported } from "./supported.js";

/** How often a build starts again because files changed under it. */
const ATTEMPTS = 2;

/**
 * Builds an image.
 * @throws NacreError with the place in the Dockerfile where there is one; the store is whole whatever happens
 */
export async function build(request: BuildRequest): Promise<BuildResult> {
  const names = (request.tags ?? []).map(tagName);
  const platform = request.platform === undefined ? undefined : parsePlatform(request.platform);
  checkResultFiles(request);
  checkRunOptions(request);
  const early = readInputs(request);
  const warn = (message: string): void => session?.warn({ rule: "Store", message });
  let session: Session | undefined;
  let inputs: Inputs | undefined;
  const path = request.store ?? defaultStorePath(process.env);
  const cleaner = storeCleaner(path);
  const store = await Store.open(path, { warn, ...cleaner });
  try {
    session = new Session(request, store, { platform, clock: Date.now });
    inputs = await Inputs.open(session, early);
    const of = { dockerfile: inputs.main.loaded.dockerfile.file, context: shownContext(early), names };
    return await noted(session, of, buildIn(session, inputs, names));
  } finally {
    await inputs?.close();
    if (!request.signal?.aborted) await keepHouse(store, request.housekeeping, warn);
    session?.lease.release();
    await store.close();
    await cleaner.close();
  }
}

/** The full name of a tag. @throws NacreError REFERENCE_INVALID */
function tagName(tag: string): string {
  const reference = parseReference(tag);
  if (reference.digest) {
    throw new NacreError("REFERENCE_INVALID", `the tag ${JSON.stringify(tag)} has a digest`, {
      hint: "a tag is name[:tag]",
    });
  }
  return formatReference(reference);
}

/** Notes what becomes of the build in the store's history, success or failure. */
async function noted(
  session: Session,
  of: Pick<BuildEntry, "dockerfile" | "context" | "names">,
  work: Promise<Omit<BuildResult, "id">>,
): Promise<BuildResult> {
  const { request, started } = session;
  const note = (more: Pick<BuildEntry, "outcome" | "digest" | "error">): string =>
    putBuild(session.store, {
      version: 1,
      started,
      ended: session.now(),
      ...of,
      target: request.target,
      title: (request.name ?? request.buildArgs?.BUILDKIT_BUILD_NAME) || undefined,
      nacre: request.program,
      ...session.about,
      inputs: { ...session.about.inputs, ...(session.remotes.length > 0 ? { remotes: session.remotes } : {}) },
      steps: [...session.history.values()].sort((a, b) => (a.id ?? 0) - (b.id ?? 0)),
      ...more,
    });
  try {
    const result = await work;
    return { ...result, id: note({ outcome: "done", digest: result.digest }) };
  } catch (error) {
    try {
      if (session.signal?.aborted) note({ outcome: "cancelled" });
      else note({ outcome: "error", error: error instanceof Error ? error.message : String(error) });
    } catch {
      // The build's own failure is what counts; a full disk, say, fails both.
    }
    throw error;
  }
}

async function buildIn(session: Session, inputs: Inputs, names: readonly string[]): Promise<Omit<BuildResult, "id">> {
  const { loaded } = inputs.main;
  noteRequest(session, loaded);
  const lint = Lint.of(loaded.dockerfile, session.request.buildArgs);
  for (const message of lint.notes) session.warn({ rule: "UnknownCheckRule", message });
  const ofText = lint.text(loaded.dockerfile);
  for (const warning of asWarnings(ofText, loaded.dockerfile)) session.warn(warning);
  const locks = new BaseLocks(session.request.lock ?? "none", lockPathOf(session.request));
  const bases = new Bases(session, inputs.named, locks);
  const plan = await planWith(session, inputs, bases).finally(() => bases.close());
  const ofPlan = lint.told([...placedWarnings(plan.warnings), ...ignoredSources(plan, loaded.ignore)]);
  for (const warning of asWarnings(ofPlan, loaded.dockerfile)) session.warn(warning);
  for (const warning of plan.warnings) if (!warning.place) session.warn(warning);
  const violation = lint.failure([...ofText, ...ofPlan]);
  if (violation) throw violation;
  const { allow, network } = session.request;
  checkSupported(plan, { allow: new Set(allow), network });
  const runs = await openRuns(session, plan);
  const digestOf = (base: string): Digest => bases.image(base).descriptor.digest;
  const traces = new StepTraces({
    ...{ session, plan, digestOf },
    project: projectOf(session.request, loaded),
    arguments: () => argumentNames(loaded.dockerfile),
  });
  noteAbout(session, plan, bases, traces.project);
  const solution = await solve(session, plan, bases, inputs, { runs, traces }).finally(async () => {
    await traces.save();
    await runs?.close();
  });
  const epoch = epochOf(session, plan);
  const annotations = new Map(Object.entries(session.request.annotations ?? {}));
  const image = assemble(plan.target, solution, { sourceDateEpoch: epoch, annotations });
  storeImage(session, image);
  const written = await runOutputs(session, image, solution, names, epoch);
  // The names come last: a build that fails while it writes an output has changed nothing that is visible.
  const plain = names.map((name) => ({ name, descriptor: image.descriptor }));
  await session.store.setReferences([...plain, ...canonicalReferences(session.request, image, written)]);
  await locks.save();
  const result = resultOf(session, image, solution, written, names);
  await writeResultFiles(session.request, result);
  return result;
}

/** Says what the file or a build argument asks for that is not done, where the image is right without it. */
function noteRequest(session: Session, { dockerfile }: LoadedDockerfile): void {
  const { request } = session;
  const syntax = syntaxNote(dockerfile.text, dockerfile.file, request);
  if (syntax) session.note(syntax);
  for (const note of builderNotes(buildArgsOf(request))) session.note(note);
}

function buildArgsOf({ buildArgs }: BuildRequest): ReadonlyMap<string, string> {
  return new Map(Object.entries(buildArgs ?? {}));
}

/** What executes RUN, if there is any. Secrets and agents that cannot be read are told in any case. */
async function openRuns(session: Session, plan: Plan): Promise<Runs | undefined> {
  const { secrets = [], ssh = [] } = session.request;
  if (secrets.length + ssh.length === 0 && !plan.steps.some((step) => step.kind === "run")) return undefined;
  const { Runs } = await import("./runs.js");
  return new Runs(session, plan);
}

/** Solves the plan; where files changed under it, everything is keyed once more. */
async function solve(
  session: Session,
  plan: Plan,
  bases: Bases,
  inputs: Inputs,
  solving: { readonly runs: Runs | undefined; readonly traces: StepTraces },
): Promise<Solution> {
  const fetches = (): Promise<Fetches> => inputs.fetches();
  for (let attempt = 1; ; attempt++) {
    const contexts = new Contexts(session, inputs.main.files, inputs.named, fetches);
    try {
      const solution = await new Solver(session, plan, bases, { contexts, fetches, ...solving }).solve();
      await contexts.save();
      return solution;
    } catch (error) {
      if (attempt === ATTEMPTS || !isNacreError(error) || error.code !== "CONTEXT_CHANGED") throw error;
      session.warn({ rule: "ContextChanged", message: `${error.message}; the build starts again` });
    } finally {
      await contexts.close();
    }
  }
}

function storeImage(session: Session, image: AssembledImage): void {
  const { store, lease } = session;
  lease.protect([image.descriptor.digest, image.configDescriptor.digest]);
  for (const [digest, bytes] of [
    [image.configDescriptor.digest, image.configBytes],
    [image.descriptor.digest, image.manifestBytes],
  ] as const) {
    if (!store.hasBlob(digest)) store.putBlob(bytes);
  }
}

function resultOf(
  session: Session,
  image: AssembledImage,
  solution: Solution,
  written: readonly OutputResult[],
  names: readonly string[],
): Omit<BuildResult, "id"> {
  const exported = written.find((output) => output.image)?.image;
  return {
    digest: exported?.descriptor.digest ?? image.descriptor.digest,
    configDigest: exported?.configDigest ?? image.configDescriptor.digest,
    descriptor: image.descriptor,
    size: image.manifest.layers.reduce((sum, layer) => sum + layer.size, 0),
    exported: exported?.descriptor,
    codecs: [...new Set(written.flatMap((output) => output.image?.codecs ?? []))].sort(),
    names,
    steps: solution.reports,
    warnings: session.warnings.map(({ rule, message }) => ({ rule, message })),
  };
}
