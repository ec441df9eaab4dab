/** Looking up what a plan stands on: images in the store, and what `--build-context` names. */

import { type Image, loadImage } from "../image/image.js";
import { pulledFrom as wholeOf } from "../image/pulledFrom.js";
import type { Descriptor } from "../oci/documents.js";
import { formatPlatform, normalize, type Platform } from "../oci/platform.js";
import { familiarName, formatReference, parseReference, type Reference } from "../oci/reference.js";
import type { KnownBase, WantedBase } from "../plan/graph.js";
import type { Registries } from "../registry/types.js";
import type { Store } from "../store/store.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { Emit } from "../support/events.js";
import { nearest } from "../support/suggest.js";
import type { BaseLocks } from "./baseLocks.js";
import { isFiles, type NamedContext } from "./contextSource.js";
import type { Session } from "./session.js";

/** Seeing images without taking them into the store. */
export interface BaseLook {
  inRegistry(registries: Registries, reference: Reference, platform: Platform): Promise<Image>;
  inLayout(path: string, name: string | undefined, platform: Platform): Promise<Image>;
}

/** The bases of one build, looked up as the planner asks for them. */
export class Bases {
  readonly #session: Session;
  readonly #contexts: ReadonlyMap<string, NamedContext>;
  readonly #images = new Map<string, Image>();
  readonly #known = new Map<string, KnownBase>();
  readonly #locks: BaseLocks;
  #registries: Registries | undefined;

  readonly #look: BaseLook | undefined;

  /** @param look images that the store has not are only looked at */
  constructor(
    session: Session,
    contexts: ReadonlyMap<string, NamedContext>,
    locks: BaseLocks,
    look?: BaseLook | undefined,
  ) {
    this.#locks = locks;
    this.#look = look;
    this.#session = session;
    this.#contexts = contexts;
  }

  /** Answers so far, for the planner. */
  get known(): ReadonlyMap<string, KnownBase> {
    return this.#known;
  }

  /** The image of a planned base. */
  image(key: string): Image {
    const image = this.#images.get(key);
    if (image === undefined) throw new NacreError("INTERNAL", `the base ${key} was planned but not looked up`);
    return image;
  }

  /**
   * Looks a base up.
   * @throws NacreError BASE_NOT_FOUND, with the place of the FROM or COPY
   */
  async resolve(wanted: WantedBase): Promise<void> {
    const name = wanted.context;
    const context = name === undefined ? undefined : this.#contexts.get(name);
    if (name !== undefined && context && isFiles(context)) {
      this.#known.set(wanted.key, { kind: "files", context: name });
      return;
    }
    const image = await this.#session
      .vertex(
        `internal:${wanted.key}`,
        `[${wanted.shownPlatform ? `${wanted.shownPlatform} ` : ""}internal] load metadata for ${wanted.reference}`,
        () => this.#held(wanted, context),
      )
      .catch((error: unknown) => {
        throw isNacreError(error) ? error.at(wanted.place) : error;
      });
    if (!this.#look) this.#checkWhole(wanted, image);
    this.#images.set(wanted.key, image);
    this.#known.set(wanted.key, { kind: "image", config: image.config });
  }

  /** Finds the image and protects it. If its name is moved meanwhile, what it meant before may be gone: then once more. */
  async #held(wanted: WantedBase, context: NamedContext | undefined): Promise<Image> {
    const { store, lease } = this.#session;
    for (let before: Descriptor | undefined; ; ) {
      const descriptor = await this.#find(wanted, context);
      if ("config" in descriptor) return descriptor;
      try {
        lease.protect([descriptor.digest]);
        const image = loadImage(store, descriptor, wanted.platform);
        lease.protect([image.descriptor.digest]);
        if (before?.digest === descriptor.digest || store.flawsOf(image.descriptor).length === 0) return image;
      } catch (error) {
        const mayBeGone = isNacreError(error) && error.code === "CONTENT_INVALID";
        if (!mayBeGone || before?.digest === descriptor.digest) throw error;
      }
      before = descriptor;
    }
  }

