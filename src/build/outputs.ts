/** Handing a built image over: to files, to registries, to an engine on this machine. */
import { availableParallelism } from "node:os";
import type { Image } from "../image/image.js";
import { withPulledFrom } from "../image/pulledFrom.js";
import type { Descriptor } from "../oci/documents.js";
import { formatReference, parseReference } from "../oci/reference.js";
import type { OutputEnv, OutputResult } from "../output/request.js";
import { isMultiPlatform } from "../plan/builderArguments.js";
import { NacreError } from "../support/errors.js";
import type { Emit } from "../support/events.js";
import { rfc3339 } from "./assemble.js";
import type { BuildRequest, EngineOutput, FileOutput, OutputRequest, RegistryOutput } from "./request.js";
import type { Session, Vertex } from "./session.js";
import type { Solution } from "./solver.js";

/**
 * Makes the outputs of a build, in their order. They share the work of compressing through the store.
 * @throws NacreError OUTPUT, DISK_FULL, USAGE, CONTENT_INVALID, NETWORK, DENIED, CREDENTIALS, CANCELLED
 */
export async function runOutputs(
  session: Session,
  image: Image,
  solution: Solution,
  names: readonly string[],
  epoch: number | undefined,
): Promise<readonly OutputResult[]> {
  const { outputs = [] } = session.request;
  if (outputs.length === 0) return [];
  return session.vertex("internal:export", "exporting", async (vertex) => {
    const env = outputEnv(session, image, solution, { names, epoch, vertex });
    const files = outputs.filter(isFile);
    const results = files.length > 0 ? await writeFiles(files, image, env) : [];
    const others: OutputResult[] = [];
    for (const output of outputs) {
      if (output.type === "registry") {
        const pushed = await push(session, output, image, env);
        // Who pushes by digest needs that digest, whatever else is written.
        if (output.byDigest) others.unshift(pushed);
        else others.push(pushed);
      }
      if (output.type === "engine") others.push(await load(session, output, image, env));
    }
    return outputs.some(isByDigest) ? [...others, ...results] : [...results, ...others];
  });
}

function isFile(output: OutputRequest): output is FileOutput {
  return output.type !== "registry" && output.type !== "engine";
}

function isByDigest(output: OutputRequest): boolean {
  return output.type === "registry" && output.byDigest === true;
}

function outputEnv(
  session: Session,
  image: Image,
  { steps, baseLayer }: Solution,
  { names, epoch, vertex }: { names: readonly string[]; epoch: number | undefined; vertex: Vertex },
): OutputEnv {
  const { request, store, signal } = session;
  const made = [...steps.values(), ...(baseLayer ? [baseLayer] : [])];
  let bytes = 0;
  let last = "";
  return {
    store,
    names,
    created: image.config.created ?? rfc3339(session.started),
    epoch,
    index: isMultiPlatform(new Map(Object.entries(request.buildArgs ?? {}))),
    newLayers: new Set(made.map(({ layer }) => layer.diffId)),
    jobs: request.jobs ?? availableParallelism(),
    signal,
    onProgress: (what, more) => {
      if (what !== last) vertex.log(what);
      last = what;
      bytes += more;
      vertex.progress(bytes, undefined, "bytes");
    },
    onWarning: (message) => session.warn({ rule: "Output", message }),
  };
}

async function writeFiles(
  outputs: readonly FileOutput[],
  image: Image,
  env: OutputEnv,
): Promise<readonly OutputResult[]> {
  const { writeOutputs } = await import("../output/output.js");
  return writeOutputs(outputs, image, env);
}

async function push(session: Session, output: RegistryOutput, image: Image, env: OutputEnv): Promise<OutputResult> {
  const names = output.names ?? env.names;
  if (names.length === 0) {
    throw new NacreError("USAGE", "tag is needed when pushing to registry", { hint: "name the image with -t" });
  }
  const [{ pushBuilt }, { registriesOf }] = await Promise.all([
    import("../output/pushBuilt.js"),
    import("./registryBases.js"),
  ]);
  const { store, signal } = session;
  const world = { env: session.request.env, signal };
  const registries = await registriesOf(world, { warn: (rule, message) => session.warn({ rule, message }) });
  const emit: Emit = (event) => session.send(event);
  const push = { store, emit, now: Date.now, signal };
  const canonical = output.canonical ? repositoriesOf(names) : [];
  try {
    if (!output.byDigest) {
      const { image: exported } = await pushBuilt(output, image, names, env, { ...push, registries });
      return { image: exported, canonical };
    }
    let exported: OutputResult["image"];
    const { pushUntagged, untaggedNames } = await import("../output/untagged.js");
    const pushed = await pushUntagged(untaggedNames(names), registries, async (repositories, untagging) => {
      const done = await pushBuilt(output, image, repositories, env, { ...push, registries: untagging });
      exported = done.image;
      return done.pushed;
    });
    return { image: exported && { ...exported, names: pushed.map(({ name }) => name) }, canonical };
  } finally {
    await registries.close();
  }
}

/** Full names without tags and digests, each once. */
function repositoriesOf(names: readonly string[]): string[] {
  const full = names.map((name) => formatReference({ ...parseReference(name), tag: undefined, digest: undefined }));
  return [...new Set(full)];
}

/**
 * What the store is to call an image by digests: `NAME@DIGEST`, with a note of what that is where it was pushed in another
 * form.
 */
export function canonicalReferences(
  { canonicalNames = [] }: BuildRequest,
  { descriptor }: Pick<Image, "descriptor">,
  results: readonly OutputResult[],
): { readonly name: string; readonly descriptor: Descriptor }[] {
  const exports = results.map(({ image, canonical = [] }) => ({ as: image?.descriptor ?? descriptor, canonical }));
  const all = [{ as: descriptor, canonical: repositoriesOf(canonicalNames) }, ...exports];
  return all.flatMap(({ as, canonical }) =>
    canonical.map((name) => ({ name: `${name}@${as.digest}`, descriptor: withPulledFrom(descriptor, as) })),
  );
}

async function load(session: Session, output: EngineOutput, image: Image, env: OutputEnv): Promise<OutputResult> {
  const { loadBuilt } = await import("../output/engineLoad.js");
  const { signal } = session;
  const form = { ...output, names: output.names ?? env.names };
  const { image: exported } = await loadBuilt(form, image, env, output.engine, { env: process.env, signal });
  return { image: exported };
}
