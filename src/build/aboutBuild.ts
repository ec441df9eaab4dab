/** What the history of builds keeps of a build beside its steps. */
import { formatPlatform } from "../oci/platform.js";
import { familiarName, parseReference } from "../oci/reference.js";
import type { Plan } from "../plan/graph.js";
import type { BuildArgument, BuildInputs } from "../store/builds.js";
import { withoutUserinfo } from "../support/url.js";
import type { Bases } from "./bases.js";
import { contextIdentity } from "./inputs.js";
import type { BuildRequest, OutputRequest } from "./request.js";
import type { Session } from "./session.js";

/** Notes what a planned build takes in and is to give. */
export function noteAbout(session: Session, plan: Plan, bases: Bases, project: string): void {
  const { request, about } = session;
  about.project = project;
  about.platform = formatPlatform(plan.target.platform);
  about.args = argumentsOf(request);
  about.inputs = { bases: basesOf(plan, bases), contexts: contextsOf(request) };
  about.outputs = (request.outputs ?? []).map(outputOf);
}

function argumentsOf({ buildArgs }: BuildRequest): BuildArgument[] {
  return Object.entries(buildArgs ?? {}).map(([name, value]) => ({ name, value }));
}

function basesOf(plan: Plan, bases: Bases): NonNullable<BuildInputs["bases"]> {
  return [...plan.bases.values()].map(({ key, reference, platform }) => ({
    reference: familiar(reference),
    digest: bases.image(key).descriptor.digest,
    platform: formatPlatform(platform),
  }));
}

function familiar(reference: string): string {
  try {
    return familiarName(parseReference(reference));
  } catch {
    return reference;
  }
}

function contextsOf(request: BuildRequest): NonNullable<BuildInputs["contexts"]> {
  const named = Object.entries(request.buildContexts ?? {});
  return [
    { name: "default", description: contextIdentity(request, "") },
    ...named.map(([name, text]) => ({ name, description: withoutUserinfo(text) })),
  ];
}

function outputOf(output: OutputRequest): { readonly type: string; readonly destination?: string } {
  const { type } = output;
  const destination = "destination" in output ? output.destination : undefined;
  return destination?.kind === "path" ? { type, destination: destination.path } : { type };
}
