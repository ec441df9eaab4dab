/**
 * Named contexts (`--build-context NAME=VALUE`): which of them stands for a stage or an image. Names are compared as
 * familiar references without `:latest`, and `NAME::os/arch` is tried before `NAME` (BuildKit: dockerui, NamedContext).
 */
import { formatPlatform, normalize, type Platform, parsePlatform } from "../oci/platform.js";
import { familiarName, parseReference } from "../oci/reference.js";
import { isNacreError, NacreError } from "../support/errors.js";

/** Stage names that are no references (`a-`): Docker cannot override those; here it costs nothing. */
const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;

/** The names given on the command line, ready to be looked up. */
export class NamedContexts {
  /** Comparable form → name as the user gave it. */
  readonly #names: ReadonlyMap<string, string>;

  /** @throws NacreError REFERENCE_INVALID for a name that no FROM could have */
  constructor(names: Iterable<string>) {
    this.#names = new Map([...names].map((name) => [checked(name), name]));
  }

  /** The name of the context that stands for the image `name` on `platform`, as the user gave it. Nothing stands for scratch. */
  find(name: string, platform: Platform): string | undefined {
    if (name === "scratch") return undefined;
    const key = familiar(name);
    return this.#names.get(`${key}::${formatPlatform(normalize(platform))}`) ?? this.#names.get(key);
  }

  /** The same for a stage of that name: one that is called `context` is never replaced (Docker does so). */
  findForStage(name: string, platform: Platform): string | undefined {
    return name === "context" ? undefined : this.find(name, platform);
  }
}

/** A name in its comparable form. */
function checked(name: string): string {
  const at = name.indexOf("::");
  const reference = at < 0 ? name : name.slice(0, at);
  try {
    const key = familiarName(parseReference(reference)).replace(/:latest$/, "");
    return at < 0 ? key : `${key}::${formatPlatform(parsePlatform(name.slice(at + 2)))}`;
  } catch (error) {
    if (STAGE_NAME.test(name)) return name;
    const why = isNacreError(error) ? error.message.replace(/^invalid image reference ".*?": /, "") : String(error);
    throw new NacreError("REFERENCE_INVALID", `invalid context name ${name}: invalid reference format: ${why}`, {
      hint: "a context stands for the stage or image of its name, so it is written like an image, in lower case, or as NAME::os/architecture",
      cause: error,
    });
  }
}

function familiar(name: string): string {
  try {
    return familiarName(parseReference(name)).replace(/:latest$/, "");
  } catch {
    return name; // Stage names such as `a-` are no references; they can still be compared as they are.
  }
}
