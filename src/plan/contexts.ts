/**
 * Named contexts (`--build-context NAME=VALUE`): which of them stands for a stage or an image. Names are compared as
 * familiar references without `:latest`, and `NAME::os/arch` is tried before `NAME` (BuildKit: dockerui, NamedContext).
 */
import { formatPlatform, normalize, type Platform } from "../oci/platform.js";
import { familiarName, parseReference } from "../oci/reference.js";

/** The names given on the command line, ready to be looked up. */
export class NamedContexts {
  /** Comparable form → name as the user gave it. */
  readonly #names: ReadonlyMap<string, string>;

  constructor(names: Iterable<string>) {
    this.#names = new Map([...names].map((name) => [comparable(name), name]));
  }

  /** The name of the context that stands for the image or stage `name` on `platform`, as the user gave it. */
  find(name: string, platform: Platform): string | undefined {
    const key = comparable(name);
    if (key === "scratch" || key === "context") return undefined;
    return this.#names.get(`${key}::${formatPlatform(normalize(platform))}`) ?? this.#names.get(key);
  }
}

function comparable(name: string): string {
  const [reference = "", ...platform] = name.split("::");
  return [familiar(reference), ...platform].join("::");
}

function familiar(name: string): string {
  try {
    return familiarName(parseReference(name)).replace(/:latest$/, "");
  } catch {
    return name; // Stage names such as `a-` are no references; they can still be compared as they are.
  }
}
