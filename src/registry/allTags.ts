/**
 * Pulling all tags of a repository. In: a repository. Out: what became of each tag; one that fails does not keep the
 * others from being pulled. Connections, tokens and layers are shared between the tags.
 */
import { parseReference, type Reference } from "../oci/reference.js";
import type { Store } from "../store/store.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { openConfigured } from "./configured.js";
import type { PulledImage } from "./pull.js";
import type { PullRequest } from "./pullFromRegistry.js";
import { byVersion } from "./tagOrder.js";
import type { RegistryEnv, RepositoryClient } from "./types.js";

/** Most tags that are pulled at one go: nobody means more. */
const MAX_TAGS = 10_000;

/** What became of one tag. */
export interface PulledTag {
  readonly tag: string;
  /** Absent where it failed. */
  readonly image?: PulledImage | undefined;
  readonly error?: NacreError | undefined;
}

/** How a repository is pulled. */
export interface PullAllRequest extends Omit<PullRequest, "policy" | "offline" | "onResolved"> {
  /** Told of each tag before it is pulled. */
  readonly onTag?: ((tag: string) => void) | undefined;
  /** Told of each tag when it is in the store, or has failed. */
  readonly onPulled?: ((pulled: PulledTag) => void) | undefined;
}

/**
 * Pulls every tag that a registry has of a repository, the newest version first.
 * @param name `[host/]path`, without tag and digest
 * @returns one for each tag
 * @throws NacreError USAGE, REFERENCE_INVALID; NETWORK, DENIED, LIMIT_EXCEEDED, IMAGE_NOT_FOUND (no tags), CANCELLED
 */
export async function pullAllTags(store: Store, name: string, request: PullAllRequest): Promise<PulledTag[]> {
  const reference = repositoryOf(name);
  const { emit = () => {}, signal, now = Date.now, onTag = () => {}, onPulled = () => {} } = request;
  const warn = (rule: string, message: string): void => emit({ type: "warning", rule, message, time: now() });
  const env: RegistryEnv = { env: request.env, signal, limits: request.limits, now, warn };
  const [{ pullImage }, registries] = await Promise.all([import("./pull.js"), openConfigured(env)]);
  const lease = store.acquireLease();
  const pulled: PulledTag[] = [];
  try {
    const client = registries.open(reference.host, reference.path, "pull");
    const { platform, allPlatforms, jobs } = request;
    for (const tag of await tagsOf(client, name)) {
      signal?.throwIfAborted();
      onTag(tag);
      const options = { platform, allPlatforms, jobs, policy: "always", emit, signal, lease, now } as const;
      const one = await attempt(tag, pullImage(store, client, { ...reference, tag }, options));
      pulled.push(one);
      onPulled(one);
    }
    return pulled;
  } finally {
    lease.release();
    await registries.close();
  }
}

function repositoryOf(text: string): Reference {
  const reference = parseReference(text);
  const hasTag = text.lastIndexOf(":") > text.lastIndexOf("/");
  if (reference.digest === undefined && !hasTag) return reference;
  throw new NacreError("USAGE", "tag can't be used with --all-tags/-a", {
    hint: `write the name of the repository: ${text.replace(/@.*$/s, "").replace(/:[^:/]*$/, "")}`,
  });
}

async function tagsOf(client: RepositoryClient, name: string): Promise<readonly string[]> {
  const tags = new Set<string>();
  for await (const tag of client.tags()) {
    // What cannot be a tag cannot be asked for either.
    if (/^\w[\w.-]{0,127}$/.test(tag)) tags.add(tag);
    if (tags.size > MAX_TAGS) {
      throw new NacreError("LIMIT_EXCEEDED", `${name} has more than ${MAX_TAGS} tags`, {
        hint: "pull those that you need",
      });
    }
  }
  if (tags.size > 0) return byVersion([...tags]);
  throw new NacreError("IMAGE_NOT_FOUND", `${name} has no tags`, {
    hint: `see what there is with: nacre tags ${name}`,
  });
}

/** Stopping is no failure of a tag. */
async function attempt(tag: string, pulling: Promise<PulledImage>): Promise<PulledTag> {
  try {
    return { tag, image: await pulling };
  } catch (error) {
    if (!isNacreError(error) || error.code === "CANCELLED") throw error;
    return { tag, error };
  }
}