  /** Protected first, checked then: garbage collection may have been at work in between. */
  #checkWhole(wanted: WantedBase, image: Image): void {
    const [flaw] = this.#session.store.flawsOf(image.descriptor);
    if (flaw === undefined) return;
    throw new NacreError("BASE_NOT_FOUND", `${wanted.reference} is not whole in the store: ${flaw.message}`, {
      hint: "load the image again, and see what else is damaged with: nacre check",
      place: wanted.place,
    });
  }

  async #find(wanted: WantedBase, context: NamedContext | undefined): Promise<Descriptor | Image> {
    if (context?.kind === "layout" && this.#look) {
      return this.#look.inLayout(context.path, context.name, wanted.platform);
    }
    if (context?.kind === "layout") return this.#fromLayout(context.path, context.name, wanted.platform);
    const shown = context?.kind === "image" ? context.reference : wanted.reference;
    const reference = this.#locks.held(shown);
    if (!this.#session.request.pull) {
      const known = this.#inStore(reference, wanted.platform);
      if (known) return known;
    }
    return this.#pull(wanted, reference, shown);
  }

  /** The image in the store, where it has one for the platform. */
  #inStore(reference: Reference, platform: Platform): Descriptor | undefined {
    const { store } = this.#session;
    const { digest } = reference;
    const named = store.resolveReference(formatReference(digest ? { ...reference, tag: undefined } : reference));
    const found = named ?? (digest && store.hasBlob(digest) ? descriptorOf(this.#session, digest) : undefined);
    if (found === undefined || !hasPlatform(store, found, platform)) return undefined;
    this.#locks.note(reference, named ? (wholeOf(named) ?? named) : found);
    return found;
  }

  /** Asks the registry, unless that is not to be done. */
  async #pull(wanted: WantedBase, reference: Reference, shown: string): Promise<Descriptor | Image> {
    const { store, lease, request, signal } = this.#session;
    if (request.offline) throw this.#notFound(wanted, shown);
    const { pullBase, registriesOf } = await import("./registryBases.js");
    const warn = (rule: string, message: string): void => this.#session.warn({ rule, message });
    this.#registries ??= await registriesOf({ env: request.env, signal }, { warn });
    const emit: Emit = (event) =>
      this.#session.send(event.type === "start" ? { ...event, name: `pulling ${event.name}` } : event);
    const policy = request.pull ? "always" : "missing";
    const pulling = { store, lease, policy, emit, warn, signal } as const;
    const told = (error: unknown): never => {
      throw this.#notPulled(wanted, shown, error);
    };
    if (this.#look) return this.#look.inRegistry(this.#registries, reference, wanted.platform).catch(told);
    const pulled = await pullBase(this.#registries, reference, wanted.platform, pulling).catch(told);
    this.#locks.note(reference, pulled.descriptor);
    return pulled.stored;
  }

  /** Ends connections. */
  async close(): Promise<void> {
    await this.#registries?.close();
  }

  async #fromLayout(path: string, name: string | undefined, platform: Platform): Promise<Descriptor> {
    const [{ openArchive }, { importArchive }] = await Promise.all([
      import("../archive/read.js"),
      import("../archive/import.js"),
    ]);
    const source = await openArchive(path);
    try {
      const names = name === undefined ? undefined : [name];
      const imported = await importArchive(this.#session.store, source, { names, platform });
      const wanted = imported.find((image) => image.tags.includes("latest")) ?? imported[0];
      if (wanted === undefined) throw new NacreError("BASE_NOT_FOUND", `the OCI layout ${path} holds no image`);
      return wanted.descriptor;
    } finally {
      source.close();
    }
  }

  /** Nowhere to be found, or not to be reached: then a slip of the pen is likelier than anything else. */
  #notPulled(wanted: WantedBase, reference: string, error: unknown): unknown {
    if (!isNacreError(error) || (error.code !== "IMAGE_NOT_FOUND" && error.code !== "NETWORK")) return error;
    const { message, hint, place } = this.#notFound(wanted, reference);
    const why = `${message}, and it cannot be pulled: ${error.message}`;
    const hints = wanted.hint || !error.hint ? hint : `${error.hint.replace(/[^?]$/, "$&.")} Or ${hint}`;
    return new NacreError("BASE_NOT_FOUND", why, { hint: hints, place, facts: error.facts, cause: error });
  }

  #notFound(wanted: WantedBase, reference: string): NacreError {
    const { store } = this.#session;
    const names = store.listReferences().map(({ name }) => familiarName(parseReference(name)));
    const near = nearest(reference, names);
    const hint = wanted.hint ?? (near ? `did you mean ${near}?` : undefined);
    const load = `load it first (nacre load FILE), or give it with --build-context ${reference}=oci-layout://DIR`;
    return new NacreError(
      "BASE_NOT_FOUND",
      `${reference}: no such image in the store for ${formatPlatform(wanted.platform)}`,
      {
        hint: hint ? `${hint} Otherwise ${load}` : load,
        place: wanted.place,
      },
    );
  }
}

/** What is there may be the manifest of another platform, of which only that one was pulled. */
function hasPlatform(store: Store, descriptor: Descriptor, platform: Platform): boolean {
  if (wholeOf(descriptor) === undefined) return true;
  try {
    const { os, architecture, variant } = loadImage(store, descriptor, platform).config;
    return formatPlatform(normalize({ os, architecture, variant })) === formatPlatform(normalize(platform));
  } catch {
    return false;
  }
}

function descriptorOf(session: Session, digest: Descriptor["digest"]): Descriptor {
  return { mediaType: "", digest, size: session.store.blobSize(digest) ?? 0 };
}

/** Adds the place of an instruction to a failure. */
export function placed<T>(place: Parameters<NacreError["at"]>[0], work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw isNacreError(error) ? error.at(place) : error;
  });
}
