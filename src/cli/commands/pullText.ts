/** What `nacre pull` prints: Docker's lines, or one JSON object for programs. */
import type { NacreEvent, PulledImage } from "../../index.js";
import { familiarName, parseReference } from "../../oci/reference.js";
import { printable } from "../terminalText.js";

/** `latest: Pulling from library/alpine`. */
export function headLine(text: string): string {
  const reference = parseReference(text);
  const { path, tag, digest } = reference;
  const what = digest === undefined ? tag : familiarName({ ...reference, tag: undefined });
  return `${what}: Pulling from ${path}`;
}

/** True for a name with neither tag nor digest: Docker says then that it takes `latest`. */
export function hasDefaultTag(text: string): boolean {
  return !text.includes("@") && text.lastIndexOf(":") <= text.lastIndexOf("/");
}

/** Tells the states of layers, one line for each change: `fb95faa4a995: Pull complete`. */
export function layerLines(): (event: NacreEvent) => string[] {
  const names = new Map<string, string>();
  return (event) => {
    if (event.type === "start") names.set(event.id, event.name);
    const name = "id" in event ? names.get(event.id) : undefined;
    if (name === undefined || !("id" in event) || !event.id.startsWith("layer:")) return [];
    const state = stateOf(event);
    return state === undefined ? [] : [`${name}: ${state}`];
  };
}

function stateOf(event: NacreEvent): string | undefined {
  switch (event.type) {
    case "start":
      return "Pulling fs layer";
    case "progress":
      return event.current === event.total ? "Download complete" : undefined;
    case "end":
      return { done: "Pull complete", cached: "Already exists", error: "Failed", cancelled: "Stopped" }[event.outcome];
    default:
      return undefined;
  }
}

/** The lines after all is done. */
export function endLines({ name, descriptor, status }: PulledImage): string[] {
  const short = familiarName(parseReference(name));
  return [`Digest: ${descriptor.digest}`, statusLine(short, status === "new"), name];
}

/** `Status: Downloaded newer image for alpine:latest`. @param name short name of an image, or of a repository */
export function statusLine(name: string, isNew: boolean): string {
  return `Status: ${isNew ? "Downloaded newer image" : "Image is up to date"} for ${printable(name)}`;
}

/** All that is known of a pulled image. */
export function pulledJson(pulled: PulledImage): object {
  const { name, descriptor, stored, image, layers, status, warnings } = pulled;
  const { os, architecture, variant } = image.config;
  return {
    Name: name,
    Digest: descriptor.digest,
    MediaType: descriptor.mediaType,
    StoredDigest: stored.digest,
    ManifestDigest: image.descriptor.digest,
    ID: image.manifest.config.digest,
    Platform: [os, architecture, variant].filter(Boolean).join("/"),
    Status: status,
    Layers: layers.map(({ descriptor: layer, diffId, outcome }) => ({
      ...{ Digest: layer.digest, DiffID: diffId, MediaType: layer.mediaType, Size: layer.size, Outcome: outcome },
    })),
    Warnings: warnings,
  };
}
