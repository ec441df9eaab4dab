/**
 * `# syntax=IMAGE` asks for a frontend to be fetched that reads the file. nacre reads Dockerfiles itself: Docker's own
 * frontend is taken as asked for already, any other one would read another language.
 */
import { detectSyntax } from "../dockerfile/directives.js";
import { formatReference, parseReference } from "../oci/reference.js";
import { NacreError } from "../support/errors.js";
import type { SourcePlace } from "../support/source.js";
import type { PlanWarning } from "./graph.js";

/** What decides beside the file. */
export interface SyntaxOptions {
  /** BUILDKIT_SYNTAX is looked at: it overrides the file. */
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Take the file for a Dockerfile whatever it says. */
  readonly ignore: boolean;
}

/** Docker's frontend, and what it is before a release. */
const OWN = ["docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream"];

/**
 * What is to be said about the frontend that a file asks for; undefined if it asks for none. Call it before parsing: a
 * text for another frontend may be no Dockerfile at all.
 * @param file its name as the user gave it
 * @throws NacreError UNSUPPORTED, with the place, for a frontend that is not Docker's
 */
export function checkSyntax(text: string, file: string, { buildArgs, ignore }: SyntaxOptions): PlanWarning | undefined {
  const found = detectSyntax(text);
  const given = buildArgs.BUILDKIT_SYNTAX?.trim();
  const image = given ? given.split(" ", 1)[0]! : found?.image;
  if (image === undefined) return undefined;
  const place: SourcePlace | undefined = !given && found ? { file, text, range: found.range } : undefined;
  if (!ignore && !isOwn(image)) {
    const what = given ? `BUILDKIT_SYNTAX=${image}` : `the syntax ${image}`;
    throw new NacreError("UNSUPPORTED", `${what} asks for a frontend that nacre is not`, {
      hint: "if the file is an ordinary Dockerfile, add --ignore-syntax, or --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1",
      facts: { syntax: image },
      place,
    });
  }
  const message = `the frontend ${image} is not loaded: nacre reads the file itself`;
  return { rule: "SyntaxIgnored", message, ...(place ? { place } : {}) };
}

/** True for docker/dockerfile of any tag or digest. */
function isOwn(image: string): boolean {
  try {
    const { host, path } = parseReference(image);
    return OWN.includes(formatReference({ host, path }));
  } catch {
    return false;
  }
}
